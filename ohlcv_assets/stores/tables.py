"""Arrow tables on their way into and out of a store.

What belongs here: bringing any accepted table into one form, and refusing values that no store takes, and trades that
are not sorted, repeated or outside their day. What does not: any particular store.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ohlcv_assets.bars.resolutions import BARS, Resolution
from ohlcv_assets.errors import StoreError, StoreRejectedError
from ohlcv_assets.instants import format_instant
from ohlcv_assets.market.schema import STORED, SYMBOL_TYPE, TS_TYPE
from ohlcv_assets.progress import Observer, Progress
from ohlcv_assets.units import Nanos, day_bounds

_COVERAGE_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("day", pa.date32(), nullable=False),
    pa.field("symbol", pa.string(), nullable=False),
    pa.field("bars", pa.int64(), nullable=False),
    pa.field("trades", pa.int64(), nullable=False),
]  # Any: a field's type parameter varies

COVERAGE: Final = pa.schema(_COVERAGE_FIELDS)
"""What ``coverage`` of a bar store returns."""

_Rule = tuple[Callable[[NDArray[Any]], NDArray[np.bool_]], str]
"""Which values are taken, and what they are called; Any: columns of several types."""

_POSITIVE: Final[_Rule] = (lambda values: (values > 0) & (values < np.inf), "finite values above zero")
_FINITE: Final[_Rule] = (lambda values: (values >= 0) & (values < np.inf), "finite values not below zero")
_SIDE: Final[_Rule] = (lambda values: np.abs(values) == 1, "+1 (buyer-initiated) and -1 (seller-initiated)")
_BAR_RULES: Final = dict.fromkeys(("open", "high", "low", "close", "volume"), _POSITIVE) | {"turnover": _FINITE}

_LAST_INSTANT: Final = 2**63 - 2


def clamp(instant: int) -> int:
    """Return the instant, or the nearest one that a store can represent."""
    return max(-_LAST_INSTANT, min(_LAST_INSTANT, instant))


def table_of(**columns: pa.ChunkedArray[Any] | pa.Array[Any]) -> pa.Table:
    """Return a table of columns by name; Any: a column's type parameter varies."""
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))


def within(table: pa.Table, start: int, end: int, symbols: Sequence[str] | None) -> pa.Table:
    """Return the rows with ``start <= ts < end`` and, where given, of some symbols."""
    ts = nanos(table.column("ts"))
    inside = (ts >= clamp(start)) & (ts < clamp(end))
    if symbols is not None:
        names = table.column("symbol").cast(pa.string())
        inside &= np.asarray(pc.is_in(names, value_set=pa.array(symbols, pa.string())))
    return table.filter(pa.array(inside))


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the schema's columns of a table in the schema's types, whatever the symbols' encoding was.

    Raises
    ------
    StoreRejectedError
        A column holds nulls.
    StoreError
        A column is missing or has another type.
    """
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            raise StoreError(f"The table has no column {field.name!r}; it needs {', '.join(schema.names)}.")
        column = table.column(field.name)
        if column.null_count > 0:
            row = int(np.argmax(np.asarray(column.is_null())))
            raise StoreRejectedError(
                f"The column {field.name!r} holds {column.null_count} nulls, the first in row {row}; "
                "a store takes none."
            )
        columns.append(_cast(column, field))
    return pa.Table.from_arrays(columns, schema=schema)


def _cast(column: pa.ChunkedArray[Any], field: pa.Field[Any]) -> pa.ChunkedArray[Any]:
    """Cast one column; Any: the type parameter varies."""
    if column.type == field.type and field.type != SYMBOL_TYPE:
        return column
    try:
        if field.type == SYMBOL_TYPE:
            plain = column if pa.types.is_dictionary(column.type) else column.cast(pa.string()).dictionary_encode()
            return plain.unify_dictionaries().cast(SYMBOL_TYPE)
        return column.cast(field.type)
    except pa.ArrowInvalid as error:
        raise StoreError(f"The column {field.name!r} is {column.type} and cannot be {field.type}.") from error


def accepted(trades: pa.Table) -> pa.Table:
    """Return trades as ``STORED``, with only values that a store takes.

    Raises
    ------
    StoreRejectedError
        A price or amount is not finite and positive, or a side neither +1 nor -1; names the first such trade.
    StoreError
        As ``conform``.
    """
    table = conform(trades, STORED)
    for name in ("price", "amount"):
        _check_values(table, name, _POSITIVE)
    _check_values(table, "side", _SIDE)
    return table


def by_symbol(table: pa.Table) -> Counter[str]:
    """Count a conforming table's rows by symbol, in the order of names."""
    whole = table.combine_chunks()
    if whole.num_rows == 0:
        return Counter()
    codes, names = _codes(whole)
    numbers = np.bincount(codes, minlength=len(names)).tolist()
    return Counter({name: number for name, number in sorted(zip(names, numbers, strict=True)) if number > 0})


def in_order(table: pa.Table) -> pa.Table:
    """Return a conforming table sorted by (symbol, ts), in one chunk."""
    whole = table.combine_chunks()
    if whole.num_rows == 0:
        return whole
    codes, names = _codes(whole)
    ranks = np.argsort(np.argsort(np.array(names, dtype=object)))[codes]
    ts = nanos(whole.column("ts"))
    steps = np.diff(ranks)
    if bool(((steps > 0) | ((steps == 0) & (np.diff(ts) >= 0))).all()):
        return whole
    return whole.take(np.lexsort((ts, ranks))).combine_chunks()


def latest(trades: pa.Table) -> pa.Table:
    """Return ``STORED`` trades with the last of each (symbol, ts) kept, sorted so."""
    keys = table_of(
        symbol=trades.column("symbol").cast(pa.string()),
        ts=trades.column("ts"),
        row=pa.array(np.arange(trades.num_rows)),
    )
    last = keys.group_by(["symbol", "ts"], use_threads=False).aggregate([("row", "max")]).column("row_max")
    return in_order(trades.take(last))


def without_zone(table: pa.Table) -> pa.Table:
    """Return a table with its ``ts`` as plain nanoseconds of UTC, for clients that know no zoned nanoseconds."""
    position = table.schema.get_field_index("ts")
    return table.set_column(position, "ts", table.column("ts").cast(TS_TYPE).cast(pa.timestamp("ns")))


def nanos(column: pa.ChunkedArray[Any] | pa.Array[Any]) -> NDArray[np.int64]:
    """Return a timestamp column as its nanoseconds; Any: the type parameter varies."""
    return np.asarray(column.cast(TS_TYPE).cast(pa.int64()).to_numpy())


def check_bars(resolution: Resolution, day: dt.date, bars: pa.Table) -> pa.Table:
    """Return bars as sorted ``BARS``.

    Raises
    ------
    StoreRejectedError
        A price or volume is not finite and positive, or a turnover not finite; names the first such bar.
    StoreError
        The resolution is not stored, a bar lies outside the day, or a (symbol, ts) repeats.
    """
    check_stored(resolution)
    table = in_order(conform(bars, BARS))
    for name, rule in _BAR_RULES.items():
        _check_values(table, name, rule)
    _check_rows(_Position(day), table)
    return table


def check_stored(resolution: Resolution) -> None:
    """Raise StoreError where bars of that resolution are derived at read time and never stored."""
    if not resolution.stored:
        raise StoreError(f"Bars of {resolution.name} are derived at read time and never stored.")


def _check_values(table: pa.Table, name: str, rule: _Rule) -> None:
    """Raise StoreRejectedError for the first value of a column that breaks a rule."""
    passed, wanted = rule
    column = table.column(name)
    good = passed(np.asarray(column.to_numpy()))
    if bool(good.all()):
        return
    row = int(np.argmin(good))
    symbol, instant = table.column("symbol")[row].as_py(), format_instant(Nanos(int(nanos(table.column("ts"))[row])))
    raise StoreRejectedError(
        f"The {name} of {symbol!r} at {instant} is {column[row].as_py()}, a store takes only {wanted}; nothing of its "
        "batch was stored."
    )


def first_of_each(batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """Return the first trade of each symbol, of ``STORED`` trades sorted by (symbol, ts)."""
    rows: list[pa.Table] = [STORED.empty_table()]
    last: str | None = None
    for batch in batches:
        if batch.num_rows == 0:
            continue
        codes = cast("pa.DictionaryArray[Any, Any]", batch.column("symbol")).indices.to_numpy()
        begins = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
        found = pa.Table.from_batches([batch.take(begins)])
        names = found["symbol"].to_pylist()
        rows.append(found.slice(1) if names[0] == last else found)
        last = names[-1]
    return pa.concat_tables(rows).unify_dictionaries()


class Feed:
    """The batches of a day on their way into a store: brought into ``STORED`` form, checked and counted.

    Attributes
    ----------
    counts
        Rows seen so far by symbol.
    error
        What the batches' own iterator, or the check, raised: a store whose client wraps errors raises this instead.
    """

    def __init__(
        self, day: dt.date, batches: Iterable[pa.RecordBatch], expected: int, observer: Observer, stage: str = "load"
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.error: Exception | None = None
        self._batches = batches
        self._position = _Position(day)
        self._expected = expected
        self._observer = observer
        self._stage = stage

    @property
    def rows(self) -> int:
        """Rows seen so far."""
        return self._position.rows

    def reader(self) -> pa.RecordBatchReader:
        """Return the batches as an Arrow stream without time zone."""
        empty = without_zone(STORED.empty_table())
        batches = (batch for table in self for batch in without_zone(table).to_batches())
        return pa.RecordBatchReader.from_batches(empty.schema, batches)

    def __iter__(self) -> Iterator[pa.Table]:
        try:
            for batch in self._batches:
                table = accepted(pa.Table.from_batches([batch]))
                self.counts.update(_check_rows(self._position, table))
                yield table
                self._observer(
                    Progress(self._stage, self._position.day.isoformat(), self.rows, self._expected, "trades")
                )
        except Exception as error:
            self.error = error
            raise


class _Position:
    """How far a day's rows have come: the day, the number of rows, the last symbol and instant."""

    def __init__(self, day: dt.date) -> None:
        self.day = day
        self.rows = 0
        self.symbol: str | None = None
        self.ts = 0


def _check_rows(position: _Position, table: pa.Table) -> Counter[str]:
    """Count the rows by symbol, or raise StoreError where they leave the day or are not strictly increasing."""
    counts: Counter[str] = Counter()
    if table.num_rows == 0:
        return counts
    ts = nanos(table.column("ts"))
    start, end = day_bounds(position.day)
    if ts.min() < start or ts.max() >= end:
        raise StoreError(f"The rows for {position.day} hold some of another day; nothing of them was stored.")
    codes, names = _codes(table)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(codes)) + 1))
    stops = np.append(starts[1:], len(codes))
    still = np.flatnonzero((np.diff(ts) <= 0) & (np.diff(codes) == 0))
    if len(still) > 0:
        raise _disorder(position.day, position.rows + int(still[0]) + 1)
    for first, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        symbol = names[codes[first]]
        if position.symbol is not None and (symbol, int(ts[first])) <= (position.symbol, position.ts):
            raise _disorder(position.day, position.rows + first)
        counts[symbol] += stop - first
        position.symbol, position.ts = symbol, int(ts[stop - 1])
    position.rows += table.num_rows
    return counts


def _codes(table: pa.Table) -> tuple[NDArray[np.int32], list[str]]:
    """Return each row's symbol as a code, and the names by code."""
    chunks = table.combine_chunks().column("symbol").chunks
    symbols = cast("pa.DictionaryArray[Any, Any]", chunks[0])  # Any: the stubs know no simple spelling
    return np.asarray(symbols.indices.to_numpy()), cast("list[str]", symbols.dictionary.to_pylist())


def _disorder(day: dt.date, row: int) -> StoreError:
    return StoreError(
        f"The rows for {day} are not sorted by (symbol, ts) without repetition at row {row}; nothing of them was "
        "stored."
    )
