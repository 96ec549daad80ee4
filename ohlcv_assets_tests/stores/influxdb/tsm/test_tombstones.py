"""What has been deleted of a file."""

from __future__ import annotations

import gzip
import struct

import pytest

from ohlcv_assets.errors import StoreError
from ohlcv_assets.stores.influxdb.tsm.tombstones import deletions

pytestmark = pytest.mark.unit

ALWAYS = (-(2**63), 2**63 - 1)


def record(key: bytes, first: int, last: int) -> bytes:
    """Return one deletion."""
    return struct.pack(">I", len(key)) + key + struct.pack(">qq", first, last)


RECORDS = record(b"a", -5, 7) + record(b"b", *ALWAYS) + record(b"a", 9, 9)
FOUND = {b"a": [(-5, 7), (9, 9)], b"b": [ALWAYS]}


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x15\x02" + RECORDS,
        b"\x00\x00\x15\x03" + gzip.compress(RECORDS, mtime=0),
        b"\x00\x00\x15\x04" + gzip.compress(RECORDS[:-21], mtime=0) + gzip.compress(RECORDS[-21:], mtime=0),
    ],
)
def test_versions_with_ranges(data: bytes) -> None:
    """Deletions of a key add up, compressed or not, in one part or several."""
    assert deletions(data, "f") == FOUND


def test_the_first_version() -> None:
    """Keys by line are deleted for all time; an empty file deletes nothing."""
    assert deletions(b"key one\n\nkey two\n", "f") == {b"key one": [ALWAYS], b"key two": [ALWAYS]}
    assert deletions(b"", "f") == {}


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x15\x02" + RECORDS[:-1],
        b"\x00\x00\x15\x02" + RECORDS + b"\x00",
        b"\x00\x00\x15\x04" + gzip.compress(RECORDS[:-1], mtime=0),
        b"\x00\x00\x15\x03" + gzip.compress(RECORDS, mtime=0)[:-9],
        b"\x00\x00\x15\x03" + gzip.compress(RECORDS, mtime=0)[:12] + bytes(40),
        b"\x00\x00\x15\x04no gzip",
    ],
)
def test_damaged_files(data: bytes) -> None:
    """What cannot be read to its end is refused by name, never half applied."""
    with pytest.raises(StoreError, match=r"^000000001-000000001\.tombstone "):
        deletions(data, "000000001-000000001.tombstone")
