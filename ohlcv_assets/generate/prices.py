"""How prices move: the price models, from the year's skeleton down to the minutes of a session.

What belongs here: laws of returns per day and per minute. What does not: what happens between the trades of a minute
(``kernels``), how many trades there are (``arrivals``).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.generate import profiles, skeleton
from ohlcv_assets.generate.paths import BLOCK, DRAWS, Ends, Shocks, bridge, volatile_path
from ohlcv_assets.generate.skeleton import Skeleton
from ohlcv_assets.market.regime import MARKET_SHARE, regime, stream
from ohlcv_assets.market.symbols import AssetClass, Symbol, Universe

JUMP_CHANCE: Final = 0.10
"""Chance that a session moves at once, where it moves by more than a standard deviation: about eight times a year."""
JUMP_SHARE: Final = (0.6, 0.95)
"""How much of the session's move the jump is."""
PULL_HALF_LIFE: Final = 90.0
"""Days after which half of a distance from the first price is gone. So weak a pull does not show in daily returns; it
keeps a year's prices of any seed within reach of where they began."""
TAIL_FREEDOM: Final = 4.4
"""Degrees of freedom of minute shocks (Student's t): returns have a tail exponent near three (Gabaix et al. 2003)
once volatility is mixed in."""
REVERSION_HALF_LIFE: Final = 5.0
"""Days after which a mean-reverting price has come half the way back."""


@dataclass(frozen=True, slots=True)
class SessionTask:
    """What a price model is asked for: the minutes of one session.

    Attributes
    ----------
    symbol, day, seed
        Which session.
    minutes
        Its length.
    first, last
        Log prices in ticks at open and close.
    volatility
        Standard deviation of the log return from open to close.
    jump
        Part of ``last - first`` that happens within one minute; zero mostly.
    bounce
        What spread and grid will take from the lag-one autocorrelation of five-minute returns.
    """

    symbol: Symbol
    day: dt.date
    seed: int
    minutes: int
    first: float
    last: float
    volatility: float
    jump: float
    bounce: float


@dataclass(frozen=True, slots=True)
class MinutePath:
    """A session by minute.

    Attributes
    ----------
    levels
        Shape (minutes + 1,), float64: log price in ticks at the start of each minute, and at the close.
    volatility
        Shape (minutes,), float64: standard deviation of each minute's log return.
    mood
        Shape (minutes,), float64: logarithm of volatility relative to what the hour leads to expect.
    """

    levels: NDArray[np.float64]
    volatility: NDArray[np.float64]
    mood: NDArray[np.float64]


class PriceModel(Protocol):
    """A law of prices."""

    has_spread: bool
    """Whether buyers and sellers trade at different prices."""

    def skeleton(self, universe: Universe, days: tuple[dt.date, ...], seed: int) -> Skeleton:
        """Return opens and closes of every session."""
        ...

    def minutes(self, task: SessionTask) -> MinutePath:
        """Return one session by minute; it begins at ``task.first`` and ends at ``task.last``."""
        ...


class StochasticVolatility:
    """Volatility with memory over minutes, hours and days, leverage, heavy tails, a market factor and rare jumps."""

    has_spread = True

    def skeleton(self, universe: Universe, days: tuple[dt.date, ...], seed: int) -> Skeleton:
        """Return opens and closes from the daily regime."""
        states = regime(universe, days, seed)
        sigma = skeleton.day_volatility(universe, days) * states.volatility
        pull = 1.0 - 0.5 ** (1.0 / PULL_HALF_LIFE)

        def moves(away: NDArray[np.float64], sigma: NDArray[np.float64], day: int) -> NDArray[np.float64]:
            return sigma * states.shocks[:, day] - np.where(sigma > 0.0, pull * away + 0.5 * sigma * sigma, 0.0)

        opens, closes, within = skeleton.build(universe, days, seed, sigma, moves)
        far = np.abs(closes - opens) > within
        jumps = np.array([_jump_shares(seed, symbol, len(days)) for symbol in universe.symbols])
        return Skeleton(opens, closes, within, np.where(far, jumps, 0.0) * (closes - opens))

    def minutes(self, task: SessionTask) -> MinutePath:
        """Return one session by minute."""
        symbol, minutes = task.symbol, task.minutes
        rng = np.random.default_rng(stream(task.seed, "minutes", symbol.name, task.day.isoformat()))
        own = rng.standard_normal((3, minutes))
        tails = np.sqrt((TAIL_FREEDOM - 2.0) / (2.0 * rng.standard_gamma(TAIL_FREEDOM / 2.0, minutes)))
        flips = rng.integers(0, 2, (DRAWS, -(-minutes // BLOCK)), dtype=np.int8)
        share = profiles.volatility(symbol.calendar, minutes, weekend=skeleton.is_weekend(task.day))
        usual = share * (task.volatility / np.sqrt(minutes))
        levels, mood = np.empty(minutes + 1), np.empty(minutes)
        market = market_minutes(task.seed, symbol.asset_class, task.day, minutes)
        begin = rng.standard_normal(2)
        jump_minute = int(rng.integers(1, max(minutes, 2)))
        ends = Ends(task.first, task.last, task.jump, jump_minute)
        shocks = Shocks(usual, market, own, tails, flips, begin, MARKET_SHARE[symbol.asset_class])
        volatile_path(ends, shocks, task.bounce, levels, mood)
        return MinutePath(levels, usual * np.exp(mood), mood)


class GeometricBrownian:
    """Constant volatility, normal independent returns, no spread: the control of the realism gates."""

    has_spread = False

    def skeleton(self, universe: Universe, days: tuple[dt.date, ...], seed: int) -> Skeleton:
        """Return opens and closes of a random walk."""
        return _plain_skeleton(universe, days, seed, pull=0.0)

    def minutes(self, task: SessionTask) -> MinutePath:
        """Return a Brownian bridge."""
        return _plain_minutes(task)


class MeanReverting:
    """An Ornstein-Uhlenbeck process about the first price, of constant volatility, with a spread."""

    has_spread = True

    def skeleton(self, universe: Universe, days: tuple[dt.date, ...], seed: int) -> Skeleton:
        """Return opens and closes that come back to the first price."""
        return _plain_skeleton(universe, days, seed, pull=1.0 - 0.5 ** (1.0 / REVERSION_HALF_LIFE))

    def minutes(self, task: SessionTask) -> MinutePath:
        """Return a Brownian bridge: within a day the pull is too weak to be told from none."""
        return _plain_minutes(task)


@lru_cache(maxsize=8)
def market_minutes(seed: int, asset_class: AssetClass, day: dt.date, minutes: int) -> NDArray[np.float64]:
    """Return what a class shares on a day: shape (2, minutes), standard normals of returns and of volatility."""
    rng = np.random.default_rng(stream(seed, "market", asset_class, day.isoformat()))
    drawn: NDArray[np.float64] = rng.standard_normal((2, minutes))
    drawn.flags.writeable = False
    return drawn


def _plain_skeleton(universe: Universe, days: tuple[dt.date, ...], seed: int, *, pull: float) -> Skeleton:
    sigma = skeleton.day_volatility(universe, days)
    shocks = np.array(
        [
            np.random.default_rng(stream(seed, "days", symbol.name)).standard_normal(len(days))
            for symbol in universe.symbols
        ]
    )

    def moves(away: NDArray[np.float64], sigma: NDArray[np.float64], day: int) -> NDArray[np.float64]:
        drift = np.where(sigma > 0.0, -pull * away - 0.5 * sigma * sigma, 0.0)
        move: NDArray[np.float64] = sigma * shocks[:, day] + drift
        return move

    return Skeleton(*skeleton.build(universe, days, seed, sigma, moves), np.zeros_like(sigma))


def _plain_minutes(task: SessionTask) -> MinutePath:
    rng = np.random.default_rng(stream(task.seed, "minutes", task.symbol.name, task.day.isoformat()))
    sigma = np.full(task.minutes, task.volatility / np.sqrt(task.minutes))
    levels = np.empty(task.minutes + 1)
    bridge(task.first, task.last, sigma * rng.standard_normal(task.minutes), sigma, levels)
    return MinutePath(levels, sigma, np.zeros(task.minutes))


def _jump_shares(seed: int, symbol: Symbol, days: int) -> NDArray[np.float64]:
    """Draw which share of each session's move would happen at once, zero for most."""
    chance, share = np.random.default_rng(stream(seed, "jumps", symbol.name)).random((days, 2)).T
    least, most = JUMP_SHARE
    shares: NDArray[np.float64] = np.where(chance < JUMP_CHANCE, least + (most - least) * share, 0.0)
    return shares
