"""Which bar an instant falls into: bars of a resolution are numbered, and a number has an open time.

What belongs here: the arithmetic between instants, bar numbers and open times. What does not: reading or computing
bars. Everything else about intervals (labels, widening a range to whole bars, the bar after) follows from two
functions: ``bar_numbers`` and ``open_times``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.units import DAY, Nanos

_MONDAY: Final = 3 * DAY
"""1970-01-01 was a Thursday: three days after a Monday."""


def bar_numbers(ts: NDArray[np.int64], resolution: Resolution) -> NDArray[np.int64]:
    """Return the numbers of the bars that instants fall into.

    Parameters
    ----------
    ts
        int64 nanoseconds UTC, any shape.
    resolution
        Any; weeks start on Monday, months on the first, all at midnight UTC.

    Returns
    -------
    NDArray[np.int64]
        Same shape; consecutive bars have consecutive numbers.
    """
    if resolution.duration is None:
        return ts.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    return (ts + _origin(resolution)) // resolution.duration


def open_times(numbers: NDArray[np.int64], resolution: Resolution) -> NDArray[np.int64]:
    """Return the open times, int64 nanoseconds UTC, of bars by their numbers: the inverse of ``bar_numbers``."""
    if resolution.duration is None:
        return numbers.astype("datetime64[M]").astype("datetime64[ns]").astype(np.int64)
    return numbers * resolution.duration - _origin(resolution)


def whole_bars(start: Nanos, end: Nanos, resolution: Resolution) -> tuple[Nanos, Nanos]:
    """Return the span of every bar whose open time lies in ``[start, end)``.

    A bar that is open already at ``start`` is left out; one that opens before ``end`` is in with its whole duration.

    Returns
    -------
    tuple[Nanos, Nanos]
        ``[first open time, last close time)``; empty, with both ends equal, where no bar opens in the range.
    """
    ends = np.array([start - 1, max(start, end) - 1], np.int64)
    first, last = open_times(bar_numbers(ends, resolution) + 1, resolution)
    return Nanos(int(first)), Nanos(int(last))


def _origin(resolution: Resolution) -> int:
    return _MONDAY if resolution.duration == 7 * DAY else 0
