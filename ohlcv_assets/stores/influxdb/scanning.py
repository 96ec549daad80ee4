"""Whole trades from the server: by exact keys, and all of a range page by page.

What belongs here: statements of InfluxQL that give a trade in one row, and their order. What does not: counts and
content (``queries``), sending (``asking``), reading CSV (``reading``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

import pyarrow as pa

from ohlcv_assets.market.schema import STORED, SYMBOL_TYPE, TS_TYPE
from ohlcv_assets.stores.influxdb.asking import Asker, QueryTimeout
from ohlcv_assets.stores.influxdb.layout import TRADES_MEASUREMENT
from ohlcv_assets.stores.influxdb.literals import influxql_name, influxql_string, tag_text
from ohlcv_assets.stores.influxdb.parts import END_NS, FIRST_NS
from ohlcv_assets.stores.influxdb.queries import field_counts
from ohlcv_assets.stores.influxdb.reading import Types, require_whole, symbols_of_tags
from ohlcv_assets.stores.tables import in_order, nanos, table_of
from ohlcv_assets.units import Nanos

PAGE_ROWS: Final = 200_000
"""Trades of one request: about 12 MB of CSV, and as much again as a table."""

LEAST_PAGE: Final = 1_000
"""A page that takes too long is asked for in smaller ones down to this."""

KEYS: Final = 100
"""Keys of one request; each is a statement."""

_SMALLER: Final = 8
_TYPES: Final[Types] = {
    "tags": SYMBOL_TYPE,
    "time": pa.int64(),
    "price": pa.float64(),
    "amount": pa.float64(),
    "side": pa.int8(),
}
_SELECT: Final = f'SELECT "price", "amount", "side" FROM {influxql_name(TRADES_MEASUREMENT)}'  # noqa: S608 -- a constant


def fetch(asker: Asker, bucket: str, keys: pa.Table) -> pa.Table:
    """Return the ``STORED`` trades at exactly these (symbol, ts), sorted so.

    Parameters
    ----------
    asker
        The way to the server.
    bucket
        Name of the bucket of trades.
    keys
        Columns ``symbol`` and ``ts``; repeated ones and those without a trade give no row of their own.

    Raises
    ------
    StoreMismatchError
        A point there is no whole trade.
    """
    pairs = zip(cast("list[str]", keys["symbol"].to_pylist()), nanos(keys["ts"]).tolist(), strict=True)
    wanted = sorted({(symbol, ts) for symbol, ts in pairs if FIRST_NS <= ts < END_NS})
    statements = [f"{_SELECT} WHERE {_is(symbol)} AND time = {ts} GROUP BY symbol" for symbol, ts in wanted]
    tables = [
        table
        for at in range(0, len(statements), KEYS)
        for table in _some(asker, bucket, statements[at : at + KEYS], "fetch")
    ]
    return in_order(pa.concat_tables([STORED.empty_table(), *tables]).unify_dictionaries())


def scan(
    asker: Asker, bucket: str, start: Nanos, end: Nanos, symbols: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the ``STORED`` trades with ``start <= ts < end``, sorted by (symbol, ts), a page in memory at a time.

    Raises
    ------
    StoreMismatchError
        A stored point is no whole trade.
    """
    if symbols is not None and len(symbols) == 0:
        return
    counted = field_counts(asker, bucket, start, end, symbols, name="scan")
    span = f"time >= {max(start, FIRST_NS)} AND time < {min(end, END_NS)}"
    for group in _groups({symbol: max(fields.values()) for symbol, fields in counted.items()}):
        yield from _group(asker, bucket, group, span)


def _group(asker: Asker, bucket: str, symbols: Sequence[str], span: str) -> Iterator[pa.RecordBatch]:
    """Yield the trades of symbols that fit into one page together, or of one alone."""
    if len(symbols) > 1:
        statements = [f"{_SELECT} WHERE {_is(symbol)} AND {span} GROUP BY symbol" for symbol in symbols]
        try:
            yield from _trades(asker, bucket, statements, "scan").to_batches()
        except QueryTimeout:
            pass
        else:
            return
    for symbol in symbols:
        yield from _pages(asker, bucket, symbol, span)


def _pages(asker: Asker, bucket: str, symbol: str, span: str) -> Iterator[pa.RecordBatch]:
    """Yield the trades of one symbol page by page, each beginning where the last one ended."""
    limit, after = PAGE_ROWS, ""
    while True:
        statement = f"{_SELECT} WHERE {_is(symbol)} AND {span}{after} GROUP BY symbol LIMIT {limit}"
        try:
            page = _trades(asker, bucket, [statement], "scan")
        except QueryTimeout:
            if limit <= LEAST_PAGE:
                raise
            limit = max(LEAST_PAGE, limit // _SMALLER)
            continue
        yield from page.to_batches()
        if page.num_rows < limit:
            return
        after = f" AND time > {int(nanos(page['ts'])[-1])}"


def _groups(counts: Mapping[str, int]) -> Iterator[list[str]]:
    """Yield the symbols in order, those that fit into a page together."""
    group: list[str] = []
    rows = 0
    for symbol, count in counts.items():
        if group and rows + count > PAGE_ROWS:
            yield group
            group, rows = [], 0
        group.append(symbol)
        rows += count
    if group:
        yield group


def _some(asker: Asker, bucket: str, statements: Sequence[str], name: str) -> Iterator[pa.Table]:
    """Yield what statements select, asked in halves where together they take too long."""
    try:
        yield _trades(asker, bucket, statements, name)
    except QueryTimeout:
        if len(statements) == 1:
            raise
        half = len(statements) // 2
        yield from _some(asker, bucket, statements[:half], name)
        yield from _some(asker, bucket, statements[half:], name)


def _trades(asker: Asker, bucket: str, statements: Sequence[str], name: str) -> pa.Table:
    """Return what statements select as ``STORED``, in the order of the statements."""
    found = asker.influxql(bucket, statements, _TYPES, name)
    table = table_of(
        symbol=symbols_of_tags(found["tags"]),
        ts=found["time"].cast(TS_TYPE),
        price=found["price"],
        amount=found["amount"],
        side=found["side"],
    )
    return require_whole(table, "points of trades").cast(STORED)


def _is(symbol: str) -> str:
    return f"symbol = {influxql_string(tag_text(symbol))}"
