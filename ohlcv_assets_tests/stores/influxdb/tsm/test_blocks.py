"""Blocks of a column."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from ohlcv_assets.stores.influxdb.tsm import blocks
from ohlcv_assets_tests.stores.influxdb.tsm.made import fixed, room, words_of_bytes

pytestmark = [pytest.mark.unit, pytest.mark.kernels]

TS = np.array([10, 20, 40, 70, 71], np.int64)
FLOATS = np.array([1.5, 1.5, -0.0, 3.25, 1e300])
WHOLE = np.array([1, -1, -1, 2**62, 5], np.int64)


@pytest.fixture(autouse=True)
def _wrapping() -> object:
    """Let words wrap silently where they are not compiled."""
    with np.errstate(over="ignore"):
        yield


def written(kind: int, values: NDArray[np.generic], size: int, ts: NDArray[np.int64] = TS) -> tuple[bytes, list[int]]:
    """Return blocks, with a byte before them, and where they begin and end."""
    count = -(-len(ts) // size)
    times = room()[1]
    time_bounds, bounds = np.empty(count + 1, np.int64), np.ones(count + 1, np.int64)
    scratch = np.empty(size, np.uint64)
    blocks.write_times(fixed(ts.tolist()), size, times, time_bounds, scratch)
    out, words = room(blocks.room(len(ts), size) + 1)
    blocks.write_blocks(
        times, time_bounds, kind, fixed(values.view(np.uint64).tolist(), np.uint64), size, words, bounds, scratch
    )
    return out[: bounds[-1]].tobytes(), bounds.tolist()


def places(bounds: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return offsets and sizes."""
    return np.array(bounds[:-1]), np.diff(bounds)


def test_a_block_is_laid_out_as_the_server_reads_it() -> None:
    """Checksum, type, length of the timestamps, timestamps, values."""
    data, bounds = written(blocks.INTEGER, np.array([1, 1, 1, 1]), 4, np.array([1, 2, 3, 4]))
    times, values = b"\x20" + (1).to_bytes(8) + b"\x01\x04", b"\x20" + (2).to_bytes(8) + b"\x00\x03"
    body = b"\x01" + bytes([len(times)]) + times + values
    assert data[1:] == struct.pack(">I", zlib.crc32(body)) + body
    assert bounds == [1, len(data)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
@pytest.mark.parametrize(("kind", "values"), [(blocks.FLOAT, FLOATS), (blocks.INTEGER, WHOLE)])
def test_round_trip(size: int, kind: int, values: NDArray[np.generic]) -> None:
    """Blocks of any size read back."""
    data, bounds = written(kind, values, size)
    words, (offsets, sizes) = words_of_bytes(data), places(bounds)
    assert blocks.damaged(words, kind, offsets, sizes) == -1
    before = np.empty(len(offsets) + 1, np.int64)
    assert blocks.count_points(words, offsets, sizes, before) == -1
    assert before.tolist() == [*range(0, 5, size), 5]
    ts, found = np.empty(5, np.uint64), np.empty(5, np.uint64)
    blocks.read_times(words, offsets, sizes, before, ts)
    assert ts.tolist() == TS.tolist()
    assert blocks.read_values(words, kind, offsets, sizes, before, found) == -1
    assert found.tolist() == values.view(np.uint64).tolist()


def test_long_timestamps() -> None:
    """The length of the timestamps may take more than one byte."""
    ts = np.cumsum(np.arange(1, 400) ** 3 % 1_000_003)
    data, bounds = written(blocks.FLOAT, np.ones(399), 1_000, ts)
    words, (offsets, sizes) = words_of_bytes(data), places(bounds)
    before, found = np.empty(2, np.int64), np.empty(399, np.uint64)
    assert blocks.count_points(words, offsets, sizes, before) == -1
    blocks.read_times(words, offsets, sizes, before, found)
    assert found.tolist() == ts.tolist()


def test_damage_is_found() -> None:
    """A bit that changed anywhere is noticed, and so is another type."""
    data, bounds = written(blocks.FLOAT, FLOATS, 2)
    offsets, sizes = places(bounds)
    for place in range(1, len(data)):
        changed = bytearray(data)
        changed[place] ^= 4
        block = blocks.damaged(words_of_bytes(bytes(changed)), blocks.FLOAT, offsets, sizes)
        assert bounds[block] <= place < bounds[block + 1]
    assert blocks.damaged(words_of_bytes(data), blocks.INTEGER, offsets, sizes) == 0


def block_of(body: bytes) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """Return one block around what follows the type."""
    return words_of_bytes(bytes(5) + body), np.array([0]), np.array([5 + len(body)])


@pytest.mark.parametrize("body", [b"\xff" * 12, b"\x80\x80", b"\x7f" + bytes(20), b"\x09" + b"\x40" + bytes(8)])
def test_timestamps_without_sense(body: bytes) -> None:
    """Blocks whose timestamps have no length, too great a length, or are none are named."""
    assert blocks.count_points(*block_of(body), np.empty(2, np.int64)) == 0


@pytest.mark.parametrize(("kind", "values"), [(blocks.FLOAT, FLOATS), (blocks.INTEGER, WHOLE), (4, WHOLE)])
def test_another_number_of_values(kind: int, values: NDArray[np.generic]) -> None:
    """A block with other values than timestamps is named."""
    data, bounds = written(kind, values, 3)
    words, (offsets, sizes) = words_of_bytes(data), places(bounds)
    assert blocks.read_values(words, kind, offsets, sizes, np.array([0, 3, 6]), np.empty(6, np.uint64)) == 1


@pytest.mark.parametrize("ts", [[1], [1, 2, 9], [-(2**63), 0, 2**63 - 1]])
def test_increasing(ts: list[int]) -> None:
    """Instants in order are told from repeated ones and from those that go back."""
    assert blocks.increasing(fixed(ts).view(np.int64))
    assert not blocks.increasing(fixed([*ts, ts[-1]]).view(np.int64))
    assert len(ts) == 1 or not blocks.increasing(fixed([*ts, ts[0]]).view(np.int64))


@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
def test_finite(value: float) -> None:
    """One value that is no finite number is found among others."""
    finite = np.array([0.0, -0.0, 5e-324, -1.7976931348623157e308])
    assert blocks.finite(fixed(finite.view(np.uint64).tolist(), np.uint64))
    assert not blocks.finite(fixed(np.append(finite, value).view(np.uint64).tolist(), np.uint64))


def test_same_timestamps() -> None:
    """Timestamps are compared byte by byte, whatever values follow."""
    first, bounds = written(blocks.FLOAT, FLOATS, 3)
    other, others = written(blocks.INTEGER, WHOLE, 3)
    moved, moves = written(blocks.INTEGER, WHOLE, 3, TS + np.array([0, 0, 0, 0, 1]))
    words = words_of_bytes(first + other + moved)
    of_first = places(bounds)
    of_other = places([len(first) + place for place in others])
    of_moved = places([len(first) + len(other) + place for place in moves])
    assert blocks.same_times(words, *of_first, *of_other)
    assert not blocks.same_times(words, *of_first, *of_moved)
    assert not blocks.same_times(words, *of_first, of_other[0], of_other[1] - 40)


def test_timestamps_that_differ_early_or_late() -> None:
    """A difference in the first bytes or in the last one is seen."""
    words = words_of_bytes(
        bytes(5) + b"\x0c" + b"a" * 12 + bytes(5) + b"\x0c" + b"b" + b"a" * 11 + bytes(5) + b"\x0c" + b"a" * 11 + b"b"
    )
    offsets, size = np.array([0, 18, 36]), np.array([18])
    assert blocks.same_times(words, offsets[:1], size, offsets[:1], size)
    assert not blocks.same_times(words, offsets[:1], size, offsets[1:2], size)
    assert not blocks.same_times(words, offsets[:1], size, offsets[2:], size)
    assert not blocks.same_times(words_of_bytes(b"\xff" * 40), offsets[:1], size, offsets[:1], size)
