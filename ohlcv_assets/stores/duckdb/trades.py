"""Trades in the embedded store.

What belongs here: the trade protocol over sessions of the broker. What does not: SQL text, locking, bars.

A day is replaced in one transaction: whoever is interrupted leaves the day as it was, record and trades together.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.market import schema
from ohlcv_assets.progress import Observer, nobody
from ohlcv_assets.stores.base import DayContent, DayRecord, DayState, LoadReport
from ohlcv_assets.stores.duckdb import sql
from ohlcv_assets.stores.duckdb.broker import Broker, Session
from ohlcv_assets.stores.tables import Feed, accepted, clamp, conform, in_order, latest, nanos, table_of, without_zone
from ohlcv_assets.units import DAY, Nanos, day_bounds, day_of, day_start, days_between

PAGE_ROWS: Final = 500_000
"""Trades that a scan reads in one session, at most."""

_MOST_OPEN: Final = 64
"""Days of which it is kept in mind that they have no record."""


class DuckDBTradeStore:
    """Trades in a DuckDB file.

    Parameters
    ----------
    broker
        The way to the file; a bar store may share it.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._open: dict[dt.date, Hashable] = {}
        self._appended = Counter[dt.date]()

    @property
    def name(self) -> str:
        """Kind and place."""
        return f"duckdb:{self._broker.path}"

    def size_bytes(self) -> int:
        """Return the size of the file in bytes, bars included."""
        return self._broker.size_bytes()

    def close(self) -> None:
        """Let go of what the process keeps between sessions."""
        self._broker.close()

    def replace_day(
        self, content: DayContent, batches: Iterator[pa.RecordBatch], observer: Observer = nobody
    ) -> LoadReport:
        """Make the store hold exactly the given trades; see ``TradeStore.replace_day``."""
        began = time.perf_counter()
        with self._broker.session() as session:
            entered = time.perf_counter()
            before = _counts(session, content.day)
            settled = DayRecord(content.day, "clean", content.content_hash, content.rows)
            deleted = written = 0
            if before != Counter(content.counts) or _record(session, content.day) != settled:
                feed = Feed(content.day, batches, content.rows, observer)
                deleted, written = before.total(), _replace(session, content, feed)
            held = time.perf_counter() - entered
        seconds = time.perf_counter() - began
        detail = {"held_seconds": held, "store_bytes": self.size_bytes()}
        return LoadReport(content.rows, written, deleted, seconds, session.waited, detail)

    def append(self, trades: pa.Table, *, free: bool = False) -> int:
        """Add or overwrite single trades; see ``TradeStore.append``."""
        given = accepted(trades)
        fresh = given if free else latest(given)
        if fresh.num_rows == 0:
            return 0
        days = _days_of(fresh)
        with self._broker.session() as session, session.incoming(without_zone(fresh)), session.transaction():
            # Where nobody has changed a day since we did, its month is there and it has no record.
            others = [day for day in days if self._open.get(day) != session.mark(day)]
            session.changing(days)
            self._appended.update(days)
            for month in sorted({sql.month_of(day) for day in others}):
                _ensure(session, month)
            for month in sorted({sql.month_of(day) for day in days}):
                bounds = _narrowed(_month_bounds(month), fresh)
                if not free:
                    session.changed(sql.delete_keys(month), bounds)
                session.changed(sql.insert_inside(month), bounds)
            for day in others:
                session.changed(sql.FORGET, [day])
            marks = {day: session.mark(day) for day in days}
        # Not before it is committed.
        self._open = {**self._open, **marks} if len(self._open) < _MOST_OPEN else marks
        return fresh.num_rows

    @contextmanager
    def holding(self, days: Sequence[dt.date]) -> Iterator[Session]:  # noqa: ARG002 -- the file is held as a whole
        """Keep everybody else from changing trades; see ``TradeStore.holding``."""
        with self._broker.session() as session, session.alone():
            yield session

    def last_instants(self, day: dt.date) -> Mapping[str, Nanos]:
        """Return the instant of each symbol's last trade on a day."""
        if not self._broker.exists:
            return {}
        with self._broker.session() as session:
            if sql.month_of(day) not in _months(session):
                return {}
            return {symbol: Nanos(ts) for symbol, ts in session.rows(sql.last_instants(day), _bounds(day))}

    def changes(self, days: Collection[dt.date]) -> Mapping[dt.date, Hashable]:
        """Return what stays equal until somebody else changes a day, or another process the file."""
        if not self._broker.exists:
            return dict.fromkeys(days)
        with self._broker.session() as session:
            found = session.changes(days)
        return {day: (others, ours - self._appended[day]) for day, (others, ours) in found.items()}

    def delete_day(self, day: dt.date) -> int:
        """Delete a day's trades and its record."""
        if not self._broker.exists:
            return 0
        with self._broker.session() as session, session.transaction():
            session.changing([day])
            session.changed(sql.FORGET, [day])
            return _delete(session, day)

    def day_records(self) -> Mapping[dt.date, DayRecord]:
        """Return the record of every day that has one."""
        if not self._broker.exists:
            return {}
        with self._broker.session() as session:
            rows = session.rows(sql.RECORDS)
        return {row[0]: DayRecord(*row) for row in rows}

    def counts(self, day: dt.date) -> Mapping[str, int]:
        """Count a day's trades per symbol."""
        if not self._broker.exists:
            return {}
        with self._broker.session() as session:
            return _counts(session, day)

    def counts_by_day(self) -> Mapping[dt.date, int]:
        """Count the trades of every day: range by range, four times as fast as reading every timestamp."""
        if not self._broker.exists:
            return {}
        with self._broker.session() as session:
            days = (day for month in _months(session) for day in _month_days(month))
            counted = {day: int(session.rows(sql.count(day), _bounds(day))[0][0]) for day in days}
        return {day: count for day, count in counted.items() if count > 0}

    def content(self, day: dt.date, figures: Collection[str] = schema.FIGURES) -> pa.Table:  # noqa: ARG002 -- all in one pass
        """Return a day's ``market.schema.CONTENT``."""
        return self._figures(day, sql.content, schema.CONTENT)

    def turnover(self, day: dt.date) -> pa.Table:
        """Return a day's ``market.schema.TURNOVER``."""
        return self._figures(day, sql.turnover, schema.TURNOVER)

    def fetch(self, keys: pa.Table) -> pa.Table:
        """Return the trades at exactly these (symbol, ts); reads only the days they are on."""
        if not self._broker.exists or keys.num_rows == 0:
            return schema.STORED.empty_table()
        wanted = table_of(symbol=keys.column("symbol").cast(pa.string()), ts=keys.column("ts"))
        with self._broker.session() as session, session.incoming(without_zone(wanted)):
            months = _months(session)
            days = [day for day in _days_of(wanted) if sql.month_of(day) in months]
            bounds = {day: _narrowed(_bounds(day), wanted) for day in days}
            found = [conform(session.table(sql.fetch(day), bounds[day]), schema.STORED) for day in days]
        return in_order(pa.concat_tables([schema.STORED.empty_table(), *found]))

    def scan(self, start: Nanos, end: Nanos, symbols: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the trades with ``start <= ts < end``, sorted by (symbol, ts).

        Every page is read in a session of its own, so that a slow consumer keeps nobody waiting; what is written
        between two pages may show in the later one.
        """
        bounds = (clamp(start), clamp(end))
        if not self._broker.exists or bounds[0] >= bounds[1]:
            return
        with self._broker.session() as session:
            months = [month for month in _months(session) if _overlap(month, bounds) is not None]
            chosen = set(symbols) if symbols is not None else _symbols(session, months, bounds)
        for symbol in sorted(chosen):
            for month in months:
                for window in self._windows(month, symbol, *bounds):
                    yield from self._pages(month, symbol, *window)

    def _figures(self, day: dt.date, statement: Callable[[dt.date], str], columns: pa.Schema) -> pa.Table:
        """Return what a statement makes of a day's trades; nothing where there are none."""
        if not self._broker.exists:
            return columns.empty_table()
        with self._broker.session() as session:
            if sql.month_of(day) not in _months(session):
                return columns.empty_table()
            return conform(session.table(statement(day), _bounds(day)), columns)

    def _windows(self, month: dt.date, symbol: str, start: int, end: int) -> list[tuple[int, int]]:
        """Split a month between days such that each part holds about a page of the symbol, or one day."""
        with self._broker.session() as session:
            rows = session.rows(sql.rows_by_day(month), (symbol, start, end))
        windows: list[tuple[int, int]] = []
        held = PAGE_ROWS
        for number, count in rows:
            first, stop = max(start, number * DAY), min(end, (number + 1) * DAY)
            if held + count > PAGE_ROWS:
                windows.append((first, stop))
                held = count
            else:
                windows[-1] = (windows[-1][0], stop)
                held += count
        return windows

    def _pages(self, month: dt.date, symbol: str, start: int, end: int) -> Iterator[pa.RecordBatch]:
        """Read a window page by page, each beginning after the last instant of the one before."""
        while True:
            with self._broker.session() as session:
                page = conform(session.table(sql.page(month), (symbol, start, end, PAGE_ROWS)), schema.STORED)
            yield from page.to_batches()
            if page.num_rows < PAGE_ROWS:
                return
            start = int(nanos(page.column("ts"))[-1]) + 1


def _months(session: Session) -> list[dt.date]:
    """Return the months that have a table, in order."""
    return [row[0] for row in session.rows(sql.MONTHS)]


def _ensure(session: Session, day: dt.date) -> None:
    """Make the table of a day's month where there is none yet, and the view over all of them."""
    months, month = _months(session), sql.month_of(day)
    if month in months:
        return
    session.rows(sql.create_month(month))
    session.changed(sql.ADD_MONTH, [month])
    session.rows(sql.view(sorted([*months, month])))


def _bounds(day: dt.date) -> tuple[int, int]:
    """Return a day as ``[start, end)``."""
    start, end = day_bounds(day)
    return clamp(start), clamp(end)


def _narrowed(bounds: tuple[int, int], trades: pa.Table) -> tuple[int, int]:
    """Return the part of a range that trades lie in: a few of them are a small part of a month."""
    instants = nanos(trades.column("ts"))
    return max(bounds[0], int(instants.min())), min(bounds[1], int(instants.max()) + 1)


def _month_days(month: dt.date) -> tuple[dt.date, ...]:
    """Return the days of a month."""
    return days_between(month, _following(month) - dt.timedelta(days=1))


def _following(month: dt.date) -> dt.date:
    """Return the month after a month."""
    return sql.month_of(month + dt.timedelta(days=31))


def _month_bounds(month: dt.date) -> tuple[int, int]:
    """Return a month as ``[start, end)``."""
    return clamp(day_start(month)), clamp(day_start(_following(month)))


def _overlap(month: dt.date, bounds: tuple[int, int]) -> tuple[int, int] | None:
    """Return the part of a range that lies in a month, or None."""
    first, stop = _month_bounds(month)
    inside = max(first, bounds[0]), min(stop, bounds[1])
    return inside if inside[0] < inside[1] else None


def _symbols(session: Session, months: list[dt.date], bounds: tuple[int, int]) -> set[str]:
    """Return the symbols that have a trade in a range."""
    return {row[0] for month in months for row in session.rows(sql.symbols(month), bounds)}


def _days_of(table: pa.Table) -> list[dt.date]:
    """Return the UTC days that a table's instants fall on, in order."""
    return [day_of(Nanos(number * DAY)) for number in np.unique(nanos(table.column("ts")) // DAY).tolist()]


def _counts(session: Session, day: dt.date) -> Counter[str]:
    """Count a day's trades per symbol."""
    if sql.month_of(day) not in _months(session):
        return Counter()
    return Counter(dict(session.rows(sql.counts(day), _bounds(day))))


def _delete(session: Session, day: dt.date) -> int:
    """Delete a day's trades and return how many there were."""
    if sql.month_of(day) not in _months(session):
        return 0
    return session.changed(sql.delete_trades(day), _bounds(day))


def _record(session: Session, day: dt.date) -> DayRecord | None:
    """Return what is recorded of a day."""
    rows = session.rows(sql.RECORD, [day])
    return DayRecord(day, *rows[0]) if rows else None


def _replace(session: Session, content: DayContent, feed: Feed) -> int:
    """Delete, prove zero, write, verify and record in one transaction; return how many trades were written."""
    try:
        with session.transaction():
            session.changing([content.day])
            _clear(session, content.day)
            _ensure(session, content.day)
            with session.incoming(feed.reader()):
                session.changed(sql.insert_trades(content.day))
            _require(content, _counts(session, content.day))
            _mark(session, content, "clean")
    except StoreMismatchError:
        with session.transaction():
            _mark(session, content, "dirty")
        raise
    except duckdb.Error:
        if feed.error is not None:
            raise feed.error from None
        raise
    return feed.rows


def _clear(session: Session, day: dt.date) -> None:
    """Delete a day's trades and prove that none is left."""
    _delete(session, day)
    left = _counts(session, day)
    if left:
        raise StoreMismatchError(f"{left.total()} trades of {day} were still there after all of them were deleted.")


def _mark(session: Session, content: DayContent, state: DayState) -> None:
    """Record a day's state."""
    session.changed(sql.FORGET, [content.day])
    session.changed(sql.RECORD_DAY, [content.day, state, content.content_hash, content.rows])


def _require(content: DayContent, found: Counter[str]) -> None:
    """Raise StoreMismatchError unless what was written is what was promised."""
    promised = Counter(content.counts)
    if found == promised:
        return
    symbol = min(name for name in promised.keys() | found.keys() if promised[name] != found[name])
    raise StoreMismatchError(
        f"The trades given for {content.day} are {found.total()} where {content.rows} were promised; the first symbol "
        f"that differs is {symbol!r} with {found[symbol]} for {promised[symbol]}. Nothing of them was stored and the "
        "day is marked dirty; make its day file again, then load it."
    )
