"""How far the bars of each resolution and symbol are complete, and what is missing or stale.

What belongs here: summing up days. What does not: judging a day (``bar_days``), showing it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, cast

import pyarrow as pa

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.bars.gaps import Standing, watermark, without
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.errors import LakeError, MachineError
from ohlcv_assets.pipeline.bar_days import BarDay, Facts, bar_days, with_trades
from ohlcv_assets.project import Project
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.units import HOUR, Nanos, day_bounds

_HOURS: Final = RESOLUTIONS["1h"]

LAST_RUNS: Final = 5
"""How many of the latest runs are told."""


@dataclass(frozen=True, slots=True)
class DayRange:
    """Consecutive days that stand alike, for one reason."""

    first: dt.date
    last: dt.date
    reason: str


@dataclass(frozen=True, slots=True)
class Reach:
    """How far bars are complete.

    Attributes
    ----------
    complete_until
        The end of what is complete without a gap, counted from the first trades: nanoseconds; None without any.
    last_bar
        Open time of the last bar before that; None where there is none.
    lag
        Nanoseconds from there to the end of the trades.
    missing, stale
        Days to be made, and to be made again.
    """

    complete_until: Nanos | None
    last_bar: Nanos | None
    lag: Nanos
    missing: tuple[DayRange, ...]
    stale: tuple[DayRange, ...]


@dataclass(frozen=True, slots=True)
class ResolutionStatus:
    """How the bars of one resolution stand.

    Attributes
    ----------
    resolution
        Its name.
    reach
        Of all symbols together.
    symbols
        Of each.
    waiting
        Days without proved trades, of which no bars can be made.
    bars, trades
        Stored bars, and the trades they hold.
    failed
        Chunks that were given up, with their errors.
    last_runs
        The latest runs, newest first.
    seconds
        What making a day took on average; 0 where nothing is recorded.
    """

    resolution: str
    reach: Reach
    symbols: Mapping[str, Reach]
    waiting: tuple[DayRange, ...]
    bars: int
    trades: int
    failed: tuple[ChunkRecord, ...]
    last_runs: tuple[ChunkRecord, ...]
    seconds: float


def bar_status(
    project: Project,
    days: Sequence[dt.date] | None = None,
    resolutions: Sequence[Resolution] = STORED_RESOLUTIONS,
    symbols: Sequence[str] | None = None,
) -> tuple[ResolutionStatus, ...]:
    """Look at the bars of some days of the dataset, or all.

    Parameters
    ----------
    project
        Whose.
    days
        In order and without a gap; all of the dataset's where None.
    resolutions
        Stored ones, the finest first.
    symbols
        Which to tell apart; all that there are where None.

    Raises
    ------
    StoreError
        The store cannot be used.
    """
    chosen = project.dataset.days if days is None else days
    expected = _expected_by(project)
    facts = bar_days(project, chosen, resolutions)
    with project.store_session():
        names = symbols if symbols is not None else _names(project, facts)
        opens = _Opens(project, names, resolutions[0], facts[resolutions[0].name])
        return tuple(_status(opens, RESOLUTIONS[name], found, names, expected) for name, found in facts.items())


Expected = Callable[[dt.date], Mapping[str, int] | None]
"""A day's trades by symbol as its file has them; None where there is no such file."""


def _expected_by(project: Project) -> Expected:
    @cache
    def expected(day: dt.date) -> Mapping[str, int] | None:
        with suppress(LakeError, MachineError):
            return project.lake.inspect(day).counts
        return None

    return expected


def _names(project: Project, facts: Facts) -> Sequence[str]:
    held = (day.held for days in facts.values() for day in days)
    return sorted({symbol.name for symbol in project.dataset.universe.symbols}.union(*held))


def _status(
    opens: _Opens, resolution: Resolution, days: Sequence[BarDay], names: Sequence[str], expected: Expected
) -> ResolutionStatus:
    wrong = [day for day in days if day.standing in {"missing", "stale"}]
    look = _Look(opens, resolution, days, with_trades(days))
    runs = [day.record for day in days if day.record is not None]
    ended = [run.seconds for run in runs if run.state == "done"]
    return ResolutionStatus(
        resolution=resolution.name,
        reach=look.reach(wrong, names),
        symbols={name: look.reach([day for day in wrong if _concerns(day, name, expected)], [name]) for name in names},
        waiting=_ranges(days, "waiting"),
        bars=sum(bars for day in days for bars, _ in day.held.values()),
        trades=sum(trades for day in days for _, trades in day.held.values()),
        failed=tuple(run for run in runs if run.state == "failed"),
        last_runs=tuple(sorted(runs, key=lambda run: (run.at, run.start), reverse=True)[:LAST_RUNS]),
        seconds=sum(ended) / len(ended) if ended else 0.0,
    )


class _Look:
    """Looks at one resolution."""

    def __init__(self, opens: _Opens, resolution: Resolution, days: Sequence[BarDay], spans: Sequence[Span]) -> None:
        self._opens = opens
        self._resolution = resolution
        self._days = days
        self._spans = spans

    def reach(self, wrong: Sequence[BarDay], names: Sequence[str]) -> Reach:
        """Return how far it is complete but for some days, with the last bar of some symbols."""
        if not self._spans:
            return Reach(None, None, Nanos(0), (), _ranges(wrong, "stale"))
        holes = [day.span for day in wrong]
        until = watermark(self._spans[0].start, without(self._spans, holes))
        last = max((found for name in names if (found := self._last(name, until)) is not None), default=None)
        lag = Nanos(self._spans[-1].stop - until)
        return Reach(until, last, lag, _ranges(wrong, "missing"), _ranges(wrong, "stale"))

    def _last(self, name: str, until: Nanos) -> Nanos | None:
        """Return the open time of a symbol's last bar before an instant."""
        for day in reversed(self._days):
            start, end = day_bounds(day.day)
            if start < until and name in day.held:
                found = self._opens.last(self._resolution, start, Nanos(min(end, until)), name)
                if found is not None:
                    return found
        return None


class _Opens:
    """Finds the last bars of a day, and reads as few as it can: the finest ones of its last hours, each once.

    Parameters
    ----------
    project
        Whose bars.
    names
        Of all symbols that are asked for.
    finest
        The finest resolution looked at, and the days on which it is complete: there it tells of all coarser ones.
    """

    def __init__(self, project: Project, names: Sequence[str], finest: Resolution, days: Sequence[BarDay]) -> None:
        self._project = project
        self._names = names
        self._finest = finest
        self._complete = {day_bounds(day.day)[0] for day in days if day.standing == "complete"}
        self._read: dict[tuple[str, Nanos, Nanos], Mapping[str, Nanos]] = {}

    def last(self, resolution: Resolution, start: Nanos, until: Nanos, name: str) -> Nanos | None:
        """Return the last open time of a symbol between the start of a day and an instant of it."""
        duration = cast("Nanos", resolution.duration)  # only months have none, and they are not stored
        tells = start in self._complete and until % duration == 0
        read = self._finest if tells else resolution
        found = self._of(read, self._late(read, start, until), until).get(name)
        if found is None:
            # It traded early on that day only, or its hours are not complete.
            found = self._of(read, start, until).get(name)
        return None if found is None else Nanos(found // duration * duration)

    def _late(self, resolution: Resolution, start: Nanos, until: Nanos) -> Nanos:
        """Return when the last hour begins that has bars of most symbols: a fraction of a day's fine bars follows."""
        if resolution.duration is None or resolution.duration >= HOUR:
            return start
        hours = sorted(self._of(_HOURS, start, until).values())
        return hours[len(hours) // 10] if hours else start

    def _of(self, resolution: Resolution, start: Nanos, until: Nanos) -> Mapping[str, Nanos]:
        """Return the last open time of each symbol in a range."""
        key = (resolution.name, start, until)
        if key not in self._read:
            bars = self._project.bar_store.read(resolution, start, until, self._names)
            last = bars.group_by("symbol").aggregate([("ts", "max")])
            opens = cast("list[Nanos]", last.column("ts_max").cast(pa.int64()).to_pylist())
            self._read[key] = dict(zip(cast("list[str]", last.column("symbol").to_pylist()), opens, strict=True))
        return self._read[key]


def _concerns(day: BarDay, name: str, expected: Expected) -> bool:
    """Return whether what is wrong with a day may be wrong with a symbol: not where just its bars are all there."""
    counts = expected(day.day) if day.standing == "missing" and day.content is not None else None
    return counts is None or counts.get(name, 0) != day.held.get(name, (0, 0))[1]


def _ranges(days: Sequence[BarDay], standing: Standing) -> tuple[DayRange, ...]:
    """Return the days that stand so, consecutive ones of one reason together."""
    found: list[DayRange] = []
    for day in days:
        if day.standing != standing:
            continue
        before = found[-1] if found else None
        if before is not None and before.reason == day.reason and (day.day - before.last).days == 1:
            found[-1] = replace(before, last=day.day)
        else:
            found.append(DayRange(day.day, day.day, day.reason))
    return tuple(found)
