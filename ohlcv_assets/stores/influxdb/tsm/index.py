"""The outside of a TSM file: head, index, foot, and the keys of fields.

What belongs here: where blocks are and whose. What does not: what is inside them (``blocks``).

A file: magic number and version; blocks; the index; the index's offset in eight bytes. The index holds, key by key in
the order of their bytes: two bytes of length, the key, the type of its blocks, two bytes of their number, and an entry
for each block: first and last instant, offset, size with checksum (influxdata/influxdb:tsdb/engine/tsm1/writer.go).
A key: measurement, tags, ``#!~#``, field.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.errors import StoreError
from ohlcv_assets.stores.influxdb.lineprotocol.literals import escaped_tag, symbol_of
from ohlcv_assets.stores.influxdb.tsm.blocks import HEAD as BLOCK_HEAD
from ohlcv_assets.stores.influxdb.tsm.blocks import KINDS

HEAD: Final = b"\x16\xd1\x16\xd1\x01"
"""Magic number and version of a file."""

SEPARATOR: Final = b"#!~#"
"""Between series and field."""

MOST_ENTRIES: Final = 65_535
"""Blocks of one key in one file, at most."""

MOST_BYTES: Final = 2**31
"""Bytes of a file, at most: what the server itself keeps to."""

ENTRY: Final = np.dtype([("first", ">i8"), ("last", ">i8"), ("offset", ">i8"), ("size", ">u4")])

Entries = NDArray[Any]
"""Blocks of one key, of dtype ``ENTRY``, in order of time; Any: numpy's types know no structured arrays."""

FOOT: Final = 8
"""Bytes of the index's offset."""

_FIXED: Final = 5
"""Bytes of a key's index beside the key and its entries."""

_SMALLEST_BLOCK: Final = BLOCK_HEAD + 1 + 9 + 1
_ESCAPED: Final = re.compile(rb"\\([, =])")
_OTHER_TAG: Final = re.compile(rb"(?<!\\)[,=]")


def series_key(measurement: str, symbol: str) -> bytes:
    """Return the key of a symbol's series.

    Raises
    ------
    StoreRejectedError
        The symbol is too long to be a tag.
    """
    return measurement.encode() + b",symbol=" + escaped_tag(symbol)


def field_key(series: bytes, field: str) -> bytes:
    """Return the key of a field of a series."""
    return series + SEPARATOR + field.encode()


def split_key(key: bytes) -> tuple[bytes, str]:
    """Return series and field of a key."""
    series, _, field = key.partition(SEPARATOR)
    return series, field.decode(errors="replace")


def symbol_in(series: bytes, measurement: str) -> str | None:
    """Return the symbol of a series; None where it is of another measurement or has other tags."""
    head = measurement.encode() + b",symbol="
    rest = series[len(head) :]
    if not series.startswith(head) or _OTHER_TAG.search(rest):
        return None
    return symbol_of(_ESCAPED.sub(rb"\1", rest).decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class Indexed:
    """What the index of a file says of one key."""

    key: bytes
    kind: int
    entries: Entries


def index_size(key: bytes, entries: int) -> int:
    """Return how many bytes a key takes in the index."""
    return _FIXED + len(key) + entries * ENTRY.itemsize


def written(keys: Sequence[Indexed], offset: int) -> bytes:
    """Return the index that begins at an offset, with the foot behind it; keys in the order of their bytes."""
    parts = [
        part
        for each in keys
        for part in (
            struct.pack(">H", len(each.key)),
            each.key,
            struct.pack(">BH", each.kind, len(each.entries)),
            each.entries.tobytes(),
        )
    ]
    return b"".join([*parts, struct.pack(">Q", offset)])


def parsed(data: memoryview, name: str) -> dict[bytes, Indexed]:
    """Return what the index of a file says, by key, in order.

    Parameters
    ----------
    data
        The whole file.
    name
        What errors call it.

    Raises
    ------
    StoreError
        It is no TSM file of version 1, or its index is not in order.
    """
    if len(data) < len(HEAD) + FOOT or bytes(data[: len(HEAD)]) != HEAD:
        raise StoreError(f"{name} is no TSM file of version 1.")
    end = len(data) - FOOT
    (offset,) = struct.unpack_from(">Q", data, end)
    if not len(HEAD) <= offset < end:
        raise StoreError(f"{name} has no index where its foot says.")
    found: dict[bytes, Indexed] = {}
    last = b""
    for each in _keys(data, offset, end, name):
        if each.key <= last:
            raise StoreError(f"The keys of {name} are not in order at {each.key[:80]!r}.")
        _check(each, offset, name)
        found[each.key] = each
        last = each.key
    return found


def _keys(data: memoryview, at: int, end: int, name: str) -> Iterator[Indexed]:
    """Yield what stands in the index, unchecked but for its length."""
    try:
        while at < end:
            (length,) = struct.unpack_from(">H", data, at)
            key = bytes(data[at + 2 : at + 2 + length])
            at += 2 + length
            kind, count = struct.unpack_from(">BH", data, at)
            at += 3
            stop = at + count * ENTRY.itemsize
            if stop > end:
                break
            yield Indexed(key, kind, np.frombuffer(data[at:stop], ENTRY))
            at = stop
    except struct.error:
        at = end + 1
    if at != end:
        raise StoreError(f"The index of {name} ends in the middle of a key.")


def _check(found: Indexed, end: int, name: str) -> None:
    """Raise StoreError where blocks are not in order of time, of unknown type, or not inside the file."""
    entries = found.entries
    first, last = entries["first"], entries["last"]
    offset, size = entries["offset"].astype(np.int64), entries["size"].astype(np.int64)
    inside = (offset >= len(HEAD)) & (size >= _SMALLEST_BLOCK) & (offset <= end - size)
    ordered = bool((first <= last).all() and (first[1:] > last[:-1]).all())
    if len(entries) == 0 or not ordered or not inside.all() or found.kind >= len(KINDS):
        raise StoreError(f"The index of {name} says of {found.key[:80]!r} what cannot be.")
