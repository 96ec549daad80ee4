# ruff: noqa: S608 -- every name in these texts is a constant of this module; values are parameters only
"""Every statement the embedded store runs.

What belongs here: SQL text, with parameters only; names in it come from this module. What does not: running it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS, Resolution
from ohlcv_assets.units import DAY, HOUR

LAYOUT_VERSION: Final = 1
"""Raised when tables or columns change; a file of another version is refused by name."""

ALIAS: Final = "store"
"""What the file is attached as."""

_BAR_COLUMNS: Final = (
    "symbol VARCHAR NOT NULL, ts TIMESTAMP_NS NOT NULL, open DOUBLE NOT NULL, high DOUBLE NOT NULL, "
    "low DOUBLE NOT NULL, close DOUBLE NOT NULL, volume DOUBLE NOT NULL, turnover DOUBLE NOT NULL, "
    "trades BIGINT NOT NULL, imbalance BIGINT NOT NULL"
)


def bar_table(resolution: Resolution) -> str:
    """Return the table of a resolution's bars."""
    return f"{ALIAS}.bars_{resolution.name}"


def month_of(day: dt.date) -> dt.date:
    """Return the first day of a day's month."""
    return day.replace(day=1)


def trade_table(day: dt.date) -> str:
    """Return the table of the trades of a day's month."""
    return f"trades_{day.year:04}_{day.month:02}"


_DAYS: Final = f"{ALIAS}.days"
_MONTHS: Final = f"{ALIAS}.months"
_TRADE_COLUMNS: Final = (
    "symbol VARCHAR NOT NULL, ts TIMESTAMP_NS NOT NULL, price DOUBLE NOT NULL, amount DOUBLE NOT NULL, "
    "side TINYINT NOT NULL"
)
_DAY_COLUMNS: Final = "day DATE NOT NULL, state VARCHAR NOT NULL, content_hash VARCHAR NOT NULL, rows BIGINT NOT NULL"

CREATE: Final = (
    f"CREATE TABLE {_MONTHS} (month DATE NOT NULL)",
    f"CREATE TABLE {_DAYS} ({_DAY_COLUMNS})",
    *(f"CREATE TABLE {bar_table(resolution)} ({_BAR_COLUMNS})" for resolution in STORED_RESOLUTIONS),
    f"CREATE TABLE {ALIAS}.layout (version INTEGER NOT NULL)",
    f"INSERT INTO {ALIAS}.layout VALUES ({LAYOUT_VERSION})",
)

VERSION: Final = f"SELECT version FROM {ALIAS}.layout"

_INSIDE: Final = "ts >= make_timestamp_ns(?) AND ts < make_timestamp_ns(?)"
# date_trunc would round to microseconds first, and integer division rounds towards zero.
_NS: Final = "epoch_ns(ts)"
_DAY_NUMBER: Final = f"({_NS} // {DAY} - CAST({_NS} % {DAY} < 0 AS BIGINT))"
_HOUR: Final = f"({_NS} // {HOUR} - CAST({_NS} % {HOUR} < 0 AS BIGINT)) * {HOUR}"

# --- trades: one table a month, named by ``trade_table`` -------------------------------------------------------------

MONTHS: Final = f"SELECT month FROM {_MONTHS} ORDER BY month"
ADD_MONTH: Final = f"INSERT INTO {_MONTHS} VALUES (?)"


def create_month(day: dt.date) -> str:
    """Make the table of a month."""
    return f"CREATE TABLE {ALIAS}.{trade_table(day)} ({_TRADE_COLUMNS})"


def view(months: Iterable[dt.date]) -> str:
    """Make the view ``trades`` over all months, for people who look into the file."""
    # Unqualified, or the view would only work where the file is attached by this name.
    parts = " UNION ALL ".join(f"SELECT * FROM {trade_table(month)}" for month in months)
    return f"CREATE OR REPLACE VIEW {ALIAS}.trades AS {parts}"


def insert_trades(day: dt.date) -> str:
    """Insert all of ``incoming`` into a day's month."""
    return f"INSERT INTO {ALIAS}.{trade_table(day)} SELECT symbol, ts, price, amount, side FROM incoming"


def insert_inside(day: dt.date) -> str:
    """Insert what ``incoming`` has inside a range into a day's month."""
    return f"{insert_trades(day)} WHERE {_INSIDE}"


def delete_trades(day: dt.date) -> str:
    """Delete a range of trades."""
    return f"DELETE FROM {ALIAS}.{trade_table(day)} WHERE {_INSIDE}"


def delete_keys(day: dt.date) -> str:
    """Delete the trades inside a range that have a (symbol, ts) of ``incoming``."""
    return (
        f"DELETE FROM {ALIAS}.{trade_table(day)} AS held USING incoming WHERE held.symbol = incoming.symbol "
        "AND held.ts = incoming.ts AND held.ts >= make_timestamp_ns(?) AND held.ts < make_timestamp_ns(?)"
    )


def counts(day: dt.date) -> str:
    """Count a range's trades by symbol."""
    return f"SELECT symbol, count(*) FROM {ALIAS}.{trade_table(day)} WHERE {_INSIDE} GROUP BY symbol ORDER BY symbol"


def count(day: dt.date) -> str:
    """Count a range's trades; where whole row groups lie inside it, their statistics answer."""
    return f"SELECT count(*) FROM {ALIAS}.{trade_table(day)} WHERE {_INSIDE}"


def content(day: dt.date) -> str:
    """Summarise a range by symbol and hour."""
    return (
        "SELECT symbol, hour, count(*) AS trades, "
        "sum(price) AS price_sum, min(price) AS price_min, max(price) AS price_max, "
        "sum(amount) AS amount_sum, min(amount) AS amount_min, max(amount) AS amount_max, "
        "CAST(sum(side) AS BIGINT) AS side_sum "
        f"FROM (SELECT *, {_HOUR} AS hour FROM {ALIAS}.{trade_table(day)} WHERE {_INSIDE}) "
        "GROUP BY symbol, hour ORDER BY symbol, hour"
    )


def turnover(day: dt.date) -> str:
    """Add up what was traded in a range by symbol."""
    return (
        f"SELECT symbol, sum(price * amount) AS turnover FROM {ALIAS}.{trade_table(day)} WHERE {_INSIDE} "
        "GROUP BY symbol ORDER BY symbol"
    )


def fetch(day: dt.date) -> str:
    """Read the trades inside a range that have a (symbol, ts) of ``incoming``."""
    return (
        "SELECT held.symbol, held.ts, held.price, held.amount, held.side "
        f"FROM {ALIAS}.{trade_table(day)} AS held "
        "SEMI JOIN incoming ON held.symbol = incoming.symbol AND held.ts = incoming.ts "
        "WHERE held.ts >= make_timestamp_ns(?) AND held.ts < make_timestamp_ns(?)"
    )


def last_instants(day: dt.date) -> str:
    """Find the last instant of each symbol in a range, in nanoseconds."""
    return (
        f"SELECT symbol, epoch_ns(max(ts)) FROM {ALIAS}.{trade_table(day)} WHERE {_INSIDE} "
        "GROUP BY symbol ORDER BY symbol"
    )


def symbols(day: dt.date) -> str:
    """List the symbols of a range."""
    return f"SELECT DISTINCT symbol FROM {ALIAS}.{trade_table(day)} WHERE {_INSIDE}"


def rows_by_day(day: dt.date) -> str:
    """Count a symbol's trades of a range by number of the day."""
    return (
        f"SELECT CAST({_DAY_NUMBER} AS INTEGER) AS number, count(*) FROM {ALIAS}.{trade_table(day)} "
        f"WHERE symbol = ? AND {_INSIDE} GROUP BY number ORDER BY number"
    )


def page(day: dt.date) -> str:
    """Read a symbol's first trades of a range."""
    return (
        f"SELECT symbol, ts, price, amount, side FROM {ALIAS}.{trade_table(day)} WHERE symbol = ? AND {_INSIDE} "
        "ORDER BY ts LIMIT ?"
    )


# --- records of days --------------------------------------------------------------------------------------------------

RECORDS: Final = f"SELECT day, state, content_hash, rows FROM {_DAYS} ORDER BY day"
RECORD: Final = f"SELECT state, content_hash, rows FROM {_DAYS} WHERE day = ?"
FORGET: Final = f"DELETE FROM {_DAYS} WHERE day = ?"
RECORD_DAY: Final = f"INSERT INTO {_DAYS} VALUES (?, ?, ?, ?)"

# --- bars -------------------------------------------------------------------------------------------------------------


def delete_bars(resolution: Resolution) -> str:
    """Delete a range of bars."""
    return f"DELETE FROM {bar_table(resolution)} WHERE {_INSIDE}"


def insert_bars(resolution: Resolution) -> str:
    """Insert the registered bars."""
    return f"INSERT INTO {bar_table(resolution)} SELECT * FROM incoming"


def read_bars(resolution: Resolution, symbols: int | None) -> str:
    """Read a range of bars, of all symbols or of as many as there are further parameters; of one they may come anyhow.

    Those of one symbol are few, and mostly stored in order: to sort them here takes a third as long as to read them.
    """
    chosen = "" if symbols is None else f" AND symbol IN ({', '.join('?' * symbols)})"
    order = "" if symbols == 1 else " ORDER BY symbol, ts"
    return f"SELECT * FROM {bar_table(resolution)} WHERE {_INSIDE}{chosen}{order}"


def coverage(resolution: Resolution) -> str:
    """Count bars and trades by day and symbol."""
    # Bars open at whole minutes, so that nothing is rounded here, and this takes half the time of ``_DAY_NUMBER``.
    return (
        "SELECT CAST(ts AS DATE) AS day, symbol, count(*) AS bars, "
        f"CAST(sum(trades) AS BIGINT) AS trades FROM {bar_table(resolution)} GROUP BY ALL ORDER BY day, symbol"
    )
