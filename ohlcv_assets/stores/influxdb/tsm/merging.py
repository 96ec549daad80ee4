"""The points of a shard: of several TSM files and their tombstones.

What belongs here: which file's value holds. What does not: how one file is read (``decoding``, ``tombstones``).

As the server has it: a deletion holds for the file it lies beside and for no other; of equal instants of a key, the
value in the last file in the order of names holds (influxdata/influxdb:tsdb/engine/tsm1/file_store.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.stores.influxdb.tsm.decoding import NO_POINTS, Data, Points, TsmReader
from ohlcv_assets.stores.influxdb.tsm.tombstones import Deleted, deletions

_FILE: Final = ".tsm"
_TOMBSTONE: Final = ".tombstone"


class ShardFiles:
    """The files of one shard.

    Attributes
    ----------
    files
        In the order of their names: what a later one says holds.
    keys
        Those of all files, in order, whether or not all of their points are deleted.
    deleted
        What tombstones say, by the name of the file beside which they lie.
    """

    def __init__(self, members: Mapping[str, Data], before: ShardFiles | None = None) -> None:
        """Read the indexes.

        Parameters
        ----------
        members
            Files by name or path, as a backup has them; what is neither TSM nor tombstone is left alone.
        before
            Files of the same shard that stand beside them, but for those that have the name of one of them.

        Raises
        ------
        StoreError
            A file is damaged.
        """
        named = {PurePosixPath(path).name: data for path, data in members.items()}
        files: dict[str, TsmReader] = {} if before is None else {file.name: file for file in before.files}
        files |= {name: TsmReader(data, name) for name, data in named.items() if name.endswith(_FILE)}
        self.files: list[TsmReader] = [files[name] for name in sorted(files)]
        self.keys: list[bytes] = sorted(set[bytes]().union(*(file.keys for file in self.files)))
        self.deleted: dict[str, Deleted] = {} if before is None else dict(before.deleted)
        for name, data in named.items():
            if name.endswith(_TOMBSTONE):
                self.deleted[name.removesuffix(_TOMBSTONE) + _FILE] = deletions(bytes(data), name)

    def touch(self, start: int, end: int) -> bool:
        """Return whether a file may have points with ``start <= ts < end``, deleted or not."""
        return any(file.touches(start, end) for file in self.files)

    def read(self, keys: Sequence[bytes], start: int, end: int) -> list[Points]:
        """Return the points of each key with ``start <= ts < end`` that the server would return.

        Raises
        ------
        StoreError
            As ``TsmReader.read``.
        """
        parts: list[list[Points]] = [[] for _ in keys]
        for file in self.files:
            left, deleted = _Left(), self.deleted.get(file.name, {})
            for key, points, found in zip(keys, file.read(keys, start, end), parts, strict=True):
                kept = left.of(points, deleted.get(key, []))
                if len(kept.ts) > 0:
                    found.append(kept)
        return _merged(parts)


class _Left:
    """What deletions leave; found once for keys with the same instants and the same deletions."""

    def __init__(self) -> None:
        self._ranges: Sequence[tuple[int, int]] = []
        self._before = self._ts = NO_POINTS.ts
        self._kept = NO_POINTS.ts == 0

    def of(self, points: Points, ranges: Sequence[tuple[int, int]]) -> Points:
        """Return the points that lie in none of some ranges, ends included."""
        if not ranges:
            return points
        if points.ts is not self._before or ranges != self._ranges:
            self._before, self._ranges = points.ts, ranges
            self._kept = np.ones(len(points.ts), np.bool_)
            for first, last in ranges:
                self._kept[np.searchsorted(points.ts, first) : np.searchsorted(points.ts, last, side="right")] = False
            self._ts = points.ts[self._kept]
        return Points(self._ts, points.values[self._kept])


def _merged(parts: Sequence[Sequence[Points]]) -> list[Points]:
    """Return each key's points of several files as one; keys with the same instants in each share the result's."""
    merged: list[Points] = []
    known: tuple[list[NDArray[np.int64]], NDArray[np.int64], NDArray[np.int64] | None] = ([], NO_POINTS.ts, None)
    for found in parts:
        times = [points.ts for points in found]
        if len(found) <= 1:
            merged.append(found[0] if found else NO_POINTS)
            continue
        if len(times) != len(known[0]) or any(a is not b for a, b in zip(times, known[0], strict=True)):
            known = (times, *_order(times))
        values: NDArray[Any] = np.concatenate([points.values for points in found])  # Any: the key's type
        merged.append(Points(known[1], values if known[2] is None else values[known[2]]))
    return merged


def _order(times: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Return the instants of several files as one, and which values are theirs: None where all, as they stand."""
    together = np.concatenate(times)
    if bool((together[1:] > together[:-1]).all()):
        return together, None
    order = np.argsort(together, kind="stable")
    ordered = together[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    return ordered[last], order[last]
