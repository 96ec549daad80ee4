"""The worker processes of a backfill: starting them, giving them days, replacing those that die.

What belongs here: processes and pipes. What does not: what a worker does (``worker``), which days there are
(``backfill``).
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Final

from ohlcv_assets.orchestration.lanes import Lanes
from ohlcv_assets.orchestration.outcome import DayOutcome
from ohlcv_assets.orchestration.worker import Assignment, work
from ohlcv_assets.progress import Observer, Progress, nobody

_LOOK_EVERY: Final = 0.5
"""Seconds between two looks at whether to stop."""


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    orders: Connection
    lifeline: Connection
    day: dt.date | None = None


class Crew:
    """Some workers and the days they still have to do.

    Parameters
    ----------
    assignment
        What all of them work on.
    size
        How many at once, at most one a day.
    observer
        Told what the workers tell.
    """

    def __init__(self, assignment: Assignment, size: int, observer: Observer = nobody) -> None:
        self._assignment = assignment
        self._size = size
        self._observer = observer
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []

    def outcomes(
        self,
        days: Sequence[dt.date],
        stopping: Callable[[], int],
        lane_of: Callable[[dt.date], Hashable] = lambda _day: None,
    ) -> Iterator[DayOutcome]:
        """Yield what became of each day, as they end; days not begun when it is time to stop are left out.

        Parameters
        ----------
        days
            In the order in which they are begun.
        stopping
            0: go on; 1: begin no further day; 2: end at once, days under way are lost.
        lane_of
            Days that follow each other and have the same are best done by one worker.
        """
        waiting = Lanes(days, lane_of)
        try:
            self._workers = [self._start() for _ in range(min(self._size, len(days)))]
            for worker in self._workers:
                self._give(worker, waiting)
            while any(worker.day is not None for worker in self._workers) and stopping() < 2:  # noqa: PLR2004 -- above
                if stopping() > 0:
                    waiting.clear()
                yield from self._look(waiting)
        finally:
            self.end()

    def end(self) -> None:
        """End every worker: idle ones leave, busy ones are killed."""
        for worker in self._workers:
            if worker.day is not None:
                worker.process.kill()
            worker.orders.close()
            worker.process.join()
            worker.lifeline.close()
        self._workers = []

    def _look(self, waiting: Lanes) -> Iterator[DayOutcome]:
        busy = {worker.orders: (worker, worker.day) for worker in self._workers if worker.day is not None}
        for connection in wait(list(busy), timeout=_LOOK_EVERY):
            worker, day = busy[connection]  # type: ignore[index]  # only connections were waited for
            try:
                said: DayOutcome | Progress = worker.orders.recv()
            except (EOFError, OSError):
                said = self._lost(worker, day)
                worker = self._replace(worker)
            if isinstance(said, Progress):
                self._observer(said)
                continue
            self._give(worker, waiting)
            yield said

    def _give(self, worker: _Worker, waiting: Lanes) -> None:
        worker.day = waiting.next(id(worker))
        if worker.day is not None:
            worker.orders.send(worker.day)

    @staticmethod
    def _lost(worker: _Worker, day: dt.date) -> DayOutcome:
        worker.process.join()
        code = worker.process.exitcode or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return DayOutcome(day, "failed", error=f"The worker process {how}; run the backfill again.")

    def _replace(self, worker: _Worker) -> _Worker:
        worker.orders.close()
        worker.lifeline.close()
        new = self._start()
        self._workers[self._workers.index(worker)] = new
        return new

    def _start(self) -> _Worker:
        orders, theirs = self._context.Pipe()
        lifeline_end, lifeline = self._context.Pipe(duplex=False)
        process = self._context.Process(target=work, args=(theirs, lifeline_end, self._assignment))
        process.start()
        theirs.close()
        lifeline_end.close()
        return _Worker(process, orders, lifeline)
