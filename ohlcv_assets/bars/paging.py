"""Which stretches of time to read for the first or the last so many bars of a range.

What belongs here: planning the next read from what the reads before it found. What does not: reading. Intervals without
a trade have no bar, so nobody knows beforehand how far back a hundred bars reach: a guess is read first, then ever
longer stretches beyond it, none of them twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.units import Nanos

Stretch = tuple[Nanos, Nanos]
"""A half-open range of open times, nanoseconds UTC."""

_GROWTH: Final = 4


@dataclass(slots=True)
class Search:
    """Looks for ``count`` bars from one end of a range.

    Attributes
    ----------
    count
        Bars that are still wanted.
    start, end
        What has not been read yet.
    span
        How much of it the next read takes.
    backwards
        From the end rather than from the start.
    """

    count: int
    start: Nanos
    end: Nanos
    span: Nanos
    backwards: bool

    def next(self) -> Stretch | None:
        """Return the next stretch to read; None where enough was found or there is no more."""
        if self.count <= 0 or self.start >= self.end:
            return None
        if self.backwards:
            return Nanos(max(self.start, self.end - self.span)), self.end
        return self.start, Nanos(min(self.end, self.start + self.span))

    def found(self, stretch: Stretch, rows: int) -> None:
        """Take notice of how many bars a stretch had."""
        self.count -= rows
        self.span = Nanos(self.span * _GROWTH)
        if self.backwards:
            self.end = stretch[0]
        else:
            self.start = stretch[1]


def counted_back(ts: NDArray[np.int64], start: Nanos, count: int) -> int:
    """Return the index of the first bar to give: all from ``start`` on, and as many before as make ``count``.

    Parameters
    ----------
    ts
        Open times, ascending.
    start
        Where the range asked for begins.
    count
        How many bars are wanted at least; it outranks ``start``, and more of them in the range are all given.
    """
    inside = len(ts) - int(np.searchsorted(ts, start))
    return max(0, len(ts) - max(inside, count))
