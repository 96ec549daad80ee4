"""Bars as TradingView wants them: counted back, in the session's own hours, days and longer named by a session's day.

What belongs here: reading such bars. What does not: the route (``history``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from ohlcv_assets.api.bodies import nanos
from ohlcv_assets.api.closed import bars_closed
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.api.reading import BarReader, searched
from ohlcv_assets.api.service import Service
from ohlcv_assets.api.udf.naming import sessions_of
from ohlcv_assets.bars.in_sessions import compose_in_sessions, first_sessions
from ohlcv_assets.bars.paging import Search, counted_back
from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS, Resolution
from ohlcv_assets.bars.slots import slots, span_of
from ohlcv_assets.market.schema import TS_TYPE
from ohlcv_assets.market.symbols import Symbol
from ohlcv_assets.units import DAY, HOUR, Nanos

_HALF_HOUR: Final = RESOLUTIONS["30m"]
_LONGEST_MONTH: Final = Nanos(31 * DAY)


@dataclass(frozen=True, slots=True)
class UdfBars:
    """Reads the bars of one symbol and resolution for front ends.

    Attributes
    ----------
    service, symbol, resolution
        Of what.
    """

    service: Service
    symbol: Symbol
    resolution: Resolution

    async def history(self, start: Nanos, end: Nanos, count: int | None) -> tuple[pa.Table, Nanos]:
        """Return the bars of a range, and as many before it as make ``count``; and since when they depend on the store.

        Parameters
        ----------
        start, end
            Half open; outside the dataset there is nothing.
        count
            Outranks ``start``; None for just the range.

        Raises
        ------
        ProblemError
            The range has more bars than an answer may.
        """
        earliest, latest = self.service.bounds
        last = Nanos(min(end, latest))
        first = Nanos(min(max(start, earliest), last))
        self._refuse_too_many(first, last)
        if count is None or last <= earliest:
            return (await self.fetch(first, last) if last > first else BARS.empty_table()), first
        guess = Nanos(max(earliest, min(first, last - self._span(count))))
        found = await self.fetch(guess, last)
        if found.num_rows < count:
            search = Search(count - found.num_rows, earliest, guess, self._span(count), backwards=True)
            found = pa.concat_tables([await searched(search, self.fetch), found]).unify_dictionaries()
            guess = search.end
        return found.slice(counted_back(nanos(found["ts"]), first, count)), guess

    async def last(self, count: int, end: Nanos) -> pa.Table:
        """Return the last bars before an instant: ``count`` where there are so many."""
        earliest, latest = self.service.bounds
        search = Search(count, earliest, Nanos(min(end, latest)), self._span(count), backwards=True)
        found = await searched(search, self.fetch)
        return found.slice(max(0, found.num_rows - count))

    async def fetch(self, start: Nanos, end: Nanos) -> pa.Table:
        """Return the bars labelled ``start <= ts < end``, ascending."""
        reader = BarReader(self.service, self.symbol, self._read)
        duration = self.resolution.duration
        if self._read != self.resolution and duration is not None:
            return await self._in_sessions(reader, duration, start, end)
        if self.symbol.calendar != "24/7" and (duration is None or duration > DAY):
            return await self._named_by_sessions(reader, start, end)
        return await reader.fetch(start, end)

    def closed(self, start: Nanos, end: Nanos) -> bool:
        """Return whether no bar labelled in a range will change any more."""
        long = self.resolution.duration is None or self.resolution.duration > DAY
        first = Nanos(start - _LONGEST_MONTH) if long else start
        return bars_closed(self.service.closed, self.service.project, self._read, first, end)

    @property
    def _read(self) -> Resolution:
        """What is read of the store: half hours for hours of sessions."""
        duration = self.resolution.duration
        by_session = self.symbol.calendar != "24/7" and duration is not None and HOUR <= duration < DAY
        return _HALF_HOUR if by_session else self.resolution

    async def _in_sessions(self, reader: BarReader, duration: Nanos, start: Nanos, end: Nanos) -> pa.Table:
        """Return bars whose hours are counted from each session's opening."""
        sessions = sessions_of(self.symbol.calendar, start, end)
        if not sessions:
            return BARS.empty_table()
        bars = await reader.fetch(sessions[0].open, sessions[-1].close)
        return _between(compose_in_sessions(bars, sessions, duration), start, end)

    async def _named_by_sessions(self, reader: BarReader, start: Nanos, end: Nanos) -> pa.Table:
        """Return weeks or months, each named by the day of its first session."""
        earlier = Nanos(start - (reader.resolution.duration or _LONGEST_MONTH))
        bars = await reader.fetch(earlier, end)
        later = Nanos(end + _LONGEST_MONTH)
        labels = first_sessions(nanos(bars["ts"]), sessions_of(self.symbol.calendar, earlier, later))
        at = bars.schema.get_field_index("ts")
        named = bars.set_column(at, BARS.field("ts"), pa.array(labels, pa.int64()).cast(TS_TYPE))
        return _between(named, start, end)

    def _span(self, count: int) -> Nanos:
        return span_of(count, self.resolution, self.symbol.calendar)

    def _refuse_too_many(self, start: Nanos, end: Nanos) -> None:
        expected = len(slots(self.resolution, self.symbol.calendar, start, end))
        if expected > self.service.settings.serve_rows:
            raise ProblemError(
                "too-many-rows",
                f"That would be {expected} bars, over the limit of {self.service.settings.serve_rows}: ask for a "
                "shorter range.",
                {"rows": expected},
            )


def _between(bars: pa.Table, start: Nanos, end: Nanos) -> pa.Table:
    ts = nanos(bars["ts"])
    first, last = (int(at) for at in np.searchsorted(ts, [start, end]))
    return bars.slice(first, last - first)
