"""Names of files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import StoreError
from ohlcv_assets.stores.influxdb.tsm.naming import DRAWS, GAP, LOWEST, STRIDE, FileName, named, next_names

pytestmark = pytest.mark.unit

NAMES = st.lists(st.builds(FileName, st.integers(0, 999_999_900), st.integers(1, 999_999_999)), max_size=6)


def test_names_read_back() -> None:
    """A name has nine digits each, and a tombstone the name of its file, wherever it lies."""
    assert str(FileName(12, 4)) == "000000012-000000004.tsm"
    assert named("db/autogen/7/000000012-000000004.tsm") == FileName(12, 4)
    assert named("000000012-000000004.tombstone") == FileName(12, 4)
    assert named("db/autogen/7/fields.idx") is None


@pytest.mark.parametrize("name", ["12-4.tsm", "0000000120-000000004.tsm", "backup.tsm", "x000000012-000000004.tsm"])
def test_unknown_names(name: str) -> None:
    """A shard with a file whose place nobody knows is not loaded into."""
    with pytest.raises(StoreError, match="no server of a known version"):
        named(name)


@settings(deadline=None, max_examples=40)
@given(known=NAMES, count=st.integers(1, 5), draw=st.integers(0, DRAWS - 1))
def test_new_names_come_last_and_are_nobodys(known: list[FileName], count: int, draw: int) -> None:
    """New names sort behind all others, are far from what a compaction gives next, and differ from each other."""
    names = next_names(map(str, known), count, draw)
    assert len(set(names)) == count
    assert all(name > other and str(name) > str(other) for name in names for other in known)
    assert all(LOWEST <= name.sequence <= 999_999_999 for name in names)
    assert sorted(map(str, names)) == list(map(str, names))
    for other in known:
        if other.generation == names[0].generation:
            assert names[0].sequence - other.sequence >= STRIDE


def test_the_first_load() -> None:
    """A shard without files, and one with files of the server's own, gets a generation for loads."""
    assert next_names([], 2, 5) == [FileName(GAP, LOWEST + 5), FileName(GAP, LOWEST + 6)]
    assert next_names(["000000007-000000002.tsm"], 1, 0) == [FileName(7 + GAP, LOWEST)]


def test_loads_share_a_generation() -> None:
    """A load joins the last generation where that has nothing but loads, compacted or not."""
    loaded = next_names([], 1, 5)[0]
    compacted = FileName(loaded.generation, loaded.sequence + 1)
    assert next_names([str(loaded), "x/fields.idx"], 1, 3) == [FileName(GAP, loaded.sequence + STRIDE + 3)]
    assert next_names([str(compacted)], 1, 0) == [FileName(GAP, compacted.sequence + STRIDE)]
    assert next_names([str(loaded), "000000017-000000001.tsm"], 1, 0) == [FileName(17 + GAP, LOWEST)]
    assert next_names([str(loaded), str(FileName(GAP, 1))], 1, 0) == [FileName(2 * GAP, LOWEST)]


def test_sequences_used_up() -> None:
    """A generation whose sequences are used up is followed by another."""
    assert next_names([str(FileName(GAP, 999_989_999))], 1, 0) == [FileName(2 * GAP, LOWEST)]


def test_no_generation_left() -> None:
    """A shard that has used up its generations is refused."""
    with pytest.raises(StoreError, match="no generation left"):
        next_names(["999999999-000000001.tsm"], 1, 0)
