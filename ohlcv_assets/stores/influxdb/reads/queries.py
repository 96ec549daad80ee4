"""Questions about stored trades, each in the form that was fastest on 2.9.1 (docs/decisions/0004).

What belongs here: counts and content. What does not: sending queries (``asking``), reading CSV (``reading``), whole
trades (``scanning``).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final, cast

import polars as pl
import pyarrow as pa

from ohlcv_assets.market.schema import CONTENT, FIGURES, TS_TYPE
from ohlcv_assets.stores.influxdb.lineprotocol.literals import flux_string, symbol_of
from ohlcv_assets.stores.influxdb.reads.asking import Asker
from ohlcv_assets.stores.influxdb.reads.parts import END_NS, FIRST_NS, Part, in_parts, whole_part
from ohlcv_assets.stores.influxdb.reads.points import KEPT, TRADES, field_counts, flux_points, stored_symbols
from ohlcv_assets.stores.influxdb.reads.reading import symbols_of_texts
from ohlcv_assets.stores.tables import nanos
from ohlcv_assets.units import Nanos, day_bounds, day_of

TORN: Final = " (points without all fields)"
"""What follows a symbol in counts of those of its points that lack a field."""

_DAILY: Final = f'|> aggregateWindow(every: 1d, fn: count, createEmpty: false, timeSrc: "_start"){KEPT}'

_FIGURES: Final[Mapping[str, tuple[str, str]]] = {
    "trades": ("side", "count"),
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
    name followed by ``TORN``, so that a day with such points equals no promise. Points that lack just what others have
    are not seen here but by their content.

    Parameters
    ----------
    asker
        The way to the server.
    bucket
        Name of the bucket of trades.
    day
        UTC.
    """
    part = whole_part(*day_bounds(day))
    if part is None:
        return {}
    return _trades(field_counts(asker, TRADES, bucket, part, name="day_counts"), TRADES.fields)


def days_counts(
    asker: Asker, bucket: str, first: dt.date, last: dt.date, field: str | None = None
) -> dict[dt.date, dict[str, int]]:
    """Count the stored trades of every day from one to another, per symbol; see ``day_counts``.

    Days without any are left out. Of one field, where one is named: that costs the server a quarter.
    """
    part = whole_part(day_bounds(first)[0], day_bounds(last)[1])
    if part is None:
        return {}

    def ask(piece: Part) -> pa.Table:
        return asker.flux(f"{flux_points(TRADES, bucket, piece, field)}\n{_DAILY}", "days_counts", piece.span)

    counts: dict[dt.date, dict[str, Counter[str]]] = {}
    for table in in_parts(part, ask, lambda piece: stored_symbols(asker, TRADES, bucket, piece)):
        instants = nanos(table["_time"]).tolist()
        columns = (cast("list[str]", table[column].to_pylist()) for column in ("symbol", "_field", "_value"))
        for ts, tag, name, value in zip(instants, *columns, strict=True):
            found = counts.setdefault(day_of(Nanos(ts)), {}).setdefault(symbol_of(tag), Counter())
            found[name] += int(value)
    fields = TRADES.fields if field is None else [field]
    return {day: _trades(found, fields) for day, found in sorted(counts.items())}


def _trades(counted: Mapping[str, Counter[str]], fields: Sequence[str]) -> dict[str, int]:
    """Return whole trades by symbol, and what lacks fields apart."""
    counts: dict[str, int] = {}
    for symbol, found in sorted(counted.items()):
        numbers = [found[field] for field in fields]
        least, most = min(numbers), max(numbers)
        if least > 0:
            counts[symbol] = least
        if most > least:
            counts[symbol + TORN] = most - least
    return counts


def counts_by_day(asker: Asker, bucket: str) -> dict[dt.date, int]:
    """Count the stored trades of every day, by the field that is quickest to read."""

    def ask(piece: Part) -> pa.Table:
        text = f"{flux_points(TRADES, bucket, piece, TRADES.counted)}\n{_DAILY}"
        return asker.flux(text, "counts_by_day", piece.span)

    counts: Counter[dt.date] = Counter()
    everything = Part(FIRST_NS, END_NS)
    for table in in_parts(everything, ask, lambda piece: stored_symbols(asker, TRADES, bucket, piece)):
        values = cast("list[str]", table["_value"].to_pylist())
        for ts, value in zip(nanos(table["_time"]).tolist(), values, strict=True):
            counts[day_of(Nanos(ts))] += int(value)
    return dict(sorted(counts.items()))


def content(asker: Asker, bucket: str, day: dt.date, figures: Collection[str] = FIGURES) -> pa.Table:
    """Return a day's ``market.schema.CONTENT``, computed by the server.

    0 stands for figures of fields not there, and for those that are not asked for.
    """
    part = whole_part(*day_bounds(day))
    if part is None:
        return CONTENT.empty_table()

    wanted = [name for name in FIGURES if name in figures]

    def ask(piece: Part) -> pa.Table:
        return asker.flux("\n".join(_figure(bucket, piece, name) for name in wanted), "content", piece.span)

    tables = list(in_parts(part, ask, lambda piece: stored_symbols(asker, TRADES, bucket, piece)))
    return _pivoted(pa.concat_tables(tables))


def _figure(bucket: str, part: Part, name: str) -> str:
    """Return Flux for one figure of the content; reads of their own run side by side in the server."""
    field, function = _FIGURES[name]
    windows = f'|> aggregateWindow(every: 1h, fn: {function}, createEmpty: false, timeSrc: "_start"){KEPT}'
    return f"{flux_points(TRADES, bucket, part, field)}\n{windows}\n|> yield(name: {flux_string(name)})"


def _pivoted(found: pa.Table) -> pa.Table:
    """Turn one row a figure into one row a symbol and hour."""
    symbols = pl.Series("symbol", symbols_of_texts(found["symbol"]).cast(pa.string()).to_pylist(), pl.String)
    long = cast("pl.DataFrame", pl.from_arrow(found.select(["result", "_time", "_value"]))).with_columns(symbols)
    wide = long.pivot(on="result", on_columns=list(_FIGURES), index=["symbol", "_time"], values="_value")
    figures = [pl.col(name).cast(_VALUES[CONTENT.field(name).type]).fill_null(0) for name in _FIGURES]
    table = wide.select("symbol", pl.col("_time").alias("hour"), *figures).sort("symbol", "hour").to_arrow()
    return table.set_column(1, "hour", table["hour"].cast(TS_TYPE)).cast(CONTENT)
