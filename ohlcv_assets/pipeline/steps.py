"""The steps that make a day: file its trades, load them, roll them up.

What belongs here: what a step does, and what must be true before it may. What does not: proving the outcome
(``checks``), Dagster, drawing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS, Resolution
from ohlcv_assets.errors import OutsideDatasetError, UnprovedDayError
from ohlcv_assets.lake.dayfile import DayFile
from ohlcv_assets.pipeline.engines.choice import engine_of
from ohlcv_assets.pipeline.parts import batches
from ohlcv_assets.pipeline.recording import day_records, outdate, recording
from ohlcv_assets.pipeline.settled import settled
from ohlcv_assets.pipeline.usage import Usage, measured
from ohlcv_assets.progress import Observer, nobody
from ohlcv_assets.project import Project
from ohlcv_assets.stores.base import DayContent, LoadReport
from ohlcv_assets.stores.chunks import Check, ChunkRecord
from ohlcv_assets.units import day_bounds


@dataclass(frozen=True, slots=True)
class FiledDay:
    """A day's file as it is after ``file_day``: what its footer says, whether it was there before, what it cost."""

    file: DayFile
    reused: bool
    usage: Usage


@dataclass(frozen=True, slots=True)
class LoadedDay:
    """A day in the store as it is after ``load_day``.

    Attributes
    ----------
    file
        What the file promises.
    report
        What the store did.
    usage
        What it cost.
    outdated
        Chunks of bars that were made of other trades and are stale by that.
    """

    file: DayFile
    report: LoadReport
    usage: Usage
    outdated: int = 0


@dataclass(frozen=True, slots=True)
class RolledUpDay:
    """A day's bars as they are after ``roll_up_day``.

    Attributes
    ----------
    file
        The file they come from.
    bars, trades
        Bars and the trades they hold, by resolution name.
    usage
        What it cost.
    chunks
        What is recorded of them, by resolution name.
    left_alone
        Names of the resolutions whose bars were right already.
    """

    file: DayFile
    bars: Mapping[str, int]
    trades: Mapping[str, int]
    usage: Usage
    chunks: Mapping[str, ChunkRecord]
    left_alone: tuple[str, ...] = ()


def require_day(project: Project, day: dt.date) -> None:
    """Refuse a day outside the dataset.

    Raises
    ------
    OutsideDatasetError
        Naming the dataset's first and last day.
    """
    days = project.dataset.days
    if not days[0] <= day <= days[-1]:
        raise OutsideDatasetError(
            f"{day} is outside the dataset {project.dataset.name!r}, which goes from {days[0]} to {days[-1]}; "
            "choose a day within."
        )


def file_day(project: Project, day: dt.date, *, force: bool = False, observer: Observer = nobody) -> FiledDay:
    """Make the day's file be there, reusing one that carries the right fingerprint.

    Raises
    ------
    OutsideDatasetError
        The dataset does not have that day.
    StaleDayFileError, DamagedDayFileError, ForeignDayFileError
        Another file is in the way and ``force`` was not given.
    MachineError
        The machine does not let us write it.
    """
    require_day(project, day)
    source = project.source
    with measured() as usage:
        file, reused = project.lake.write(
            day,
            source.batches(day, observer),
            source.fingerprint(day),
            expected=sum(source.counts(day).values()),
            force=force,
            observer=observer,
        )
    return FiledDay(file, reused, usage)


def load_day(project: Project, day: dt.date, *, observer: Observer = nobody) -> LoadedDay:
    """Make the trade store hold exactly what the day's file holds; bars made from other trades are stale then.

    Raises
    ------
    OutsideDatasetError
        The dataset does not have that day.
    LakeError
        There is no usable file of that day.
    StoreError
        The store could not be used, or does not hold what was written.
    """
    require_day(project, day)
    with measured() as usage:
        file = project.lake.inspect(day)
        content = DayContent(day, file.content_hash, file.counts)
        report = project.trade_store.replace_day(content, batches(project, day), observer)
        changed = report.written > 0 or report.deleted > 0
        outdated = outdate(project, day, file.content_hash, observer) if changed else 0
    return LoadedDay(file, report, usage, outdated)


def require_proved(project: Project, day: dt.date) -> DayFile:
    """Return the day's file if the store provably holds its trades: a clean record of the same hash, equal counts.

    Raises
    ------
    UnprovedDayError
        Saying what is wrong and what to do.
    LakeError
        There is no usable file of that day.
    """
    file = project.lake.inspect(day)
    with project.store_session():
        record = project.trade_store.day_records().get(day)
        counts = project.trade_store.counts(day)
    if record is None:
        reason = "they were never loaded"
    elif record.state != "clean":
        reason = "a load of them was interrupted"
    elif record.content_hash != file.content_hash:
        reason = "the store holds the trades of another file"
    elif dict(counts) != dict(file.counts):
        reason = "the store's counts are not the file's"
    else:
        return file
    raise UnprovedDayError(
        f"The trades of {day} are not proved to be in {project.trade_store.name}, because {reason}: "
        f"load the day again with `ohlcv backfill --from {day} --to {day}`."
    )


def roll_up_day(
    project: Project,
    day: dt.date,
    resolutions: Sequence[Resolution] = STORED_RESOLUTIONS,
    *,
    observer: Observer = nobody,
) -> RolledUpDay:
    """Make the bar store hold the day's bars, by the engine in force, and record it.

    A resolution whose source is not among those asked for is composed from the source's stored bars. Bars that are
    recorded as made of these trades and are right are left alone, they and their records.

    Raises
    ------
    OutsideDatasetError
        The dataset does not have that day.
    UnprovedDayError
        The day's trades, or the stored bars to compose from, are not what the file holds.
    StoreBusyError
        Somebody else was making them for longer than our patience.
    SettingsError
        The store in force does not have the engine in force.
    """
    require_day(project, day)
    names = [resolution.name for resolution in resolutions]
    with project.pausing(resolutions), project.chunks.lease(names, Span(*day_bounds(day))) as ours:
        return roll_up_held(project, day, resolutions, ours, observer=observer)


def roll_up_held(
    project: Project,
    day: dt.date,
    resolutions: Sequence[Resolution],
    ours: Check,
    *,
    again: bool = False,
    observer: Observer = nobody,
) -> RolledUpDay:
    """Do what ``roll_up_day`` does, for one who holds the lease of these bars; ``ours`` makes sure of that.

    Where it is to be done again, bars are made that are right already.
    """
    engine = engine_of(project)
    with measured() as usage:
        file = require_proved(project, day)
        before = day_records(project, day)
        right = {} if again else settled(project, file, resolutions, before)
        left = [resolution for resolution in resolutions if resolution.name not in right]
        made, chunks = dict(right), {name: before[name] for name in right}
        if left:
            with recording(project, file, left, before, ours, observer) as records:
                fresh = engine.make(project, file, left, observer)
                records.update({name: replace(records[name], rows_out=one.bars) for name, one in fresh.items()})
            made.update(fresh)
            chunks.update(records)
    bars = {name: one.bars for name, one in made.items()}
    return RolledUpDay(file, bars, {name: one.trades for name, one in made.items()}, usage, chunks, tuple(right))
