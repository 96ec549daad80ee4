"""Bars and trades for answers: asked of the store in threads, and asked for in parts where the whole takes too long.

What belongs here: the ways to ask. What does not: which resolution is given (``bars.adaptive`` and the routes), bodies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from ohlcv_assets.api.bodies import nanos
from ohlcv_assets.api.pool import TooSlowError
from ohlcv_assets.api.service import Service
from ohlcv_assets.bars.derive import derive, read_for
from ohlcv_assets.bars.paging import Search
from ohlcv_assets.bars.resolutions import BARS, Resolution
from ohlcv_assets.bars.runs import VALUES, table_of
from ohlcv_assets.bars.slots import span_of
from ohlcv_assets.bars.split import Columns, by_symbol
from ohlcv_assets.errors import StoreQueryError
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.market.symbols import Symbol
from ohlcv_assets.units import DAY, MINUTE, Nanos

Fetch = Callable[[Nanos, Nanos], Awaitable[pa.Table]]
"""Gets the bars, or trades, with ``start <= ts < end``, ascending."""

_SLOW: Final = (TooSlowError, StoreQueryError)
"""What a question ends in that a smaller one may not."""


@dataclass(slots=True)
class BarReader:
    """Reads the bars of one symbol and resolution.

    Attributes
    ----------
    service, symbol, resolution
        Of what.
    splits
        Whether a question that takes too long is asked in two parts, and so on down to a day.
    parts
        How many questions were asked that way; 0 where none was too long.
    """

    service: Service
    symbol: Symbol
    resolution: Resolution
    splits: bool = True
    parts: int = 0

    async def fetch(self, start: Nanos, end: Nanos) -> pa.Table:
        """Return the bars that open in ``[start, end)``.

        Raises
        ------
        StoreError
            The store does not answer, or not in time.
        """
        pieces = await self._pieces(start, end)
        return pieces[0] if len(pieces) == 1 else pa.concat_tables(pieces).unify_dictionaries()

    async def first(self, count: int, start: Nanos, end: Nanos) -> pa.Table:
        """Return the first bars of a range: ``count`` where there are so many, or a few more."""
        return await self._search(Search(count, start, end, self._span(count), backwards=False))

    async def last(self, count: int, start: Nanos, end: Nanos) -> pa.Table:
        """Return the last bars of a range: ``count`` where there are so many, or more."""
        return await self._search(Search(count, start, end, self._span(count), backwards=True))

    async def _search(self, search: Search) -> pa.Table:
        return await searched(search, self.fetch)

    async def _pieces(self, start: Nanos, end: Nanos) -> list[pa.Table]:
        try:
            name, feed = self.resolution.name, self.service.feed
            running = await feed.running(self.symbol.name, *read_for(self.resolution, start, end))
            same = (self.symbol.name, name, start, end, feed.version(self.symbol.name))
            return [await self.service.pool.ask_once(same, f"bars {name}", lambda: self._read(start, end, running))]
        except _SLOW:
            middle = _middle(start, end)
            if not self.splits or middle is None:
                raise
            self.parts = max(self.parts, 1) + 1
            return [*await self._pieces(start, middle), *await self._pieces(middle, end)]

    def _read(self, start: Nanos, end: Nanos, running: Mapping[Nanos, Columns]) -> pa.Table:
        store, name = self.service.project.bar_store, self.symbol.name

        def read(stored: Resolution, first: Nanos, last: Nanos) -> pa.Table:
            return overlaid(store.read(stored, first, last, [name]), name, running)

        return derive(self.resolution, read, start, end)

    def _span(self, count: int) -> Nanos:
        return span_of(count, self.resolution, self.symbol.calendar)


async def searched(search: Search, fetch: Fetch) -> pa.Table:
    """Read what a search asks for, until it has enough; ascending."""
    found: list[pa.Table] = []
    while (stretch := search.next()) is not None:
        piece = await fetch(*stretch)
        search.found(stretch, piece.num_rows)
        found.insert(0 if search.backwards else len(found), piece)
    return pa.concat_tables([BARS.empty_table(), *found]).unify_dictionaries()


async def trades_page(
    service: Service, symbol: Symbol, start: Nanos, end: Nanos, count: int, *, backwards: bool
) -> pa.Table:
    """Return the first or the last ``count`` trades of a range, ascending; fewer where there are no more.

    From the end, ever longer stretches are read: nobody knows how dense trades are.
    """

    def scanned(first: Nanos, last: Nanos, most: int | None) -> pa.Table:
        batches: list[pa.RecordBatch] = []
        rows = 0
        for batch in service.project.trade_store.scan(first, last, [symbol.name]):
            batches.append(batch)
            rows += batch.num_rows
            if most is not None and rows >= most:
                break
        return pa.concat_tables([STORED.empty_table(), *map(_table, batches)]).unify_dictionaries()

    if not backwards:
        found = await service.pool.ask("trades", lambda: scanned(start, end, count))
        return found.slice(0, count)
    search = Search(count, start, end, MINUTE, backwards=True)
    pieces: list[pa.Table] = []
    while (stretch := search.next()) is not None:
        first, last = stretch
        piece = await service.pool.ask("trades", lambda first=first, last=last: scanned(first, last, None))  # type: ignore[misc]
        search.found(stretch, piece.num_rows)
        pieces.insert(0, piece)
    found = pa.concat_tables([STORED.empty_table(), *pieces]).unify_dictionaries()
    return found.slice(max(0, found.num_rows - count))


def overlaid(bars: pa.Table, symbol: str, running: Mapping[Nanos, Columns]) -> pa.Table:
    """Return the bars of one symbol with those of open days in place of what is stored of these days.

    Parameters
    ----------
    bars
        ``BARS`` of one resolution within a day, ascending.
    symbol
        Theirs.
    running
        Bars by midnight of an open day, as ``Feed.running`` gives them.
    """
    if not running:
        return bars
    stored = dict(by_symbol(bars, VALUES)).get(symbol)
    parts = [*running.values()]
    if stored is not None:
        keep = ~np.isin(stored["ts"] // DAY * DAY, np.array(list(running), np.int64))
        parts.append({name: column[keep] for name, column in stored.items()})
    joined = {name: np.concatenate([part[name] for part in parts]) for name in ("ts", *VALUES)}
    order = np.argsort(joined["ts"])
    return table_of([(symbol, {name: column[order] for name, column in joined.items()})] if len(order) > 0 else [])


def last_open(bars: pa.Table) -> Nanos:
    """Return the open time of the last of some bars."""
    return Nanos(int(nanos(bars["ts"])[-1]))


def _table(batch: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([batch])


def _middle(start: Nanos, end: Nanos) -> Nanos | None:
    """Return a midnight near the middle of a range; None where it is within a day."""
    middle = Nanos((start + end) // 2 // DAY * DAY)
    if middle <= start:
        middle = Nanos(middle + DAY)
    return middle if middle < end else None
