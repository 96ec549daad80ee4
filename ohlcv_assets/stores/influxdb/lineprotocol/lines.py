"""Trades and bars as line protocol.

What belongs here: tables cut into bodies of lines. What does not: the loops over values (``kernels``), the text of
symbols (``literals``), sending (``writer``).

A line of a trade: ``trades,symbol=AAPL price=187.15,amount=100,side=1i 1704205800000000000``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ohlcv_assets.bars.resolutions import BARS
from ohlcv_assets.errors import StoreRejectedError
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.influxdb.layout import BARS_MEASUREMENT, TRADES_MEASUREMENT
from ohlcv_assets.stores.influxdb.lineprotocol import kernels
from ohlcv_assets.stores.influxdb.lineprotocol.kernels import Rows, Texts
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MAX_NS, MIN_NS, MOST_TAG_BYTES, escaped_tag
from ohlcv_assets.stores.tables import conform, nanos

_BLOCK_ROWS: Final = 16_384
"""Rows brought into decimals at a time: what is in between stays in the processor's cache."""

_ROOM: Final = 512
"""Bytes of a body for each line; longer lines make shorter bodies."""


@dataclass(frozen=True, slots=True)
class Lines:
    """One body of a write request.

    Attributes
    ----------
    body
        Lines, each with its newline.
    rows
        How many.
    """

    body: bytes = field(repr=False)
    rows: int


def trade_lines(tables: Iterable[pa.Table], size: int) -> Iterator[Lines]:
    """Yield trades as bodies of lines, in order; however they are cut into tables, the bodies are the same.

    Parameters
    ----------
    tables
        ``STORED``, symbols in any encoding; values as a store takes them.
    size
        Lines of a body, at most; very long symbols make shorter ones.

    Raises
    ------
    StoreRejectedError
        A symbol is too long, or an instant outside what InfluxDB holds; nothing of that table is in a body yet.
    StoreError
        A table has other columns.
    """
    return _bodies(_TRADES, tables, size)


def bar_lines(bars: pa.Table, size: int) -> Iterator[Lines]:
    """Yield ``BARS`` as bodies of lines; as ``trade_lines``."""
    return _bodies(_BARS, [bars], size)


def warm_up() -> None:
    """Compile the kernels, or load them from disk, so that worker processes start with them at hand."""
    columns: list[Any] = [pa.array(["warm-up"]), pa.array([0], pa.timestamp("ns"))]  # Any: the parameter varies
    columns += [pa.array([value]) for value in (1.5, 0.1 + 0.2, 1)]
    for _ in trade_lines([pa.Table.from_arrays(columns, names=STORED.names)], 1):
        pass


def _bodies(shape: _Shape, tables: Iterable[pa.Table], size: int) -> Iterator[Lines]:
    out = np.empty(size * _ROOM + MOST_TAG_BYTES, np.uint8)
    words = kernels.words_of(out)
    scratch = _Scratch(len(shape.fields))
    at = held = 0
    for table in tables:
        for rows in _blocks(shape, conform(table, shape.schema).combine_chunks(), scratch):
            done, count = 0, len(rows.ts)
            while done < count:
                reached, at = kernels.write(rows, done, min(count, done + size - held), out, words, at)
                held += reached - done
                done = reached
                if held == size or done < count:
                    yield Lines(out[:at].tobytes(), held)
                    at = held = 0
    if held > 0:
        yield Lines(out[:at].tobytes(), held)


class _Scratch:
    """Room for a block's digits, used again for each block: fresh memory costs more than the digits do."""

    def __init__(self, fields: int) -> None:
        self._fields = fields
        self._numbers = np.empty(fields * _BLOCK_ROWS, np.int64)
        self._decimals = np.empty(fields * _BLOCK_ROWS, np.int8)

    def of(self, rows: int) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """Return room for that many rows, shape (fields, rows)."""
        shape = self._fields, rows
        used = self._fields * rows
        return self._numbers[:used].reshape(shape), self._decimals[:used].reshape(shape)


def _blocks(shape: _Shape, table: pa.Table, scratch: _Scratch) -> Iterator[Rows]:
    """Yield a table's rows, ready to be written, in pieces."""
    if table.num_rows == 0:
        return
    ts = _fixed(nanos(table.column("ts")))
    _check_instants(ts)
    symbols = cast("pa.DictionaryArray[Any, Any]", table.column("symbol").chunk(0))  # Any: no simple spelling
    codes = _fixed(np.asarray(symbols.indices.to_numpy()))
    prefixes = _prefixes(shape, codes, cast("list[str]", symbols.dictionary.to_pylist()))
    columns = [_fixed(np.asarray(table.column(name).chunk(0).to_numpy())) for name in shape.fields]
    for first in range(0, table.num_rows, _BLOCK_ROWS):
        piece = slice(first, first + _BLOCK_ROWS)
        numbers, decimals = scratch.of(len(ts[piece]))
        texts = _digits([column[piece] for column in columns], numbers, decimals)
        yield Rows(codes[piece], ts[piece], numbers, decimals, prefixes, shape.labels, texts)


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    """Return a contiguous array that cannot be written: kernels are compiled once for each kind of array."""
    found = np.ascontiguousarray(array).view()
    found.flags.writeable = False
    return found


def _check_instants(ts: NDArray[np.int64]) -> None:
    """Refuse what could not be written, or not be read back."""
    low, high = int(ts.min()), int(ts.max())
    if low < MIN_NS or high >= MAX_NS:
        raise StoreRejectedError(
            f"The instant {low if low < MIN_NS else high} ns lies outside what InfluxDB holds ({MIN_NS} to "
            f"{MAX_NS - 1}); nothing of its batch was sent."
        )


def _digits(columns: list[NDArray[Any]], numbers: NDArray[np.int64], decimals: NDArray[np.int8]) -> Texts:
    """Fill in the digits of columns; return the texts of values that have no short decimal, as Arrow writes them."""
    found: list[pa.Array[Any]] = []  # Any: the type parameter varies
    count = 0
    for values, digits, places in zip(columns, numbers, decimals, strict=True):
        if values.dtype == np.float64:
            if kernels.scale(values, digits, places) == 0:
                continue
        else:
            digits[:] = values
            places[:] = 0
            if not _is_long(digits):
                continue
            places[(digits >= kernels.LIMIT) | (digits <= -kernels.LIMIT)] = kernels.OWN_TEXT
        rows = np.flatnonzero(places == kernels.OWN_TEXT)
        digits[rows] = np.arange(count, count + len(rows))
        count += len(rows)
        found.append(pa.array(values[rows]).cast(pa.string()))
    return _texts(cast("pa.StringArray", pa.concat_arrays(found))) if found else _NO_TEXTS


def _is_long(digits: NDArray[np.int64]) -> bool:
    return bool(digits.max() >= kernels.LIMIT or digits.min() <= -kernels.LIMIT)


def _texts(texts: pa.StringArray | pa.BinaryArray) -> Texts:
    """Return strings or bytes as kernels take them."""
    bounds = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(pc.binary_length(texts).to_numpy(), out=bounds[1:])
    data = texts.buffers()[2]
    return Texts(kernels.words_of((b"" if data is None else data.to_pybytes()) + bytes(kernels.SPARE)), bounds)


def _prefixes(shape: _Shape, codes: NDArray[np.int32], names: list[str]) -> Texts:
    """Return what a line begins with, by code; empty for symbols that no row has."""
    used = np.bincount(codes, minlength=len(names)) > 0
    head, first = f"{shape.measurement},symbol=".encode(), f" {shape.fields[0]}=".encode()
    texts = [head + escaped_tag(name) + first if needed else b"" for name, needed in zip(names, used, strict=True)]
    return _texts(pa.array(texts, pa.binary()))


class _Shape:
    """How rows become lines: measurement, columns, the fields' names in order, and what follows each value."""

    def __init__(self, measurement: str, schema: pa.Schema) -> None:
        columns = [column for column in schema if column.name not in {"symbol", "ts"}]
        marks = ["" if pa.types.is_floating(column.type) else "i" for column in columns]
        self.measurement = measurement
        self.schema = schema
        self.fields = [column.name for column in columns]
        nexts = [*(f",{name}=" for name in self.fields[1:]), " "]
        self.labels = _texts(pa.array([mark + following for mark, following in zip(marks, nexts, strict=True)]))


_NO_TEXTS: Final = _texts(pa.array([], pa.string()))
_TRADES: Final = _Shape(TRADES_MEASUREMENT, STORED)
_BARS: Final = _Shape(BARS_MEASUREMENT, BARS)
