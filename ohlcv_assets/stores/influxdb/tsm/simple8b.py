"""Simple-8b: small whole numbers packed into words of 64 bits.

What belongs here: the packing itself. What does not: what the numbers mean (``timestamps``, ``integers``).

The four highest bits of a word choose how many numbers the other sixty hold, from the lowest bits up (Anh and Moffat,
"Index compression using 64-bit words", 2010; influxdata/influxdb:pkg/encoding/simple8b). Choices 0 and 1 stand for 240
and 120 ones. Each word takes as many numbers as fit, as the server's own packing does.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.stores.influxdb.tsm.bits import compiled, leading_zeros, swapped

LARGEST: Final = np.uint64(2**60 - 1)
"""The largest number that can be packed."""

_WORD: Final = np.uint64
_ZERO: Final = _WORD(0)
_ONE: Final = _WORD(1)
_BITS: Final = _WORD(64)
_SELECTOR: Final = _WORD(60)
_LONG_RUN: Final = 240
_SHORT_RUN: Final = 120
_NUMBERS: Final = np.array([240, 120, 60, 30, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1])
_WIDTHS: Final = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 60], np.uint64)
_LIMITS: Final = np.array([(1 << int(width)) - 1 for width in _WIDTHS], np.uint64)
_BY_WIDTH: Final = np.array([2 + np.searchsorted(_WIDTHS[2:], width) for width in range(61)])
"""The choice with the most numbers whose width is enough."""
_BY_ROOM: Final = np.array([2 + int(np.argmax(_NUMBERS[2:] <= max(room, 1))) for room in range(61)])
"""The choice with the most numbers, but no more than so many."""


@compiled
def _run(values: NDArray[np.uint64], first: int, end: int) -> int:
    """Return 240 or 120 where so many ones follow, else 0."""
    most = _LONG_RUN if end - first >= _LONG_RUN else _SHORT_RUN
    count = 0
    while count < most and values[first + count] == _ONE:
        count += 1
    if count == _LONG_RUN:
        return _LONG_RUN
    return _SHORT_RUN if count >= _SHORT_RUN else 0


@compiled
def pack(values: NDArray[np.uint64], count: int, words: NDArray[np.uint64], at: int) -> int:
    """Pack the first numbers of an array and return where the last word ends.

    Parameters
    ----------
    values, count
        Numbers up to ``LARGEST``.
    words, at
        Where to write.
    """
    done = 0
    while done < count:
        left = count - done
        value = values[done]
        if value == _ONE and left >= _SHORT_RUN:
            run = _run(values, done, count)
            if run > 0:
                words[at] = swapped(_ZERO if run == _LONG_RUN else _ONE << _SELECTOR)
                at += 8
                done += run
                continue
        choice = max(_BY_WIDTH[_BITS - leading_zeros(value | _ONE)], _BY_ROOM[min(left, 60)])
        most, limit = _NUMBERS[choice], _LIMITS[choice]
        taken = 1
        while taken < most:
            value = values[done + taken]
            if value > limit:
                choice = max(_BY_WIDTH[_BITS - leading_zeros(value)], choice)
                if _NUMBERS[choice] <= taken:
                    choice = _BY_ROOM[taken]
                most, limit = _NUMBERS[choice], _LIMITS[choice]
                if most <= taken:
                    break
            taken += 1
        word = _WORD(choice) << _SELECTOR
        width, shift = _WIDTHS[choice], _ZERO
        for place in range(done, done + most):
            word |= values[place] << shift
            shift += width
        words[at] = swapped(word)
        at += 8
        done += most
    return at


@compiled
def count_packed(words: NDArray[np.uint64], at: int, end: int) -> int:
    """Return how many numbers words hold; -1 where there is no whole number of words."""
    if (end - at) % 8 != 0:
        return -1
    count = 0
    while at < end:
        count += _NUMBERS[swapped(words[at]) >> _SELECTOR]
        at += 8
    return count


@compiled
def unpack(words: NDArray[np.uint64], at: int, end: int, out: NDArray[np.uint64], first: int) -> None:
    """Write the numbers of words from place ``first`` on; ``count_packed`` says how many there are."""
    while at < end:
        word = swapped(words[at])
        choice = word >> _SELECTOR
        number, width, limit = _NUMBERS[choice], _WIDTHS[choice], _LIMITS[choice]
        if width == _ZERO:
            word, limit = _ONE, _ONE
        for place in range(first, first + number):
            out[place] = word & limit
            word >>= width
        first += number
        at += 8
