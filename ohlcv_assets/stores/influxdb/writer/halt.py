"""Stopping a write: the first error wins, everybody who waits is woken.

What belongs here: that signal. What does not: what is stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Halted(Exception):  # noqa: N818 -- no error: it tells a thread to go home
    """The write is over; whoever sees this stops and says nothing."""


class Halt:
    """Whether a write has to stop, and why; safe to use from several threads.

    Attributes
    ----------
    event
        Set once it has to.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self._error: BaseException | None = None
        self._closers: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    @property
    def error(self) -> BaseException | None:
        """What went wrong first; None while nothing has."""
        with self._lock:
            return self._error

    def also(self, close: Callable[[], None]) -> None:
        """Have something called when the write has to stop."""
        self._closers.append(close)

    def stop(self, error: BaseException) -> None:
        """Stop the write because of an error; only the first one is kept."""
        with self._lock:
            if self._error is None:
                self._error = error
        self.event.set()
        for close in self._closers:
            close()

    def check(self) -> None:
        """Raise Halted where the write has to stop."""
        if self.event.is_set():
            raise Halted
