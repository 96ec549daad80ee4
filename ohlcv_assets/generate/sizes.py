"""How large trades are.

What belongs here: laws of sizes as tables and constants for the kernel. What does not: the factor by which a volatile
minute enlarges them (``generator``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.generate.kernels import BODY_CELLS
from ohlcv_assets.market.symbols import AssetClass, Symbol

BODY_SPREAD: Final = 0.9
"""Standard deviation of the logarithm of sizes in the body."""
TAIL_SHARE: Final = 0.04
"""Share of trades whose size follows the power law."""
TAIL_EXPONENT: Final = 1.5
"""Power-law exponent of trade volumes (Gabaix et al. 2003)."""
TAIL_START: Final = 5.0
"""Where the power law starts, in medians of the body."""
TAIL_REACH: Final = 400.0
"""Where it ends, in multiples of its start: the largest order a book takes in one trade."""
ROUND_SHARE: Final[dict[AssetClass, float]] = {"stock": 0.25, "crypto": 0.20, "other": 0.20}
"""Share of trades in whole round lots."""
COARSE_SHARE: Final[dict[AssetClass, float]] = {"stock": 0.15, "crypto": 0.60, "other": 0.30}
"""Share of trades with two significant digits: people and programs type short figures."""


@dataclass(frozen=True, slots=True)
class SizeLaw:
    """Sizes of one symbol.

    Attributes
    ----------
    body
        Shape (BODY_CELLS,), float64: quantiles in lots.
    tail, rounded, coarse
        Shares of trades in the power-law tail, in round lots and with two significant digits.
    start, floor, power
        A tail size is ``start * u ** power`` lots, ``u`` uniform between ``floor`` and one.
    round_lot
        In lots.
    follows_volatility
        Whether volatile minutes see larger trades.
    """

    body: NDArray[np.float64]
    tail: float = 0.0
    rounded: float = 0.0
    coarse: float = 0.0
    start: float = 1.0
    floor: float = 1.0
    power: float = 0.0
    round_lot: float = 1.0
    follows_volatility: bool = True


class Sizes(Protocol):
    """A law of sizes."""

    def law(self, symbol: Symbol) -> SizeLaw:
        """Return the law for one symbol."""
        ...


class ParetoLogNormal:
    """A log-normal body of mean ``mean_amount`` with a power-law tail, round lots and short figures."""

    def law(self, symbol: Symbol) -> SizeLaw:
        """Return the law for one symbol."""
        body = _lognormal(symbol)
        rounded = ROUND_SHARE[symbol.asset_class]
        return SizeLaw(
            body=body,
            tail=TAIL_SHARE,
            rounded=rounded,
            coarse=COARSE_SHARE[symbol.asset_class],
            start=TAIL_START * float(np.median(body)),
            floor=TAIL_REACH**-TAIL_EXPONENT,
            power=-1.0 / TAIL_EXPONENT,
            round_lot=float(symbol.round_lot),
        )


class LogNormal:
    """The log-normal body alone."""

    def law(self, symbol: Symbol) -> SizeLaw:
        """Return the law for one symbol."""
        return SizeLaw(body=_lognormal(symbol))


class Fixed:
    """Every trade is of the mean amount."""

    def law(self, symbol: Symbol) -> SizeLaw:
        """Return the law for one symbol."""
        return SizeLaw(body=np.full(BODY_CELLS, _mean_lots(symbol)), follows_volatility=False)


def _mean_lots(symbol: Symbol) -> float:
    return max(symbol.mean_amount * symbol.lots_per_unit, 1.0)


def _lognormal(symbol: Symbol) -> NDArray[np.float64]:
    lots: NDArray[np.float64] = _mean_lots(symbol) * np.exp(BODY_SPREAD * _normal_quantiles() - BODY_SPREAD**2 / 2.0)
    return lots


@cache
def _normal_quantiles() -> NDArray[np.float64]:
    """Return the normal quantiles at the middle of each cell."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((cell + 0.5) / BODY_CELLS) for cell in range(BODY_CELLS)])
