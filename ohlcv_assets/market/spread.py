"""How trades are spread over days: strategies that weigh every session of every symbol.

What belongs here: the strategies and the registry by name. What does not: turning weights into whole numbers
(``apportion``), and how trades fall within a day (``generate``).

A weight is an expected number of trades up to a common factor: a symbol's share of activity, times the day's part of an
ordinary year, times the strategy's pattern. Patterns are one on average, so that shares hold over a year whatever the
strategy, and a span of a few days keeps the proportions that those days have in a year.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.errors import PlanError
from ohlcv_assets.market.calendars import REGULAR_OPEN, SESSIONS_A_YEAR, session_on
from ohlcv_assets.market.regime import regime, stream
from ohlcv_assets.market.symbols import CalendarName, Universe

VOLATILITY_ELASTICITY: Final = 1.0
"""Exponent of a day's volatility in its trades. Volatility and the number of trades rise together (Jones, Kaul and
Lipson 1994; Ane and Geman 2000); in proportion is a middle course."""
SHOCK_ELASTICITY: Final = 0.2
"""More trades on days of large moves: exponent of the absolute daily shock, less its mean."""
COMMON_NOISE: Final = 0.13
OWN_NOISE: Final = 0.15
"""Standard deviations of the log-normal day noise: shared by a calendar, and of a symbol alone."""
HALF_DAY_THINNESS: Final = 0.85
"""Trades per open minute on early closes, against ordinary days: they stand before holidays."""
WEEKEND: Final = 0.70
"""Trades on a weekend day round the clock, against a weekday."""

MONTHS: Final[Mapping[CalendarName, tuple[float, ...]]] = {
    "XNYS": (1.08, 1.05, 1.10, 1.00, 1.00, 1.02, 0.94, 0.91, 0.97, 1.04, 0.99, 0.90),
    "24/7": (1.06, 1.05, 1.15, 1.02, 0.97, 0.93, 0.92, 0.95, 0.88, 0.94, 1.12, 1.01),
}
"""Pattern of the months, January first; quieter in summer (Hong and Yu 2009)."""
WEEKDAYS: Final[Mapping[CalendarName, tuple[float, ...]]] = {
    "XNYS": (0.94, 1.00, 1.03, 1.02, 1.01, 1.00, 1.00),
    "24/7": (1.05, 1.09, 1.10, 1.10, 1.06, 0.78, 0.82),
}
"""Pattern of the week, Monday first: Mondays are quiet and the middle is busy (Jain and Joh 1988)."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a strategy may look at.

    Attributes
    ----------
    universe
        Symbols; their order is that of the rows.
    days
        Consecutive days; the columns.
    seed
        The dataset's seed.
    base
        Shape (symbols, days), float64: activity times open time, as a part of an ordinary year's; zero when closed.
    """

    universe: Universe
    days: tuple[dt.date, ...]
    seed: int
    base: NDArray[np.float64]


Spread = Callable[[Ground], NDArray[np.float64]]
"""A strategy: weights of shape (symbols, days), zero exactly where ``base`` is zero."""


def weights(universe: Universe, days: tuple[dt.date, ...], seed: int, spread: str) -> NDArray[np.float64]:
    """Return the weight of every symbol and day, shape (symbols, days), zero where a calendar is closed.

    Raises
    ------
    PlanError
        For a strategy that does not exist.
    """
    strategy = SPREADS.get(spread)
    if strategy is None:
        raise PlanError(f"There is no way {spread!r} to spread trades; choose one of {', '.join(SPREADS)}.")
    return strategy(Ground(universe, days, seed, _base(universe, days)))


def uniform(ground: Ground) -> NDArray[np.float64]:
    """Weigh every open minute of a symbol alike."""
    return ground.base


def seasonal(ground: Ground) -> NDArray[np.float64]:
    """Weigh by month of the year and day of the week, without chance."""
    months = np.array([day.month - 1 for day in ground.days])
    weekdays = np.array([day.weekday() for day in ground.days])
    pattern = {
        calendar: np.array(MONTHS[calendar])[months] * np.array(WEEKDAYS[calendar])[weekdays] for calendar in MONTHS
    }
    patterns: NDArray[np.float64] = np.array([pattern[symbol.calendar] for symbol in ground.universe.symbols])
    return ground.base * patterns


def activity(ground: Ground) -> NDArray[np.float64]:
    """Weigh as markets do: thin half days and weekends, busy days when prices move, and chance."""
    symbols = ground.universe.symbols
    states = regime(ground.universe, ground.days, ground.seed)
    moves = np.abs(states.shocks) - np.sqrt(2.0 / np.pi)
    excited: NDArray[np.float64] = states.volatility**VOLATILITY_ELASTICITY * np.exp(SHOCK_ELASTICITY * moves)
    calendars = {symbol.calendar for symbol in symbols}
    quiet = {calendar: _quiet(calendar, ground.days) for calendar in calendars}
    common = {calendar: _noise(ground, COMMON_NOISE, "calendar", calendar) for calendar in calendars}
    own: NDArray[np.float64] = np.array([_noise(ground, OWN_NOISE, "symbol", symbol.name) for symbol in symbols])
    shared: NDArray[np.float64] = np.array([quiet[symbol.calendar] * common[symbol.calendar] for symbol in symbols])
    return ground.base * excited * shared * own


SPREADS: Final[Mapping[str, Spread]] = {"activity": activity, "uniform": uniform, "seasonal": seasonal}
"""Strategies by name."""


def _base(universe: Universe, days: tuple[dt.date, ...]) -> NDArray[np.float64]:
    parts = {
        calendar: np.array([_part_of_a_year(calendar, day) for day in days])
        for calendar in {symbol.calendar for symbol in universe.symbols}
    }
    largest = max(symbol.activity for symbol in universe.symbols)
    return np.array([symbol.activity / largest * parts[symbol.calendar] for symbol in universe.symbols])


def _part_of_a_year(calendar: CalendarName, day: dt.date) -> float:
    session = session_on(calendar, day)
    if session is None:
        return 0.0
    return (session.close - session.open) / (REGULAR_OPEN[calendar] * SESSIONS_A_YEAR[calendar])


def _quiet(calendar: CalendarName, days: tuple[dt.date, ...]) -> NDArray[np.float64]:
    """Return factors of days that are thinner than their open time says; one on average over a week."""
    if calendar == "24/7":
        weekday = 7.0 / (5.0 + 2.0 * WEEKEND)
        return np.array([weekday * WEEKEND if day.weekday() in {5, 6} else weekday for day in days])
    sessions = (session_on(calendar, day) for day in days)
    return np.array([HALF_DAY_THINNESS if session is not None and session.early_close else 1.0 for session in sessions])


def _noise(ground: Ground, deviation: float, kind: str, name: str) -> NDArray[np.float64]:
    """Return log-normal factors of mean one, one a day."""
    normals = np.random.default_rng(stream(ground.seed, "plan", kind, name)).standard_normal(len(ground.days))
    factors: NDArray[np.float64] = np.exp(deviation * normals - 0.5 * deviation**2)
    return factors
