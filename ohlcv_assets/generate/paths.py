"""The compiled loops over the minutes of a session: volatility with memory, and bridges to the day's close.

What belongs here: code whose cost is paid once per minute. What does not: once per trade (``kernels``), once per day
(``prices``).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.generate.kernels import compiled

BLOCK: Final = 5
"""Minutes of a block; a new draw of a day keeps what is common and turns the own shocks of some blocks round."""
DRAWS: Final = 8
"""Most draws of a day."""
MOST_LINEAR: Final = 0.04
"""A draw is kept if the autocorrelation at lag one that the day's block returns will show is smaller in magnitude: a
market leaves no linear memory to trade on (Cont 2001, fact 1), and a year of one symbol is too short to average out
what chance and heavy tails would leave of it. Where no draw is, the one that comes closest is kept."""

SLOW: Final = (0.5 ** (1.0 / 200.0), 0.35)
FAST: Final = (0.5 ** (1.0 / 12.0), 0.28)
"""Persistence per minute (half-lives of three hours and of twelve minutes) and stationary spread of the two components
of log-volatility within a day: volatility remembers on several scales at once (Cont 2001, facts 6 and 8)."""
MOST_MOOD: Final = 1.8
"""Log-volatility's deviation bends towards this bound: a single hour is never hundreds of times a usual one."""
MOOD_CENTRE: Final = 0.19
"""Subtracted so that the mean square of the factor on volatility is one; measured, for it has no closed form."""
MINUTE_LEVERAGE: Final = 0.40
"""Weight of the negated shock of a minute in the next change of log-volatility."""
COMMON_MOOD: Final = 0.5
"""Share of a class in the remaining change."""


class Ends(NamedTuple):
    """What a session is pinned to.

    Attributes
    ----------
    first, last
        Log prices at open and close.
    jump, jump_minute
        Part of ``last - first`` that happens at once, and after how many minutes; never the last, whose end is the
        close that the next session starts from.
    """

    first: float
    last: float
    jump: float
    jump_minute: int


class Shocks(NamedTuple):
    """What is drawn for a session.

    Attributes
    ----------
    usual
        Shape (minutes,): standard deviations of returns that the hour leads to expect.
    market
        Shape (2, minutes): the class's normals of returns and of volatility.
    own
        Shape (3, minutes): the symbol's normals of returns and of the two components of volatility.
    tails
        Shape (minutes,): factors of mean square one that make tails heavy.
    flips
        Shape (draws, blocks): zero or one; which blocks' own shocks are turned round in each draw.
    begin
        Shape (2,): normals of where the two components start.
    share
        The market's share of a shock's variance.
    """

    usual: NDArray[np.float64]
    market: NDArray[np.float64]
    own: NDArray[np.float64]
    tails: NDArray[np.float64]
    flips: NDArray[np.int8]
    begin: NDArray[np.float64]
    share: float


@compiled
def bridge(
    first: float, last: float, returns: NDArray[np.float64], sigma: NDArray[np.float64], levels: NDArray[np.float64]
) -> None:
    """Join returns into levels from ``first`` to ``last``, spreading what is missing by variance.

    Where returns are independent given ``sigma`` and ``last - first`` has their summed variance, the bridged returns
    are uncorrelated too.
    """
    missing = last - first - np.sum(returns)
    variance = np.sum(sigma * sigma)
    level = first
    for minute in range(len(returns)):
        levels[minute] = level
        level += returns[minute] + missing * sigma[minute] * sigma[minute] / variance
    levels[len(returns)] = last


@compiled
def linear_memory(levels: NDArray[np.float64]) -> float:
    """Return the lag-one autocorrelation of the returns over whole blocks."""
    products, squares, before = 0.0, 0.0, 0.0
    for end in range(BLOCK, len(levels), BLOCK):
        change = levels[end] - levels[end - BLOCK]
        products += change * before
        squares += change * change
        before = change
    return products / squares if squares > 0.0 else 0.0


@compiled
def volatile_path(
    ends: Ends, shocks: Shocks, bounce: float, levels: NDArray[np.float64], mood: NDArray[np.float64]
) -> None:
    """Write one session of the stochastic-volatility model into ``levels`` and ``mood``.

    Parameters
    ----------
    ends, shocks
        What it is pinned to and made of.
    bounce
        What spread and grid will take from the autocorrelation of block returns at lag one.
    levels, mood
        Shapes (minutes + 1,) and (minutes,): results.
    """
    least, best = np.inf, 0
    for turn in range(len(shocks.flips)):
        _pinned(ends, shocks, turn, levels, mood)
        memory = abs(linear_memory(levels) - bounce)
        if memory < MOST_LINEAR:
            return
        if memory < least:
            least, best = memory, turn
    _pinned(ends, shocks, best, levels, mood)


@compiled
def _pinned(ends: Ends, shocks: Shocks, turn: int, levels: NDArray[np.float64], mood: NDArray[np.float64]) -> None:
    """Write one draw."""
    returns, sigma = np.empty_like(mood), np.empty_like(mood)
    _unpinned(shocks, turn, returns, sigma, mood)
    bridge(ends.first, ends.last - ends.jump, returns, sigma, levels)
    levels[ends.jump_minute :] += ends.jump


@compiled
def _unpinned(
    shocks: Shocks, turn: int, returns: NDArray[np.float64], sigma: NDArray[np.float64], mood: NDArray[np.float64]
) -> None:
    """Write returns, their standard deviations and the mood of one draw, not yet pinned to the close."""
    usual, market, own, tails, flips, begin, share = shocks
    slow_step, fast_step = SLOW[1] * np.sqrt(1.0 - SLOW[0] ** 2), FAST[1] * np.sqrt(1.0 - FAST[0] ** 2)
    plain, common, apart = np.sqrt(1.0 - MINUTE_LEVERAGE**2), np.sqrt(share), np.sqrt(1.0 - share)
    together, alone = plain * np.sqrt(COMMON_MOOD), plain * np.sqrt(1.0 - COMMON_MOOD)
    slow, fast = SLOW[1] * begin[0], FAST[1] * begin[1]
    for minute in range(len(usual)):
        turned = 1.0 - 2.0 * flips[turn, minute // BLOCK]
        shock = common * market[0, minute] + apart * turned * own[0, minute]
        mood[minute] = (slow + fast) / np.sqrt(1.0 + ((slow + fast) / MOST_MOOD) ** 2) - MOOD_CENTRE
        sigma[minute] = usual[minute] * np.exp(mood[minute])
        returns[minute] = sigma[minute] * tails[minute] * shock
        news = together * market[1, minute] - MINUTE_LEVERAGE * shock
        slow = SLOW[0] * slow + slow_step * (news + alone * own[1, minute])
        fast = FAST[0] * fast + fast_step * (news + alone * own[2, minute])
