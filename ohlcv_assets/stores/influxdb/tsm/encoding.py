"""Trades and bars as TSM files.

What belongs here: pieces put into files, in order. What does not: pieces themselves (``pieces``), the outside of a file
(``index``), what a file is called (``naming``).

Rows stream through. A piece is encoded alone and its fields are written one after another, so memory is bounded by some
pieces for each thread and by the file that is being filled. However the rows are cut into tables, and however many
threads there are, the files are the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.bars.resolutions import BARS
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.influxdb.layout import BARS_MEASUREMENT, TRADES_MEASUREMENT
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MAX_NS, MIN_NS
from ohlcv_assets.stores.influxdb.tsm.index import (
    ENTRY,
    FOOT,
    HEAD,
    MOST_BYTES,
    MOST_ENTRIES,
    Indexed,
    field_key,
    index_size,
    written,
)
from ohlcv_assets.stores.influxdb.tsm.pieces import Bench, Encoded, Piece, Shape, cut, rejected

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


_TRADES: Final = Shape(TRADES_MEASUREMENT, STORED)
_BARS: Final = Shape(BARS_MEASUREMENT, BARS)


def _files(shape: Shape, tables: Iterable[pa.Table], plan: FilePlan) -> Iterator[TsmFile]:
    filled = _Filling(shape, plan)
    for piece in _encoded(shape, cut(shape, tables, plan.block), plan):
        if not filled.has_room(piece):
            yield filled.closed()
            filled = _Filling(shape, plan)
        filled.add(piece)
    if filled.rows > 0:
        yield filled.closed()


def _encoded(shape: Shape, pieces: Iterable[Piece], plan: FilePlan) -> Iterator[Encoded]:
    """Yield pieces as blocks, in order, with so many at work at a time as there are threads."""
    bench = Bench(shape, plan.block)
    if plan.threads == 1:
        yield from map(bench.encode, pieces)
        return
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(plan.threads, "tsm"))
        waiting: deque[Future[Encoded]] = deque()
        stack.callback(lambda: [each.cancel() for each in waiting])
        for piece in pieces:
            waiting.append(pool.submit(bench.encode, piece))
            if len(waiting) == plan.threads + _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _Filling:
    """A file that pieces are added to."""

    def __init__(self, shape: Shape, plan: FilePlan) -> None:
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

    def has_room(self, piece: Encoded) -> bool:
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

    def add(self, piece: Encoded) -> None:
        """Add a piece for which there is room.

        Raises
        ------
        StoreRejectedError
            It is no later than the one before it of the same series.
        """
        if piece.series != self._series:
            self._begin(piece.series)
        elif int(piece.ts[0]) <= self._until:
            raise rejected(piece.series, "its instants are not strictly increasing")
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
