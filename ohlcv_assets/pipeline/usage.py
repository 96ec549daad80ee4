"""What a step costs: wall time, processor time, peak memory, bytes in and out.

What belongs here: measuring this process. What does not: showing or keeping the figures.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

_PEAK_RESET: Final = Path("/proc/self/clear_refs")
_STATUS: Final = Path("/proc/self/status")


@dataclass(slots=True)
class Usage:
    """What one step cost; filled in when ``measured`` ends.

    Attributes
    ----------
    seconds
        Wall time.
    cpu_seconds
        Processor time of all threads of this process.
    peak_memory
        Largest resident size in bytes: of the step where the system can tell (Linux), of the process elsewhere.
    bytes_in, bytes_out
        Bytes passed through reads and writes of this process, cached or not; 0 where the system does not count them.
        Memory-mapped files are not in it.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@contextmanager
def measured() -> Iterator[Usage]:
    """Measure the body; the figures are there after it, whether it raised or not."""
    usage = Usage()
    with suppress(OSError):
        _PEAK_RESET.write_text("5")  # Linux: the peak starts anew from what is resident now
    read, written = _transferred()
    cpu = time.process_time()
    start = time.perf_counter()
    try:
        yield usage
    finally:
        usage.seconds = time.perf_counter() - start
        usage.cpu_seconds = time.process_time() - cpu
        usage.peak_memory = peak_memory()
        read_now, written_now = _transferred()
        usage.bytes_in, usage.bytes_out = read_now - read, written_now - written


def peak_memory() -> int:
    """Return the largest resident size in bytes since the last reset, or of the process where none is possible."""
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes there, kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _transferred() -> tuple[int, int]:
    try:
        counters = psutil.Process().io_counters()
    except (AttributeError, psutil.Error):  # macOS has no such counters; a container may hide them
        return 0, 0
    return int(counters.read_chars), int(counters.write_chars)
