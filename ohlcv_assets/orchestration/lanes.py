"""Which day a worker does next, where some days get in each other's way.

What belongs here: lanes of days and who is on which. What does not: processes (``crew``), what days share (``stores``).
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from itertools import groupby


class Lanes:
    """Days in lanes: a worker stays on its lane, and helps on another's only where no lane is left.

    Parameters
    ----------
    days
        In the order in which they are begun.
    lane_of
        Days that follow each other and have the same are on one lane.
    """

    def __init__(self, days: Sequence[dt.date], lane_of: Callable[[dt.date], Hashable]) -> None:
        self._free = deque(deque(lane) for _, lane in groupby(days, lane_of))
        self._taken: dict[Hashable, deque[dt.date]] = {}

    def next(self, worker: Hashable) -> dt.date | None:
        """Return what a worker does next; None where nothing is left."""
        lane = self._taken.get(worker)
        if not lane:
            lane = self._free.popleft() if self._free else max(self._taken.values(), key=len, default=deque())
            self._taken[worker] = lane
        return lane.popleft() if lane else None

    def clear(self) -> None:
        """Leave out what is not begun."""
        self._free.clear()
        self._taken.clear()
