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
from numpy.typing import NDArray

from ohlcv_assets.bars.resolutions import BARS
from ohlcv_assets.errors import StoreRejectedError
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.influxdb import kernels
from ohlcv_assets.stores.influxdb.kernels import NO_DECIMAL, Rows, Texts
from ohlcv_assets.stores.influxdb.layout import BARS_MEASUREMENT, TRADES_MEASUREMENT
from ohlcv_assets.stores.influxdb.literals import MAX_NS, MIN_NS, MOST_TAG_BYTES, escaped_tag
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


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a table's rows become lines: measurement, and the fields in order with what they are."""

    measurement: str
    schema: pa.Schema

    def fields(self) -> list[tuple[str, bool]]:
        """Names of the fields and whether each is a float."""
        return [(column.name, pa.types.is_floating(column.type)) for column in self.schema if column.name not in _KEYS]


_KEYS: Final = ("symbol", "ts")
_TRADES: Final = _Shape(TRADES_MEASUREMENT, STORED)
_BARS: Final = _Shape(BARS_MEASUREMENT, BARS)


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
    at = held = 0
    for table in tables:
        for rows in _blocks(shape, conform(table, shape.schema).combine_chunks()):
            done, count = 0, len(rows.ts)
            while done < count:
                reached, at = kernels.write(rows, done, min(count, done + size - held), out, at)
                held += reached - done
                done = reached
                if held == size or done < count:
                    yield Lines(out[:at].tobytes(), held)
                    at = held = 0
    if held > 0:
        yield Lines(out[:at].tobytes(), held)


def _blocks(shape: _Shape, table: pa.Table) -> Iterator[Rows]:
    """Yield a table's rows, ready to be written, in pieces."""
    if table.num_rows == 0:
        return
    ts = nanos(table.column("ts"))
    _check_instants(ts)
    symbols = cast("pa.DictionaryArray[Any, Any]", table.column("symbol").chunk(0))  # Any: no simple spelling
    codes = np.asarray(symbols.indices.to_numpy())
    prefixes = _prefixes(shape, codes, cast("list[str]", symbols.dictionary.to_pylist()))
    labels = _labels(shape)
    columns = [(np.asarray(table.column(name).chunk(0).to_numpy()), is_float) for name, is_float in shape.fields()]
    for first in range(0, table.num_rows, _BLOCK_ROWS):
        piece = slice(first, first + _BLOCK_ROWS)
        numbers, decimals, texts = _decimals([(column[piece], is_float) for column, is_float in columns])
        yield Rows(codes[piece], ts[piece], numbers, decimals, prefixes, labels, texts)


def _check_instants(ts: NDArray[np.int64]) -> None:
    """Refuse what could not be written, or not be read back."""
    low, high = int(ts.min()), int(ts.max())
    if low < MIN_NS or high >= MAX_NS:
        raise StoreRejectedError(
            f"The instant {low if low < MIN_NS else high} ns lies outside what InfluxDB holds ({MIN_NS} to "
            f"{MAX_NS - 1}); nothing of its batch was sent."
        )


def _decimals(
    columns: list[tuple[NDArray[Any], bool]],
) -> tuple[NDArray[np.int64], NDArray[np.int8], Texts]:
    """Return columns as digits and numbers of decimals, and the texts of values that have no short decimal."""
    count = len(columns[0][0])
    numbers = np.empty((len(columns), count), np.int64)
    decimals = np.zeros((len(columns), count), np.int8)
    plain: list[NDArray[np.float64]] = []
    found = 0
    for column, (values, is_float) in enumerate(columns):
        if not is_float:
            numbers[column] = values
        elif kernels.scale(values, numbers[column], decimals[column]) > 0:
            rows = np.flatnonzero(decimals[column] == NO_DECIMAL)
            numbers[column, rows] = np.arange(found, found + len(rows))
            plain.append(values[rows])
            found += len(rows)
    return numbers, decimals, _shortest(plain)


def _shortest(values: list[NDArray[np.float64]]) -> Texts:
    """Return the shortest text of each value that reads back as the same double, as Arrow writes it."""
    if not values:
        return _NO_TEXTS
    texts = pa.array(np.concatenate(values)).cast(pa.string())
    _, bounds, data = texts.buffers()
    return Texts(np.frombuffer(data, np.uint8), np.frombuffer(bounds, np.int32)[: len(texts) + 1].astype(np.int64))


def _texts(parts: list[bytes]) -> Texts:
    bounds = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=bounds[1:])
    return Texts(np.frombuffer(b"".join(parts), np.uint8), bounds)


_NO_TEXTS: Final = _texts([])


def _prefixes(shape: _Shape, codes: NDArray[np.int32], names: list[str]) -> Texts:
    """Return what a line begins with, by code; empty for symbols that no row has."""
    used = np.bincount(codes, minlength=len(names)) > 0
    first = f" {shape.fields()[0][0]}=".encode()
    head = f"{shape.measurement},symbol=".encode()
    return _texts(
        [head + escaped_tag(name) + first if is_used else b"" for name, is_used in zip(names, used, strict=True)]
    )


def _labels(shape: _Shape) -> Texts:
    """Return what follows each field's value: the mark of integers, and the next field's name or a space."""
    fields = shape.fields()
    marks = ["" if is_float else "i" for _, is_float in fields]
    nexts = [f",{name}=" for name, _ in fields[1:]] + [" "]
    return _texts([f"{mark}{following}".encode() for mark, following in zip(marks, nexts, strict=True)])
