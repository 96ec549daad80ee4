"""The points of one file."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import StoreError
from ohlcv_assets.stores.influxdb.tsm import blocks, index
from ohlcv_assets.stores.influxdb.tsm.decoding import TsmReader
from ohlcv_assets.stores.influxdb.tsm.encoding import FilePlan, trade_files
from ohlcv_assets.stores.influxdb.tsm.index import ENTRY, HEAD, Indexed, field_key, series_key
from ohlcv_assets_tests.stores.influxdb.tsm.made import FIRST, LAST, block_of, bytes_of, trades

pytestmark = pytest.mark.unit

SERIES = series_key("trades", "A")
KEYS = [field_key(SERIES, name) for name in ("price", "amount", "side")]
TS = [*range(10, 60, 10), 61, 72]


def made(block: int = 2) -> bytes:
    """Return a file of seven trades."""
    columns = (TS, [float(ts) for ts in TS], [1.0] * 7, [1, -1, 1, 1, 1, -1, -1])
    (file,) = trade_files([trades({"A": columns, "B": columns})], FilePlan(block))
    return bytes_of(file)


def file_of(kind: int, *found: tuple[int, int, bytes]) -> bytes:
    """Return a file of one key, of blocks with their first and last instants."""
    bounds = np.cumsum([len(HEAD), *(len(block) for _, _, block in found)]).tolist()
    rows = [(first, last, at, len(block)) for (first, last, block), at in zip(found, bounds, strict=False)]
    indexed = Indexed(KEYS[0], kind, np.array(rows, ENTRY))
    return HEAD + b"".join(block for _, _, block in found) + index.written([indexed], bounds[-1])


@pytest.mark.parametrize("block", [1, 2, 3, 7, 10])
@pytest.mark.parametrize(
    ("start", "end"), [(FIRST, LAST), (0, 10), (10, 11), (11, 61), (61, 62), (72, LAST), (73, LAST)]
)
def test_ranges(block: int, start: int, end: int) -> None:
    """A range gives the points inside it: the start included, the end not."""
    price, amount, side = TsmReader(made(block), "f").read(KEYS, start, end)
    inside = [ts for ts in TS if start <= ts < end]
    assert price.ts.tolist() == inside
    assert price.values.tolist() == inside
    assert len(amount.values) == len(side.values) == len(inside)
    assert side.ts is amount.ts is price.ts


def test_any_buffer(tmp_path: Path) -> None:
    """A file may come as bytes, an array of them, a view, or mapped from disk."""
    import mmap  # noqa: PLC0415  -- used here alone

    (tmp_path / "f").write_bytes(made())
    with (tmp_path / "f").open("rb") as opened:
        for data in (made(), bytearray(made()), memoryview(made()), mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ)):
            assert TsmReader(data, "f").read(KEYS[:1], FIRST, LAST)[0].ts.tolist() == TS


def test_keys_that_are_not_there() -> None:
    """A key that the file does not have has no points, and those around it keep their own."""
    price, none, side = TsmReader(made(), "f").read([KEYS[0], b"unknown", KEYS[2]], FIRST, LAST)
    assert (len(none.ts), len(none.values)) == (0, 0)
    assert side.ts is price.ts


def test_fields_with_instants_of_their_own() -> None:
    """Fields whose instants differ are read each by itself."""
    other = (TS[:-1], [1.0] * 6, [1.0] * 6, [1] * 6)
    (file,) = trade_files([trades({"A": (TS, [2.0] * 7, [1.0] * 7, [1] * 7), "B": other})], FilePlan(4))
    keys = [KEYS[0], field_key(series_key("trades", "B"), "side"), KEYS[1]]
    assert [points.ts.tolist() for points in TsmReader(bytes_of(file), "f").read(keys, 0, 100)] == [TS, TS[:-1], TS]


def test_damage_is_named() -> None:
    """A block that does not have its checksum is refused by file, key and place; others are not affected."""
    data = bytearray(made())
    entry = TsmReader(bytes(data), "f").keys[KEYS[0]].entries[1]
    data[int(entry["offset"]) + 12] ^= 1
    reader = TsmReader(bytes(data), "000000001-000000001.tsm")
    with pytest.raises(StoreError, match=r"price.* of 000000001-000000001\.tsm has a damaged block at byte"):
        reader.read(KEYS[:1], FIRST, LAST)
    assert reader.read(KEYS[:1], 10, 21)[0].ts.tolist() == [10, 20]
    assert len(reader.read(KEYS[1:], FIRST, LAST)[0].ts) == 7


@settings(deadline=None, max_examples=40)
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=5))
def test_nonsense_with_right_checksums(changes: list[tuple[int, int]]) -> None:
    """Whatever bytes a block holds, it is refused or read as something: no place outside the file is looked at."""
    data = bytearray(made(3))
    reader = TsmReader(bytes(data), "f")
    (end,) = struct.unpack_from(">Q", data, len(data) - 8)
    for place, value in changes:
        data[5 + place % (end - 5)] = value
    for indexed in reader.keys.values():
        for _, _, offset, size in indexed.entries.tolist():
            data[offset + 4] = indexed.kind
            struct.pack_into(">I", data, offset, zlib.crc32(data[offset + 4 : offset + size]))
    reader = TsmReader(bytes(data), "f")
    for key in reader.keys:
        try:
            (points,) = reader.read([key], FIRST, LAST)
        except StoreError:
            continue
        assert len(points.ts) == len(points.values)


RUN = b"\x20" + (1).to_bytes(8) + b"\x01\x02"
TWO = b"\x20" + (2).to_bytes(8) + b"\x00\x01"


@pytest.mark.parametrize("kind", [blocks.BOOLEAN, blocks.STRING])
def test_types_that_are_not_read(kind: int) -> None:
    """Booleans and strings are refused with their names."""
    reader = TsmReader(file_of(kind, (1, 2, block_of(kind, RUN, bytes(9)))), "f")
    with pytest.raises(StoreError, match=f"values of type {blocks.KINDS[kind]}"):
        reader.read(KEYS[:1], FIRST, LAST)


def test_unsigned_numbers() -> None:
    """Unsigned numbers are read as such."""
    value = b"\x10" + (1).to_bytes(8)
    reader = TsmReader(file_of(4, (1, 1, block_of(4, b"\x1c" + (1).to_bytes(8), value))), "f")
    assert reader.read(KEYS[:1], FIRST, LAST)[0].values.tolist() == [2**64 - 1]


@pytest.mark.parametrize(
    ("times", "values", "reason"),
    [
        (b"\x40" + bytes(10), TWO, "a block without sense at byte 5"),
        (b"\x20" + (1).to_bytes(8) + b"\x01\x03", TWO, "other values than instants at byte 5"),
        (b"\x20" + (1).to_bytes(8) + b"\x00\x02", TWO, "instants out of order"),
    ],
)
def test_blocks_without_sense(times: bytes, values: bytes, reason: str) -> None:
    """Blocks whose checksum is right and whose content is not are refused too."""
    reader = TsmReader(file_of(1, (1, 3, block_of(1, times, values))), "f")
    with pytest.raises(StoreError, match=reason):
        reader.read(KEYS[:1], FIRST, LAST)


def test_blocks_out_of_order() -> None:
    """Blocks that the index has in order, and that are not, are refused."""
    block = block_of(1, RUN, TWO)
    with pytest.raises(StoreError, match="instants out of order"):
        TsmReader(file_of(1, (1, 2, block), (3, 4, block)), "f").read(KEYS[:1], FIRST, LAST)
