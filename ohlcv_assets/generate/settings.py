"""What lies between minutes and trades: spread, bounce, sides and the tables the kernel draws from.

What belongs here: the constants of trade-by-trade behaviour, laid out as the kernel reads them. What does not: the
loop itself (``kernels``).
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.generate import kernels
from ohlcv_assets.generate.kernels import DaySettings
from ohlcv_assets.generate.paths import BLOCK
from ohlcv_assets.generate.prices import MinutePath
from ohlcv_assets.generate.sizes import SizeLaw

SPREAD_IN_STEPS: Final = 0.6
"""Half spread in standard deviations of the price between two trades: the two are proportional (Wyart et al. 2008)."""
LEAST_HALF_SPREAD: Final = 0.5
"""In ticks."""
MOST_HALF_SPREAD: Final = 3e-4
"""As a share of the price."""
REVISION: Final = 0.35
"""Chance that a trade meets a revised quote; at the others the quote stands."""
NOISE_TRADES: Final = 0.35
"""Share of orders that belong to no long run of one side."""
RUN_EXPONENT: Final = 1.5
RUN_MOST: Final = 2_000
"""Lengths of runs of one side are Pareto of this exponent: large orders are split, and the sign's memory falls like
lag^-(exponent - 1) (Lillo, Mike and Farmer 2005)."""
FOLLOWER_MICROS: Final = 1_500.0
FOLLOWER_SHARE: Final = 0.01
"""Mean wait of a follower: this many microseconds, or this share of the mean wait where that is less."""
MOST_BOUNCE: Final = 0.1
"""Most bounce that the efficient price makes up for."""
SIZE_POWER: Final = 0.6
"""Sizes rise with this power of the minute's volatility."""
PRESSURE: Final = 0.12
"""How much likelier a buyer is in a minute that rises by one standard deviation."""

_BYTE: Final = 256
_TWELVE_BITS: Final = 4096


def trading_minutes(
    path: MinutePath, counts: NDArray[np.int64], law: SizeLaw, *, has_spread: bool
) -> NDArray[np.float64]:
    """Return what the kernel reads per minute.

    Parameters
    ----------
    path
        Prices and volatilities.
    counts
        Shape (minutes,): trades.
    law
        Of sizes.
    has_spread
        Whether buyers pay more than sellers get.

    Returns
    -------
    NDArray[np.float64]
        Shape (minutes + 1, 5), see ``kernels.PreparedSession``; C order.
    """
    prices = np.exp(path.levels)
    rows = np.zeros((len(counts) + 1, 5))
    rows[:, 0] = prices
    rows[:-1, 1] = prices[:-1] * path.volatility / np.sqrt(np.maximum(counts, 1))
    if has_spread:
        step = prices[:-1] * np.sqrt(np.sum(path.volatility**2) / max(int(counts.sum()), 1))
        rows[:-1, 2] = half_spread(prices[:-1], step * np.exp(0.5 * path.mood))
    rows[:-1, 3] = np.exp(SIZE_POWER * path.mood) if law.follows_volatility else 1.0
    rise = np.diff(path.levels) / path.volatility
    rows[:-1, 4] = 0.5 + PRESSURE * np.clip(rise, -3.0, 3.0)
    return rows


def half_spread(prices: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return half spreads in ticks, given prices and standard deviations from trade to trade, both in ticks."""
    return np.maximum(np.minimum(SPREAD_IN_STEPS * steps, MOST_HALF_SPREAD * prices), LEAST_HALF_SPREAD)


def bounce(first: float, volatility: float, minutes: int, trades: int) -> float:
    """Return how much spread and rounding lower the lag-one autocorrelation of a session's block returns (Roll 1984).

    Parameters
    ----------
    first
        Log price in ticks.
    volatility
        Standard deviation of the session's log return.
    minutes, trades
        Its length and its number of trades.
    """
    price = np.exp([first])
    half = half_spread(price, price * volatility / np.sqrt(trades))
    noise = float((half[0] ** 2 + 1.0 / 12.0) / price[0] ** 2)
    return min(noise / (volatility**2 * BLOCK / minutes), MOST_BOUNCE)


def day_settings(law: SizeLaw, followers: float, trades_a_minute: float, *, has_quotes: bool) -> DaySettings:
    """Return the constants of a day as the kernel reads them."""
    return DaySettings(
        burst=float(round(followers * _BYTE)),
        follower_micros=min(FOLLOWER_MICROS, FOLLOWER_SHARE * kernels.MINUTE_MICROS / trades_a_minute),
        leaders=1.0 - followers,
        noise=float(round(NOISE_TRADES * _BYTE)),
        revision=float(round(REVISION * _BYTE) if has_quotes else _BYTE),
        tail=float(round(law.tail * _TWELVE_BITS)),
        tail_start=float(law.start),
        tail_floor=float(law.floor),
        tail_power=float(law.power),
        rounded=float(round(law.rounded * _BYTE)),
        coarse=float(round((law.rounded + law.coarse) * _BYTE)),
        round_lot=float(law.round_lot),
        gaps=gap_quantiles(),
        body=law.body,
        runs=run_lengths(),
    )


@cache
def gap_quantiles() -> NDArray[np.float64]:
    """Return the unit exponential's quantiles at the borders of the cells; the last stands for the tail."""
    shares = np.arange(kernels.GAP_CELLS) / kernels.GAP_CELLS
    return np.append(-np.log1p(-shares), np.log(kernels.GAP_CELLS) + 2.0)


@cache
def run_lengths() -> NDArray[np.int64]:
    """Return how many orders a run of one side has, by cell."""
    shares = (np.arange(kernels.RUN_CELLS) + 0.5) / kernels.RUN_CELLS
    return np.minimum(np.floor(shares ** (-1.0 / RUN_EXPONENT)), RUN_MOST).astype(np.int64)
