"""The doubles of a block.

What belongs here: their bits. What does not: the block around (``blocks``).

One byte for the encoding; the first double; then what each differs from the one before it in, as XOR of their bits: a
zero bit where they are equal; bits 10 and the differing bits where these lie in the same window as last time; else bits
11, the zeros above the new window in five bits, its width in six, and the differing bits. A NaN ends it (Pelkonen et
al., "Gorilla: a fast, scalable, in-memory time series database", VLDB 2015; influxdata/influxdb:tsdb/engine/tsm1/
batch_float.go). What has no window of 31 or fewer zeros above it gets one of 31.

The server keeps a window as long as it fits. Here one that wastes more than ``_WASTE`` bits is given up, which makes
smaller blocks: a new one costs eleven bits more at once and less for those that follow. Any reader of the format reads
them (docs/decisions/0006-tsm-encoding.md).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.stores.influxdb.tsm.bits import compiled, inlined, leading_zeros, swapped, trailing_zeros

HEAD: Final = 9
"""Bytes of the encoding and the first double."""

MOST_BITS: Final = 77
"""Bits of any double but the first, at most."""

_WORD: Final = np.uint64
_ZERO: Final = _WORD(0)
_ONE: Final = _WORD(1)
_END: Final = _WORD(0x7FF8000000000001)
_GORILLA: Final = _WORD(0x10)
_BITS: Final = _WORD(64)
_BYTE: Final = _WORD(8)
_IN_BYTE: Final = _WORD(7)
_WHOLE: Final = _WORD(56)
_HALF: Final = _WORD(32)
_LOW: Final = _WORD(0xFFFFFFFF)
_S3: Final = _WORD(3)
_S6: Final = _WORD(6)
_SIGN: Final = _WORD(63)
_MOST_ZEROS: Final = _WORD(31)
_SAME: Final = _WORD(0b10)
_NEW: Final = _WORD(0b11)
_TAG: Final = _WORD(2)
_HEADER: Final = _WORD(13)
_HEADER_TAG: Final = _WORD(0b11 << 11)
_WIDTH: Final = _WORD(63)
_AT_WIDTH: Final = _WORD(51)
_AT_LEAD: Final = _WORD(57)
_PREFIX: Final = _WORD(62)
_SEEN: Final = _WORD(57)
"""Bits of a word that begins anywhere in a byte, at least."""

_NO_WINDOW: Final = _WORD(65)
_WASTE: Final = _WORD(8)
"""Bits that a window may have too many."""

_AT_ONCE: Final = _WORD(56)
"""Bits that are written at once, at most: seven may be waiting, and one is kept free."""


@inlined
def _put(
    words: NDArray[np.uint64], at: int, held: np.uint64, used: np.uint64, bits: np.uint64, length: np.uint64
) -> tuple[int, np.uint64, np.uint64]:
    """Write bits, at most ``_AT_ONCE``; return the byte, what of it is known, and how many bits that are."""
    held |= bits << (_BITS - used - length)
    used += length
    words[at] = swapped(held)
    return at + int(np.int64(used >> _S3)), held << (used & _WHOLE), used & _IN_BYTE


@inlined
def _put_long(
    words: NDArray[np.uint64],
    at: int,
    held: np.uint64,
    used: np.uint64,
    head: np.uint64,
    bits: np.uint64,
    widths: tuple[np.uint64, np.uint64],
) -> tuple[int, np.uint64, np.uint64]:
    """Write a head and differing bits, in two parts where they are too many for one; ``widths`` of both."""
    length, width = widths
    if length + width <= _AT_ONCE:
        return _put(words, at, held, used, (head << width) | bits, length + width)
    rest = width - _HALF
    at, held, used = _put(words, at, held, used, (head << rest) | (bits >> _HALF), length + rest)
    return _put(words, at, held, used, bits & _LOW, _HALF)


@compiled
def encode(values: NDArray[np.uint64], first: int, end: int, words: NDArray[np.uint64], at: int) -> int:
    """Write the doubles ``first <= place < end`` and return where they end.

    Parameters
    ----------
    values
        Bits of doubles, none of them NaN; not empty.
    words, at
        Where to write.
    """
    words[at] = _GORILLA
    last = values[first]
    words[at + 1] = swapped(last)
    at += HEAD
    held = used = tail = width = _ZERO
    lead = _NO_WINDOW
    for place in range(first + 1, end + 1):
        value = values[place] if place < end else _END
        differs = value ^ last
        last = value
        if differs == _ZERO:
            used += _ONE
            if used == _BYTE:
                words[at] = swapped(held)
                at, held, used = at + 1, _ZERO, _ZERO
            continue
        zeros, spare = min(leading_zeros(differs), _MOST_ZEROS), trailing_zeros(differs)
        needed = _BITS - zeros - spare
        if zeros >= lead and spare >= tail and width <= needed + _WASTE:
            at, held, used = _put_long(words, at, held, used, _SAME, differs >> tail, (_TAG, width))
        else:
            lead, tail, width = zeros, spare, needed
            head = _HEADER_TAG | (lead << _S6) | (width & _WIDTH)
            at, held, used = _put_long(words, at, held, used, head, differs >> tail, (_HEADER, width))
    if used > _ZERO:
        words[at] = swapped(held)
        at += 1
    return at


@inlined
def _take(words: NDArray[np.uint64], at: int, bit: np.uint64) -> np.uint64:
    """Return the 64 bits from a bit of a byte on."""
    byte, shift = at + int(np.int64(bit >> _S3)), bit & _IN_BYTE
    word = swapped(words[byte]) << shift
    if shift > _ZERO:
        word |= swapped(words[byte + 8]) >> (_BITS - shift)
    return word


@inlined
def _window(word: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the width of the window that a word begins with, and the zeros below it; no width if it has no place."""
    lead, width = (word >> _AT_LEAD) & _MOST_ZEROS, (word >> _AT_WIDTH) & _WIDTH
    if width == _ZERO:
        width = _BITS
    return (width, _BITS - lead - width) if lead + width <= _BITS else (_ZERO, _ZERO)


@compiled
def decode(words: NDArray[np.uint64], at: int, end: int, out: NDArray[np.uint64], first: int, count: int) -> bool:
    """Write doubles from place ``first`` on; return whether the bytes hold exactly ``count``."""
    if end - at < HEAD or words[at] & _WORD(0xFF) != _GORILLA:
        return False
    last = swapped(words[at + 1])
    out[first] = last
    at += HEAD
    bit, stop = _ZERO, _WORD(8 * (end - at))
    width = tail = _ZERO
    place, after = first + 1, first + count
    while bit < stop:
        word = swapped(words[at + int(np.int64(bit >> _S3))]) << (bit & _IN_BYTE)
        if word >> _SIGN == _ZERO:
            bit += _ONE
        else:
            skipped = _TAG
            if word >> _PREFIX == _NEW:
                width, tail = _window(word)
                skipped = _HEADER
            if width == _ZERO:
                return False
            if skipped + width <= _SEEN:
                word <<= skipped
            else:
                word = _take(words, at, bit + skipped)
            last ^= (word >> (_BITS - width)) << tail
            bit += skipped + width
            if last == _END:
                return bool(place == after and bit <= stop)
        if place == after:
            return False
        out[place] = last
        place += 1
    return False
