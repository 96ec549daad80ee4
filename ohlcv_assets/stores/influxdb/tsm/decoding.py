"""The points of a TSM file.

What belongs here: one file, checked and read by key and time. What does not: what has been deleted of it
(``tombstones``), points that other files have newer (``merging``).

A file that is malformed anywhere that is read is refused, by its name and the key: nothing is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from mmap import mmap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.errors import StoreError
from ohlcv_assets.stores.influxdb.tsm import blocks
from ohlcv_assets.stores.influxdb.tsm.bits import words_of
from ohlcv_assets.stores.influxdb.tsm.index import Indexed, parsed

Data = bytes | bytearray | memoryview | mmap
"""What a file may come in; it must not change while it is read."""

_DTYPES: Final[Mapping[int, type[np.generic]]] = {
    blocks.FLOAT: np.float64,
    blocks.INTEGER: np.int64,
    blocks.UNSIGNED: np.uint64,
}
"""Types that are read; the others have no place in trades or bars."""

_NO_TIMES: Final = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Points:
    """Points of one key.

    Attributes
    ----------
    ts
        int64: nanoseconds, strictly increasing. Keys read together whose instants are the same have the same array.
    values
        float64, int64 or uint64.
    """

    ts: NDArray[np.int64]
    values: NDArray[Any]  # Any: the type depends on the key


NO_POINTS: Final = Points(_NO_TIMES, np.empty(0, np.float64))


@dataclass(frozen=True, slots=True)
class _Times:
    """Instants of some blocks: where the blocks are, points before each, the instants, and which are asked for."""

    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    bounds: NDArray[np.int64]
    asked: slice
    ts: NDArray[np.int64]


class TsmReader:
    """A TSM file.

    Attributes
    ----------
    name
        What errors call it.
    keys
        What the index says, by key, in order.
    """

    def __init__(self, data: Data, name: str) -> None:
        """Read the index.

        Raises
        ------
        StoreError
            It is no TSM file of version 1, or its index is not in order.
        """
        self.name = name
        self.keys: Mapping[bytes, Indexed] = parsed(memoryview(data), name)
        self._words = words_of(np.frombuffer(data, np.uint8))
        self._words.flags.writeable = False

    def touches(self, start: int, end: int) -> bool:
        """Return whether a block of any key reaches into ``[start, end)``."""
        return any(
            bool(((each.entries["first"] < end) & (each.entries["last"] >= start)).any()) for each in self.keys.values()
        )

    def read(self, keys: Sequence[bytes], start: int, end: int) -> list[Points]:
        """Return the points of each key with ``start <= ts < end``; none where the file has no such key.

        Raises
        ------
        StoreError
            A block does not have its checksum, makes no sense, or is of booleans or strings.
        """
        times: _Times | None = None
        found: list[Points] = []
        for key in keys:
            indexed = self.keys.get(key)
            points = NO_POINTS
            if indexed is not None:
                times, points = self._points(indexed, times, start, end)
            found.append(points)
        return found

    def _points(self, found: Indexed, known: _Times | None, start: int, end: int) -> tuple[_Times, Points]:
        """Return the instants of a key's blocks, those of the key before where they are the same, and its points."""
        if found.kind not in _DTYPES:
            raise self._error(found, f"holds values of type {blocks.KINDS[found.kind]}, which are not read")
        first, last = (found.entries[name].astype(np.int64) for name in ("first", "last"))
        chosen = slice(int(np.searchsorted(last, start)), int(np.searchsorted(first, end)))
        offsets, sizes = (found.entries[name][chosen].astype(np.int64) for name in ("offset", "size"))
        block = blocks.damaged(self._words, found.kind, offsets, sizes)
        if block >= 0:
            raise self._error(found, f"has a damaged block at byte {offsets[block]}")
        if known is None or not self._same(known, offsets, sizes):
            known = self._times(found, offsets, sizes, (start, end))
        values = np.empty(known.bounds[-1], np.uint64)
        block = blocks.read_values(self._words, found.kind, offsets, sizes, known.bounds, values)
        if block >= 0:
            raise self._error(found, f"has a block with other values than instants at byte {offsets[block]}")
        return known, Points(known.ts, values.view(_DTYPES[found.kind])[known.asked])

    def _same(self, known: _Times, offsets: NDArray[np.int64], sizes: NDArray[np.int64]) -> bool:
        """Return whether blocks have the same instants as others."""
        return len(offsets) == len(known.offsets) and blocks.same_times(
            self._words, known.offsets, known.sizes, offsets, sizes
        )

    def _times(
        self, found: Indexed, offsets: NDArray[np.int64], sizes: NDArray[np.int64], asked: tuple[int, int]
    ) -> _Times:
        """Return the instants of blocks, in order."""
        bounds = np.empty(len(offsets) + 1, np.int64)
        block = blocks.count_points(self._words, offsets, sizes, bounds)
        if block >= 0:
            raise self._error(found, f"has a block without sense at byte {offsets[block]}")
        words = np.empty(bounds[-1], np.uint64)
        blocks.read_times(self._words, offsets, sizes, bounds, words)
        ts = words.view(np.int64)
        if not bool((ts[1:] > ts[:-1]).all()):
            raise self._error(found, "has instants out of order")
        start, stop = np.searchsorted(ts, asked).tolist()
        return _Times(offsets, sizes, bounds, slice(start, stop), ts[start:stop])

    def _error(self, found: Indexed, what: str) -> StoreError:
        return StoreError(f"The key {found.key[:80]!r} of {self.name} {what}.")
