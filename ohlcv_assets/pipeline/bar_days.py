"""How the bars of each day and resolution stand: by records, by what is stored, by what is proved of the trades.

What belongs here: gathering what is known, in a handful of questions to the store whatever the number of days, and
judging it. What does not: the rules (``bars.gaps``), summing up (``bar_status``), doing something about it (``heal``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.bars.gaps import Known, Standing, joined, judged, watermark, within, without
from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.project import Project
from ohlcv_assets.stores.base import DayRecord
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.units import Nanos, day_bounds, day_of

_ABREAST: Final = 2
"""Resolutions looked at side by side: a server works on one question while the answer to another is read."""

NOTHING: Mapping[str, tuple[int, int]] = {}


@dataclass(frozen=True, slots=True)
class BarDay:
    """How one day's bars of one resolution stand.

    Attributes
    ----------
    day
        UTC.
    standing, reason
        See ``bars.gaps.judged``.
    content
        Hash of the trades that the store provably holds, which bars can be made from; None without any.
    held
        Stored bars and the trades they hold, by symbol.
    live
        Parts of the day that were made while more trades came in; only where nothing is proved.
    record
        Of the chunk that starts with the day.
    """

    day: dt.date
    standing: Standing
    reason: str
    content: str | None
    held: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    live: tuple[Span, ...] = ()
    record: ChunkRecord | None = None

    @property
    def span(self) -> Span:
        """The day."""
        return Span(*day_bounds(self.day))


Facts = Mapping[str, Sequence[BarDay]]
"""The days in order, by resolution name."""


def bar_days(project: Project, days: Sequence[dt.date], resolutions: Sequence[Resolution]) -> Facts:
    """Look at the bars of some days; not to be called while a session with the store is held.

    Parameters
    ----------
    project
        Whose.
    days
        In order.
    resolutions
        Stored ones.

    Raises
    ------
    StoreError
        The store cannot be used.
    """
    if not days:
        return {resolution.name: () for resolution in resolutions}
    with ThreadPoolExecutor(_ABREAST) as pool:
        there = pool.map(lambda resolution: _held(project, resolution), resolutions)
        held = {resolution.name: found for resolution, found in zip(resolutions, there, strict=True)}
    with project.store_session():
        proved = {day: found for day, found in project.trade_store.day_records().items() if found.state == "clean"}
        records = project.chunks.records(Span(day_bounds(days[0])[0], day_bounds(days[-1])[1]))
    by_day: dict[tuple[str, dt.date], list[ChunkRecord]] = {}
    for record in records:
        by_day.setdefault((record.resolution, day_of(record.start)), []).append(record)
    return {
        name: [_bar_day(day, proved.get(day), by_day.get((name, day), ()), there.get(day, NOTHING)) for day in days]
        for name, there in held.items()
    }


def with_trades(days: Sequence[BarDay]) -> tuple[Span, ...]:
    """Return the time that bars should cover: days with proved trades or stored bars, and what was made live."""
    return joined(span for day in days if day.standing != "waiting" or day.live for span in day.live or (day.span,))


def lag_of(days: Sequence[BarDay]) -> Nanos:
    """Return the nanoseconds from the end of what is complete without a gap to the end of the trades.

    Parameters
    ----------
    days
        Of one resolution, in order.
    """
    spans = with_trades(days)
    if not spans:
        return Nanos(0)
    holes = [day.span for day in days if day.standing in {"missing", "stale"}]
    return Nanos(spans[-1].stop - watermark(spans[0].start, without(spans, holes)))


def _held(project: Project, resolution: Resolution) -> Mapping[dt.date, Mapping[str, tuple[int, int]]]:
    """Return stored bars and their trades by day and symbol."""
    coverage = project.bar_store.coverage(resolution)
    found: dict[dt.date, dict[str, tuple[int, int]]] = {}
    columns = [coverage.column(name).to_pylist() for name in ("day", "symbol", "bars", "trades")]
    for day, symbol, bars, trades in zip(*columns, strict=True):
        found.setdefault(day, {})[symbol] = (bars, trades)
    return found


def _bar_day(
    day: dt.date,
    proved: DayRecord | None,
    records: Sequence[ChunkRecord],
    held: Mapping[str, tuple[int, int]],
) -> BarDay:
    span = Span(*day_bounds(day))
    whole = next((found for found in records if found.start == span.start), None)
    live: tuple[Span, ...] = ()
    if proved is None:
        made = [found for found in records if found.state == "done" and not found.source_hash]
        live = within(joined(Span(found.start, found.stop) for found in made), span)
    content = None if proved is None else proved.content_hash
    known = Known(
        content=content,
        rows=0 if proved is None else proved.rows,
        # Part of a day says nothing of the whole.
        state=None if whole is None or whole.stop < span.stop else whole.state,
        source="" if whole is None else whole.source_hash,
        bars=sum(bars for bars, _ in held.values()),
        trades=sum(trades for _, trades in held.values()),
    )
    standing, reason = judged(known)
    if live:
        standing, reason = "waiting", "trades are still coming in"
    return BarDay(day, standing, reason, content, held, live, whole)
