# ruff: noqa: S608 -- every name in these texts is a constant of this module; values are parameters only
"""Every statement the embedded store runs.

What belongs here: SQL text, with parameters only; names in it come from this module. What does not: running it.
"""

from __future__ import annotations

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


_TRADES: Final = f"{ALIAS}.trades"
_DAYS: Final = f"{ALIAS}.days"
_TRADE_COLUMNS: Final = (
    "symbol VARCHAR NOT NULL, ts TIMESTAMP_NS NOT NULL, price DOUBLE NOT NULL, amount DOUBLE NOT NULL, "
    "side TINYINT NOT NULL"
)
_DAY_COLUMNS: Final = "day DATE NOT NULL, state VARCHAR NOT NULL, content_hash VARCHAR NOT NULL, rows BIGINT NOT NULL"

CREATE: Final = (
    f"CREATE TABLE {_TRADES} ({_TRADE_COLUMNS})",
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

# --- trades -----------------------------------------------------------------------------------------------------------

INSERT_TRADES: Final = f"INSERT INTO {_TRADES} SELECT symbol, ts, price, amount, side FROM incoming"
DELETE_TRADES: Final = f"DELETE FROM {_TRADES} WHERE {_INSIDE}"
DELETE_KEYS: Final = (
    f"DELETE FROM {_TRADES} USING incoming WHERE trades.symbol = incoming.symbol AND trades.ts = incoming.ts "
    "AND trades.ts >= make_timestamp_ns(?) AND trades.ts < make_timestamp_ns(?)"
)
COUNTS: Final = f"SELECT symbol, count(*) FROM {_TRADES} WHERE {_INSIDE} GROUP BY symbol ORDER BY symbol"
COUNTS_BY_DAY: Final = (
    f"SELECT CAST({_DAY_NUMBER} AS INTEGER) AS number, count(*) FROM {_TRADES} GROUP BY number ORDER BY number"
)
CONTENT: Final = (
    "SELECT symbol, hour, count(*) AS trades, "
    "sum(price) AS price_sum, min(price) AS price_min, max(price) AS price_max, "
    "sum(amount) AS amount_sum, min(amount) AS amount_min, max(amount) AS amount_max, "
    "CAST(sum(side) AS BIGINT) AS side_sum "
    f"FROM (SELECT *, {_HOUR} AS hour FROM {_TRADES} WHERE {_INSIDE}) "
    "GROUP BY symbol, hour ORDER BY symbol, hour"
)
FETCH: Final = (
    "SELECT trades.symbol, trades.ts, trades.price, trades.amount, trades.side "
    f"FROM {_TRADES} SEMI JOIN incoming ON trades.symbol = incoming.symbol AND trades.ts = incoming.ts "
    "WHERE trades.ts >= make_timestamp_ns(?) AND trades.ts < make_timestamp_ns(?)"
)
SYMBOLS: Final = f"SELECT DISTINCT symbol FROM {_TRADES} WHERE {_INSIDE} ORDER BY symbol"
ROWS_BY_DAY: Final = (
    f"SELECT CAST({_DAY_NUMBER} AS INTEGER) AS number, count(*) FROM {_TRADES} "
    f"WHERE symbol = ? AND {_INSIDE} GROUP BY number ORDER BY number"
)
PAGE: Final = (
    f"SELECT symbol, ts, price, amount, side FROM {_TRADES} WHERE symbol = ? AND {_INSIDE} ORDER BY ts LIMIT ?"
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
    """Read a range of bars, of all symbols or of as many as there are further parameters."""
    chosen = "" if symbols is None else f" AND symbol IN ({', '.join('?' * symbols)})"
    return f"SELECT * FROM {bar_table(resolution)} WHERE {_INSIDE}{chosen} ORDER BY symbol, ts"


def coverage(resolution: Resolution) -> str:
    """Count bars and trades by day and symbol."""
    return (
        f"SELECT CAST({_DAY_NUMBER} AS INTEGER) AS day, symbol, count(*) AS bars, "
        f"CAST(sum(trades) AS BIGINT) AS trades FROM {bar_table(resolution)} GROUP BY ALL ORDER BY day, symbol"
    )
