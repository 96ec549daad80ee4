"""Small plans for the generator's tests."""

from __future__ import annotations

import datetime as dt

import numpy as np

from ohlcv_assets.market.plan import Plan
from ohlcv_assets.market.symbols import Symbol
from ohlcv_assets.market.universe import universe_from_symbols
from ohlcv_assets.units import Lots, Ticks, days_between

MONDAY = dt.date(2024, 3, 11)
EARLY_CLOSE = dt.date(2024, 7, 3)

STOCK = Symbol("STK", "stock", "XNYS", 100, 1, Lots(100), Ticks(18_715), 0.25, 1.0, 80.0)
PAIR = Symbol("PAIR", "crypto", "24/7", 10_000, 1_000, Lots(1_000), Ticks(1_500_000), 0.8, 1.0, 3.0)
THING = Symbol("THING", "other", "24/7", 1, 1, Lots(1), Ticks(3), 3.0, 1.0, 1.0)


def plan_of(counts: int, first: dt.date = MONDAY, days: int = 2, symbols: tuple[Symbol, ...] = (STOCK, PAIR)) -> Plan:
    """Return a plan with the same count everywhere, closed days included."""
    universe = universe_from_symbols(symbols)
    dates = days_between(first, first + dt.timedelta(days=days - 1))
    return Plan(universe, dates, np.full((len(symbols), days), counts, np.int64))
