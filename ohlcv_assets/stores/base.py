"""The protocols of a store of trades and a store of bars, and the values they exchange.

What belongs here: what any store must do, held by one contract test suite. What does not: any particular store.
All instants are UTC nanoseconds; all ranges are half open; tables go in and come out as Arrow.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import pyarrow as pa

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.market.schema import FIGURES
from ohlcv_assets.progress import Observer, nobody
from ohlcv_assets.units import Nanos

DayState = Literal["dirty", "clean"]


@dataclass(frozen=True, slots=True)
class DayContent:
    """What a day file promises: its content hash and its rows per symbol (zeros may be left out)."""

    day: dt.date
    content_hash: str
    counts: Mapping[str, int]

    @property
    def rows(self) -> int:
        """Rows in all."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class DayRecord:
    """What a store has recorded of a day: ``clean`` once written and verified, ``dirty`` while it is being replaced."""

    day: dt.date
    state: DayState
    content_hash: str
    rows: int


@dataclass(frozen=True, slots=True)
class GivenDay:
    """A day to be loaded with others: what its file promises, and its trades once they are wanted."""

    content: DayContent
    batches: Callable[[], Iterator[pa.RecordBatch]]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What ``replace_day`` did.

    Attributes
    ----------
    rows
        Trades of the day in the store now.
    written
        Trades written by this call: 0 where recorded hash and counts were equal already.
    deleted
        Trades that had to be deleted first.
    seconds
        Wall time of the whole call.
    waited
        Seconds of it spent waiting for the store.
    detail
        Store-specific figures: retries, bytes, latencies.
    """

    rows: int
    written: int
    deleted: int
    seconds: float
    waited: float
    detail: Mapping[str, float | int | str] = field(default_factory=dict)


class Hold(Protocol):
    """Days of trades that nobody else changes for as long as it lasts."""

    def mark(self, day: dt.date) -> Hashable:
        """Return what stays equal, in later holds too, until somebody may have changed the trades of a held day.

        A thread's own changes within the hold change it too, or do not.
        """
        ...


class TradeStore(Protocol):
    """Trades, at most one per (symbol, ts)."""

    @property
    def name(self) -> str:
        """Return a short text that tells this store from any other, without secrets: kind and place."""
        ...

    def replace_day(
        self, content: DayContent, batches: Iterator[pa.RecordBatch], observer: Observer = nobody
    ) -> LoadReport:
        """Make the store hold exactly the given trades on the content's day.

        Idempotent and safe to interrupt at any point. Where the recorded hash and counts are equal and the store's own
        counts agree there is nothing to do (``batches`` is not touched); otherwise: mark dirty, delete, prove zero,
        write, verify counts, mark clean.

        Parameters
        ----------
        content
            Hash and rows per symbol that the batches must add up to.
        batches
            ``market.schema.TRADES`` or ``STORED``, sorted by (symbol, ts), all inside the day.

        Raises
        ------
        StoreMismatchError
            After writing, the store does not hold the promised counts. The day stays dirty.
        StoreBusyError
            Another process held the store for too long.
        """
        ...

    def append(self, trades: pa.Table, *, free: bool = False) -> int:
        """Add or overwrite single trades by (symbol, ts) and return how many; their days lose their clean record.

        Parameters
        ----------
        trades
            In any order.
        free
            Whether no two of them have the same (symbol, ts) and none is stored there: who holds their days knows.
        """
        ...

    def holding(self, days: Sequence[dt.date]) -> AbstractContextManager[Hold]:
        """Keep everybody else from changing the trades of some days: other threads, processes and machines.

        What the same thread appends to these days meanwhile is part of it. So whoever looks what is stored and then
        adds to it, within one hold, overwrites nobody's trades.

        Raises
        ------
        StoreBusyError
            Somebody else held one of them for too long.
        """
        ...

    def changes(self, days: Collection[dt.date]) -> Mapping[dt.date, Hashable]:
        """Return for each of some days what stays equal until somebody else may have changed its trades.

        Somebody else is whoever did not append them with this object: other processes and machines, and loads of this
        one. While somebody else is at it now, it may differ each time. Cheap enough to be asked every second.
        """
        ...

    def delete_day(self, day: dt.date) -> int:
        """Delete a day's trades and its record; return how many trades went."""
        ...

    def last_instants(self, day: dt.date) -> Mapping[str, Nanos]:
        """Return the instant of each symbol's last trade on a day; symbols without any are left out."""
        ...

    def day_records(self) -> Mapping[dt.date, DayRecord]:
        """Return the record of every day that has one."""
        ...

    def counts(self, day: dt.date) -> Mapping[str, int]:
        """Count a day's stored trades per symbol, from the data itself; symbols without any are left out."""
        ...

    def counts_by_day(self) -> Mapping[dt.date, int]:
        """Count the stored trades of every day, from the data itself."""
        ...

    def content(self, day: dt.date, figures: Collection[str] = FIGURES) -> pa.Table:
        """Return a day's ``market.schema.CONTENT``, computed by the store from the data itself.

        Parameters
        ----------
        day
            UTC.
        figures
            Which are needed; a store that computes each on its own gives 0 for the others.
        """
        ...

    def fetch(self, keys: pa.Table) -> pa.Table:
        """Return the ``STORED`` trades at exactly these (symbol, ts), sorted so; keys without a trade give no row."""
        ...

    def scan(self, start: Nanos, end: Nanos, symbols: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the ``STORED`` trades with ``start <= ts < end``, sorted by (symbol, ts), memory bounded."""
        ...


@runtime_checkable
class SumsTurnover(Protocol):
    """A trade store that adds up price times amount itself, without handing out a trade."""

    def turnover(self, day: dt.date) -> pa.Table:
        """Return a day's ``market.schema.TURNOVER``, computed by the store from the data itself."""
        ...


@runtime_checkable
class ReplacesMany(Protocol):
    """A trade store that loads many days faster together than one after the other."""

    def replace_days(self, given: Sequence[GivenDay], observer: Observer = nobody) -> Iterator[LoadReport]:
        """Do for each day what ``TradeStore.replace_day`` does, and yield its report, in the order of days given.

        Days are proved and recorded in groups; whoever is interrupted leaves those of the groups under way dirty.
        """
        ...


@runtime_checkable
class LoadsByParts(Protocol):
    """A trade store in which days wait for each other while they are loaded, unless they lie in different parts."""

    def part_of(self, day: dt.date) -> Hashable:
        """Return which part a day lies in; the same for all days where none waits for another."""
        ...


@runtime_checkable
class BacksUp(Protocol):
    """A trade store that can hand out all of its trades by a way of its own, much faster than by questions."""

    @property
    def backs_up(self) -> bool:
        """Whether it was given what that needs; nothing is asked of it."""
        ...

    def no_backup(self) -> str | None:
        """Return why that way is closed; None where it is open."""
        ...

    def backed_up(self, day: dt.date, *, afresh: bool) -> Iterator[pa.RecordBatch]:
        """Yield a day's ``STORED`` trades, sorted by (symbol, ts), memory bounded.

        Parameters
        ----------
        day
            UTC.
        afresh
            Whether what was fetched for another day of the same part of the store may not be used. Even then the
            latest trades may be missing, for seconds.
        """
        ...


class BarStore(Protocol):
    """Bars of the stored resolutions, at most one per (resolution, symbol, ts)."""

    def write(self, resolution: Resolution, day: dt.date, bars: pa.Table) -> int:
        """Make the store hold exactly these ``bars.resolutions.BARS`` on that day; return how many.

        Atomic and idempotent.
        """
        ...

    def write_many(self, day: dt.date, bars: Mapping[str, pa.Table]) -> int:
        """Write several resolutions of one day, by name, in one session with the store; return how many bars."""
        ...

    def read(self, resolution: Resolution, start: Nanos, end: Nanos, symbols: Sequence[str] | None = None) -> pa.Table:
        """Return the stored bars with ``start <= ts < end``, sorted by (symbol, ts)."""
        ...

    def coverage(self, resolution: Resolution) -> pa.Table:
        """Return (day: date32, symbol: string, bars: int64, trades: int64) of what is stored, sorted so."""
        ...

    def delete_day(self, resolution: Resolution, day: dt.date) -> int:
        """Delete a day's bars and return how many went."""
        ...


@runtime_checkable
class RollsUp(Protocol):
    """A bar store that makes bars itself, of the trades that are stored beside it."""

    def roll_up(self, day: dt.date, resolutions: Sequence[Resolution], trades: Mapping[str, int]) -> Mapping[str, int]:
        """Make the store hold exactly the bars of a day's stored trades.

        Parameters
        ----------
        day
            UTC.
        resolutions
            Stored ones, in the order of the chain; a source that is not among them is stored already and right.
        trades
            How many trades of each symbol the day has: what the bars of each resolution must add up to.

        Returns
        -------
        Mapping[str, int]
            How many bars there are, by resolution name.

        Raises
        ------
        StoreMismatchError
            The bars do not add up to the trades, even made afresh.
        """
        ...
