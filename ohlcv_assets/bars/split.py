"""A table of trades or bars as NumPy columns of one symbol at a time.

What belongs here: cutting Arrow tables along their dictionary-encoded symbols, without a copy where they are sorted.
What does not: what is computed of a symbol. One symbol at a time keeps every intermediate array within the processor's
cache, which is worth more than the few calls it costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ohlcv_assets.units import DAY, Nanos

Column = NDArray[Any]  # Any: float64, int64 or int8, as the table's schema has it
Columns = dict[str, Column]


def by_symbol(table: pa.Table, columns: Sequence[str]) -> Iterator[tuple[str, Columns]]:
    """Yield each symbol of a table with its rows in order of time.

    Parameters
    ----------
    table
        Has ``symbol`` (text or dictionary<text>), ``ts`` (timestamp[ns]) and ``columns``, without nulls, in any order;
        rows sorted by (symbol, ts) are handed out without a copy, one chunk a symbol provided.
    columns
        Names to hand out besides ``ts``.

    Yields
    ------
    tuple[str, Columns]
        Symbols ascending by code point; arrays of equal length, ``ts`` as int64 nanoseconds, ascending; rows of equal
        ``ts`` keep their order.
    """
    wanted = ("ts", *columns)
    encoded = table.select(["symbol", *wanted])
    if not pa.types.is_dictionary(table.schema.field("symbol").type):
        encoded = encoded.set_column(0, "symbol", table["symbol"].dictionary_encode())
    parts = _parts(encoded, wanted)
    if parts is None:
        order = pc.sort_indices(encoded["symbol"].cast(pa.string()))
        parts = _parts(encoded.take(order).combine_chunks(), wanted) or {}
    for name in sorted(parts):
        yield name, _in_time(_joined(parts[name]))


def run_starts(key: Column) -> NDArray[np.int64]:
    """Return the indices of a non-empty array at which its value changes, 0 included."""
    changes = np.flatnonzero(key[1:] != key[:-1])
    starts = np.zeros(len(changes) + 1, np.int64)
    np.add(changes, 1, out=starts[1:])
    return starts


def runs(key: Column) -> Iterator[tuple[int, int]]:
    """Return where the runs of equal values of a non-empty array begin and end."""
    return _between(run_starts(key), len(key))


def by_day(columns: Columns) -> Iterator[tuple[Nanos, Columns]]:
    """Yield the rows of each day, in order of time, by its midnight."""
    days = columns["ts"] // DAY
    for first, end in runs(days):
        yield Nanos(int(days[first]) * DAY), {name: column[first:end] for name, column in columns.items()}


def _between(starts: NDArray[np.int64], rows: int) -> Iterator[tuple[int, int]]:
    return zip(starts.tolist(), [*starts[1:].tolist(), rows], strict=True)


def _parts(table: pa.Table, columns: Sequence[str]) -> dict[str, list[Columns]] | None:
    """Cut a table where its symbol changes; None where the rows of a symbol lie too scattered to cut so."""
    parts: dict[str, list[Columns]] = {}
    for batch in table.to_batches():
        if batch.num_rows == 0:
            continue
        symbols = cast("pa.DictionaryArray[Any, Any]", batch["symbol"])  # Any: index and value types do not matter
        names = symbols.dictionary.to_pylist()
        codes = symbols.indices.to_numpy()
        starts = run_starts(codes)
        if len(starts) > len(names):
            return None
        values = {name: _numbers(batch[name]) for name in columns}
        for start, stop in _between(starts, len(codes)):
            piece = {name: column[start:stop] for name, column in values.items()}
            parts.setdefault(names[codes[start]], []).append(piece)
    return parts


def _numbers(column: pa.Array[Any]) -> Column:  # Any: any number
    values: Column = (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_numpy()
    return values


def _joined(pieces: list[Columns]) -> Columns:
    if len(pieces) == 1:
        return pieces[0]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def _in_time(columns: Columns) -> Columns:
    ts = columns["ts"]
    if (ts[1:] >= ts[:-1]).all():
        return columns
    order = np.argsort(ts, kind="stable")
    return {name: column[order] for name, column in columns.items()}
