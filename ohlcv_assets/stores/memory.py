"""A store in memory: the plainest thing that keeps both protocols; for tests and for trying things out.

What belongs here: trades and bars as Arrow tables by day. What does not: keeping anything beyond the process.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ohlcv_assets.bars.resolutions import BARS, Resolution, resolution_of
from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.market.schema import CONTENT, FIGURES, STORED, TS_TYPE, TURNOVER
from ohlcv_assets.progress import Observer, nobody
from ohlcv_assets.stores.base import DayContent, DayRecord, LoadReport
from ohlcv_assets.stores.tables import (
    COVERAGE,
    Feed,
    accepted,
    by_symbol,
    check_bars,
    check_stored,
    in_order,
    latest,
    nanos,
    table_of,
    within,
)
from ohlcv_assets.units import DAY, HOUR, Nanos, day_of

_SUMMARY: Final[list[tuple[str, Literal["count", "sum", "min", "max"]]]] = [
    ("price", "count"),
    ("price", "sum"),
    ("price", "min"),
    ("price", "max"),
    ("amount", "sum"),
    ("amount", "min"),
    ("amount", "max"),
    ("side", "sum"),
]


class MemoryTradeStore:
    """The trade protocol over dictionaries of Arrow tables, one a day; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._changing = threading.RLock()  # taken before the other one; who only reads need not wait for a hold
        self._changes = Counter[dt.date]()
        self._trades: dict[dt.date, pa.Table] = {}
        self._records: dict[dt.date, DayRecord] = {}

    @property
    def name(self) -> str:
        """Kind and place."""
        return "memory"

    def replace_day(
        self, content: DayContent, batches: Iterator[pa.RecordBatch], observer: Observer = nobody
    ) -> LoadReport:
        """Make the store hold exactly the given trades; see ``TradeStore.replace_day``."""
        began = time.perf_counter()
        with self._changing, self._lock:
            before = self.counts(content.day)
            promised = Counter(content.counts)
            record = self._records.get(content.day)
            settled = DayRecord(content.day, "clean", content.content_hash, content.rows)
            if record == settled and promised == Counter(before):
                return LoadReport(content.rows, 0, 0, time.perf_counter() - began, 0.0)
            self._records[content.day] = DayRecord(content.day, "dirty", content.content_hash, content.rows)
            feed = Feed(content.day, batches, content.rows, observer)
            table = pa.concat_tables([STORED.empty_table(), *feed])
            self._put(content.day, table)
            if feed.counts != promised:
                raise StoreMismatchError(
                    f"The trades given for {content.day} number {feed.rows}, not the {content.rows} promised, or not "
                    "the promised ones by symbol; the day stays marked dirty."
                )
            self._records[content.day] = settled
        return LoadReport(content.rows, feed.rows, sum(before.values()), time.perf_counter() - began, 0.0)

    def append(self, trades: pa.Table, *, free: bool = False) -> int:  # noqa: ARG002 -- it makes no difference here
        """Add or overwrite single trades; see ``TradeStore.append``."""
        fresh = latest(accepted(trades))
        with self._changing, self._lock:
            for day, rows in _by_day(fresh).items():
                self._put(day, latest(pa.concat_tables([self._day(day), rows])))
                self._records.pop(day, None)
        return fresh.num_rows

    @contextmanager
    def holding(self, days: Sequence[dt.date]) -> Iterator[MemoryTradeStore]:  # noqa: ARG002 -- all days, for this one
        """Keep all other threads from changing trades."""
        with self._changing:
            yield self

    def mark(self, day: dt.date) -> Hashable:
        """Return how often a day's trades were changed."""
        return self._changes[day]

    def changes(self, days: Collection[dt.date]) -> Mapping[dt.date, Hashable]:
        """Return how often each day's trades were changed, by whomever."""
        return {day: self.mark(day) for day in days}

    def delete_day(self, day: dt.date) -> int:
        """Delete a day's trades and its record."""
        with self._changing, self._lock:
            gone = self._day(day).num_rows
            self._put(day, STORED.empty_table())
            self._records.pop(day, None)
        return gone

    def last_instants(self, day: dt.date) -> Mapping[str, Nanos]:
        """Return the instant of each symbol's last trade on a day."""
        found = self._day(day)
        pairs = zip(found["symbol"].to_pylist(), nanos(found["ts"]).tolist(), strict=True)
        return {str(symbol): Nanos(ts) for symbol, ts in sorted(pairs)}

    def day_records(self) -> Mapping[dt.date, DayRecord]:
        """Return the record of every day that has one."""
        with self._lock:
            return dict(sorted(self._records.items()))

    def counts(self, day: dt.date) -> Mapping[str, int]:
        """Count a day's trades per symbol."""
        return by_symbol(self._day(day))

    def counts_by_day(self) -> Mapping[dt.date, int]:
        """Count the trades of every day."""
        with self._lock:
            return {day: table.num_rows for day, table in sorted(self._trades.items())}

    def content(self, day: dt.date, figures: Collection[str] = FIGURES) -> pa.Table:  # noqa: ARG002 -- all in one pass
        """Return a day's ``market.schema.CONTENT``."""
        table = self._day(day)
        hours = nanos(table.column("ts")) // HOUR * HOUR
        keyed = table_of(
            symbol=table.column("symbol").cast(pa.string()),
            hour=pa.array(hours, pa.int64()).cast(TS_TYPE),
            price=table.column("price"),
            amount=table.column("amount"),
            side=table.column("side"),
        )
        grouped = keyed.group_by(["symbol", "hour"]).aggregate(_SUMMARY)
        named = grouped.rename_columns({"price_count": "trades"}).select(CONTENT.names).cast(CONTENT)
        return named.sort_by([("symbol", "ascending"), ("hour", "ascending")])

    def turnover(self, day: dt.date) -> pa.Table:
        """Return a day's ``market.schema.TURNOVER``."""
        table = self._day(day)
        traded = pc.multiply(table.column("price"), table.column("amount"))
        keyed = table_of(symbol=table.column("symbol").cast(pa.string()), turnover=traded)
        grouped = keyed.group_by("symbol").aggregate([("turnover", "sum")])
        return grouped.rename_columns(TURNOVER.names).cast(TURNOVER).sort_by("symbol")

    def fetch(self, keys: pa.Table) -> pa.Table:
        """Return the trades at exactly these (symbol, ts)."""
        wanted = set(zip(keys.column("symbol").to_pylist(), nanos(keys.column("ts")).tolist(), strict=True))
        days = sorted({day_of(Nanos(ts)) for _, ts in wanted})
        found = pa.concat_tables([STORED.empty_table(), *(self._day(day) for day in days)])
        pairs = zip(found.column("symbol").to_pylist(), nanos(found.column("ts")).tolist(), strict=True)
        return in_order(found.filter(pa.array([pair in wanted for pair in pairs], pa.bool_())))

    def scan(self, start: Nanos, end: Nanos, symbols: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the trades with ``start <= ts < end``, sorted by (symbol, ts)."""
        with self._lock:
            tables = list(self._trades.values())
        yield from in_order(within(pa.concat_tables([STORED.empty_table(), *tables]), start, end, symbols)).to_batches()

    def _day(self, day: dt.date) -> pa.Table:
        with self._lock:
            return self._trades.get(day, STORED.empty_table())

    def _put(self, day: dt.date, table: pa.Table) -> None:
        """Keep a day's table; a day without trades is no day with trades."""
        self._changes[day] += 1
        if table.num_rows > 0:
            self._trades[day] = table
        else:
            self._trades.pop(day, None)


class MemoryBarStore:
    """The bar protocol over a dictionary of Arrow tables; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._bars: dict[tuple[str, dt.date], pa.Table] = {}

    def write(self, resolution: Resolution, day: dt.date, bars: pa.Table) -> int:
        """Make the store hold exactly these bars on that day."""
        return self.write_many(day, {resolution.name: bars})

    def write_many(self, day: dt.date, bars: Mapping[str, pa.Table]) -> int:
        """Write several resolutions of one day."""
        checked = {name: check_bars(resolution_of(name), day, table) for name, table in bars.items()}
        with self._lock:
            self._bars.update({(name, day): table for name, table in checked.items()})
        return sum(table.num_rows for table in checked.values())

    def read(self, resolution: Resolution, start: Nanos, end: Nanos, symbols: Sequence[str] | None = None) -> pa.Table:
        """Return the stored bars with ``start <= ts < end``, sorted by (symbol, ts)."""
        tables = [table for _, table in self._of(resolution)]
        return in_order(within(pa.concat_tables([BARS.empty_table(), *tables]), start, end, symbols))

    def coverage(self, resolution: Resolution) -> pa.Table:
        """Return bars and trades by day and symbol."""
        tables = []
        for day, table in self._of(resolution):
            keyed = table_of(symbol=table.column("symbol").cast(pa.string()), trades=table.column("trades"))
            grouped = keyed.group_by("symbol").aggregate([("trades", "count"), ("trades", "sum")])
            days = pa.array([day] * grouped.num_rows, pa.date32())
            named = grouped.rename_columns({"trades_count": "bars", "trades_sum": "trades"}).append_column("day", days)
            tables.append(named.select(COVERAGE.names).cast(COVERAGE))
        return pa.concat_tables([COVERAGE.empty_table(), *tables]).sort_by(
            [("day", "ascending"), ("symbol", "ascending")]
        )

    def delete_day(self, resolution: Resolution, day: dt.date) -> int:
        """Delete a day's bars."""
        check_stored(resolution)
        with self._lock:
            return self._bars.pop((resolution.name, day), BARS.empty_table()).num_rows

    def _of(self, resolution: Resolution) -> list[tuple[dt.date, pa.Table]]:
        check_stored(resolution)
        with self._lock:
            return [(day, table) for (name, day), table in self._bars.items() if name == resolution.name]


def _by_day(trades: pa.Table) -> dict[dt.date, pa.Table]:
    """Split trades by UTC day."""
    days = nanos(trades.column("ts")) // DAY
    return {day_of(Nanos(int(day) * DAY)): trades.filter(pa.array(days == day)) for day in np.unique(days)}
