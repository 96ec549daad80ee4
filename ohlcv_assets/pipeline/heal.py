"""Making exactly those bars that are missing or stale.

What belongs here: which days, in which chunks, what is tried again, what is given up. What does not: finding out how
bars stand (``bar_days``), making a day's bars (``steps``), tasks of a server (``Project.pausing`` keeps them still).

Several may heal at once: the records of a day are looked at again once its lease is held, so that what somebody else
has made meanwhile is not made again.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from ohlcv_assets.bars.chunks import Span, moved, plan, split
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
from ohlcv_assets.pipeline.recording import day_records
from ohlcv_assets.pipeline.steps import require_day, roll_up_held
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.project import Project
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.units import DAY, Nanos, day_bounds, day_of, day_start, days_between

ATTEMPTS: Final = 3
"""How often a single day is tried."""

FIRST_PAUSE: Final = 1.0
"""Most seconds before the second attempt; twice as many before each further one."""

HOPELESS: Final = 3
"""Days in a row for which the store did not answer, after which nobody goes on asking it."""

_SLOW: Final = (StoreUnavailableError, StoreQueryError)
"""What a chunk that is too large ends in."""

_FOR_ALL: Final = (StoreAccessError, MachineError)
"""What another chunk would end in as well."""


@dataclass(frozen=True, slots=True)
class Job:
    """Some days at some resolutions, of the chain from below."""

    span: Span
    resolutions: tuple[Resolution, ...]

    @property
    def days(self) -> tuple[dt.date, ...]:
        """The days."""
        return days_between(day_of(self.span.start), day_of(Nanos(self.span.stop - 1)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the resolutions."""
        return tuple(resolution.name for resolution in self.resolutions)


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
) -> Healed:
    """Make the bars that are missing or stale, and delete those whose trades are gone.

    Parameters
    ----------
    project
        Whose.
    days
        In order; all of the dataset's where None.
    observer
        Told how many chunks are done, stage ``"heal"``.
    sleep
        How to wait between attempts.

    Raises
    ------
    OutsideDatasetError
        The dataset does not have one of the days.
    StoreError, MachineError
        The store or the machine does not let us at all: nothing of what is left could be done.
    """
    chosen = project.dataset.days if days is None else tuple(days)
    for day in chosen:
        require_day(project, day)
    began = time.perf_counter()
    needs, orphans = _needs(project, chosen)
    jobs = tuple(_jobs(needs))
    healed = Healed(chunks=len(jobs))
    if jobs or orphans:
        with project.pausing(STORED_RESOLUTIONS):
            _Healing(project, needs, healed, observer, sleep).run(jobs, orphans)
    healed.seconds = time.perf_counter() - began
    return healed


@dataclass(frozen=True, slots=True)
class Need:
    """What a day needs: these resolutions, made of trades of that hash."""

    resolutions: tuple[Resolution, ...]
    content: str


Needs = Mapping[dt.date, Need]


def _needs(project: Project, days: Sequence[dt.date]) -> tuple[Needs, list[dt.date]]:
    """Return which resolutions each day needs, and days with bars but without proved trades."""
    facts = bar_days(project, days, STORED_RESOLUTIONS)
    needs: dict[dt.date, Need] = {}
    orphans: set[dt.date] = set()
    for resolution in STORED_RESOLUTIONS:
        for found in facts[resolution.name]:
            if found.standing not in {"missing", "stale"}:
                continue
            if found.content is None:
                orphans.add(found.day)
            else:
                before = needs[found.day].resolutions if found.day in needs else ()
                needs[found.day] = Need((*before, resolution), found.content)
    return dict(sorted(needs.items())), sorted(orphans)


def _jobs(needs: Needs) -> Iterator[Job]:
    """Plan chunks of consecutive days that need the same; the finest resolution says how large they may be."""
    ordinal = {day: (day.toordinal() - at, needs[day].resolutions) for at, day in enumerate(needs)}
    for (_, resolutions), group in groupby(needs, key=lambda day: ordinal[day]):
        days = list(group)
        kept = resolutions[0].kept
        whole = Span(day_start(days[0]), day_bounds(days[-1])[1])
        for span in plan(whole, Nanos(kept.first_chunk * DAY), Nanos(kept.largest_chunk * DAY)):
            yield Job(span, resolutions)


class _Healing:
    """One healing under way."""

    def __init__(
        self, project: Project, needs: Needs, healed: Healed, observer: Observer, sleep: Callable[[float], None]
    ) -> None:
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
        self._tell(0, len(jobs), "")
        for done, job in enumerate(jobs, 1):
            self._chunk(job)
            if self._healed.stopped:
                return
            self._tell(done, len(jobs), f"{job.days[0]} {'+'.join(job.names)}")
        for day in orphans:
            self._orphan(day)

    def _announce(self) -> None:
        """Record what is going to be made, unless somebody makes it just now."""
        known = {(found.resolution, found.start): found for found in self._project.chunks.records(_frame(self._needs))}
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
        while left and not self._healed.stopped:
            part = left.popleft()
            if _parts(part) is None:
                self._insist(part)
            elif (slow := self._try_all(part)) is not None:
                left.extendleft(reversed(_parts(slow) or (slow,)))

    def _try_all(self, job: Job) -> Job | None:
        """Make some days; return what is left from the first one on that took the store too long."""
        for day in job.days:
            one = Job(Span(*day_bounds(day)), job.resolutions)
            try:
                self._make(one)
            except _SLOW:
                return Job(Span(one.span.start, job.span.stop), job.resolutions)
            except _FOR_ALL:
                raise
            except OhlcvError as error:
                self._give_up(one, error)
        return None

    def _insist(self, job: Job) -> None:
        """Make one day at one resolution, with several attempts, or give it up."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._make(job)
            except _FOR_ALL:
                raise
            except _SLOW as error:
                if attempt == ATTEMPTS:
                    self._silent += 1
                    self._give_up(job, error)
                else:
                    self._sleep(self._random.uniform(0, FIRST_PAUSE * 2 ** (attempt - 1)))
            except OhlcvError as error:
                self._give_up(job, error)
                return
            else:
                return
        if self._silent >= HOPELESS:
            self._healed.stopped = f"The store did not answer for {self._silent} chunks in a row."

    def _make(self, job: Job) -> None:
        """Make one day, unless somebody else has by now."""
        day = job.days[0]
        with self._project.chunks.lease(job.names, job.span):
            known, content = day_records(self._project, day), self._needs[day].content
            # What we found to be done and wrong is recorded otherwise by now.
            wanted = [found for found in job.resolutions if not _is_done(known.get(found.name), content)]
            if not wanted:
                self._healed.made_by_others += 1
                return
            made = roll_up_held(self._project, day, wanted, observer=self._observer)
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
            self._project.chunks.mark(
                dataclasses.replace(found, state=moved(moved(found.state, "running"), "failed"), error=str(error))
                for found in begun
            )

    def _orphan(self, day: dt.date) -> None:
        """Delete a day's bars where its trades are gone; where they are only not proved, somebody must load them."""
        span = Span(*day_bounds(day))
        with self._project.chunks.lease([resolution.name for resolution in STORED_RESOLUTIONS], span):
            store = self._project.trade_store
            if day in store.day_records() or store.counts(day):
                self._healed.waiting.append(day)
                return
            for resolution in STORED_RESOLUTIONS:
                self._healed.removed += self._project.bar_store.delete_day(resolution, day)
            self._project.chunks.forget(span)

    def _tell(self, done: int, total: int, last: str) -> None:
        seconds = time.perf_counter() - self._began
        detail: dict[str, float | int | str] = {
            "last": last,
            "days": self._healed.days,
            "bars": self._healed.bars,
            "failed": len(self._healed.failed),
            "bars_per_second": self._healed.bars / seconds if seconds > 0 else 0.0,
            "seconds_left": seconds / done * (total - done) if done > 0 else 0.0,
        }
        self._observer(Progress("heal", "bars", done, total, "chunks", detail))


def _parts(job: Job) -> tuple[Job, Job] | None:
    """Cut a job in two: its days, or of a single day its resolutions; None where it cannot be smaller."""
    spans = split(job.span, DAY)
    if spans is not None:
        return Job(spans[0], job.resolutions), Job(spans[1], job.resolutions)
    if len(job.resolutions) > 1:
        # The finest first: it takes longest, and the others are made of it.
        return Job(job.span, job.resolutions[:1]), Job(job.span, job.resolutions[1:])
    return None


def _is_done(record: ChunkRecord | None, content: str) -> bool:
    """Return whether somebody has made a chunk of these trades."""
    return record is not None and record.state == "done" and record.source_hash == content


def _frame(needs: Needs) -> Span:
    """Return the range that all days lie in."""
    days = list(needs)
    return Span(day_start(days[0]), day_bounds(days[-1])[1]) if days else Span(Nanos(0), DAY)
