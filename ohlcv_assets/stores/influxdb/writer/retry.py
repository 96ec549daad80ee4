"""When to send again, and until when.

What belongs here: arithmetic on seconds. What does not: clocks, waiting, sending.

Waits are "full jitter": uniform between zero and a bound that doubles with every attempt, so that those who failed
together do not come back together (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import threading
from typing import Final

from ohlcv_assets.stores.influxdb.failures import Failure

FIRST: Final = 0.1
LONGEST: Final = 10.0
_DOUBLINGS: Final = 30


def backoff(attempt: int, draw: float, first: float = FIRST, longest: float = LONGEST) -> float:
    """Return the seconds to wait before an attempt is repeated.

    Parameters
    ----------
    attempt
        How often it has failed, from 1.
    draw
        A random number in [0, 1).
    first, longest
        Bound of the first wait, and of all waits.
    """
    return draw * float(min(longest, first * 2 ** min(attempt - 1, _DOUBLINGS)))


def pause(failure: Failure, attempt: int, draw: float, remaining: float) -> float:
    """Return the seconds to wait after a failure, never longer than what remains until the deadline.

    ``Retry-After`` is a lower bound; a little is added, so that not everybody comes back at the same instant.
    """
    asked = failure.retry_after
    wished = backoff(attempt, draw) if asked is None else asked + backoff(1, draw)
    return max(0.0, min(wished, remaining))


class Patience:
    """How long it has been going wrong; safe to use from several threads.

    Parameters
    ----------
    deadline
        Seconds from a first failure, without any success in between, until there is no patience left.

    Attributes
    ----------
    last
        The latest failure; None while there was none.
    """

    def __init__(self, deadline: float) -> None:
        self.last: Failure | None = None
        self._deadline = deadline
        self._since: float | None = None
        self._lost = 0.0
        self._lock = threading.Lock()

    def failed(self, failure: Failure, started: float) -> None:
        """Take notice that what was begun at that instant failed."""
        with self._lock:
            self.last = failure
            if self._since is None:
                self._since = started

    def succeeded(self, now: float) -> None:
        """Take notice of a success."""
        with self._lock:
            if self._since is not None:
                self._lost += max(0.0, now - self._since)
                self._since = None

    def remaining(self, now: float) -> float:
        """Return the seconds left; at most zero when the deadline is over."""
        with self._lock:
            return self._deadline if self._since is None else self._since + self._deadline - now

    def lost(self, now: float) -> float:
        """Return the seconds between first failures and the next success, those of a failure under way included."""
        with self._lock:
            return self._lost + (0.0 if self._since is None else max(0.0, now - self._since))
