"""Points of trades and of bars: what they are made of, which are asked about, and how many there are.

What belongs here: measurement, fields and types of the two, the part of a query that says which points, counts by
field. What does not: other figures (``queries``), whole points (``scanning``).

Everything is filtered by measurement: whatever else somebody keeps in a bucket is none of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import pyarrow as pa

from ohlcv_assets.bars.resolutions import BARS
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.influxdb.layout import BARS_MEASUREMENT, TRADES_MEASUREMENT
from ohlcv_assets.stores.influxdb.lineprotocol.literals import (
    flux_string,
    flux_time,
    influxql_name,
    symbol_of,
    tag_text,
)
from ohlcv_assets.stores.influxdb.reads.asking import Asker
from ohlcv_assets.stores.influxdb.reads.parts import Part, in_parts

MOST_NAMED: Final = 50
"""Symbols that are named in a query; of more than that, all are asked for."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What one kind of points is made of.

    Attributes
    ----------
    measurement
        Its name.
    schema
        The points as a table: ``symbol``, ``ts`` and the fields.
    counted
        The field that is counted to find out how many there are: one that is quick to read.
    what
        How the points are called in errors.
    """

    measurement: str
    schema: pa.Schema
    counted: str
    what: str

    @property
    def fields(self) -> list[str]:
        """Names of the fields."""
        return self.schema.names[2:]


TRADES: Final = Shape(TRADES_MEASUREMENT, STORED, "side", "points of trades")
BARS_SHAPE: Final = Shape(BARS_MEASUREMENT, BARS, "imbalance", "points of bars")

KEPT: Final = '\n|> keep(columns: ["_time", "_value", "_field", "symbol"])'
"""What is needed of a reply to Flux; as a step after an aggregate it keeps the server from nothing."""

_COUNT: Final = "|> count()"
_COUNT_UNTIL_1970: Final = "|> aggregateWindow(every: 1d, fn: count, createEmpty: false)"
"""2.9.1 never returns from a count without windows over points in a range that stops at 0 ns."""


def flux_points(
    shape: Shape, bucket: str, part: Part, field: str | None = None, symbols: Sequence[str] | None = None
) -> str:
    """Return Flux for points.

    Parameters
    ----------
    shape
        What kind.
    bucket
        Name of the bucket.
    part
        Range of time, and maybe one symbol.
    field
        One field; all where None.
    symbols
        Which, where the part names none; more than ``MOST_NAMED`` count as all.
    """
    named = symbols if part.symbol is None else (part.symbol,)
    conditions = [f"r._measurement == {flux_string(shape.measurement)}"]
    if field is not None:
        conditions.append(f"r._field == {flux_string(field)}")
    if named is not None and len(named) <= MOST_NAMED:
        tags = " or ".join(f"r.symbol == {flux_string(tag_text(symbol))}" for symbol in dict.fromkeys(named))
        conditions.append(f"({tags})")
    return (
        f"from(bucket: {flux_string(bucket)})\n"
        f"|> range(start: {flux_time(part.start)}, stop: {flux_time(part.end)})\n"
        f"|> filter(fn: (r) => {' and '.join(conditions)})"
    )


def field_counts(
    asker: Asker,
    shape: Shape,
    bucket: str,
    part: Part,
    *,
    field: str | None = None,
    symbols: Sequence[str] | None = None,
    name: str,
) -> dict[str, Counter[str]]:
    """Count the stored values per symbol and field, symbols in order.

    Parameters
    ----------
    asker, shape, bucket, part, field
        See ``flux_points``; all fields where None.
    symbols
        Which, not empty; all where None.
    name
        What the query is called in errors.
    """

    def ask(piece: Part) -> pa.Table:
        count = _COUNT if piece.end != 0 else _COUNT_UNTIL_1970
        return asker.flux(f"{flux_points(shape, bucket, piece, field, symbols)}\n{count}{KEPT}", name, piece.span)

    counts: dict[str, Counter[str]] = {}
    for table in in_parts(part, ask, lambda piece: stored_symbols(asker, shape, bucket, piece)):
        columns = (cast("list[str]", table[column].to_pylist()) for column in ("symbol", "_field", "_value"))
        for tag, found, value in zip(*columns, strict=True):
            if found in shape.fields:
                counts.setdefault(symbol_of(tag), Counter())[found] += int(value)
    wanted = counts if symbols is None else counts.keys() & set(symbols)
    return {symbol: counts[symbol] for symbol in sorted(wanted)}


def stored_symbols(asker: Asker, shape: Shape, bucket: str, part: Part) -> list[str]:
    """Return the symbols that may have points in a range, from the index alone."""
    statement = (
        f"SHOW TAG VALUES FROM {influxql_name(shape.measurement)} WITH KEY = symbol "
        f"WHERE time >= {part.start} AND time < {part.end}"
    )
    table = asker.influxql(bucket, [statement], {"value": pa.string()}, "stored_symbols", part.span)
    return sorted(symbol_of(tag) for tag in cast("list[str]", table["value"].to_pylist()))
