"""Time-outs that are over when a test says so, however slow the machine is.

What belongs here: standing in for ``asyncio.timeout``. What does not: what has time-outs.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import pytest

NEVER = 299.5
"""Seconds of time-outs that do not end by themselves within a test; nothing else takes as long."""


class Deadlines:
    """All time-outs of ``NEVER`` seconds that were made since.

    Parameters
    ----------
    monkeypatch
        Of the test.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._made: list[tuple[asyncio.Timeout, asyncio.AbstractEventLoop]] = []
        self._known = threading.Event()
        real = asyncio.timeout

        def timeout(seconds: float | None) -> asyncio.Timeout:
            made = real(seconds)
            if seconds == NEVER:
                self._made.append((made, asyncio.get_running_loop()))
                self._known.set()
            return made

        monkeypatch.setattr(asyncio, "timeout", timeout)

    def pass_by(self) -> None:
        """Let all of them be over that wait; to be called from any thread, which is to wait for something with one."""
        assert self._known.wait(60)
        over = threading.Event()
        for _, loop in self._made[-1:]:
            loop.call_soon_threadsafe(self._expire, over)
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            return
        assert over.wait(60)

    def _expire(self, over: threading.Event) -> None:
        ending: list[asyncio.Timeout] = []
        for made, loop in self._made:
            # Those that are over already cannot be moved.
            with suppress(RuntimeError):
                made.reschedule(loop.time())
                ending.append(made)
        self._wait(ending, over)

    def _wait(self, ending: list[asyncio.Timeout], over: threading.Event) -> None:
        """Let whoever waits go on once all are over: an answer must not come before."""
        if all(made.expired() for made in ending):
            over.set()
        else:
            asyncio.get_running_loop().call_soon(self._wait, ending, over)
