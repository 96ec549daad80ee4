"""Trades and bars as TSM files.

What belongs here: tables cut into pieces, pieces into blocks, blocks into files. What does not: the loops over values
(``blocks``), the outside of a file (``index``), what a file is called (``naming``).

Rows stream through. A piece, some 65,000 rows of one symbol, is encoded alone and its fields are written side by side,
so memory is bounded by a piece for each thread and by the file that is being filled. However the rows are cut into
tables, and however many threads there are, the files are the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from queue import SimpleQueue
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.bars.resolutions import BARS
from ohlcv_assets.errors import StoreRejectedError
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.influxdb.layout import BARS_MEASUREMENT, TRADES_MEASUREMENT
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MAX_NS, MIN_NS
from ohlcv_assets.stores.influxdb.tsm import blocks
from ohlcv_assets.stores.influxdb.tsm.bits import SPARE, words_of
from ohlcv_assets.stores.influxdb.tsm.index import (
    ENTRY,
    FOOT,
    HEAD,
    MOST_BYTES,
    MOST_ENTRIES,
    Indexed,
    field_key,
    index_size,
    series_key,
    written,
)
from ohlcv_assets.stores.tables import conform, nanos

_PIECE: Final = 65_536
"""Rows of a piece, about: whole blocks."""

_AHEAD: Final = 2
"""Pieces that may wait for each thread."""


@dataclass(frozen=True, slots=True)
class FilePlan:
    """How files are made.

    Attributes
    ----------
    block
        Points of a block. The server writes 1,000 and, where its last compaction is thorough, 10,000; a shard of one
        generation whose files begin with blocks of more than 1,000 is one that it does not compact again.
    most_bytes
        A file is closed before a piece would make it larger; a single piece may.
    threads
        Pieces encoded at a time.
    """

    block: int = 1_024
    most_bytes: int = MOST_BYTES
    threads: int = 1


@dataclass(frozen=True, slots=True)
class TsmFile:
    """One file, whole.

    Attributes
    ----------
    chunks
        Its bytes, in order.
    size
        How many bytes.
    rows
        Points of its series.
    first, last
        Nanoseconds of its first and last instants.
    """

    chunks: tuple[bytes, ...] = field(repr=False)
    size: int
    rows: int
    first: int
    last: int


def trade_files(tables: Iterable[pa.Table], plan: FilePlan) -> Iterator[TsmFile]:
    """Yield trades as files, in order.

    Parameters
    ----------
    tables
        ``STORED``, sorted by (symbol, ts) without repetition; several days one after another make a file each.
    plan
        How files are made.

    Raises
    ------
    StoreRejectedError
        A symbol is too long, a value not finite, or an instant outside what InfluxDB holds or not after the one before.
    StoreError
        A table has other columns.
    """
    return _files(_TRADES, tables, plan)


def bar_files(bars: pa.Table, plan: FilePlan) -> Iterator[TsmFile]:
    """Yield ``BARS`` as files; as ``trade_files``."""
    return _files(_BARS, [bars], plan)


class _Shape:
    """How rows become keys: the measurement, and the fields with their types in the order of their names."""

    def __init__(self, measurement: str, schema: pa.Schema) -> None:
        names = sorted(set(schema.names) - {"symbol", "ts"})
        self.measurement = measurement
        self.schema = schema
        self.fields = names
        self.kinds = [
            blocks.FLOAT if pa.types.is_floating(schema.field(name).type) else blocks.INTEGER for name in names
        ]


_TRADES: Final = _Shape(TRADES_MEASUREMENT, STORED)
_BARS: Final = _Shape(BARS_MEASUREMENT, BARS)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of one symbol: instants, and the bits of the values of each field."""

    series: bytes
    ts: NDArray[np.int64]
    columns: list[NDArray[np.uint64]]


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A piece as blocks; ``bounds`` of shape (fields, blocks + 1) says where they are."""

    series: bytes
    ts: NDArray[np.int64]
    data: bytes
    bounds: NDArray[np.int64]


def _files(shape: _Shape, tables: Iterable[pa.Table], plan: FilePlan) -> Iterator[TsmFile]:
    filled = _Filling(shape, plan)
    for piece in _encoded(shape, _pieces(shape, tables, plan.block), plan):
        if not filled.has_room(piece):
            yield filled.closed()
            filled = _Filling(shape, plan)
        filled.add(piece)
    if filled.rows > 0:
        yield filled.closed()


def _pieces(shape: _Shape, tables: Iterable[pa.Table], block: int) -> Iterator[_Piece]:
    """Yield the rows of each symbol in pieces of whole blocks, but for a symbol's last."""
    size = max(_PIECE // block, 1) * block
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

    def taken(self) -> Iterator[_Piece]:
        """Yield what there is, if anything, and forget it."""
        if self.rows > 0:
            ts, *columns = map(_fixed, self._parts[0] if len(self._parts) == 1 else self._joined())
            yield _Piece(self.series, ts, [column.view(np.uint64) for column in columns])
        self._parts, self.rows = [], 0

    def _joined(self) -> list[NDArray[Any]]:
        """Return all parts as one; Any: as above."""
        return [np.concatenate(parts) for parts in zip(*self._parts, strict=True)]


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    """Return numbers of 64 bits that cannot be written: kernels are compiled once for each kind of array."""
    wide = array if array.dtype.itemsize == 8 else array.astype(np.int64)  # noqa: PLR2004  -- bytes of a word
    found = np.ascontiguousarray(wide).view()
    found.flags.writeable = False
    return found


def _runs(shape: _Shape, table: pa.Table) -> Iterator[tuple[bytes, list[NDArray[Any]]]]:
    """Yield the rows of one symbol after another: instants, then fields; Any: columns of several types."""
    whole = conform(table, shape.schema).combine_chunks()
    if whole.num_rows == 0:
        return
    symbols = cast("pa.DictionaryArray[Any, Any]", whole.column("symbol").chunk(0))  # Any: no simple spelling
    codes = np.asarray(symbols.indices.to_numpy())
    names = cast("list[str]", symbols.dictionary.to_pylist())
    columns = [
        nanos(whole.column("ts")),
        *(np.asarray(whole.column(name).chunk(0).to_numpy()) for name in shape.fields),
    ]
    bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    for start, stop in pairwise(bounds):
        yield series_key(shape.measurement, names[codes[start]]), [column[start:stop] for column in columns]


def _encoded(shape: _Shape, pieces: Iterable[_Piece], plan: FilePlan) -> Iterator[_Encoded]:
    """Yield pieces as blocks, in order, with so many at work at a time as there are threads."""
    bench = _Bench(shape, plan.block)
    if plan.threads == 1:
        yield from map(bench.encode, pieces)
        return
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(plan.threads, "tsm"))
        waiting: deque[Future[_Encoded]] = deque()
        stack.callback(lambda: [each.cancel() for each in waiting])
        for piece in pieces:
            waiting.append(pool.submit(bench.encode, piece))
            if len(waiting) == plan.threads + _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@dataclass(frozen=True, slots=True)
class _Room:
    """Where one thread works, used again for each piece."""

    times: NDArray[np.uint8]
    out: NDArray[np.uint8]
    steps: NDArray[np.uint64]


class _Bench:
    """Turns pieces into blocks, in as many threads as ask."""

    def __init__(self, shape: _Shape, block: int) -> None:
        self._shape = shape
        self._block = block
        self._rooms: SimpleQueue[_Room] = SimpleQueue()

    def encode(self, piece: _Piece) -> _Encoded:
        """Return a piece as blocks, its fields one after another.

        Raises
        ------
        StoreRejectedError
            As ``trade_files``.
        """
        self._check(piece)
        room = self._room(len(piece.ts))
        try:
            return self._encode(piece, room)
        finally:
            self._rooms.put(room)

    def _encode(self, piece: _Piece, room: _Room) -> _Encoded:
        count, size = -(-len(piece.ts) // self._block), self._block
        times, words = words_of(room.times), words_of(room.out)
        time_bounds = np.empty(count + 1, np.int64)
        blocks.write_times(piece.ts.view(np.uint64), size, times, time_bounds, room.steps)
        bounds = np.zeros((len(piece.columns), count + 1), np.int64)
        begin = 0
        for kind, column, found in zip(self._shape.kinds, piece.columns, bounds, strict=True):
            found[0] = begin
            blocks.write_blocks(times, time_bounds, kind, column, size, words, found, room.steps)
            begin = int(found[-1])
        return _Encoded(piece.series, piece.ts, room.out[:begin].tobytes(), bounds)

    def _room(self, rows: int) -> _Room:
        """Return room for a piece: what another piece has left, where that is enough."""
        need = blocks.room(rows, self._block)
        if not self._rooms.empty():
            room = self._rooms.get()
            if len(room.times) >= need:
                return room
        out = len(self._shape.fields) * need
        return _Room(
            np.empty(need + SPARE, np.uint8), np.empty(out + SPARE, np.uint8), np.empty(self._block, np.uint64)
        )

    def _check(self, piece: _Piece) -> None:
        """Refuse what could not be stored, or not be read back."""
        low, high = int(piece.ts[0]), int(piece.ts[-1])
        if not bool((piece.ts[1:] > piece.ts[:-1]).all()):
            raise _rejected(piece.series, "its instants are not strictly increasing")
        if low < MIN_NS or high >= MAX_NS:
            raise _rejected(piece.series, f"{low} to {high} ns are not all inside what InfluxDB holds")
        for name, kind, column in zip(self._shape.fields, self._shape.kinds, piece.columns, strict=True):
            if kind == blocks.FLOAT and not bool(np.isfinite(column.view(np.float64)).all()):
                raise _rejected(piece.series, f"not every {name} is finite")


def _rejected(series: bytes, reason: str) -> StoreRejectedError:
    return StoreRejectedError(f"{series.decode()} cannot be stored: {reason}; nothing of it was sent.")


class _Filling:
    """A file that pieces are added to."""

    def __init__(self, shape: _Shape, plan: FilePlan) -> None:
        self.rows = 0
        self._shape = shape
        self._plan = plan
        self._chunks = [HEAD]
        self._size = len(HEAD)
        self._index = 0
        self._keys: list[tuple[bytes, int, list[NDArray[Any]]]] = []  # Any: no structured arrays in numpy's types
        self._series = b""
        self._blocks = 0
        self._first, self._last = MAX_NS, MIN_NS
        self._until = MIN_NS

    def has_room(self, piece: _Encoded) -> bool:
        """Return whether a piece may be added: it comes next in the order of keys, and is not too much."""
        count = piece.bounds.shape[1] - 1
        grown = self._size + self._index + len(piece.data) + len(self._shape.fields) * count * ENTRY.itemsize + FOOT
        if piece.series == self._series:
            follows = self._blocks + count <= MOST_ENTRIES
        else:
            keys = [field_key(piece.series, name) for name in self._shape.fields]
            follows = not self._keys or keys[0] > self._keys[-1][0]
            grown += sum(index_size(key, 0) for key in keys)
        return follows and (self.rows == 0 or grown <= self._plan.most_bytes)

    def add(self, piece: _Encoded) -> None:
        """Add a piece for which there is room.

        Raises
        ------
        StoreRejectedError
            It is no later than the one before it of the same series.
        """
        if piece.series != self._series:
            self._begin(piece.series)
        elif int(piece.ts[0]) <= self._until:
            raise _rejected(piece.series, "its instants are not strictly increasing")
        count, block = piece.bounds.shape[1] - 1, self._plan.block
        for (_, _, parts), bounds in zip(self._keys[-len(self._shape.fields) :], piece.bounds, strict=True):
            entries = np.empty(count, ENTRY)
            entries["first"] = piece.ts[::block]
            entries["last"] = np.append(piece.ts[block - 1 :: block], piece.ts[-1])[:count]
            entries["offset"] = bounds[:-1] + self._size
            entries["size"] = np.diff(bounds)
            parts.append(entries)
            self._index += entries.nbytes
        self._chunks.append(piece.data)
        self._size += len(piece.data)
        self._blocks += count
        self.rows += len(piece.ts)
        self._until = int(piece.ts[-1])
        self._first, self._last = min(self._first, int(piece.ts[0])), max(self._last, self._until)

    def _begin(self, series: bytes) -> None:
        """Begin the keys of a series."""
        self._series, self._blocks = series, 0
        for name, kind in zip(self._shape.fields, self._shape.kinds, strict=True):
            key = field_key(series, name)
            self._keys.append((key, kind, []))
            self._index += index_size(key, 0)

    def closed(self) -> TsmFile:
        """Return the file, with its index."""
        # Joined without a type, entries would lose the order of their bytes.
        keys = [Indexed(key, kind, np.concatenate(parts, dtype=ENTRY)) for key, kind, parts in self._keys]
        index = written(keys, self._size)
        return TsmFile((*self._chunks, index), self._size + len(index), self.rows, self._first, self._last)
