"""How many requests a client may send: a bucket of tokens each, refilled at a rate.

What belongs here: the buckets. What does not: who counts as one client (``gate``).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_MOST_CLIENTS: Final = 10_000
"""Clients that are remembered; the one that was silent longest is forgotten first, and has a full bucket by then."""

_SECONDS_AT_ONCE: Final = 2.0


class Limiter:
    """Buckets by client; to be used from one thread.

    Parameters
    ----------
    rate
        Requests a second.
    clock
        Seconds that only grow.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.most = max(1.0, rate * _SECONDS_AT_ONCE)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Take a token; return 0 where there was one, or the seconds until there is."""
        now = self._clock()
        held, since = self._buckets.pop(client, (self.most, now))
        held = min(self.most, held + (now - since) * self.rate)
        wait = 0.0 if held >= 1 else (1 - held) / self.rate
        self._buckets[client] = (held if wait > 0 else held - 1, now)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return wait
