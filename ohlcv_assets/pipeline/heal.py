"""Making exactly those bars that are missing or stale.

What belongs here: carrying out a plan, what is tried again, what is given up. What does not: finding out how bars stand
(``bar_days``), planning (``heal_plan``), making a day's bars (``steps``), tasks of a server (``Project.pausing`` keeps
them still).

Several may heal at once: the records of a day are looked at again once its lease is held, so that what somebody else
has made meanwhile is not made again.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from ohlcv_assets.bars.chunks import Span, moved
from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS, Resolution
from ohlcv_assets.errors import (
    MachineError,
    OhlcvError,
    StoreAccessError,
    StoreBusyError,
    StoreError,
    StoreQueryError,
    StoreUnavailableError,
)
from ohlcv_assets.pipeline.bar_days import bar_days
from ohlcv_assets.pipeline.engines.choice import engine_of
from ohlcv_assets.pipeline.heal_plan import Job, Need, Needs, frame_of, jobs_of, needs_of, parts_of
from ohlcv_assets.pipeline.recording import day_records, tell
from ohlcv_assets.pipeline.settled import is_done
from ohlcv_assets.pipeline.standing import tell_standing
from ohlcv_assets.pipeline.steps import require_day, roll_up_held
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.project import Project
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.units import day_bounds, day_start

ATTEMPTS: Final = 3
"""How often a single day is tried."""

FIRST_PAUSE: Final = 1.0
"""Most seconds before the second attempt; twice as many before each further one."""

HOPELESS: Final = 3
"""Days in a row for which the store did not answer, after which nobody goes on asking it."""

CANCELLED: Final = "It was cancelled."
"""Why healing stopped that somebody asked to stop."""

_SLOW: Final = (StoreUnavailableError, StoreQueryError)
"""What a chunk that is too large ends in."""

_FOR_ALL: Final = (StoreAccessError, MachineError)
"""What another chunk would end in as well."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A day that was not made, at which resolutions, and why."""

    day: dt.date
    resolutions: tuple[str, ...]
    error: str


@dataclass(slots=True)
class Healed:
    """What ``heal`` did.

    Attributes
    ----------
    chunks, days
        Planned chunks; days made, of any resolution.
    bars
        Bars made.
    removed
        Bars deleted whose trades are gone.
    made_by_others
        Days that somebody else made meanwhile.
    busy, failed
        Days that somebody else was making for too long, and days that failed for good.
    waiting
        Days that have bars but no proved trades: they must be loaded first.
    stopped
        Why it ended before its end; empty where it did not.
    seconds
        Wall time.
    """

    chunks: int = 0
    days: int = 0
    bars: int = 0
    removed: int = 0
    made_by_others: int = 0
    busy: list[GivenUp] = field(default_factory=list)
    failed: list[GivenUp] = field(default_factory=list)
    waiting: list[dt.date] = field(default_factory=list)
    stopped: str = ""
    seconds: float = 0.0

    @property
    def succeeded(self) -> bool:
        """Whether nothing is left to be done that could be."""
        return not (self.busy or self.failed or self.stopped)


def heal(
    project: Project,
    days: Sequence[dt.date] | None = None,
    *,
    observer: Observer = nobody,
    sleep: Callable[[float], None] = time.sleep,
    halted: Callable[[], bool] = lambda: False,
) -> Healed:
    """Make the bars that are missing or stale, and delete those whose trades are gone.

    Parameters
    ----------
    project
        Whose.
    days
        In order; all of the dataset's where None.
    observer
        Told how many chunks are done (stage ``"heal"``), what became of each day and resolution (``"chunk"``), and how
        the days of each resolution stand, before and after (``"standing"``).
    sleep
        How to wait between attempts.
    halted
        Asked before each day whether to stop there; the days before are made, the others as they were.

    Raises
    ------
    OutsideDatasetError
        The dataset does not have one of the days.
    SettingsError
        The store in force does not have the engine in force.
    StoreError, MachineError
        The store or the machine does not let us at all: nothing of what is left could be done.
    """
    chosen = project.dataset.days if days is None else tuple(days)
    for day in chosen:
        require_day(project, day)
    engine_of(project)
    began = time.perf_counter()
    facts = bar_days(project, chosen, STORED_RESOLUTIONS)
    tell_standing(observer, facts)
    needs, orphans = needs_of(facts)
    jobs = tuple(jobs_of(needs))
    healed = Healed(chunks=len(jobs))
    if jobs or orphans:
        with project.pausing(STORED_RESOLUTIONS):
            _Healing(project, needs, healed, observer, sleep, halted).run(jobs, orphans)
        if not healed.stopped:
            with suppress(StoreError):  # what was done is done, whatever the store says now
                tell_standing(observer, bar_days(project, chosen, STORED_RESOLUTIONS))
    healed.seconds = time.perf_counter() - began
    return healed


def remake(
    project: Project,
    days: Sequence[dt.date],
    resolutions: Sequence[Resolution],
    *,
    observer: Observer = nobody,
    sleep: Callable[[float], None] = time.sleep,
    halted: Callable[[], bool] = lambda: False,
) -> Healed:
    """Make bars of proved days by the engine in force, whatever is recorded of them: one resolution after the other.

    Parameters
    ----------
    project
        Whose.
    days
        In order; those without proved trades are left, and told as waiting.
    resolutions
        Stored ones; each is made in chunks of its own size.
    observer, sleep, halted
        As for ``heal``.

    Raises
    ------
    OutsideDatasetError, SettingsError, StoreError, MachineError
        As for ``heal``.
    """
    for day in days:
        require_day(project, day)
    engine_of(project)
    began = time.perf_counter()
    with project.store_session():
        proved = {day: found for day, found in project.trade_store.day_records().items() if found.state == "clean"}
    chain = tuple(one for one in STORED_RESOLUTIONS if one in resolutions)
    needs = {day: Need(chain, proved[day].content_hash) for day in days if day in proved}
    jobs = tuple(job for one in chain for job in jobs_of({day: Need((one,), "") for day in needs}))
    healed = Healed(chunks=len(jobs), waiting=[day for day in days if day not in proved])
    if jobs:
        with project.pausing(resolutions):
            _Healing(project, needs, healed, observer, sleep, halted, again=True).run(jobs, ())
    healed.seconds = time.perf_counter() - began
    return healed


class _Healing:
    """One healing under way; where it is to be done again, what is recorded as done does not matter."""

    def __init__(
        self,
        project: Project,
        needs: Needs,
        healed: Healed,
        observer: Observer,
        sleep: Callable[[float], None],
        halted: Callable[[], bool],
        *,
        again: bool = False,
    ) -> None:
        self._again = again
        self._halted = halted
        self._planned = 0
        self._project = project
        self._needs = needs
        self._healed = healed
        self._observer = observer
        self._sleep = sleep
        self._random = random.Random()  # noqa: S311 -- jitter, not secrets
        self._began = time.perf_counter()
        self._silent = 0

    def run(self, jobs: Sequence[Job], orphans: Sequence[dt.date]) -> None:
        """Do everything."""
        self._announce()
        done, self._planned = 0, sum(len(job.days) for job in jobs)
        self._tell(0, len(jobs), done, "")
        for number, job in enumerate(jobs, 1):
            self._chunk(job)
            if self._healed.stopped:
                return
            done += len(job.days)
            self._tell(number, len(jobs), done, f"{job.days[0]} {'+'.join(job.names)}")
        for day in takewhile(lambda _: not self._is_over(), orphans):
            self._insist(Job(Span(*day_bounds(day)), STORED_RESOLUTIONS), self._orphan)

    def _announce(self) -> None:
        """Record what is going to be made, unless somebody makes it just now."""
        known = {(one.resolution, one.start): one for one in self._project.chunks.records(frame_of(self._needs))}
        planned = []
        for day, need in self._needs.items():
            for resolution in need.resolutions:
                before = known.get((resolution.name, day_start(day)))
                if before is None:
                    planned.append(ChunkRecord(resolution.name, *day_bounds(day), moved(None, "pending")))
                elif before.state != "running":
                    tried = before.attempts if before.state == "failed" else 0
                    state = moved(before.state, "pending")
                    planned.append(dataclasses.replace(before, state=state, attempts=tried, error=""))
        self._project.chunks.mark(planned)

    def _chunk(self, job: Job) -> None:
        """Make a chunk; one that is too slow is done in two parts, and so on down to a day and a resolution."""
        left = deque([job])
        while left and not self._is_over():
            part = left.popleft()
            if parts_of(part) is None:
                self._insist(part, self._make)
            elif (slow := self._try_all(part)) is not None:
                left.extendleft(reversed(parts_of(slow) or (slow,)))

    def _try_all(self, job: Job) -> Job | None:
        """Make some days; return what is left from the first one on that took the store too long."""
        for day in takewhile(lambda _: not self._is_over(), job.days):
            one = Job(Span(*day_bounds(day)), job.resolutions)
            try:
                self._make(one)
            except _SLOW as error:
                self._require_answer(error)
                return Job(Span(one.span.start, job.span.stop), job.resolutions)
            except _FOR_ALL:
                raise
            except OhlcvError as error:
                self._give_up(one, error)
        return None

    def _insist(self, job: Job, work: Callable[[Job], None]) -> None:
        """Do one day, of one resolution or to be deleted, with several attempts, or give it up."""
        attempt = 0
        while True:
            attempt += 1
            try:
                work(job)
            except _FOR_ALL:
                raise
            except _SLOW as error:
                self._require_answer(error)
                if attempt == ATTEMPTS or self._is_over():
                    self._silent += 1
                    self._give_up(job, error)
                    break
                self._sleep(self._random.uniform(0, FIRST_PAUSE * 2 ** (attempt - 1)))
            except OhlcvError as error:
                self._give_up(job, error)
                return
            else:
                return
        if self._silent >= HOPELESS and not self._healed.stopped:
            self._healed.stopped = f"The store did not answer for {self._silent} chunks in a row."

    def _is_over(self) -> bool:
        """Return whether to go no further: the store is gone, or somebody wants it so."""
        if not self._healed.stopped and self._halted():
            self._healed.stopped = CANCELLED
        return self._healed.stopped != ""

    def _require_answer(self, error: OhlcvError) -> None:
        """Go no further where the store does not answer even a small question: no part of a chunk would pass."""
        if isinstance(error, StoreUnavailableError):
            try:
                self._project.chunks.records(frame_of(self._needs))
            except StoreUnavailableError as silent:
                self._healed.stopped = str(silent)

    def _make(self, job: Job) -> None:
        """Make one day, unless somebody else has by now."""
        day = job.days[0]
        with self._project.chunks.lease(job.names, job.span) as ours:
            known, content = day_records(self._project, day), self._needs[day].content
            # What we found to be done and wrong is recorded otherwise by now.
            done = {} if self._again else known
            wanted = [found for found in job.resolutions if not is_done(done.get(found.name), content)]
            if not wanted:
                self._healed.made_by_others += 1
                return
            made = roll_up_held(self._project, day, wanted, ours, again=self._again, observer=self._observer)
        self._silent = 0
        self._healed.days += 1
        self._healed.bars += sum(made.bars.values())

    def _give_up(self, job: Job, error: OhlcvError) -> None:
        """Leave a day as it is, and say why."""
        given_up = GivenUp(job.days[0], job.names, str(error))
        if isinstance(error, StoreBusyError):
            self._healed.busy.append(given_up)
            return
        self._healed.failed.append(given_up)
        with suppress(StoreError):  # where records cannot be kept either, the outcome still tells of it
            known = day_records(self._project, job.days[0])
            # What failed before it was begun has no record of that yet.
            begun = [found for name in job.names if (found := known.get(name)) is not None and found.state != "failed"]
            ended = [
                dataclasses.replace(found, state=moved(moved(found.state, "running"), "failed"), error=str(error))
                for found in begun
            ]
            self._project.chunks.mark(ended)
            tell(self._observer, ended)

    def _orphan(self, job: Job) -> None:
        """Delete a day's bars where its trades are gone; where they are only not proved, somebody must load them."""
        (day,) = job.days
        with self._project.chunks.lease(job.names, job.span):
            store = self._project.trade_store
            if day in store.day_records() or store.counts(day):
                self._healed.waiting.append(day)
                return
            for resolution in job.resolutions:
                self._healed.removed += self._project.bar_store.delete_day(resolution, day)
            self._project.chunks.forget(job.span)

    def _tell(self, done: int, total: int, days: int, last: str) -> None:
        seconds, healed = time.perf_counter() - self._began, self._healed
        detail: dict[str, float | int | str] = {
            "last": last,
            "days": healed.days,
            "bars": healed.bars,
            "failed": len(healed.failed),
            "busy": len(healed.busy),
            "bars_per_second": healed.bars / seconds if seconds > 0 else 0.0,
            # Chunks grow, days do not.
            "seconds_left": seconds / days * (self._planned - days) if days > 0 else 0.0,
        }
        self._observer(Progress("heal", "bars", done, total, "chunks", detail))
