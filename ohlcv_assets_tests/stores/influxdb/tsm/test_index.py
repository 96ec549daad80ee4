"""The outside of a file, and keys."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import StoreError, StoreRejectedError
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MOST_TAG_BYTES
from ohlcv_assets.stores.influxdb.tsm import index
from ohlcv_assets.stores.influxdb.tsm.index import ENTRY, HEAD, Indexed

pytestmark = pytest.mark.unit


def entries(*rows: tuple[int, int, int, int]) -> np.ndarray:
    """Return entries of an index."""
    return np.array(list(rows), ENTRY)


def file_of(*keys: Indexed, body: int = 100) -> bytes:
    """Return a file with an index and empty blocks."""
    return HEAD + bytes(body) + index.written(keys, len(HEAD) + body)


GOOD = Indexed(b"m,symbol=A#!~#price", 0, entries((1, 5, 5, 40), (6, 6, 45, 60)))


def test_an_index_is_laid_out_as_the_server_reads_it() -> None:
    """Length, key, type, number of blocks, entries, and the index's own place at the end."""
    data = index.written([Indexed(b"k", 1, entries((-1, 2, 3, 4)))], 77)
    assert data == struct.pack(">H1sBHqqqIQ", 1, b"k", 1, 1, -1, 2, 3, 4, 77)
    assert index.index_size(b"k", 1) == len(data) - 8


def test_round_trip() -> None:
    """Keys, types and entries read back in order."""
    keys = [Indexed(b"a", 3, entries((0, 0, 5, 100))), GOOD]
    found = index.parsed(memoryview(file_of(*keys)), "f")
    assert list(found) == [b"a", GOOD.key]
    assert [each.kind for each in found.values()] == [3, 0]
    assert found[GOOD.key].entries.tolist() == GOOD.entries.tolist()


BROKEN = {
    "another magic number": (b"\x16\xd1\x16\xd2\x01" + bytes(50), "is no TSM file of version 1"),
    "another version": (b"\x16\xd1\x16\xd1\x02" + bytes(50), "is no TSM file of version 1"),
    "too short": (HEAD + bytes(7), "is no TSM file of version 1"),
    "an index behind the end": (HEAD + bytes(50) + struct.pack(">Q", 55), "has no index where its foot says"),
    "an index before the blocks": (HEAD + bytes(50) + struct.pack(">Q", 4), "has no index where its foot says"),
    "a key cut short": (HEAD + b"\x00\x01k\x00\x00\x02" + bytes(28) + struct.pack(">Q", 5), "in the middle of a key"),
    "a key's head cut short": (HEAD + b"\x00\x01k\x00" + struct.pack(">Q", 5), "ends in the middle of a key"),
    "a key longer than the file": (HEAD + b"\xff\xff" + struct.pack(">Q", 5), "ends in the middle of a key"),
    "keys out of order": (file_of(GOOD, GOOD), "are not in order at"),
    "no blocks": (file_of(Indexed(b"k", 0, entries())), "what cannot be"),
    "a block that ends before it begins": (file_of(Indexed(b"k", 0, entries((2, 1, 5, 40)))), "what cannot be"),
    "blocks that overlap": (file_of(Indexed(b"k", 0, entries((1, 5, 5, 40), (5, 6, 45, 40)))), "what cannot be"),
    "a block outside": (file_of(Indexed(b"k", 0, entries((1, 5, 66, 40)))), "what cannot be"),
    "a block before": (file_of(Indexed(b"k", 0, entries((1, 5, 4, 40)))), "what cannot be"),
    "a block too small": (file_of(Indexed(b"k", 0, entries((1, 5, 5, 12)))), "what cannot be"),
    "an unknown type": (file_of(Indexed(b"k", 5, entries((1, 5, 5, 40)))), "what cannot be"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_files(what: str) -> None:
    """A file that is not as it should be is refused by name and reason."""
    data, reason = BROKEN[what]
    with pytest.raises(StoreError, match=reason) as raised:
        index.parsed(memoryview(data), "000000001-000000001.tsm")
    assert "000000001-000000001.tsm" in str(raised.value)


@settings(deadline=None, max_examples=40)
@given(symbol=st.text(max_size=20))
def test_keys_of_any_symbol(symbol: str) -> None:
    """A key gives back its symbol and its field, whatever signs the symbol has."""
    series, field = index.split_key(index.field_key(index.series_key("trades", symbol), "price"))
    assert (index.symbol_in(series, "trades"), field) == (symbol, "price")
    assert index.symbol_in(series, "ohlcv") is None


def test_keys_are_spelled_as_the_server_spells_them() -> None:
    """Commas, spaces and equals signs of a symbol are escaped."""
    key = index.field_key(index.series_key("trades", "A B,=C"), "side")
    assert key == rb"trades,symbol=A\ B\,\=C#!~#side"


def test_series_with_other_tags() -> None:
    """A series with another tag is no symbol's."""
    assert index.symbol_in(b"trades,symbol=A,venue=X", "trades") is None
    assert index.symbol_in(b"trades,venue=X", "trades") is None


def test_too_long_a_symbol() -> None:
    """A symbol that no key has room for is refused."""
    with pytest.raises(StoreRejectedError):
        index.series_key("trades", "x" * (MOST_TAG_BYTES + 1))
