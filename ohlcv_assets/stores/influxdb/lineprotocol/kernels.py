"""The compiled loops that write line protocol.

What belongs here: code whose cost is paid once per value or per line. What does not: tables, symbols, escaping, and the
text of the few numbers that have no short decimal (``lines``).

A double that a decimal of at most 15 digits rounds to has no other such decimal (``DBL_DIG`` of C for IEEE 754
binary64), so that decimal without trailing zeros is the shortest text that reads back as the same double. It is found
by a multiplication and proved by a division: a quotient of an integer below 2^53 and a power of ten up to 10^22 is
rounded correctly, as every reader of decimal text rounds, so the text reads back as the quotient.

Text moves in words of eight bytes, through views of byte arrays whose elements overlap. What a word writes behind the
end of its text is overwritten by what follows; so every array ends in ``SPARE`` bytes.

Compiled code counts references at each call that takes an array, which costs more than the digits of a number do: on
the way of every line, helpers take and return words, or are compiled into their caller.
"""

from __future__ import annotations

import sys
from typing import Final, NamedTuple, cast

import numba
import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.generate.kernels import Function, compiled

MOST_DECIMALS: Final = 15
"""Decimals of a short decimal, at most."""

OWN_TEXT: Final = -1
"""Instead of a number of decimals: the value has a text of its own."""

LIMIT: Final = 10**15
"""Whole numbers from here on, and below minus this, have texts of their own."""

NUMBER_BYTES: Final = 25
"""Bytes of any number, at most: sign, 17 digits, point, exponent; or sign and 19 digits."""

SPARE: Final = 16
"""Bytes behind the last one in use of any array that is read or written in words."""

_WORD: Final = np.uint64
_FLOAT_LIMIT: Final = float(LIMIT)
_BLOCK: Final = 256
_POWERS: Final = 10.0 ** np.arange(MOST_DECIMALS + 1)
_TENS: Final = 10 ** np.arange(MOST_DECIMALS + 1, dtype=np.uint64)
_E4: Final = _WORD(10**4)
_E8: Final = _WORD(10**8)
_E16: Final = _WORD(10**16)
_E18: Final = 10**18
_TEN: Final = _WORD(10)
_HUNDRED: Final = _WORD(100)
_HUNDREDTH: Final = _WORD(10486)  # / 2^20, exact below 10,000
_TENTH: Final = _WORD(103)  # / 2^10, exact below 100
_EVERY_FOURTH: Final = _WORD(0x0000007F_0000007F)
_EVERY_SECOND: Final = _WORD(0x000F_000F_000F_000F)
_ZEROS: Final = _WORD(0x30303030_30303030)
_S8, _S10, _S16, _S20, _S32, _S40, _S56 = (_WORD(bits) for bits in (8, 10, 16, 20, 32, 40, 56))
_MINUS, _POINT, _ZERO, _NEWLINE = (ord(sign) for sign in "-.0\n")


class Texts(NamedTuple):
    """Texts in one run of bytes.

    Attributes
    ----------
    words
        The bytes as ``words_of`` sees them.
    bounds
        int64, shape (texts + 1,): text ``i`` begins at byte ``bounds[i]`` and ends before ``bounds[i + 1]``.
    """

    words: NDArray[np.uint64]
    bounds: NDArray[np.int64]


class Rows(NamedTuple):
    """Rows to be written.

    Attributes
    ----------
    codes
        int32, shape (rows,): the prefix of each line.
    ts
        int64, shape (rows,): nanoseconds UTC.
    numbers
        int64, shape (fields, rows): digits of each value with its sign, or the position of its text.
    decimals
        int8, shape (fields, rows): how many of those digits are decimals; ``OWN_TEXT`` where it is a text.
    prefixes
        What a line begins with, up to the first value, by code.
    labels
        What follows each value.
    texts
        Values with texts of their own.
    """

    codes: NDArray[np.int32]
    ts: NDArray[np.int64]
    numbers: NDArray[np.int64]
    decimals: NDArray[np.int8]
    prefixes: Texts
    labels: Texts
    texts: Texts


def _inlined(function: Function) -> Function:
    """Compile a helper into its callers: only so may one take arrays on the way of every line."""
    return cast("Function", numba.njit(cache=True, error_model="numpy", nogil=True, forceinline=True)(function))


def words_of(data: bytes | NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return bytes as overlapping words: the word at ``i`` holds bytes ``i`` to ``i + 7``, the first one lowest."""
    if sys.byteorder != "little":  # pragma: no cover  -- no such machine at hand
        raise NotImplementedError("Line protocol is written on little-endian machines only.")
    return np.ndarray((len(data) - 7,), _WORD, buffer=data, strides=(1,))


@compiled
def scale(values: NDArray[np.float64], numbers: NDArray[np.int64], decimals: NDArray[np.int8]) -> int:
    """Find the shortest decimals of at most 15 digits, and return how many values have none.

    Parameters
    ----------
    values
        Any doubles; only positive ones are tried.
    numbers, decimals
        Where the digits and the number of decimals go; ``OWN_TEXT`` where there is no such decimal.
    """
    guess = most = missing = 0
    for row in range(len(values)):
        if row % _BLOCK == 0:
            guess, most = most, 0
        value = values[row]
        places = guess
        digits = np.rint(value * _POWERS[places])
        if not (value > 0.0 and digits < _FLOAT_LIMIT and digits / _POWERS[places] == value):
            places = MOST_DECIMALS
            while places > 0 and not value * _POWERS[places] < _FLOAT_LIMIT:
                places -= 1
            digits = np.rint(value * _POWERS[places])
            if not (value > 0.0 and digits < _FLOAT_LIMIT and digits / _POWERS[places] == value):
                decimals[row] = OWN_TEXT
                missing += 1
                continue
        number = np.int64(digits)
        while places > 0 and number % 10 == 0:
            number //= 10
            places -= 1
        most = max(most, places)
        guess = max(guess, places)
        numbers[row] = number
        decimals[row] = places
    return missing


@compiled
def _eight(value: np.uint64) -> np.uint64:
    """Return the eight digits of a number below 10^8 as text: halves, quarters and eighths, all lanes at once."""
    high = value // _E4
    value = high | ((value - high * _E4) << _S32)
    high = ((value * _HUNDREDTH) >> _S20) & _EVERY_FOURTH
    value = high | ((value - high * _HUNDRED) << _S16)
    high = ((value * _TENTH) >> _S10) & _EVERY_SECOND
    return (high | ((value - high * _TEN) << _S8)) + _ZEROS


@compiled
def _text(value: np.uint64, count: int) -> tuple[np.uint64, np.uint64]:
    """Return a number below 10^count as text with leading zeros, one to sixteen digits, in two words."""
    if count <= 8:  # noqa: PLR2004  -- the digits of a word
        return _eight(value) >> _WORD(64 - 8 * count), _ZEROS
    high = value // _E8
    first, second = _eight(high), _eight(value - high * _E8)
    skipped = _WORD(8 * (16 - count))
    return (first >> skipped) | ((second << _S8) << (_S56 - skipped)), second >> skipped


@compiled
def _length(value: np.uint64) -> int:
    """Return how many digits a number below 10^15 has."""
    count = 1
    for place in range(1, MOST_DECIMALS):
        count += value >= _TENS[place]
    return count


@compiled
def _plain(number: int, out: NDArray[np.uint8], at: int) -> int:
    """Write any whole number, digit by digit, and return where it ends."""
    out[at] = _MINUS
    at += number < 0
    number = abs(number)
    end = at + 1
    rest = number // 10
    while rest > 0:
        rest //= 10
        end += 1
    for place in range(end - 1, at - 1, -1):
        out[place] = _ZERO + number % 10
        number //= 10
    return end


@_inlined
def _copy(texts: NDArray[np.uint64], bounds: NDArray[np.int64], which: int, words: NDArray[np.uint64], at: int) -> int:
    """Write a text and return where it ends."""
    start, size = bounds[which], bounds[which + 1] - bounds[which]
    for place in range(0, size, 8):
        words[at + place] = texts[start + place]
    return int(at + size)


@compiled
def write(
    rows: Rows, first: int, end: int, out: NDArray[np.uint8], words: NDArray[np.uint64], at: int
) -> tuple[int, int]:
    """Write lines until the rows or the room end; return the row after the last one and where its line ends.

    Parameters
    ----------
    rows
        What to write.
    first, end
        Rows ``first <= row < end``.
    out, words, at
        Where to write: bytes, the same bytes as ``words_of`` sees them, and the place of the first one.
    """
    codes, instants, numbers, decimals, (prefixes, prefix_bounds), (labels, label_bounds), (texts, text_bounds) = rows
    fields = len(numbers)
    fixed = label_bounds[fields] + (fields + 1) * NUMBER_BYTES + SPARE
    for row in range(first, end):
        code = codes[row]
        if at + prefix_bounds[code + 1] - prefix_bounds[code] + fixed > len(out):
            return row, at
        at = _copy(prefixes, prefix_bounds, code, words, at)
        for field in range(fields):
            number, places = numbers[field, row], decimals[field, row]
            if places < 0:
                at = _copy(texts, text_bounds, number, words, at)
            else:
                out[at] = _MINUS
                at += number < 0
                rest = _WORD(abs(number))
                whole = rest // _TENS[places]
                count = _length(whole)
                words[at], words[at + 8] = _text(whole, count)
                at += count
                if places > 0:
                    out[at] = _POINT
                    words[at + 1], words[at + 9] = _text(rest - whole * _TENS[places], places)
                    at += places + 1
            at = _copy(labels, label_bounds, field, words, at)
        if instants[row] >= _E18:
            rest = _WORD(instants[row])
            words[at] = _eight(rest // _E16) >> _S40
            words[at + 3], words[at + 11] = _text(rest % _E16, 16)
            at += 19
        else:
            at = _plain(instants[row], out, at)
        out[at] = _NEWLINE
        at += 1
    return end, at
