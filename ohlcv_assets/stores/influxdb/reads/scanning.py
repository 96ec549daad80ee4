"""Whole points from the server: by exact keys, and all of a range page by page.

What belongs here: statements of InfluxQL that give a trade or a bar in one row, and their order. What does not: counts
and content (``queries``), sending (``asking``), reading CSV (``reading``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.market.schema import STORED, SYMBOL_TYPE, TS_TYPE
from ohlcv_assets.stores.influxdb.leasing.closings import Span
from ohlcv_assets.stores.influxdb.lineprotocol.literals import influxql_name, influxql_string, tag_text
from ohlcv_assets.stores.influxdb.reads.ahead import ahead
from ohlcv_assets.stores.influxdb.reads.asking import Asker, QueryTimeout
from ohlcv_assets.stores.influxdb.reads.parts import END_NS, FIRST_NS, Part, whole_part
from ohlcv_assets.stores.influxdb.reads.points import TRADES, Shape, field_counts
from ohlcv_assets.stores.influxdb.reads.reading import Types, require_whole, symbols_of_tags
from ohlcv_assets.stores.tables import in_order, nanos
from ohlcv_assets.units import MINUTE, SECOND, Nanos

PAGE_ROWS: Final = 200_000
"""Points of one request: trades are about 12 MB of CSV, and as much again as a table."""

FEW_ROWS: Final = 50_000
"""Points of one symbol that are asked for in the form that is written and read soonest; the server holds all of them
in memory at once."""

LEAST_PAGE: Final = 1_000
"""A page that takes too long is asked for in smaller ones down to this."""

KEYS: Final = 100
"""Keys of one request; each is a statement."""

ABREAST: Final = 2
"""Requests for keys at a time: the server works on one with a single processor."""

GAP: Final = Nanos(10 * SECOND)
"""Keys that are no further apart are asked for by one range: a request for a thousand keys takes seconds."""

WIDEST: Final = Nanos(5 * MINUTE)
"""A range is no wider, however close the keys are: it reads all trades that it has."""

_SMALLER: Final = 8
_KEYS_A_RANGE: Final = 8
"""Where ranges hold fewer keys than this, the keys are asked for one by one."""


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
    ranges = _ranges(np.unique(np.array([ts for _, ts in wanted], np.int64)))
    if len(ranges) * _KEYS_A_RANGE <= len(wanted):
        statements = [f"{_select(TRADES)} WHERE {_span(part)} GROUP BY symbol" for part in ranges]
    else:
        statements = [f"{_select(TRADES, symbol)} AND time = {ts} GROUP BY symbol" for symbol, ts in wanted]
    instants = [ts for _, ts in wanted]
    span = (min(instants, default=0), max(instants, default=0) + 1)
    requests = [statements[at : at + KEYS] for at in range(0, len(statements), KEYS)]
    with ThreadPoolExecutor(ABREAST, "fetch") as pool:
        answers = list(pool.map(lambda request: list(_halved(asker, bucket, request, span, "fetch")), requests))
    tables = [table for answer in answers for table in answer]
    found = in_order(pa.concat_tables([STORED.empty_table(), *tables]).unify_dictionaries())
    asked = set(wanted)
    held = zip(cast("list[str]", found["symbol"].to_pylist()), nanos(found["ts"]).tolist(), strict=True)
    return found.filter(pa.array([key in asked for key in held], pa.bool_()))


def last_instants(asker: Asker, bucket: str, start: Nanos, end: Nanos) -> dict[str, Nanos]:
    """Return the instant of each symbol's last trade with ``start <= ts < end``; symbols without any are left out."""
    part = whole_part(start, end)
    if part is None:
        return {}
    field, measurement = influxql_name(TRADES.counted), influxql_name(TRADES.measurement)
    statement = f"SELECT last({field}) FROM {measurement} WHERE {_span(part)} GROUP BY symbol"  # noqa: S608 -- quoted
    types = {"tags": SYMBOL_TYPE, "time": pa.int64(), "last": pa.int64()}
    found = asker.influxql(bucket, [statement], types, "last_instants", part.span)
    symbols = cast("list[str]", symbols_of_tags(found["tags"]).to_pylist())
    instants = cast("list[int]", found["time"].to_pylist())
    return {symbol: Nanos(ts) for symbol, ts in sorted(zip(symbols, instants, strict=True))}


def scan(
    asker: Asker, bucket: str, start: Nanos, end: Nanos, symbols: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the ``STORED`` trades with ``start <= ts < end``, sorted by (symbol, ts), two pages in memory at a time.

    Raises
    ------
    StoreMismatchError
        A stored point is no whole trade.
    """
    part = whole_part(start, end)
    if part is None or (symbols is not None and len(symbols) == 0):
        return
    for page in ahead(pages(asker, TRADES, bucket, part, symbols, name="scan")):
        # A reply may begin with an empty piece.
        yield from (batch for batch in page.to_batches() if batch.num_rows > 0)


def pages(
    asker: Asker, shape: Shape, bucket: str, part: Part, symbols: Sequence[str] | None, *, name: str
) -> Iterator[pa.Table]:
    """Yield the points of a range, sorted by (symbol, ts), in tables of ``PAGE_ROWS`` at most.

    Parameters
    ----------
    asker, shape, bucket, part
        What to ask for.
    symbols
        Which, not empty; all where None.
    name
        What the query is called in errors.
    """
    counted = field_counts(asker, shape, bucket, part, symbols=symbols, name=name)
    for group in _groups({symbol: max(found.values()) for symbol, found in counted.items()}):
        try:
            # One symbol alone may have more than a page.
            grouped = None if len(group) == 1 else points_of(asker, shape, bucket, part, group, name=name)
        except QueryTimeout:
            grouped = None
        if grouped is not None:
            yield grouped
            continue
        for symbol in group:
            yield from _symbol_pages(asker, shape, bucket, part, symbol, name)


def points_of(asker: Asker, shape: Shape, bucket: str, part: Part, symbols: Sequence[str], *, name: str) -> pa.Table:
    """Return the points of some symbols in one request, in the order of the symbols; there must not be many."""
    statements = [f"{_select(shape, symbol)} AND {_span(part)} GROUP BY symbol" for symbol in symbols]
    return _points(asker, shape, bucket, statements, part.span, name)


def points_of_all(asker: Asker, shape: Shape, bucket: str, part: Part, *, name: str) -> pa.Table:
    """Return the points of all symbols in one request and one statement, in any order; there must not be many."""
    return _points(asker, shape, bucket, [f"{_select(shape)} WHERE {_span(part)} GROUP BY symbol"], part.span, name)


def few_points_of(asker: Asker, shape: Shape, bucket: str, part: Part, symbol: str, *, name: str) -> pa.Table:
    """Return the points of one symbol in one request, in order; ``FEW_ROWS`` at most."""
    statement = f"{_select(shape, symbol)} AND {_span(part)} GROUP BY symbol"
    return _whole(shape, asker.influxql_few(bucket, statement, _types(shape), name, part.span))


def _symbol_pages(asker: Asker, shape: Shape, bucket: str, part: Part, symbol: str, name: str) -> Iterator[pa.Table]:
    """Yield the points of one symbol page by page, each beginning where the last one ended."""
    limit, after = PAGE_ROWS, ""
    while True:
        statement = f"{_select(shape, symbol)} AND {_span(part)}{after} GROUP BY symbol LIMIT {limit}"
        try:
            page = _points(asker, shape, bucket, [statement], part.span, name)
        except QueryTimeout:
            if limit <= LEAST_PAGE:
                raise
            limit = max(LEAST_PAGE, limit // _SMALLER)
            continue
        yield page
        if page.num_rows < limit:
            return
        after = f" AND time > {int(nanos(page['ts'])[-1])}"


def _groups(counts: Mapping[str, int]) -> Iterator[list[str]]:
    """Yield the symbols in order, those together that fit into a page."""
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


def _halved(asker: Asker, bucket: str, statements: Sequence[str], span: Span, name: str) -> Iterator[pa.Table]:
    """Yield the trades that statements select, asked in halves where together they take too long."""
    try:
        found = _points(asker, TRADES, bucket, statements, span, name)
    except QueryTimeout:
        if len(statements) == 1:
            raise
        half = len(statements) // 2
        yield from _halved(asker, bucket, statements[:half], span, name)
        yield from _halved(asker, bucket, statements[half:], span, name)
    else:
        yield found


def _points(asker: Asker, shape: Shape, bucket: str, statements: Sequence[str], span: Span, name: str) -> pa.Table:
    """Return what statements select, in their order."""
    return _whole(shape, asker.influxql(bucket, statements, _types(shape), name, span))


def _types(shape: Shape) -> Types:
    fields = {field: shape.schema.field(field).type for field in shape.fields}
    return {"tags": SYMBOL_TYPE, "time": pa.int64(), **fields}


def _whole(shape: Shape, found: pa.Table) -> pa.Table:
    """Return a reply as points, none of which lacks a field."""
    fields = (found[field] for field in shape.fields)
    columns = [symbols_of_tags(found["tags"]), found["time"].cast(TS_TYPE), *fields]
    table = require_whole(pa.Table.from_arrays(columns, names=shape.schema.names), shape.what)
    if [column.type for column in columns] == shape.schema.types:
        # A cast of what needs none takes as long as all the rest of this.
        return pa.Table.from_arrays(columns, schema=shape.schema)
    return table.cast(shape.schema)


def _select(shape: Shape, symbol: str | None = None) -> str:
    """Return a statement for all points, or for those of one symbol, to which more conditions can be added."""
    fields = ", ".join(influxql_name(field) for field in shape.fields)
    whose = "" if symbol is None else f" WHERE symbol = {influxql_string(tag_text(symbol))}"
    return f"SELECT {fields} FROM {influxql_name(shape.measurement)}{whose}"  # noqa: S608 -- quoted


def _ranges(instants: NDArray[np.int64]) -> list[Part]:
    """Return ranges that hold sorted instants, each ending where there is a gap or where it is wide enough."""
    if len(instants) == 0:
        return []
    apart = np.diff(instants) > GAP
    windows = (
        window
        for stretch in np.split(instants, np.flatnonzero(apart) + 1)
        for window in np.split(stretch, np.flatnonzero(np.diff((stretch - stretch[0]) // WIDEST)) + 1)
    )
    return [Part(int(window[0]), int(window[-1]) + 1) for window in windows]


def _span(part: Part) -> str:
    return f"time >= {part.start} AND time < {part.end}"
