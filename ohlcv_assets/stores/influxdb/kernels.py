"""The compiled loops that write line protocol.

What belongs here: code whose cost is paid once per value or per line. What does not: tables, symbols, escaping, and the
text of the few numbers that have no short decimal (``lines``).

A double that a decimal of at most 15 digits rounds to has no other such decimal (DBL_DIG of IEEE 754 binary64), so
that decimal without its trailing zeros is the shortest text that reads back as the same double. It is found by a
multiplication and proved by a division: quotients of integers below 2^53 and powers of ten up to 10^22 are rounded
correctly, and so are the readers of text, so both give the double nearest to the same decimal.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.generate.kernels import compiled

MOST_DECIMALS: Final = 15
"""Decimals of a short decimal, at most."""

NO_DECIMAL: Final = -1
"""Instead of a number of decimals: the value has a text of its own."""

NUMBER_BYTES: Final = 25
"""Bytes of any number, at most: sign, 17 digits, point, exponent; or sign and 19 digits."""

_MOST_DIGITS: Final = 1e15
_BLOCK: Final = 256
_POWERS: Final = 10.0 ** np.arange(MOST_DECIMALS + 1)
_TENS: Final = 10 ** np.arange(19, dtype=np.int64)
_PAIRS: Final = np.frombuffer("".join(f"{number:02d}" for number in range(100)).encode(), np.uint8)
_SECOND: Final = 1_000_000_000
_MINUS, _POINT, _ZERO, _NEWLINE = (ord(sign) for sign in "-.0\n")


class Texts(NamedTuple):
    """Texts in one run of bytes.

    Attributes
    ----------
    bytes
        uint8.
    bounds
        int64, shape (texts + 1,): text ``i`` is ``bytes[bounds[i]:bounds[i + 1]]``.
    """

    bytes: NDArray[np.uint8]
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
        int8, shape (fields, rows): how many of those digits are decimals; ``NO_DECIMAL`` where it is a text.
    prefixes
        What a line begins with, up to the first value, by code.
    labels
        What follows each value.
    texts
        Values without a short decimal.
    """

    codes: NDArray[np.int32]
    ts: NDArray[np.int64]
    numbers: NDArray[np.int64]
    decimals: NDArray[np.int8]
    prefixes: Texts
    labels: Texts
    texts: Texts


@compiled
def scale(values: NDArray[np.float64], numbers: NDArray[np.int64], decimals: NDArray[np.int8]) -> int:
    """Find the shortest decimals of at most 15 digits, and return how many values have none.

    Parameters
    ----------
    values
        Any doubles; only positive ones are tried.
    numbers, decimals
        Where the digits and the number of decimals go; ``NO_DECIMAL`` where there is no such decimal.
    """
    guess = most = missing = 0
    for row in range(len(values)):
        if row % _BLOCK == 0:
            guess, most = most, 0
        value = values[row]
        places = guess
        digits = np.rint(value * _POWERS[places])
        if not (value > 0.0 and digits < _MOST_DIGITS and digits / _POWERS[places] == value):
            places = MOST_DECIMALS
            while places > 0 and value * _POWERS[places] >= _MOST_DIGITS:
                places -= 1
            digits = np.rint(value * _POWERS[places])
            if not (value > 0.0 and digits < _MOST_DIGITS and digits / _POWERS[places] == value):
                decimals[row] = NO_DECIMAL
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
def _copy(texts: Texts, which: int, out: NDArray[np.uint8], at: int) -> int:
    """Write a text and return where it ends."""
    first, end = texts.bounds[which], texts.bounds[which + 1]
    for place in range(first, end):
        out[at + place - first] = texts.bytes[place]
    return int(at + end - first)


@compiled
def _digits(value: int, count: int, out: NDArray[np.uint8], at: int) -> int:
    """Write the last digits of a whole number and return where they end."""
    end = at + count
    place = end
    while place - at >= 2:  # noqa: PLR2004  -- a pair of digits
        rest = value // 100
        pair = 2 * (value - 100 * rest)
        place -= 2
        out[place] = _PAIRS[pair]
        out[place + 1] = _PAIRS[pair + 1]
        value = rest
    if place > at:
        out[at] = _ZERO + value % 10
    return end


@compiled
def _whole(value: int, out: NDArray[np.uint8], at: int) -> int:
    """Write a whole number that is not negative and return where it ends."""
    count = 1
    while count < len(_TENS) and value >= _TENS[count]:
        count += 1
    return _digits(value, count, out, at)


@compiled
def _number(number: int, decimals: int, out: NDArray[np.uint8], at: int) -> int:
    """Write digits with a sign and a point and return where they end."""
    if number < 0:
        out[at] = _MINUS
        at += 1
        number = -number
    if decimals == 0:
        return _whole(number, out, at)
    unit = _TENS[decimals]
    whole = number // unit
    at = _whole(whole, out, at)
    out[at] = _POINT
    return _digits(number - whole * unit, decimals, out, at + 1)


@compiled
def write(rows: Rows, first: int, end: int, out: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """Write lines until the rows or the room end; return the row after the last one and where its line ends.

    Parameters
    ----------
    rows
        What to write.
    first, end
        Rows ``first <= row < end``.
    out, at
        Where to write.
    """
    fields = len(rows.numbers)
    fixed = len(rows.labels.bytes) + (fields + 1) * NUMBER_BYTES
    second, head, tail = np.int64(0), at, at
    for row in range(first, end):
        code = rows.codes[row]
        if at + rows.prefixes.bounds[code + 1] - rows.prefixes.bounds[code] + fixed > len(out):
            return row, at
        at = _copy(rows.prefixes, code, out, at)
        for field in range(fields):
            number, decimals = rows.numbers[field, row], rows.decimals[field, row]
            at = _copy(rows.texts, number, out, at) if decimals < 0 else _number(number, decimals, out, at)
            at = _copy(rows.labels, field, out, at)
        ts = rows.ts[row]
        if ts < _SECOND:
            at = _number(ts, 0, out, at)
        elif head < tail and second <= ts < second + _SECOND:
            start = at
            for place in range(head, tail):
                out[at + place - head] = out[place]
            head, tail = start, start + tail - head
            at = _digits(ts - second, 9, out, tail)
        else:
            second = ts // _SECOND * _SECOND
            head, tail = at, _whole(ts // _SECOND, out, at)
            at = _digits(ts - second, 9, out, tail)
        out[at] = _NEWLINE
        at += 1
    return end, at
