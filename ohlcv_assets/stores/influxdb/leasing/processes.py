"""Which process holds something, and whether it still runs.

What belongs here: naming a process so that others can tell whether it is gone. What does not: what it holds
(``leases``).
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import psutil

_TOLERANCE: Final = 2.0
"""Seconds that a process's start may seem to move when the clock is set."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process as others see it.

    Attributes
    ----------
    host
        Name of its machine, for people.
    place
        Where its id means something: one boot of one machine, one namespace of process ids.
    pid
        Its id there.
    started
        Seconds since 1970; tells it from a later process of the same id.
    """

    host: str
    place: str
    pid: int
    started: float


def this_process() -> Process:
    """Return the process that asks."""
    pid = os.getpid()
    return Process(socket.gethostname(), _place(), pid, psutil.Process(pid).create_time())


def is_dead(process: Process) -> bool:
    """Return whether a process is known to run no more; one that cannot be seen from here is not known to be dead."""
    if process.place != _place():
        return False
    try:
        found = psutil.Process(process.pid)
        return found.status() == psutil.STATUS_ZOMBIE or abs(found.create_time() - process.started) > _TOLERANCE
    except psutil.NoSuchProcess:
        return True


@cache
def _place() -> str:
    """Return this boot and this namespace of process ids; a container that is started anew is another place."""
    if sys.platform == "linux":
        with suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return f"{socket.gethostname()} {psutil.boot_time():.0f}"
