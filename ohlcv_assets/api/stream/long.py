"""Weeks and months while they run: days of the store, and the days that run.

What belongs here: bars that lie in more than one day. What does not: all others, which the feed has at hand.
"""

from __future__ import annotations

import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.api.reading import BarReader
from ohlcv_assets.api.service import Service
from ohlcv_assets.bars.labels import bar_numbers, open_times
from ohlcv_assets.bars.resolutions import RESOLUTIONS, Resolution
from ohlcv_assets.bars.runs import VALUES, reduce_to
from ohlcv_assets.bars.split import Columns, by_symbol
from ohlcv_assets.market.symbols import Symbol
from ohlcv_assets.units import DAY, Nanos

AGE: Final = 5.0
"""Seconds after which the store's days are read again where a bar changes."""

_DAYS: Final = RESOLUTIONS["1d"]


class LongBars:
    """Gives the bars of one symbol and resolution by their open times.

    Parameters
    ----------
    service, symbol, resolution
        Of what; the resolution is longer than a day.
    """

    def __init__(self, service: Service, symbol: Symbol, resolution: Resolution) -> None:
        self._service = service
        self._symbol = symbol
        self._resolution = resolution
        self._days: dict[int, tuple[float, Columns]] = {}
        self._changed: set[int] = set()  # days, since they were read

    def note(self, minutes: NDArray[np.int64]) -> None:
        """Take notice of minutes that changed, all of one day."""
        self._changed.add(int(minutes[0]) // DAY * DAY)

    def has(self, opens: NDArray[np.int64]) -> bool:
        """Return whether the days of bars were read not long ago."""
        now = time.monotonic()
        return all(one in self._days and now - self._days[one][0] < AGE for one in opens.tolist())

    async def load(self, opens: NDArray[np.int64]) -> None:
        """Read the days of bars.

        Raises
        ------
        StoreError
            The store does not answer.
        """
        for one in opens.tolist():
            after = open_times(bar_numbers(np.array([one], np.int64), self._resolution) + 1, self._resolution)
            end = Nanos(int(after[0]))
            self._changed.difference_update(day for day in list(self._changed) if one <= day < end)
            bars = await BarReader(self._service, self._symbol, _DAYS).fetch(Nanos(one), end)
            days = dict(by_symbol(bars, VALUES)).get(self._symbol.name)
            if days is not None:
                self._days[one] = time.monotonic(), days

    def __call__(self, opens: NDArray[np.int64]) -> Columns | None:
        """Return bars; None where their days were not read."""
        if any(one not in self._days for one in opens.tolist()):
            return None
        days = [self._days[one][1] for one in opens.tolist()]
        joined = {name: np.concatenate([part[name] for part in days]) for name in ("ts", *VALUES)}
        changed = np.array(sorted(self._changed), np.int64)
        if len(changed) > 0:
            running = self._service.feed.bars_at(self._symbol.name, _DAYS, changed)
            if running is None:
                return None
            keep = ~np.isin(joined["ts"], changed)
            joined = {name: np.concatenate([column[keep], running[name]]) for name, column in joined.items()}
            order = np.argsort(joined["ts"])
            joined = {name: column[order] for name, column in joined.items()}
            wanted = np.isin(open_times(bar_numbers(joined["ts"], self._resolution), self._resolution), opens)
            joined = {name: column[wanted] for name, column in joined.items()}
        return reduce_to(joined, self._resolution)
