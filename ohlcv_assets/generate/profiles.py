"""How activity and volatility vary over a session, on average.

What belongs here: deterministic shapes by minute. What does not: noise around them (``arrivals``, ``prices``), how busy
whole days are (``market.plan``).
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.market.symbols import CalendarName

OPENING: Final = (1.6, 28.0)
CLOSING: Final = (1.5, 18.0)
"""Extra activity of New York at the open and at the close, and minutes over which it falls by 1/e: the U shape of
Wood, McInish and Ord (1985) and Admati and Pfleiderer (1988), steeper towards the closing auction."""

OPENING_VOLATILITY: Final = (1.2, 30.0)
CLOSING_VOLATILITY: Final = (0.30, 25.0)
"""The same for the standard deviation of returns: high at the open, little raised at the close."""

CRYPTO_HOURS: Final = (
    0.95, 0.90, 0.86, 0.83, 0.80, 0.77, 0.75, 0.73, 0.70, 0.67, 0.73, 0.84,
    1.00, 1.22, 1.45, 1.58, 1.52, 1.36, 1.22, 1.14, 1.10, 1.07, 1.04, 1.00,
)  # fmt: skip
"""Relative activity of each UTC hour round the clock: a peak at 15 to 16 with New York's morning, a trough at 9."""

CRYPTO_VOLATILITY_POWER: Final = 0.7
"""Volatility rises with this power of activity, a little faster than the square root of the mixture of distributions
hypothesis (Clark 1973)."""

WEEKEND_FLATNESS: Final = 0.6
"""How much of the diurnal shape is left on a weekend."""
WEEKEND_VOLATILITY: Final = 0.75
"""Volatility of a weekend day relative to a weekday's, round the clock."""


@cache
def activity(calendar: CalendarName, minutes: int, *, weekend: bool) -> NDArray[np.float64]:
    """Return the relative activity of each minute of a session.

    Parameters
    ----------
    calendar
        Whose shape.
    minutes
        Length of the session; an early close has a U shape of its own.
    weekend
        Whether the day is a Saturday or Sunday.

    Returns
    -------
    NDArray[np.float64]
        Shape (minutes,), positive, of mean one, read-only.
    """
    if calendar == "24/7":
        return _frozen(_round_the_clock(minutes, weekend=weekend))
    return _frozen(_u_shape(minutes, OPENING, CLOSING))


@cache
def volatility(calendar: CalendarName, minutes: int, *, weekend: bool) -> NDArray[np.float64]:
    """Return the relative standard deviation of each minute's return: shape (minutes,), mean square one, read-only."""
    if calendar == "24/7":
        shape = np.power(_round_the_clock(minutes, weekend=weekend), CRYPTO_VOLATILITY_POWER)
    else:
        shape = _u_shape(minutes, OPENING_VOLATILITY, CLOSING_VOLATILITY)
    scaled: NDArray[np.float64] = shape / np.sqrt(np.mean(shape**2))
    scaled.flags.writeable = False
    return scaled


def _round_the_clock(minutes: int, *, weekend: bool) -> NDArray[np.float64]:
    """Return the hourly shape, joined by straight lines between the hours' middles over midnight."""
    hours = (np.arange(minutes) + 0.5) / 60.0
    shape = np.interp(hours, np.arange(24) + 0.5, CRYPTO_HOURS, period=24.0)
    flatness = WEEKEND_FLATNESS if weekend else 1.0
    flat: NDArray[np.float64] = 1.0 + flatness * (shape - 1.0)
    return flat


def _u_shape(minutes: int, opening: tuple[float, float], closing: tuple[float, float]) -> NDArray[np.float64]:
    since = np.arange(minutes) + 0.5
    rises = opening[0] * np.exp(-since / opening[1]) + closing[0] * np.exp((since - minutes) / closing[1])
    shape: NDArray[np.float64] = 1.0 + rises
    return shape


def _frozen(shape: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = shape / shape.mean()
    scaled.flags.writeable = False
    return scaled
