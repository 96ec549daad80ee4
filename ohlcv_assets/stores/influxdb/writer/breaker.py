"""A circuit breaker: after several failures in a row nobody sends, until a probe has come through.

What belongs here: its three states. What does not: clocks, waiting, what the probe is.

    closed     everybody sends; ``threshold`` failures in a row open it
    open       nobody sends until a pause is over; pauses grow with every opening without a success in between
    half open  one sender probes, the others wait; success closes it, failure opens it again
"""

from __future__ import annotations

import threading
from typing import Final, Literal

from ohlcv_assets.stores.influxdb.writer.retry import backoff

State = Literal["closed", "open", "half open"]
Turn = Literal["send", "probe", "wait"]

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0


class Breaker:
    """The breaker of one write; safe to use from several threads.

    Parameters
    ----------
    threshold
        Failures in a row that open it.

    Attributes
    ----------
    openings
        How often it has opened after failed writes; a failed probe is the same opening still.
    """

    def __init__(self, threshold: int) -> None:
        self.openings = 0
        self._threshold = threshold
        self._state: State = "closed"
        self._failures = 0
        self._pauses = 0
        self._until = 0.0
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        """The state as of the last event."""
        with self._lock:
            return self._state

    def turn(self, now: float) -> Turn:
        """Return what a sender may do now; who is told to probe must report with ``probed``."""
        with self._lock:
            if now < self._until or self._state == "half open":
                return "wait"
            if self._state == "closed":
                return "send"
            self._state = "half open"
            return "probe"

    def wait(self, now: float) -> float:
        """Return the seconds until the pause is over; zero where there is none."""
        with self._lock:
            return max(0.0, self._until - now)

    def hold(self, until: float) -> None:
        """Let nobody send before an instant, because the server asked for it."""
        with self._lock:
            self._until = max(self._until, until)

    def failed(self, now: float, draw: float) -> bool:
        """Count a failed write; return whether it opened the breaker."""
        with self._lock:
            self._failures += 1
            if self._state != "closed" or self._failures < self._threshold:
                return False
            self.openings += 1
            self._open(now, draw)
            return True

    def passed(self) -> None:
        """Close the breaker: a write was acknowledged."""
        with self._lock:
            self._state = "closed"
            self._failures = self._pauses = 0

    def probed(self, now: float, draw: float, *, passed: bool) -> None:
        """Close or open the breaker after a probe."""
        with self._lock:
            if self._state != "half open":
                return  # a write that was still under way has come through meanwhile
            if passed:
                self._state = "closed"
                self._failures = 0
            else:
                self._open(now, draw)

    def _open(self, now: float, draw: float) -> None:
        self._state = "open"
        self._pauses += 1
        # Half of it is fixed: a breaker that opens for no time at all would be none.
        longest = backoff(self._pauses, 1.0, FIRST_PAUSE, LONGEST_PAUSE)
        self._until = max(self._until, now + longest * (1 + draw) / 2)
