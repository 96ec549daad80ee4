"""Daily states of the market: how volatile each day is and how far each symbol moves on it.

What belongs here: the two matrices that the plan (busy days) and the price skeleton share, as pure functions of the
seed. What does not: prices, intraday shapes and trades (``generate``).

Model, per symbol of a class, on open days only::

    shock[t]   = bent(sqrt(rho) market[t] + sqrt(1 - rho) own[t])
    news[t]    = -lam shock[t] + sqrt(1 - lam^2) (sqrt(c) u[t] + sqrt(1 - c) v[t])
    x_i[t + 1] = phi_i x_i[t] + s_i sqrt(1 - phi_i^2) news_i[t]        for i = months, days
    volatility = exp(x_1 + x_2 - s_1^2 - s_2^2)

``market`` and ``u`` are shared by the class; all draws are standard normal, ``u`` and ``v`` of their own for each
``i``. The shock common to both components makes the root mean square of ``volatility`` a little more than one. A day
depends on the days before it, never on those after it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.market.calendars import session_on
from ohlcv_assets.market.symbols import AssetClass, Symbol, Universe

COMPONENTS: Final = ((20.0, 0.25), (2.0, 0.22))
"""Half-life in days and stationary standard deviation ``s`` of the two components of log-volatility, months and days:
its memory is close to a long one (Cont 2001, fact 8), and a few components of different speed are what approximates it
(Corsi 2009). Daily returns get an excess kurtosis of about one."""
LEVERAGE: Final = 0.55
"""Weight ``lam`` of the (negated) return shock in the next change of log-volatility (Cont 2001, fact 9)."""
MOST_SHOCK: Final = 3.5
"""Bound that shocks bend towards: divided by their volatility, daily returns have tails no heavier than normal ones
(Andersen, Bollerslev, Diebold and Ebens 2001); what is heavy about them comes from the volatility."""
_BENT_SCALE: Final = 1.103705
COMMON_VOLATILITY: Final = 0.5
"""Share ``c`` of a class in the remaining change of log-volatility."""
MARKET_SHARE: Final[dict[AssetClass, float]] = {"stock": 0.36, "crypto": 0.60, "other": 0.30}
"""Share ``rho`` of a shock's variance that a class has in common, the average pairwise correlation: about a third
among large stocks, more among crypto pairs, which follow their largest."""


@dataclass(frozen=True)
class Regime:
    """The daily states of a universe.

    Attributes
    ----------
    volatility
        Shape (symbols, days), float64: multiplier of the yearly volatility, root mean square about one over a year.
        On a day without a session the last state is repeated.
    shocks
        Shape (symbols, days), float64: standardised returns of the day; zero on a day without a session.
    """

    volatility: NDArray[np.float64]
    shocks: NDArray[np.float64]


def stream(seed: int, *names: str) -> int:
    """Return a 128-bit key for an independent stream of random numbers.

    Parameters
    ----------
    seed
        The dataset's seed.
    names
        What the stream is for, for example ``("regime", "AAPL")``. Stable across processes, unlike ``hash``.
    """
    text = "\x1f".join((str(seed), *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def regime(universe: Universe, days: tuple[dt.date, ...], seed: int) -> Regime:
    """Draw the daily states of every symbol.

    Parameters
    ----------
    universe
        Its symbols in order are the rows.
    days
        Consecutive days; they are the columns, and the first is where the states start.
    seed
        The dataset's seed.
    """
    symbols = universe.symbols
    classes = {symbol.asset_class: _normals(seed, "class", symbol.asset_class, len(days)) for symbol in symbols}
    own = np.array([_normals(seed, "symbol", symbol.name, len(days)) for symbol in symbols])
    common = np.array([classes[symbol.asset_class] for symbol in symbols])
    rho = np.array([[MARKET_SHARE[symbol.asset_class]] for symbol in symbols])
    is_open = _open_days(symbols, days)
    together = np.sqrt(rho) * common[:, 1:, 0] + np.sqrt(1.0 - rho) * own[:, 1:, 0]
    shocks = np.where(is_open, _bent(together), 0.0)
    logarithm = np.zeros_like(shocks)
    for number, (half_life, spread) in enumerate(COMPONENTS, start=1):
        news = np.sqrt(COMMON_VOLATILITY) * common[:, :, number] + np.sqrt(1.0 - COMMON_VOLATILITY) * own[:, :, number]
        states = _remember(0.5 ** (1.0 / half_life), news[:, 0], _leveraged(shocks, news[:, 1:]), is_open)
        logarithm += spread * states - spread * spread
    return Regime(volatility=np.exp(logarithm), shocks=shocks)


def _bent(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bend normals towards a bound and bring them back to unit variance."""
    bent: NDArray[np.float64] = _BENT_SCALE * normals / np.sqrt(1.0 + (normals / MOST_SHOCK) ** 2)
    return bent


def _leveraged(shocks: NDArray[np.float64], news: NDArray[np.float64]) -> NDArray[np.float64]:
    return -LEVERAGE * shocks + float(np.sqrt(1.0 - LEVERAGE**2)) * news


def _remember(
    phi: float, begin: NDArray[np.float64], news: NDArray[np.float64], is_open: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return AR(1) states of unit spread; they stand still on closed days."""
    states = np.empty_like(news)
    step = np.sqrt(1.0 - phi * phi)
    state = begin
    for day in range(news.shape[1]):
        states[:, day] = state
        state = np.where(is_open[:, day], phi * state + step * news[:, day], state)
    return states


def _open_days(symbols: tuple[Symbol, ...], days: tuple[dt.date, ...]) -> NDArray[np.bool_]:
    by_calendar = {
        calendar: [session_on(calendar, day) is not None for day in days]
        for calendar in {symbol.calendar for symbol in symbols}
    }
    return np.array([by_calendar[symbol.calendar] for symbol in symbols])


def _normals(seed: int, kind: str, name: str, days: int) -> NDArray[np.float64]:
    """Draw the normals of one class or symbol, (1 + days, 1 + components): row 0 is where the components begin."""
    return np.random.default_rng(stream(seed, "regime", kind, name)).standard_normal((1 + days, 1 + len(COMPONENTS)))
