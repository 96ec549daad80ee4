"""A process that does the same work again and again keeps what it needs for that.

What belongs here: settings of memory of a whole process. What does not: the work (``worker``).

Every day needs some hundred megabytes for a moment. The allocators give them back to the system, which has to clear
every page before it hands it out again, and a collector of garbage that looks at all of Dagster's modules finds nothing
there: together a tenth of a worker's processor time.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
from contextlib import suppress
from typing import Final

import pyarrow as pa

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
"""Options of glibc's ``mallopt``."""

_KEPT: Final = 1 << 30
"""Bytes at the end of the heap that are not given back."""

_APART: Final = 1 << 25
"""Bytes of an allocation from which on it comes from the system and goes back to it; glibc takes no more than that."""


def keep_memory() -> None:
    """Keep memory that is freed, where the C library can be told to."""
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(AttributeError, OSError):  # another C library
        adjust = ctypes.CDLL(None).mallopt
        adjust(_TRIM_THRESHOLD, _KEPT)
        adjust(_MMAP_THRESHOLD, _APART)


def keep_objects() -> None:
    """Leave what is there now alone when garbage is collected."""
    gc.collect()
    gc.freeze()
    # Modules that are never collected are told of as leaked, at length, when the process ends.
    atexit.register(gc.unfreeze)
