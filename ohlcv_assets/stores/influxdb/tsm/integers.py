"""The whole numbers of a block.

What belongs here: their bytes. What does not: the numbers packed inside (``simple8b``), the block around
(``blocks``).

One byte, of which the high half is the encoding; the first number; then the differences: each in eight bytes, packed by
Simple-8b, or one difference and how often it comes. First number and differences have their sign in the lowest bit
(influxdata/influxdb:tsdb/engine/tsm1/batch_integer.go).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.stores.influxdb.tsm.bits import compiled, put_varint, swapped, take_varint
from ohlcv_assets.stores.influxdb.tsm.simple8b import LARGEST, count_packed, pack, unpack

HEAD: Final = 9
"""Bytes before the differences."""

_WORD: Final = np.uint64
_ZERO: Final = _WORD(0)
_ONE: Final = _WORD(1)
_SIGN: Final = _WORD(63)
_RAW, _PACKED, _RUN = (_WORD(kind << 4) for kind in range(3))
_KIND: Final = _WORD(0xF0)
_FEWEST: Final = 3
"""Numbers that a run has at least."""


@compiled
def _folded(number: np.uint64) -> np.uint64:
    """Move the sign to the lowest bit: 0, -1, 1, -2 become 0, 1, 2, 3."""
    return (number << _ONE) ^ (_ZERO - (number >> _SIGN))


@compiled
def _unfolded(number: np.uint64) -> np.uint64:
    return (number >> _ONE) ^ (_ZERO - (number & _ONE))


@compiled
def encode(
    values: NDArray[np.uint64], first: int, end: int, steps: NDArray[np.uint64], words: NDArray[np.uint64], at: int
) -> int:
    """Write the numbers ``first <= place < end``, any of 64 bits, and return where they end.

    Parameters
    ----------
    values
        Not empty.
    steps
        Room for as many numbers.
    words, at
        Where to write.
    """
    count, last = end - first, values[first]
    lead = _folded(values[min(first + 1, end - 1)] - last)
    most, equal = _ZERO, True
    for place in range(first + 1, end):
        step = _folded(values[place] - last)
        last = values[place]
        steps[place - first - 1] = step
        most = max(most, step)
        equal = equal and step == lead
    kind = _RAW if most > LARGEST else _PACKED
    if equal and count >= _FEWEST:
        kind = _RUN
    words[at] = kind
    words[at + 1] = swapped(_folded(values[first]))
    at += HEAD
    if kind == _RUN:
        return put_varint(_WORD(count - 1), words, put_varint(lead, words, at))
    if kind == _PACKED:
        return pack(steps, count - 1, words, at)
    for place in range(count - 1):
        words[at] = swapped(steps[place])
        at += 8
    return at


@compiled
def _decode_run(words: NDArray[np.uint64], at: int, end: int, out: NDArray[np.uint64], first: int, count: int) -> bool:
    """Write what follows the first number as equal steps; return whether there are exactly so many."""
    lead, at = take_varint(words, at, end)
    found, at = take_varint(words, at, end)
    if at != end or found != _WORD(count - 1):
        return False
    step, last = _unfolded(lead), out[first]
    for place in range(first + 1, first + count):
        last += step
        out[place] = last
    return True


@compiled
def decode(words: NDArray[np.uint64], at: int, end: int, out: NDArray[np.uint64], first: int, count: int) -> bool:
    """Write numbers from place ``first`` on; return whether the bytes hold exactly ``count``."""
    if end - at < HEAD:
        return False
    kind = words[at] & _KIND
    last = _unfolded(swapped(words[at + 1]))
    out[first] = last
    at += HEAD
    if kind == _RUN:
        return bool(_decode_run(words, at, end, out, first, count))
    if kind == _PACKED and count_packed(words, at, end) == count - 1:
        unpack(words, at, end, out, first + 1)
        for place in range(first + 1, first + count):
            last += _unfolded(out[place])
            out[place] = last
        return True
    if kind != _RAW or end - at != 8 * (count - 1):
        return False
    for place in range(first + 1, first + count):
        last += _unfolded(swapped(words[at]))
        out[place] = last
        at += 8
    return True
