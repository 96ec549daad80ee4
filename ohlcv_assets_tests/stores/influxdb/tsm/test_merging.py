"""The points of a shard."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import StoreError
from ohlcv_assets.stores.influxdb.tsm.encoding import FilePlan, trade_files
from ohlcv_assets.stores.influxdb.tsm.index import field_key, series_key
from ohlcv_assets.stores.influxdb.tsm.merging import ShardFiles
from ohlcv_assets_tests.stores.influxdb.tsm.made import FIRST, LAST, bytes_of, trades

pytestmark = pytest.mark.unit

KEYS = [field_key(series_key("trades", "A"), name) for name in ("price", "amount", "side")]


def file_of(ts: list[int], value: float) -> bytes:
    """Return a file of trades that all have the same price and amount."""
    return bytes_of(
        next(trade_files([trades({"A": (ts, [value] * len(ts), [value] * len(ts), [1] * len(ts))})], FilePlan(2)))
    )


def tombstone(*ranges: tuple[bytes, int, int]) -> bytes:
    """Return a file of deletions, of the second version."""
    records = (struct.pack(">I", len(key)) + key + struct.pack(">qq", first, last) for key, first, last in ranges)
    return b"\x00\x00\x15\x02" + b"".join(records)


def of_all(first: int, last: int) -> bytes:
    """Return a deletion of all fields."""
    return tombstone(*((key, first, last) for key in KEYS))


def found(members: dict[str, bytes], start: int = FIRST, end: int = LAST) -> dict[int, float]:
    """Return prices by instant, and see that amounts agree."""
    price, amount, side = ShardFiles(members).read(KEYS, start, end)
    assert side.ts is amount.ts is price.ts
    assert amount.values.tolist() == price.values.tolist()
    return dict(zip(price.ts.tolist(), price.values.tolist(), strict=True))


def test_files_one_after_another() -> None:
    """Files that do not overlap follow each other in time, whatever their names, wherever they lie."""
    members = {"db/rp/1/000000002-000000001.tsm": file_of([1, 2, 3], 1), "000000001-000000004.tsm": file_of([4, 5], 2)}
    assert found(members) == {1: 1, 2: 1, 3: 1, 4: 2, 5: 2}
    assert found(members, 3, 5) == {3: 1, 4: 2}
    assert ShardFiles(members).keys == sorted(KEYS)


def test_the_newest_value_holds() -> None:
    """Of equal instants the last file's value holds, by generation before sequence."""
    members = {
        "000000002-000000001.tsm": file_of([2, 3], 3.0),
        "000000001-000000009.tsm": file_of([1, 2, 4], 2.0),
        "000000001-000000002.tsm": file_of([1, 5], 1.0),
    }
    assert found(members) == {1: 2.0, 2: 3.0, 3: 3.0, 4: 2.0, 5: 1.0}


@settings(deadline=None, max_examples=40)
@given(files=st.lists(st.sets(st.integers(0, 30), min_size=1), min_size=1, max_size=5))
def test_any_overlap(files: list[set[int]]) -> None:
    """However files overlap, each instant has the value of the last file that has it."""
    members = {f"{place:09d}-000000001.tsm": file_of(sorted(ts), place + 1) for place, ts in enumerate(files)}
    expected = {instant: float(place + 1) for place, ts in enumerate(files) for instant in ts}
    assert found(members) == expected


def test_deletions_hold_for_their_own_file() -> None:
    """What is deleted of an older file comes back with a newer one, ends of the range included."""
    members = {
        "000000001-000000001.tsm": file_of([1, 2, 3, 4, 5], 1.0),
        "000000001-000000001.tombstone": of_all(2, 4),
        "000000002-000000001.tsm": file_of([3], 2.0),
        "fields.idx": b"?",
    }
    assert found(members) == {1: 1.0, 3: 2.0, 5: 1.0}


@pytest.mark.parametrize(("first", "last"), [(-(2**63), 2**63 - 1), (1, 5)])
def test_everything_deleted(first: int, last: int) -> None:
    """A file with nothing left gives no points."""
    members = {"a-1.tsm": file_of([1, 2, 5], 1.0), "a-1.tombstone": of_all(first, last)}
    assert found(members) == {}


def test_several_deletions_of_a_key() -> None:
    """Deletions add up, overlapping or beside anything that is there."""
    ranges = [(0, 0), (2, 3), (3, 4), (9, 20)]
    members = {
        "a-1.tsm": file_of([1, 2, 3, 4, 5], 1.0),
        "a-1.tombstone": tombstone(*((key, *each) for each in ranges for key in KEYS)),
    }
    assert found(members) == {1: 1.0, 5: 1.0}


def test_fields_that_lack_points() -> None:
    """Where only one field of a trade is deleted, the fields no longer share their instants."""
    members = {
        "a-1.tsm": file_of([1, 2], 1.0),
        "a-1.tombstone": tombstone((KEYS[0], 2, 2)),
        "a-2.tsm": file_of([3], 2.0),
    }
    price, amount, side = ShardFiles(members).read(KEYS, FIRST, LAST)
    assert price.ts.tolist() == [1, 3]
    assert amount.ts.tolist() == [1, 2, 3]
    assert side.ts.tolist() == [1, 2, 3]


def test_no_files() -> None:
    """A shard without files has no keys and no points."""
    shard = ShardFiles({})
    assert shard.keys == []
    assert [len(points.ts) for points in shard.read(KEYS, FIRST, LAST)] == [0, 0, 0]


def test_damaged_members() -> None:
    """A damaged file of either kind is refused by its name."""
    with pytest.raises(StoreError, match=r"a-1\.tsm"):
        ShardFiles({"x/a-1.tsm": b"?" * 20})
    with pytest.raises(StoreError, match=r"a-1\.tombstone"):
        ShardFiles({"a-1.tsm": file_of([1], 1.0), "a-1.tombstone": tombstone((b"k", 1, 2))[:-1]})


def test_types_are_kept() -> None:
    """Merged values keep their types."""
    members = {"a-1.tsm": file_of([1, 3], 1.0), "a-2.tsm": file_of([2, 3], 2.0)}
    price, _, side = ShardFiles(members).read(KEYS, FIRST, LAST)
    assert [str(points.values.dtype) for points in (price, side)] == ["float64", "int64"]


def test_files_beside_those_of_before() -> None:
    """They count as if they had come together; one of the same name takes its place, and so does a deletion."""
    names = [f"{number:09d}-000000001.tsm" for number in range(3)]
    before = ShardFiles({names[0]: file_of([1, 2], 1.0), names[1]: file_of([3, 4], 2.0)})
    deletion = names[0].replace(".tsm", ".tombstone")
    shard = ShardFiles({names[1]: file_of([3, 5], 3.0), names[2]: file_of([9], 4.0), deletion: of_all(1, 1)}, before)
    (price,) = shard.read(KEYS[:1], FIRST, LAST)
    assert dict(zip(price.ts.tolist(), price.values.tolist(), strict=True)) == {2: 1.0, 3: 3.0, 5: 3.0, 9: 4.0}
    (price,) = ShardFiles({}, shard).read(KEYS[:1], FIRST, 3)
    assert price.ts.tolist() == [2]
    assert before.read(KEYS[:1], FIRST, LAST)[0].ts.tolist() == [1, 2, 3, 4]


def test_what_files_touch() -> None:
    """A range is touched where a block reaches into it, whatever was deleted."""
    shard = ShardFiles({"a-1.tsm": file_of([1, 2, 3, 10, 11], 1.0), "a-1.tombstone": of_all(1, 3)})
    touched = {span: shard.touch(*span) for span in ((0, 1), (0, 2), (2, 3), (3, 4), (4, 10), (11, 12), (12, 20))}
    # Blocks of two: 1 to 2, 3 to 10, 11.
    assert [span for span, there in touched.items() if there] == [(0, 2), (2, 3), (3, 4), (4, 10), (11, 12)]
    assert not ShardFiles({}).touch(FIRST, LAST)
