"""Pieces: some 65,000 rows of one symbol, cut from tables and encoded each by itself.

What belongs here: tables cut into pieces, pieces turned into blocks. What does not: the loops over values (``blocks``),
files (``encoding``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from queue import Empty, SimpleQueue
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.errors import StoreRejectedError
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MAX_NS, MIN_NS
from ohlcv_assets.stores.influxdb.tsm import blocks
from ohlcv_assets.stores.influxdb.tsm.bits import SPARE, words_of
from ohlcv_assets.stores.influxdb.tsm.index import series_key
from ohlcv_assets.stores.tables import conform, nanos

PIECE: Final = 65_536
"""Rows of a piece, about: whole blocks."""


class Shape:
    """How rows become keys: the measurement, and the fields with their types in the order of their names."""

    def __init__(self, measurement: str, schema: pa.Schema) -> None:
        names = sorted(set(schema.names) - {"symbol", "ts"})
        self.measurement = measurement
        self.schema = schema
        self.fields = names
        self.kinds = [
            blocks.FLOAT if pa.types.is_floating(schema.field(name).type) else blocks.INTEGER for name in names
        ]


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one symbol as they came, in parts: instants, then fields; Any: columns of several types."""

    series: bytes
    parts: list[list[NDArray[Any]]]

    def columns(self) -> list[NDArray[Any]]:
        """Return each column as one, in numbers of 64 bits; Any: as above."""
        if len(self.parts) == 1:
            return [_fixed(column) for column in self.parts[0]]
        return [_fixed(np.concatenate(parts)) for parts in zip(*self.parts, strict=True)]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A piece as blocks; ``bounds`` of shape (fields, blocks + 1) says where they are."""

    series: bytes
    ts: NDArray[np.int64]
    data: bytes
    bounds: NDArray[np.int64]


def cut(shape: Shape, tables: Iterable[pa.Table], block: int) -> Iterator[Piece]:
    """Yield the rows of each symbol in pieces of whole blocks, but for a symbol's last."""
    size = max(PIECE // block, 1) * block
    waiting = _Waiting()
    for table in tables:
        for series, columns in _runs(shape, table):
            if series != waiting.series:
                yield from waiting.taken()
                waiting.series = series
            done, count = 0, len(columns[0])
            while done < count:
                stop = min(done + size - waiting.rows, count)
                waiting.add([column[done:stop] for column in columns])
                done = stop
                if waiting.rows == size:
                    yield from waiting.taken()
    yield from waiting.taken()


class _Waiting:
    """Rows of one symbol that are no whole piece yet."""

    def __init__(self) -> None:
        self.series = b""
        self.rows = 0
        self._parts: list[list[NDArray[Any]]] = []  # Any: columns of several types

    def add(self, columns: list[NDArray[Any]]) -> None:
        """Add rows; Any: columns of several types."""
        self._parts.append(columns)
        self.rows += len(columns[0])

    def taken(self) -> Iterator[Piece]:
        """Yield what there is, if anything, and forget it."""
        if self.rows > 0:
            yield Piece(self.series, self._parts)
        self._parts, self.rows = [], 0


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    """Return numbers of 64 bits that cannot be written: kernels are compiled once for each kind of array."""
    wide = array if array.dtype.itemsize == 8 else array.astype(np.int64)  # noqa: PLR2004  -- bytes of a word
    found = np.ascontiguousarray(wide).view()
    found.flags.writeable = False
    return found


def _runs(shape: Shape, table: pa.Table) -> Iterator[tuple[bytes, list[NDArray[Any]]]]:
    """Yield the rows of one symbol after another: instants, then fields; Any: columns of several types."""
    whole = conform(table, shape.schema).combine_chunks()
    if whole.num_rows == 0:
        return
    symbols = cast("pa.DictionaryArray[Any, Any]", whole.column("symbol").chunk(0))  # Any: no simple spelling
    codes = np.asarray(symbols.indices.to_numpy())
    names = cast("list[str]", symbols.dictionary.to_pylist())
    ts = nanos(whole.column("ts").chunk(0))
    columns = [ts, *(np.asarray(whole.column(name).chunk(0).to_numpy()) for name in shape.fields)]
    bounds = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist(), len(codes)]
    for start, stop in pairwise(bounds):
        yield series_key(shape.measurement, names[codes[start]]), [column[start:stop] for column in columns]


@dataclass(frozen=True, slots=True)
class _Room:
    """Where one thread works, used again for each piece."""

    times: NDArray[np.uint8]
    out: NDArray[np.uint8]
    steps: NDArray[np.uint64]


class Bench:
    """Turns pieces into blocks, in as many threads as ask."""

    def __init__(self, shape: Shape, block: int) -> None:
        self._shape = shape
        self._block = block
        self._rooms: SimpleQueue[_Room] = SimpleQueue()

    def encode(self, piece: Piece) -> Encoded:
        """Return a piece as blocks, its fields one after another.

        Raises
        ------
        StoreRejectedError
            As ``trade_files``.
        """
        ts, *fields = piece.columns()
        columns: list[NDArray[np.uint64]] = [column.view(np.uint64) for column in fields]
        self._check(piece.series, ts, columns)
        room = self._room(len(ts))
        try:
            data, bounds = self._encode(ts.view(np.uint64), columns, room)
        finally:
            self._rooms.put(room)
        return Encoded(piece.series, ts, data, bounds)

    def _encode(
        self, ts: NDArray[np.uint64], columns: list[NDArray[np.uint64]], room: _Room
    ) -> tuple[bytes, NDArray[np.int64]]:
        """Return blocks, and where they begin and end by field."""
        count, size = -(-len(ts) // self._block), self._block
        times, words = words_of(room.times), words_of(room.out)
        time_bounds = np.empty(count + 1, np.int64)
        blocks.write_times(ts, size, times, time_bounds, room.steps)
        bounds = np.zeros((len(columns), count + 1), np.int64)
        begin = 0
        for kind, column, found in zip(self._shape.kinds, columns, bounds, strict=True):
            found[0] = begin
            blocks.write_blocks(times, time_bounds, kind, column, size, words, found, room.steps)
            begin = int(found[-1])
        return room.out[:begin].tobytes(), bounds

    def _room(self, rows: int) -> _Room:
        """Return room for a piece: what another piece has left, where that is enough."""
        need = blocks.room(rows, self._block)
        try:
            room: _Room | None = self._rooms.get_nowait()
        except Empty:
            room = None
        if room is not None and len(room.times) >= need:
            return room
        out = len(self._shape.fields) * need
        return _Room(
            np.empty(need + SPARE, np.uint8), np.empty(out + SPARE, np.uint8), np.empty(self._block, np.uint64)
        )

    def _check(self, series: bytes, ts: NDArray[np.int64], columns: list[NDArray[np.uint64]]) -> None:
        """Refuse what could not be stored, or not be read back."""
        low, high = int(ts[0]), int(ts[-1])
        if not blocks.increasing(ts):
            raise rejected(series, "its instants are not strictly increasing")
        if low < MIN_NS or high >= MAX_NS:
            raise rejected(series, f"{low} to {high} ns are not all inside what InfluxDB holds")
        for name, kind, column in zip(self._shape.fields, self._shape.kinds, columns, strict=True):
            if kind == blocks.FLOAT and not blocks.finite(column):
                raise rejected(series, f"not every {name} is finite")


def rejected(series: bytes, reason: str) -> StoreRejectedError:
    """Return the error of rows that no server could hold."""
    return StoreRejectedError(f"{series.decode()} cannot be stored: {reason}; nothing of it was sent.")
