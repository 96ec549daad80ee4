"""The timestamps of a block.

What belongs here: their bytes. What does not: the numbers packed inside (``simple8b``), the block around
(``blocks``).

One byte, of which the high half is the encoding and the low half the power of ten that all steps are divided by; the
first instant; then the steps: each in eight bytes, packed by Simple-8b, or one step and the number of points
(influxdata/influxdb:tsdb/engine/tsm1/batch_timestamp.go).

A number is a multiple of 10^p where it is one of 2^p and one of 5^p; it is one of 5^p where its product with the
inverse of 5^p modulo 2^64 is at most (2^64 - 1) / 5^p, and then that product is the quotient (Granlund and Montgomery,
"Division by invariant integers using multiplication", 1994). So no step is divided.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.stores.influxdb.tsm.bits import compiled, put_varint, swapped, take_varint
from ohlcv_assets.stores.influxdb.tsm.simple8b import LARGEST, count_packed, pack, unpack

MOST_POINTS: Final = 1 << 20
"""Points that a block is believed to hold, at most; the server makes them of 1,000 and 10,000."""

HEAD: Final = 9
"""Bytes before the steps."""

MOST_STEP_BYTES: Final = 20
"""Bytes of a step and the number of points, at most."""

_WORD: Final = np.uint64
_ZERO: Final = _WORD(0)
_ONE: Final = _WORD(1)
_RAW, _PACKED, _RUN = (_WORD(kind << 4) for kind in range(3))
_KIND: Final = _WORD(0xF0)
_POWER: Final = _WORD(0x0F)
_BYTE: Final = _WORD(0xFF)
_MOST_POWER: Final = 12
_INVERSES: Final = np.array([pow(5**power, -1, 2**64) for power in range(16)], np.uint64)
_QUOTIENTS: Final = np.array([(2**64 - 1) // 5**power for power in range(16)], np.uint64)
_MASKS: Final = np.array([2**power - 1 for power in range(16)], np.uint64)
_TENS: Final = np.array([10**power for power in range(16)], np.uint64)


@compiled
def _survey(ts: NDArray[np.uint64], first: int, end: int, steps: NDArray[np.uint64]) -> tuple[int, np.uint64, bool]:
    """Write down the steps; return the power of ten in all of them, the largest, and whether all are equal."""
    power, most, equal = _MOST_POWER, _ZERO, True
    inverse, quotient, mask = _INVERSES[power], _QUOTIENTS[power], _MASKS[power]
    last, lead = ts[first], ts[min(first + 1, end - 1)] - ts[first]
    for place in range(end - first - 1):
        value = ts[first + 1 + place]
        step = value - last
        last = value
        steps[place] = step
        most = max(most, step)
        equal = equal and step == lead
        while power > 0 and (step * inverse > quotient or step & mask != _ZERO):
            power -= 1
            inverse, quotient, mask = _INVERSES[power], _QUOTIENTS[power], _MASKS[power]
    return power, most, equal


@compiled
def encode(
    ts: NDArray[np.uint64], first: int, end: int, steps: NDArray[np.uint64], words: NDArray[np.uint64], at: int
) -> int:
    """Write the instants ``first <= place < end`` and return where they end.

    Parameters
    ----------
    ts
        Nanoseconds, strictly increasing as signed numbers; not empty.
    steps
        Room for as many numbers.
    words, at
        Where to write.
    """
    power, most, equal = _survey(ts, first, end, steps)
    count, inverse, shift = end - first, _INVERSES[power], _WORD(power)
    if equal and count > 1:
        words[at] = _RUN | shift
        words[at + 1] = swapped(ts[first])
        at = put_varint((steps[0] * inverse) >> shift, words, at + HEAD)
        return put_varint(_WORD(count), words, at)
    words[at] = _RAW if most > LARGEST else _PACKED | shift
    words[at + 1] = swapped(ts[first])
    at += HEAD
    if most > LARGEST:
        for place in range(count - 1):
            words[at] = swapped(steps[place])
            at += 8
        return at
    if power > 0:
        for place in range(count - 1):
            steps[place] = (steps[place] * inverse) >> shift
    return pack(steps, count - 1, words, at)


@compiled
def count_points(words: NDArray[np.uint64], at: int, end: int) -> int:
    """Return how many instants there are; -1 where the bytes make no sense."""
    if end - at < HEAD:
        return -1
    kind = words[at] & _KIND
    at += HEAD
    if kind == _PACKED:
        return 1 + count_packed(words, at, end) if (end - at) % 8 == 0 else -1
    if kind == _RAW:
        return 1 + (end - at) // 8 if (end - at) % 8 == 0 else -1
    if kind != _RUN:
        return -1
    _, at = take_varint(words, at, end)
    count, at = take_varint(words, at, end)
    return int(np.int64(count)) if at == end and _ZERO < count <= _WORD(MOST_POINTS) else -1


@compiled
def decode(words: NDArray[np.uint64], at: int, end: int, out: NDArray[np.uint64], first: int, count: int) -> None:
    """Write as many instants as ``count_points`` said, from place ``first`` on."""
    head = words[at] & _BYTE
    kind, scale = head & _KIND, _TENS[head & _POWER]
    last = swapped(words[at + 1])
    out[first] = last
    at += HEAD
    if kind == _RUN:
        step, at = take_varint(words, at, end)
        step *= scale
        for place in range(first + 1, first + count):
            last += step
            out[place] = last
    elif kind == _RAW:
        for place in range(first + 1, first + count):
            last += swapped(words[at])
            out[place] = last
            at += 8
    else:
        unpack(words, at, end, out, first + 1)
        for place in range(first + 1, first + count):
            last += out[place] * scale
            out[place] = last
