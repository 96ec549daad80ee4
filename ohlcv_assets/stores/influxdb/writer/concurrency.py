"""How many requests are in flight: more while it goes well, half as many when the server is overloaded.

What belongs here: the number, and keeping to it. What does not: what counts as overload (``failures``).

Additive increase, multiplicative decrease (Chiu and Jain 1989), as in TCP: one halving per round trip, since the
requests that were in flight together fail together.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ohlcv_assets.stores.influxdb.writer.halt import Halted

WINDOW: Final = 8
"""Acknowledgements whose mean latency is looked at together."""

RISING: Final = 5.0
"""A mean latency this many times the lowest one seen counts as overload."""

UNSUSPICIOUS: Final = 2.0
"""Seconds of latency that are never taken for overload: compactions stall a healthy server this long."""

_FORGETTING: Final = 1.1
"""Growth of the lowest latency per window, so that a server that has become slower for good is not held down."""


class Limit:
    """A number of requests between 1 and ``most``; safe to use from several threads."""

    def __init__(self, most: int, first: int | None = None) -> None:
        self._most = most
        self._value = float(most if first is None else first)
        self._halved = float("-inf")
        self._latencies: list[float] = []
        self._lowest: float | None = None
        self._lock = threading.Lock()

    @property
    def value(self) -> int:
        """Requests that may be in flight."""
        with self._lock:
            return int(self._value)

    def acknowledged(self, started: float, now: float) -> bool:
        """Take notice of an acknowledgement; return whether its latency halved the limit."""
        with self._lock:
            if started < self._halved:
                return False  # its latency tells of the time before
            self._value = min(float(self._most), self._value + 1 / self._value)
            self._latencies.append(now - started)
            if len(self._latencies) < WINDOW:
                return False
            mean = sum(self._latencies) / WINDOW
            self._latencies.clear()
            rising = self._lowest is not None and mean > max(UNSUSPICIOUS, RISING * self._lowest)
            self._lowest = mean if self._lowest is None else min(mean, self._lowest * _FORGETTING)
            if rising:
                self._halve(now)
            return rising

    def overloaded(self, started: float, now: float) -> bool:
        """Take notice of an overload; return whether it halved the limit."""
        with self._lock:
            if started < self._halved:
                return False
            self._halve(now)
            return True

    def _halve(self, now: float) -> None:
        self._value = max(1.0, self._value / 2)
        self._halved = now
        self._latencies.clear()


class Gate:
    """Lets as many in as the limit says; safe to use from several threads.

    Attributes
    ----------
    inside
        How many are in.
    peak
        Most that were in at a time.
    """

    def __init__(self, limit: Limit) -> None:
        self.inside = 0
        self.peak = 0
        self._limit = limit
        self._closed = False
        self._changed = threading.Condition()

    @contextmanager
    def passage(self) -> Iterator[None]:
        """Wait for a place and keep it for the block.

        Raises
        ------
        Halted
            The gate was closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.inside < self._limit.value)
            if self._closed:
                raise Halted
            self.inside += 1
            self.peak = max(self.peak, self.inside)
        try:
            yield
        finally:
            with self._changed:
                self.inside -= 1
                # The limit may have grown by more than the one who leaves.
                self._changed.notify_all()

    def close(self) -> None:
        """Turn away everybody who waits or comes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
