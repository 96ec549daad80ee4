"""Questions about stored trades, each in the form that was fastest on 2.9.1 (docs/decisions/0004).

What belongs here: query texts of counts and content, and what their answers mean. What does not: sending them
(``asking``), reading CSV (``reading``), whole trades (``scanning``).

Everything is filtered by measurement: whatever else somebody keeps in the bucket is none of it.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, cast

import polars as pl
import pyarrow as pa

from ohlcv_assets.market.schema import CONTENT, TS_TYPE
from ohlcv_assets.stores.influxdb.asking import Asker
from ohlcv_assets.stores.influxdb.layout import TRADES_MEASUREMENT
from ohlcv_assets.stores.influxdb.literals import flux_string, flux_time, influxql_name, symbol_of, tag_text
from ohlcv_assets.stores.influxdb.parts import END_NS, FIRST_NS, Part, in_parts, whole_part
from ohlcv_assets.stores.influxdb.reading import symbols_of_texts
from ohlcv_assets.stores.tables import nanos
from ohlcv_assets.units import Nanos, day_bounds, day_of

FIELDS: Final = ("price", "amount", "side")

TORN: Final = " (points without all fields)"
"""What follows a symbol in counts of those of its points that lack a field."""

_MOST_NAMED: Final = 50
"""Symbols that are named in a query; of more than that, all are asked for."""

_FIGURES: Final[Mapping[str, tuple[str, str]]] = {
    "trades": ("price", "count"),
    "price_sum": ("price", "sum"),
    "price_min": ("price", "min"),
    "price_max": ("price", "max"),
    "amount_sum": ("amount", "sum"),
    "amount_min": ("amount", "min"),
    "amount_max": ("amount", "max"),
    "side_sum": ("side", "sum"),
}
_VALUES: Final[Mapping[pa.DataType, pl.DataType]] = {pa.int64(): pl.Int64(), pa.float64(): pl.Float64()}


def day_counts(asker: Asker, bucket: str, day: dt.date) -> dict[str, int]:
    """Count a day's stored trades per symbol, from the data itself.

    A trade is a point with all three fields. Points of a symbol that lack some are counted apart, under the symbol's
    name followed by ``TORN``, so that a day with such points equals no promise.

    Parameters
    ----------
    asker
        The way to the server.
    bucket
        Name of the bucket of trades.
    day
        UTC.
    """
    counts: dict[str, int] = {}
    for symbol, fields in field_counts(asker, bucket, *day_bounds(day), name="day_counts").items():
        least, most = min(fields.values()), max(fields.values())
        if least > 0:
            counts[symbol] = least
        if most > least:
            counts[symbol + TORN] = most - least
    return counts


def field_counts(
    asker: Asker, bucket: str, start: int, end: int, symbols: Sequence[str] | None = None, *, name: str
) -> dict[str, Counter[str]]:
    """Count the stored values of each field of trades with ``start <= ts < end`` per symbol, symbols in order."""
    part = whole_part(start, end)
    if part is None:
        return {}

    def ask(piece: Part) -> pa.Table:
        return asker.flux(f"{_points(bucket, piece, symbols=symbols)}\n|> count(){_KEPT}", name)

    counts: dict[str, Counter[str]] = {}
    for table in in_parts(part, ask, lambda piece: stored_symbols(asker, bucket, piece)):
        rows = zip(*(table[column].to_pylist() for column in ("symbol", "_field", "_value")), strict=True)
        for tag, field, value in rows:
            if field in FIELDS:
                found = counts.setdefault(symbol_of(tag), Counter(dict.fromkeys(FIELDS, 0)))
                found[field] += int(value)
    wanted = counts if symbols is None else counts.keys() & set(symbols)
    return {symbol: counts[symbol] for symbol in sorted(wanted)}


def counts_by_day(asker: Asker, bucket: str) -> dict[dt.date, int]:
    """Count the stored trades of every day, by their field ``side``, which is the quickest to read."""
    part = Part(FIRST_NS, END_NS)

    def ask(piece: Part) -> pa.Table:
        windows = '|> aggregateWindow(every: 1d, fn: count, createEmpty: false, timeSrc: "_start")'
        return asker.flux(f"{_points(bucket, piece, 'side')}\n{windows}{_KEPT}", "counts_by_day")

    counts: Counter[dt.date] = Counter()
    for table in in_parts(part, ask, lambda piece: stored_symbols(asker, bucket, piece)):
        values = cast("list[str]", table["_value"].to_pylist())
        for ts, value in zip(nanos(table["_time"]).tolist(), values, strict=True):
            counts[day_of(Nanos(ts))] += int(value)
    return dict(sorted(counts.items()))


def content(asker: Asker, bucket: str, day: dt.date) -> pa.Table:
    """Return a day's ``market.schema.CONTENT``, computed by the server; 0 stands for figures of fields not there."""
    part = whole_part(*day_bounds(day))
    if part is None:
        return CONTENT.empty_table()

    def ask(piece: Part) -> pa.Table:
        return asker.flux("\n".join(_figure(bucket, piece, name) for name in _FIGURES), "content")

    tables = list(in_parts(part, ask, lambda piece: stored_symbols(asker, bucket, piece)))
    return _pivoted(pa.concat_tables(tables))


def stored_symbols(asker: Asker, bucket: str, part: Part) -> list[str]:
    """Return the symbols that may have trades in a range, from the index alone."""
    statement = (
        f"SHOW TAG VALUES FROM {influxql_name(TRADES_MEASUREMENT)} WITH KEY = symbol "
        f"WHERE time >= {part.start} AND time < {part.end}"
    )
    table = asker.influxql(bucket, [statement], {"value": pa.string()}, "stored_symbols")
    return sorted(symbol_of(tag) for tag in cast("list[str]", table["value"].to_pylist()))


_KEPT: Final = '\n|> keep(columns: ["_time", "_value", "_field", "symbol"])'


def _points(bucket: str, part: Part, field: str | None = None, symbols: Sequence[str] | None = None) -> str:
    """Return Flux for the points of trades in a part."""
    named = symbols if part.symbol is None else (part.symbol,)
    conditions = [f"r._measurement == {flux_string(TRADES_MEASUREMENT)}"]
    if field is not None:
        conditions.append(f"r._field == {flux_string(field)}")
    if named is not None and len(named) <= _MOST_NAMED:
        tags = " or ".join(f"r.symbol == {flux_string(tag_text(symbol))}" for symbol in dict.fromkeys(named))
        conditions.append(f"({tags})")
    return (
        f"from(bucket: {flux_string(bucket)})\n"
        f"|> range(start: {flux_time(part.start)}, stop: {flux_time(part.end)})\n"
        f"|> filter(fn: (r) => {' and '.join(conditions)})"
    )


def _figure(bucket: str, part: Part, name: str) -> str:
    """Return Flux for one figure of the content; reads of their own run side by side in the server."""
    field, function = _FIGURES[name]
    windows = f'|> aggregateWindow(every: 1h, fn: {function}, createEmpty: false, timeSrc: "_start")'
    return f"{_points(bucket, part, field)}\n{windows}{_KEPT}\n|> yield(name: {flux_string(name)})"


def _pivoted(found: pa.Table) -> pa.Table:
    """Turn one row a figure into one row a symbol and hour."""
    long = cast("pl.DataFrame", pl.from_arrow(found.select(["result", "_time", "_value"])))
    symbols = pl.Series("symbol", symbols_of_texts(found["symbol"]).cast(pa.string()).to_pylist(), pl.String)
    wide = long.with_columns(symbols).pivot(on="result", index=["symbol", "_time"], values="_value")
    columns = [
        (pl.col(name) if name in wide.columns else pl.lit(None, pl.String))
        .cast(_VALUES[CONTENT.field(name).type])
        .fill_null(0)
        .alias(name)
        for name in _FIGURES
    ]
    table = wide.select("symbol", pl.col("_time").alias("hour"), *columns).sort("symbol", "hour").to_arrow()
    return table.set_column(1, "hour", table["hour"].cast(TS_TYPE)).cast(CONTENT)
