"""What the store has of a day, as running bars.

What belongs here: reading, in a thread. What does not: when to read (``feed``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.bars.running import Minutes, RunningDay
from ohlcv_assets.bars.runs import VALUES
from ohlcv_assets.bars.split import Columns, by_symbol
from ohlcv_assets.project import Project
from ohlcv_assets.units import DAY, MINUTE, Nanos

TRADE = ("price", "amount", "side")
_MINUTES = RESOLUTIONS["1m"]


def seeded(project: Project, symbol: str, start: Nanos, most: int) -> tuple[RunningDay, Minutes]:
    """Return the bars of a day's stored trades, and the minutes of them that differ from the stored bars.

    Parameters
    ----------
    project
        Whose stores.
    symbol, start
        Which day: midnight UTC.
    most
        Trades to keep, see ``RunningDay``.
    """
    day = RunningDay(start, most)
    for trades in _read(project, symbol, start, Nanos(start + DAY)):
        day.merge(trades)
    made = day.bars(_MINUTES, start, Nanos(start + DAY))
    known = dict(by_symbol(project.bar_store.read(_MINUTES, start, Nanos(start + DAY), [symbol]), VALUES)).get(symbol)
    return day, (_changed(made, known) - start) // MINUTE


def trades_between(project: Project, symbol: str, start: Nanos, end: Nanos) -> Columns:
    """Return the stored trades with ``start <= ts < end``, ascending."""
    parts = [_EMPTY, *_read(project, symbol, start, end)]
    return {name: np.concatenate([part[name] for part in parts]) for name in _EMPTY}


def _read(project: Project, symbol: str, start: Nanos, end: Nanos) -> Iterator[Columns]:
    for batch in project.trade_store.scan(start, end, [symbol]):
        for _, columns in by_symbol(pa.Table.from_batches([batch]), TRADE):
            yield columns


def _changed(made: Columns, known: Columns | None) -> Minutes:
    """Return the open times of the bars that are not the same as those that are known."""
    opens: Minutes = made["ts"]
    if known is None:
        return opens
    at = np.minimum(np.searchsorted(known["ts"], opens), len(known["ts"]) - 1)
    same: NDArray[np.bool_] = known["ts"][at] == opens
    for name in VALUES:
        # Sums that were added up in another order differ by rounding, which nobody need be told.
        same &= np.isclose(known[name][at], made[name], rtol=1e-9, atol=0)
    return opens[~same]


_EMPTY: Columns = {
    "ts": np.empty(0, np.int64),
    "price": np.empty(0),
    "amount": np.empty(0),
    "side": np.empty(0, np.int8),
}
