"""The compiled loops of running bars: trades into minutes, minutes into longer bars of the same day.

What belongs here: code whose cost is paid once per trade or changed bar. What does not: which trades are known
(``running``). Bars lie in two arrays with a column each, the minutes of the day first, then every longer resolution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

OPEN, HIGH, LOW, CLOSE, VOLUME, TURNOVER = range(6)
"""Rows of the array of floats."""

TRADES, IMBALANCE = range(2)
"""Rows of the array of integers; a bar without trades is none."""

FIRST, MINUTES, SOURCE, PARTS = range(4)
"""Columns of the table of levels: where its bars begin, how long they are, where those that they are made of begin, and
how many of them make one."""

_MINUTE: Final = 60_000_000_000

Function = TypeVar("Function", bound=Callable[..., Any])
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def compiled(function: Function) -> Function:
    """Compile a kernel once and keep the result on disk."""
    return cast("Function", numba.njit(cache=True, error_model="numpy", nogil=True)(function))


@compiled
def fold(
    values: Floats,
    counts: Integers,
    start: int,
    ts: Integers,
    price: Floats,
    amount: Floats,
    side: NDArray[np.int8],
) -> None:
    """Add trades, ascending and later than those that their minutes have, to the minutes of a day."""
    for row in range(len(ts)):
        at = (ts[row] - start) // _MINUTE
        if counts[TRADES, at] == 0:
            values[OPEN, at] = values[HIGH, at] = values[LOW, at] = price[row]
            values[VOLUME, at] = values[TURNOVER, at] = 0.0
            counts[IMBALANCE, at] = 0
        values[HIGH, at] = max(values[HIGH, at], price[row])
        values[LOW, at] = min(values[LOW, at], price[row])
        values[CLOSE, at] = price[row]
        values[VOLUME, at] += amount[row]
        values[TURNOVER, at] += price[row] * amount[row]
        counts[TRADES, at] += 1
        counts[IMBALANCE, at] += side[row]


@compiled
def compose(values: Floats, counts: Integers, levels: Integers, minutes: Integers) -> None:
    """Make the longer bars that hold some minutes, ascending, again of what they are made of."""
    for level in range(len(levels)):
        before = -1
        for minute in minutes:
            number = minute // levels[level, MINUTES]
            if number == before:
                continue
            before = number
            at = levels[level, FIRST] + number
            first = levels[level, SOURCE] + number * levels[level, PARTS]
            counts[TRADES, at] = counts[IMBALANCE, at] = 0
            for part in range(first, first + levels[level, PARTS]):
                if counts[TRADES, part] == 0:
                    continue
                if counts[TRADES, at] == 0:
                    values[:, at] = values[:, part]
                else:
                    values[HIGH, at] = max(values[HIGH, at], values[HIGH, part])
                    values[LOW, at] = min(values[LOW, at], values[LOW, part])
                    values[CLOSE, at] = values[CLOSE, part]
                    values[VOLUME, at] += values[VOLUME, part]
                    values[TURNOVER, at] += values[TURNOVER, part]
                counts[TRADES, at] += counts[TRADES, part]
                counts[IMBALANCE, at] += counts[IMBALANCE, part]
