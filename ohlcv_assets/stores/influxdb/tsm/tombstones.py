"""Tombstones: what has been deleted of a TSM file.

What belongs here: reading the file of that name beside it. What does not: points (``decoding``, ``merging``).

Four versions are known (influxdata/influxdb:tsdb/engine/tsm1/tombstone.go). The first is keys, one a line, deleted for
all time. The others begin with a number. The second goes on with length, key, first and last instant of each deletion;
the third with the same, compressed; the fourth, which servers write today, with several thirds.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from ohlcv_assets.errors import StoreError

Deleted = Mapping[bytes, list[tuple[int, int]]]
"""First and last instants of what is deleted, both included, by key."""

_ALWAYS: Final = (-(2**63), 2**63 - 1)
_SECOND, _THIRD, _FOURTH = 0x1502, 0x1503, 0x1504
_HEAD: Final = 4


def deletions(data: bytes, name: str) -> Deleted:
    """Return what a file of tombstones deletes.

    Parameters
    ----------
    data
        The whole file.
    name
        What errors call it.

    Raises
    ------
    StoreError
        It is damaged.
    """
    version = int.from_bytes(data[:_HEAD], "big") if len(data) >= _HEAD else 0
    if version == _SECOND:
        return _records(data[_HEAD:], name)
    if version in {_THIRD, _FOURTH}:
        try:
            return _records(gzip.decompress(data[_HEAD:]), name)
        except (OSError, EOFError, zlib.error) as error:
            raise StoreError(f"{name} cannot be decompressed.") from error
    return {key: [_ALWAYS] for key in data.split(b"\n") if key}


def _records(data: bytes, name: str) -> Deleted:
    found: defaultdict[bytes, list[tuple[int, int]]] = defaultdict(list)
    at = 0
    while at < len(data):
        try:
            (length,) = struct.unpack_from(">I", data, at)
            key = data[at + 4 : at + 4 + length]
            found[key].append(struct.unpack_from(">qq", data, at + 4 + length))
        except struct.error as error:
            raise StoreError(f"{name} ends in the middle of a deletion.") from error
        at += 4 + length + 16
    return found
