"""Answers about the whole dataset, looked up once for all who ask.

What belongs here: sparing the store. What does not: what is looked at (``native.status``, ``native.operations``).

Looking at every day and resolution takes a server a while, and pages ask every few seconds. So what was found serves
for a refresh, and for several times as long as looking took, unless a job has changed something since.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from ohlcv_assets.api.service import Service

T = TypeVar("T")

_SHARE: Final = 10
"""Looking takes at most this part of the time."""


@dataclass
class Desk(Generic[T]):
    """One thing to look at.

    Attributes
    ----------
    question
        What it is called in metrics.
    look
        Looks at it; blocking.
    patience
        Seconds after which a look counts as failed; None for what a request may take.
    at
        When it was last looked at, by the monotonic clock; None where what was found counts no more.
    """

    question: str
    look: Callable[[Service], T]
    patience: float | None = None
    at: float | None = None
    _found: T | None = None
    _took: float = 0.0
    _changes: int = 0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _underway: asyncio.Task[T] | None = None

    async def ask(self, service: Service) -> T:
        """Return what there is to see; asked of the store where the last answer is old.

        Raises
        ------
        OhlcvError
            It could not be looked at.
        """
        async with self._lock:
            found = self._found
            if found is None or self._is_old(service):
                changes, began = service.changes, time.monotonic()
                patience = service.settings.serve_timeout if self.patience is None else self.patience
                found = await service.pool.ask(self.question, lambda: self.look(service), patience)
                self._found, self._changes, self.at = found, changes, time.monotonic()
                self._took = self.at - began
            return found

    async def ask_briefly(self, service: Service, seconds: float) -> T | None:
        """Do what ``ask`` does, but wait no longer than that: what was found before has to do then, None at first."""
        if self._underway is None or self._underway.done():
            self._underway = asyncio.create_task(self.ask(service))
            self._underway.add_done_callback(_noticed)
        done, _ = await asyncio.wait({self._underway}, timeout=seconds)
        return self._underway.result() if done else self._found

    def _is_old(self, service: Service) -> bool:
        if self.at is None or self._changes != service.changes:
            return True
        return time.monotonic() - self.at > max(service.settings.serve_refresh, _SHARE * self._took)


def _noticed(task: asyncio.Task[T]) -> None:
    with suppress(asyncio.CancelledError):
        task.exception()  # whoever waited may have gone, and asyncio wants somebody to look
