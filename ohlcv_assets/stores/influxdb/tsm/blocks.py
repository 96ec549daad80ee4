"""Blocks: a checksum, a type, timestamps and values.

What belongs here: a column's blocks, one after another, in compiled loops. What does not: the encodings inside
(``timestamps``, ``floats``, ``integers``), the index that says where blocks are (``index``).

A block: CRC-32 of what follows; one byte of type; the length of the timestamps; timestamps; values
(influxdata/influxdb:tsdb/engine/tsm1/encoding.go). Each field of a point has timestamps of its own. Those of fields
that are always written together are the same bytes, so they are encoded, and decoded, once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.stores.influxdb.tsm import floats, integers, timestamps
from ohlcv_assets.stores.influxdb.tsm.bits import compiled, crc32, put_varint, swapped, take_varint

FLOAT, INTEGER, BOOLEAN, STRING, UNSIGNED = range(5)
"""Types of a block's values."""

KINDS: Final = ("float", "integer", "boolean", "string", "unsigned integer")
"""What they are called, in that order."""

HEAD: Final = 5
"""Bytes of checksum and type."""

_WORD: Final = np.uint64
_LOW: Final = _WORD(0xFF)
_HALF: Final = _WORD(32)
_EXPONENT: Final = _WORD(0x7FF0000000000000)
_HIGH_HALF: Final = _WORD(0xFFFFFFFF00000000)
_LENGTH: Final = 3


def room(points: int, size: int) -> int:
    """Return how many bytes so many points of one field can take in blocks of a size, at most."""
    blocks = -(-points // size)
    times = timestamps.HEAD + timestamps.MOST_STEP_BYTES
    per_point = 8 + floats.MOST_BITS // 8 + 1
    return blocks * (HEAD + _LENGTH + times + floats.HEAD + floats.MOST_BITS // 8 + 1) + points * per_point


@compiled
def increasing(ts: NDArray[np.int64]) -> bool:
    """Return whether each instant is later than the one before it."""
    found = 0
    for place in range(1, len(ts)):
        found += ts[place] <= ts[place - 1]
    return found == 0


@compiled
def finite(values: NDArray[np.uint64]) -> bool:
    """Return whether the bits of all doubles are those of finite ones."""
    found = 0
    for place in range(len(values)):
        found += (values[place] & _EXPONENT) == _EXPONENT
    return found == 0


@compiled
def write_times(
    ts: NDArray[np.uint64], size: int, words: NDArray[np.uint64], bounds: NDArray[np.int64], scratch: NDArray[np.uint64]
) -> None:
    """Write the timestamps of all blocks, one after another.

    Parameters
    ----------
    ts
        Nanoseconds, strictly increasing.
    size
        Points of a block.
    words
        Where to write.
    bounds
        Shape (blocks + 1,): where each begins, and the last one ends.
    scratch
        Room for ``size`` numbers.
    """
    at = 0
    for block in range(len(bounds) - 1):
        bounds[block] = at
        first = block * size
        at = timestamps.encode(ts, first, min(first + size, len(ts)), scratch, words, at)
    bounds[-1] = at


@compiled
def write_blocks(
    times: NDArray[np.uint64],
    time_bounds: NDArray[np.int64],
    kind: int,
    values: NDArray[np.uint64],
    size: int,
    words: NDArray[np.uint64],
    bounds: NDArray[np.int64],
    scratch: NDArray[np.uint64],
) -> None:
    """Write all blocks of one field, one after another.

    Parameters
    ----------
    times, time_bounds
        As ``write_times`` left them.
    kind
        ``FLOAT`` or ``INTEGER``.
    values
        Bits of the values.
    size
        Points of a block.
    words
        Where to write.
    bounds
        Shape (blocks + 1,): where the first block begins; filled in.
    scratch
        Room for ``size`` numbers.
    """
    at = bounds[0]
    for block in range(len(bounds) - 1):
        first, begin = block * size, at
        end = min(first + size, len(values))
        start, stop = time_bounds[block], time_bounds[block + 1]
        words[at + 4] = _WORD(kind)
        at = put_varint(_WORD(stop - start), words, at + HEAD)
        for place in range(0, stop - start, 8):
            words[at + place] = times[start + place]
        at += stop - start
        if kind == FLOAT:
            at = floats.encode(values, first, end, words, at)
        else:
            at = integers.encode(values, first, end, scratch, words, at)
        crc = swapped(crc32(words, begin + 4, at)) >> _HALF
        words[begin] = (words[begin] & _HIGH_HALF) | crc
        bounds[block + 1] = at


@compiled
def damaged(words: NDArray[np.uint64], kind: int, offsets: NDArray[np.int64], sizes: NDArray[np.int64]) -> int:
    """Return which block is not what its checksum and type say, -1 where none."""
    for block in range(len(offsets)):
        at = offsets[block]
        crc = swapped(words[at]) >> _HALF
        if crc32(words, at + 4, at + sizes[block]) != crc or words[at + 4] & _LOW != _WORD(kind):
            return block
    return -1


@compiled
def count_points(
    words: NDArray[np.uint64], offsets: NDArray[np.int64], sizes: NDArray[np.int64], bounds: NDArray[np.int64]
) -> int:
    """Count the points of blocks; return which block makes no sense, -1 where none.

    Parameters
    ----------
    words, offsets, sizes
        Blocks, none of them damaged.
    bounds
        Shape (blocks + 1,): filled with the number of points before each block, and in all.
    """
    bounds[0] = 0
    for block in range(len(offsets)):
        end = offsets[block] + sizes[block]
        length, at = take_varint(words, offsets[block] + HEAD, end)
        if at > end or length > _WORD(end - at):
            return block
        count = timestamps.count_points(words, at, at + int(np.int64(length)))
        if count < 0:
            return block
        bounds[block + 1] = bounds[block] + count
    return -1


@compiled
def same_times(
    words: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    sizes: NDArray[np.int64],
    others: NDArray[np.int64],
    other_sizes: NDArray[np.int64],
) -> bool:
    """Return whether blocks have the same timestamps as as many others, byte by byte; none of them damaged."""
    for block in range(len(offsets)):
        start, other = offsets[block] + HEAD, others[block] + HEAD
        end = offsets[block] + sizes[block]
        length, at = take_varint(words, start, end)
        stop = at - start + int(np.int64(length))
        if at > end or length > _WORD(end - at) or HEAD + stop > other_sizes[block]:
            return False
        place = 0
        while place + 8 <= stop:
            if words[start + place] != words[other + place]:
                return False
            place += 8
        while place < stop:
            if (words[start + place] ^ words[other + place]) & _LOW != _WORD(0):
                return False
            place += 1
    return True


@compiled
def read_times(
    words: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    sizes: NDArray[np.int64],
    bounds: NDArray[np.int64],
    out: NDArray[np.uint64],
) -> None:
    """Write the timestamps of blocks that ``count_points`` has counted."""
    for block in range(len(offsets)):
        end = offsets[block] + sizes[block]
        length, at = take_varint(words, offsets[block] + HEAD, end)
        count = bounds[block + 1] - bounds[block]
        timestamps.decode(words, at, at + int(np.int64(length)), out, bounds[block], count)


@compiled
def read_values(
    words: NDArray[np.uint64],
    kind: int,
    offsets: NDArray[np.int64],
    sizes: NDArray[np.int64],
    bounds: NDArray[np.int64],
    out: NDArray[np.uint64],
) -> int:
    """Write the values of counted blocks; return which block does not hold as many as timestamps, -1 where none.

    Parameters
    ----------
    words, kind, offsets, sizes, bounds
        Blocks of ``FLOAT``, ``INTEGER`` or ``UNSIGNED`` that ``count_points`` has counted.
    out
        Bits of the values.
    """
    for block in range(len(offsets)):
        end = offsets[block] + sizes[block]
        length, at = take_varint(words, offsets[block] + HEAD, end)
        at += int(np.int64(length))
        first, count = bounds[block], bounds[block + 1] - bounds[block]
        if kind == FLOAT:
            whole = floats.decode(words, at, end, out, first, count)
        else:
            whole = integers.decode(words, at, end, out, first, count)
        if not whole:
            return block
    return -1
