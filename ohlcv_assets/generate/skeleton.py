"""The year's price skeleton: where each session opens and closes.

What belongs here: log prices at opens and closes, volatilities and jumps of days. What does not: how a price gets from
one to the other (``prices``).

The skeleton is what lets every day be generated alone while prices stay continuous: round the clock a session opens
where the one before closed; in New York it opens a gap away.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.generate.profiles import WEEKEND_VOLATILITY
from ohlcv_assets.market.calendars import SESSIONS_A_YEAR, session_on
from ohlcv_assets.market.regime import stream
from ohlcv_assets.market.symbols import Symbol, Universe

NIGHT_SHARE: Final = 0.15
"""Share of a day's variance that falls on the night before it."""
LONG_NIGHT_SHARE: Final = 0.20
"""The same where closed days lie in between (weekends, holidays): French and Roll (1986) found little more."""

SATURDAY: Final = 5

Moves = Callable[[NDArray[np.float64], NDArray[np.float64], int], NDArray[np.float64]]
"""A day's log returns, given deviations of the log prices from their start, volatilities of the day and its number."""


@dataclass(frozen=True)
class Skeleton:
    """Opens and closes of every session.

    Attributes
    ----------
    opens, closes
        Shape (symbols, days), float64: natural logarithm of the price in ticks.
    volatility
        Shape (symbols, days), float64: standard deviation of the log return from open to close.
    jumps
        Shape (symbols, days), float64: the part of that return that happens at once; mostly zero.
    """

    opens: NDArray[np.float64]
    closes: NDArray[np.float64]
    volatility: NDArray[np.float64]
    jumps: NDArray[np.float64]


def day_volatility(universe: Universe, days: tuple[dt.date, ...]) -> NDArray[np.float64]:
    """Return the log-return volatility of each (symbol, day) before any regime; zero on closed days."""
    rows = []
    for symbol in universe.symbols:
        sigma = symbol.yearly_volatility / np.sqrt(SESSIONS_A_YEAR[symbol.calendar])
        rows.append([sigma * _weight(symbol, day) for day in days])
    return np.array(rows)


def _weight(symbol: Symbol, day: dt.date) -> float:
    if session_on(symbol.calendar, day) is None:
        return 0.0
    if symbol.calendar != "24/7":
        return 1.0
    mean_square = (5.0 + 2.0 * WEEKEND_VOLATILITY**2) / 7.0
    return float((WEEKEND_VOLATILITY if is_weekend(day) else 1.0) / np.sqrt(mean_square))


def is_weekend(day: dt.date) -> bool:
    """Tell whether a day is a Saturday or a Sunday."""
    return day.weekday() >= SATURDAY


def build(
    universe: Universe,
    days: tuple[dt.date, ...],
    seed: int,
    volatility: NDArray[np.float64],
    moves: Moves,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Join daily moves into opens, closes and volatilities from open to close, each of shape (symbols, days).

    Parameters
    ----------
    universe, days, seed
        Of the dataset; the seed draws which part of a move falls on the night.
    volatility
        Shape (symbols, days): standard deviation of a whole day's log return, zero where closed.
    moves
        The law of the day's return, night included.
    """
    starts = np.log([float(symbol.first_price) for symbol in universe.symbols])
    shares = np.array([_night_shares(symbol, days) for symbol in universe.symbols])
    nights = np.array([_normals(seed, symbol.name, len(days)) for symbol in universe.symbols])
    opens, closes = np.empty_like(volatility), np.empty_like(volatility)
    last = starts.copy()
    for day in range(len(days)):
        sigma, share = volatility[:, day], shares[:, day]
        move = moves(last - starts, sigma, day)
        gap = share * move + np.sqrt(share * (1.0 - share)) * sigma * nights[:, day]
        opens[:, day] = last + gap
        last = last + move
        closes[:, day] = last
    return opens, closes, volatility * np.sqrt(1.0 - shares)


def _night_shares(symbol: Symbol, days: tuple[dt.date, ...]) -> list[float]:
    """Return which share of each day's variance lies before its open: none round the clock, none before the first."""
    if symbol.calendar == "24/7":
        return [0.0] * len(days)
    shares: list[float] = []
    before: int | None = None
    for number, day in enumerate(days):
        if session_on(symbol.calendar, day) is None:
            shares.append(0.0)
            continue
        shares.append(0.0 if before is None else NIGHT_SHARE if number - before == 1 else LONG_NIGHT_SHARE)
        before = number
    return shares


def _normals(seed: int, name: str, days: int) -> NDArray[np.float64]:
    return np.random.default_rng(stream(seed, "night", name)).standard_normal(days)
