"""Keeping a load below a number of rows a second.

What belongs here: when the next rows may go. What does not: waiting until then.
"""

from __future__ import annotations

import threading
from functools import cache


class Throttle:
    """Spaces batches so that on average no more than ``rate`` rows a second go; safe to use from several threads."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free = float("-inf")
        self._lock = threading.Lock()

    def delay(self, rows: int, now: float) -> float:
        """Reserve the next rows and return the seconds to wait before they go.

        Time that nobody used is not saved up.
        """
        with self._lock:
            start = max(self._free, now)
            self._free = start + rows / self._rate
            return start - now


@cache
def throttle_of(rate: int) -> Throttle:
    """Return the process's throttle of that rate: all writers together keep to it."""
    return Throttle(rate)
