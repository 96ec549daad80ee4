"""Questions to the store, in threads: at most so many at a time, none for longer than its time-out.

What belongs here: getting blocking calls off the event loop. What does not: what to do when one takes too long.

A thread cannot be stopped. A question that took too long goes on in its thread and counts until it ends, so that a slow
store makes the service refuse rather than pile up work.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from ohlcv_assets.api.telemetry import Telemetry
from ohlcv_assets.api.timing import took
from ohlcv_assets.errors import StoreError

T = TypeVar("T")


class TooSlowError(StoreError):
    """A question took longer than its time-out; a smaller one may pass."""


class OverloadedError(StoreError):
    """So many questions wait already that one more is refused."""


class Pool:
    """Threads for questions to the store.

    Parameters
    ----------
    threads
        Questions at a time.
    waiting
        Questions that may wait beside them.
    timeout
        Seconds until a question counts as too slow, waiting included.
    telemetry
        Told how long they take.
    """

    def __init__(self, threads: int, waiting: int, timeout: float, telemetry: Telemetry) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store")
        self._most = threads + waiting
        self._timeout = timeout
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._pending = 0
        self._underway: dict[Hashable, asyncio.Task[tuple[Any, float]]] = {}  # Any: of any question

    async def ask(self, question: str, call: Callable[[], T], patience: float | None = None) -> T:
        """Run a call in a thread and return what it returns.

        Parameters
        ----------
        question
            What it is called in metrics.
        call
            Blocking.
        patience
            Seconds in place of the usual time-out.

        Raises
        ------
        OverloadedError
            Too many questions wait.
        TooSlowError
            The time is over; the call goes on in its thread.
        """
        answer, seconds = await self._answer(question, self._submit(call), patience)
        took(seconds)
        return answer

    def _submit(self, call: Callable[[], T]) -> Future[tuple[T, float]]:
        """Have a thread run a call; it gives what the call returns, and how long that took."""
        with self._lock:
            if self._pending >= self._most:
                raise OverloadedError(f"{self._pending} questions to the store are asked already; ask again later.")
            self._pending += 1
        self._telemetry.waiting.inc()
        asked = self._threads.submit(_timed, call)
        asked.add_done_callback(self._ended)
        return asked

    async def _answer(
        self, question: str, asked: Future[tuple[T, float]], patience: float | None = None
    ) -> tuple[T, float]:
        """Wait for what a thread gives."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout if patience is None else patience):
                return await asyncio.wrap_future(asked)
        except TimeoutError:
            self._telemetry.store_failures.labels(question).inc()
            raise TooSlowError(f"The question {question!r} took too long.") from None
        except StoreError:
            self._telemetry.store_failures.labels(question).inc()
            raise
        finally:
            self._telemetry.store_seconds.labels(question).observe(time.perf_counter() - began)

    async def ask_once(self, same: Hashable, question: str, call: Callable[[], T]) -> T:
        """Do what ``ask`` does, once for all who ask the same at the same time: a page that many open at once.

        Parameters
        ----------
        same
            What tells equal calls from others; what they return is shared and must not be changed.
        question, call
            As for ``ask``.
        """
        task: asyncio.Task[tuple[T, float]] | None = self._underway.get(same)
        if task is None:
            # The thread begins before the task does: waking it takes a moment.
            task = asyncio.create_task(self._answer(question, self._submit(call)))
            self._underway[same] = task
            task.add_done_callback(lambda done: self._answered(same, done))
        # One who goes away takes no answer from the others.
        answer, seconds = await asyncio.shield(task)
        took(seconds)
        return answer

    def close(self) -> None:
        """Take no more questions and wait for those that are asked."""
        self._threads.shutdown(cancel_futures=True)

    def _answered(self, same: Hashable, task: asyncio.Task[tuple[T, float]]) -> None:
        del self._underway[same]
        if not task.cancelled():
            task.exception()  # all who asked may have gone, and asyncio wants somebody to look

    def _ended(self, _: Future[tuple[T, float]]) -> None:
        with self._lock:
            self._pending -= 1
        self._telemetry.waiting.dec()


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    answer = call()
    return answer, time.perf_counter() - began
