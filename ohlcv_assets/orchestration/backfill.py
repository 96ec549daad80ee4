"""Many days, one Dagster run each, in warm worker processes, without a daemon.

What belongs here: which days are run, watching, the summary. What does not: processes (``crew``), a single run
(``runs``).
"""

from __future__ import annotations

import datetime as dt
import signal
import threading
import time
import uuid
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from ohlcv_assets.orchestration.crew import Crew
from ohlcv_assets.orchestration.done import skipped_days
from ohlcv_assets.orchestration.history import fail_dead_runs, history
from ohlcv_assets.orchestration.home import home_of
from ohlcv_assets.orchestration.outcome import DayOutcome
from ohlcv_assets.orchestration.runs import Runner
from ohlcv_assets.orchestration.worker import Assignment
from ohlcv_assets.pipeline.disk import require_disk
from ohlcv_assets.pipeline.retention import require_kept
from ohlcv_assets.pipeline.steps import require_day
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.project import Project
from ohlcv_assets.settings import Settings
from ohlcv_assets.stores.base import LoadsByParts

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """What became of a backfill.

    Attributes
    ----------
    backfill
        Its identifier, the tag ``ohlcv/backfill`` of its runs.
    days
        Every day that was asked for and looked at, in order; those left out by an interrupt are missing.
    asked
        How many days were asked for.
    repaired
        Runs of killed processes that were reported failed at the beginning.
    workers
        Worker processes at once.
    seconds
        Wall time in all.
    interrupted
        Whether it was told to stop.
    report_error
        Why the report could not be made, or empty; it is not tried after an interrupt.
    """

    backfill: str
    days: tuple[DayOutcome, ...]
    asked: int
    repaired: tuple[str, ...]
    workers: int
    seconds: float
    interrupted: bool
    report_error: str

    def of(self, state: str) -> tuple[DayOutcome, ...]:
        """Return the days that were ``made``, ``skipped`` or ``failed``."""
        return tuple(day for day in self.days if day.state == state)

    @property
    def succeeded(self) -> bool:
        """Whether every day asked for is made and proved, and the report was written."""
        return not self.of("failed") and len(self.days) == self.asked and not self.report_error

    @property
    def trades(self) -> int:
        """Trades of all days that are made or were before."""
        return sum(day.trades for day in self.days if day.state != "failed")

    @property
    def orchestration_seconds(self) -> float:
        """Wall seconds of a run that are not its steps' own, on average over the days made."""
        return _mean([day.seconds - day.body_seconds for day in self.of("made")])

    @property
    def orchestration_cpu_seconds(self) -> float:
        """The same in processor time."""
        return _mean([day.cpu_seconds - day.body_cpu_seconds for day in self.of("made")])

    @property
    def orchestration_share(self) -> float:
        """Orchestration's share of the runs' processor time, 0 to 1."""
        total = sum(day.cpu_seconds for day in self.of("made"))
        return 1 - sum(day.body_cpu_seconds for day in self.of("made")) / total if total > 0 else 0.0

    @property
    def peak_memory(self) -> int:
        """Largest resident size of a worker, bytes."""
        return max((day.peak_memory for day in self.days), default=0)


def backfill(
    project: Project,
    days: Sequence[dt.date],
    *,
    workers: int | None = None,
    force: bool = False,
    observer: Observer = nobody,
) -> BackfillResult:
    """Make and prove days that are not done yet, each in a Dagster run of its own, and write the report.

    Safe to kill at any moment and to run again, and safe beside another backfill of the same days. A day that fails
    stops no other. The first interrupt lets the days under way end, the second does not.

    Parameters
    ----------
    project
        Whose days.
    days
        Which, in the order in which they are begun.
    workers
        Processes at once; the setting's where None.
    force
        Run every day, done or not, and replace files that are stale, damaged or foreign.
    observer
        Told how the backfill stands whenever a day ends (stage ``"backfill"``, unit ``"days"``, with trades, rate,
        failures and the seconds left in the detail), what became of the day (stage ``"day"``), and what the steps in
        the workers tell, at most ten times a second each.

    Raises
    ------
    OutsideDatasetError
        The dataset does not have one of the days.
    MachineError
        There is not enough room, or a folder cannot be written.
    StoreError
        The store cannot be used, or would not keep one of the days.
    """
    begun = time.perf_counter()
    for day in days:
        require_day(project, day)
    name, size = uuid.uuid4().hex[:8], workers if workers is not None else project.settings.workers
    with history(project) as instance, _stop_requests() as stopping:
        repaired = fail_dead_runs(instance)
        outcomes = {} if force else skipped_days(project, instance, days)
        todo = [day for day in days if day not in outcomes]
        require_kept(project, todo)
        require_disk(project, todo)
        watch = _Watch(observer, len(days), outcomes)
        if todo:
            assignment = Assignment(_shared(project.settings, size), home_of(project.settings), name, force)
            _make(project, todo, Crew(assignment, size, observer), stopping, watch)
            fail_dead_runs(instance)
        interrupted = stopping() > 0
        report_error = "" if interrupted else Runner(project, instance, name).report()
    return BackfillResult(
        backfill=name,
        days=tuple(outcomes[day] for day in days if day in outcomes),
        asked=len(days),
        repaired=repaired,
        workers=size,
        seconds=time.perf_counter() - begun,
        interrupted=interrupted,
        report_error=report_error,
    )


def _make(project: Project, days: Sequence[dt.date], crew: Crew, stopping: Callable[[], int], watch: _Watch) -> None:
    """Let a crew make some days, watched."""
    _warm_up(project)
    for outcome in crew.outcomes(days, stopping, _lane_of(project)):
        watch.ended(outcome)


def report_path(project: Project) -> Path:
    """Return where the HTML report of a project is written."""
    return project.reports / f"{project.dataset.name}.html"


class _Watch:
    """Keeps what became of days and tells an observer how a backfill stands, now and whenever a day ends."""

    def __init__(self, observer: Observer, total: int, outcomes: dict[dt.date, DayOutcome]) -> None:
        self._observer = observer
        self._total = total
        self._outcomes = outcomes
        self._before = len(outcomes)
        self._start = time.perf_counter()
        self._tell()

    def ended(self, day: DayOutcome) -> None:
        """Keep what became of a day and tell it."""
        self._outcomes[day.day] = day
        figures: dict[str, float | int | str] = {
            "state": day.state,
            "trades": day.trades,
            "seconds": day.seconds,
            "checks_passed": day.checks_passed,
            "checks_failed": day.checks_failed,
        }
        self._observer(Progress("day", day.day.isoformat(), 1, 1, "days", figures))
        self._tell()

    def _tell(self) -> None:
        done = len(self._outcomes)
        ended = [day for day in self._outcomes.values() if day.state != "skipped"]
        seconds = time.perf_counter() - self._start
        trades = sum(day.trades for day in ended)
        pace = seconds / (done - self._before) if done > self._before else 0.0
        last = next(reversed(self._outcomes.values()), None)
        detail: dict[str, float | int | str] = {
            "trades": trades,
            "trades_per_second": trades / seconds if ended else 0.0,
            "skipped": self._before,
            "failed": sum(day.state == "failed" for day in ended),
            "seconds_left": pace * (self._total - done),
        }
        if last is not None and last.state == "failed":
            detail["last_failure"] = f"{last.day}: {last.error}"
        self._observer(Progress("backfill", "days", done, self._total, "days", detail))


class _Requests:
    """How often a stop was asked for."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        return self.count

    def add(self, _signal: int, _frame: FrameType | None) -> None:
        """Count one, as a signal handler."""
        self.count += 1


@contextmanager
def _stop_requests() -> Iterator[_Requests]:
    """Count interrupts and terminations instead of dying of them; only the main thread can."""
    requests = _Requests()
    if threading.current_thread() is not threading.main_thread():
        yield requests
        return
    before = {number: signal.signal(number, requests.add) for number in _STOP_SIGNALS}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _lane_of(project: Project) -> Callable[[dt.date], Hashable]:
    """Return what says which days get in each other's way in the store."""
    store = project.trade_store
    return store.part_of if isinstance(store, LoadsByParts) else lambda _day: None


def _shared(settings: Settings, workers: int) -> Settings:
    """Return settings in which the workers share one session's threads: more threads than cores cost time."""
    return settings.model_copy(update={"duckdb_threads": max(1, settings.duckdb_threads // workers)})


def _warm_up(project: Project) -> None:
    """Compile the generator's kernels before workers start, or each would."""
    if project.dataset.kind == "synthetic":
        from ohlcv_assets.generate.generator import warm_up  # noqa: PLC0415 -- takes seconds, only runs need it

        warm_up()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
