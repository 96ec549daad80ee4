"""Posted trades for tests: as JSON, as columns, and a store of trades that is a dictionary.

What belongs here: making trades. What does not: judging what becomes of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ohlcv_assets.api.posting.columns import Columns, Content, Key
from ohlcv_assets.market.universe import load_universe
from ohlcv_assets.units import day_start
from ohlcv_assets_tests.pipeline.made import THURSDAY

UNIVERSE = load_universe()
START = day_start(THURSDAY)
"""Thursday is the day of the tiny dataset that is not made: it is open."""

Trade = dict[str, Any]  # Any: JSON


def trade(at: int = 0, **changes: Any) -> Trade:  # Any: as above
    """Return a trade so many nanoseconds after Thursday began."""
    return {"symbol": "BTC-USD", "ts": START + at, "price": 44001.5, "amount": 0.25, "side": 1} | changes


def columns(*rows: tuple[int, int, float]) -> Columns:
    """Return trades of (symbol, instant, price), bought, of amount one."""
    symbol, ts, price = zip(*rows, strict=True) if rows else ((), (), ())
    return Columns(
        np.array(symbol, np.int32),
        np.array(ts, np.int64),
        np.array(price, np.float64),
        np.ones(len(rows)),
        np.ones(len(rows), np.int8),
    )


class Shelf:
    """A store of trades in a dictionary."""

    def __init__(self, *rows: tuple[int, int, float]) -> None:
        self.held: dict[Key, Content] = {}
        self.looks = 0
        self.put(columns(*rows))

    def put(self, trades: Columns) -> None:
        """Store trades as stores do: the last one at an instant stays."""
        self.held |= dict(zip(trades.keys(), trades.contents(), strict=True))

    def look(self, keys: Columns) -> Columns:
        """Return what is there."""
        self.looks += 1
        found = [key for key in dict.fromkeys(keys.keys()) if key in self.held]
        return columns(*((symbol, ts, self.held[symbol, ts][0]) for symbol, ts in found))
