"""Which values the stylised facts may take, from how many sessions on, and which a control must miss.

What belongs here: names, bounds, reasons for them. What does not: estimating (``series``), collecting (``report``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ohlcv_assets.generate.strategies import Strategies

SEASON: Final = 60
YEAR: Final = 200
"""Sessions from which on a statistic of days, or of rare events, says anything."""
MONTH: Final = 19
WEEK: Final = 5

KURTOSIS_1M: Final = "excess kurtosis, 1m"
KURTOSIS_5M: Final = "excess kurtosis, 5m"
KURTOSIS_1H: Final = "excess kurtosis, 1h"
KURTOSIS_1D: Final = "excess kurtosis, 1d"
HILL_RETURNS: Final = "Hill index of |r|, 1m, top 1 %"
MEMORY: Final = "acf of r, 5m, lag 1"
CLUSTERING: Final = "acf of |r|, 5m, lag 1"
CLUSTERING_1H: Final = "acf of |r|, 5m, 1 h"
CLUSTERING_1D: Final = "acf of |r|, 5m, 1 d"
CLUSTERING_5D: Final = "acf of |r|, 5m, 5 d"
LEVERAGE: Final = "leverage: corr of r, 5m, with |r| of the next hour"
VOLUME: Final = "corr of volume and |r|, 1m"
FANO: Final = "Fano factor of trades a minute"
BOUNCE: Final = "acf of price changes between trades, lag 1"
HILL_SIZES: Final = "Hill index of sizes, top 0.5 %"
SIDES_1: Final = "acf of side, lag 1"
SIDES_20: Final = "acf of side, lag 20"
DIURNAL: Final = "corr of the day's shape with its target"
MIDNIGHT: Final = "largest step over midnight, in deviations of 1m returns"
NIGHTS: Final = "share of nights in the variance of days"
COMMON: Final = "mean corr with the class, 5m"
YEARLY: Final = "yearly volatility over the configured one"


@dataclass(frozen=True, slots=True)
class Gate:
    """Bounds of one statistic.

    Attributes
    ----------
    above, below
        The value must lie strictly between; None where that side is open.
    below_of
        Statistic that the value must also be below, and what is added to that one first.
    sessions
        Fewest sessions that it is judged at.
    """

    above: float | None = None
    below: float | None = None
    below_of: tuple[str, float] | None = None
    sessions: int = WEEK

    def text(self) -> str:
        """Return the gate in words."""
        parts = [f"> {self.above:g}"] if self.above is not None else []
        parts += [f"< {self.below:g}"] if self.below is not None else []
        if self.below_of is not None:
            name, margin = self.below_of
            parts.append(f"< {name}" + (f" {'+' if margin > 0 else '-'} {abs(margin):g}" if margin != 0.0 else ""))
        return " and ".join(parts)

    def holds(self, value: float, others: Mapping[str, float]) -> bool:
        """Tell whether a value passes; one that is not a number does not."""
        passed = (self.above is None or value > self.above) and (self.below is None or value < self.below)
        if self.below_of is None:
            return passed
        name, margin = self.below_of
        return passed and value < others[name] + margin


CONTROL: Final = "the same without spread"
"""Not a gate of its own: what ``BOUNCE`` is compared with."""

GATES: Final[Mapping[str, Gate]] = {
    KURTOSIS_1M: Gate(above=5.0, sessions=MONTH),
    KURTOSIS_5M: Gate(below_of=(KURTOSIS_1M, 0.0), sessions=SEASON),
    KURTOSIS_1H: Gate(below_of=(KURTOSIS_5M, 0.0), sessions=SEASON),
    KURTOSIS_1D: Gate(below=6.0, below_of=(KURTOSIS_1H, 0.0), sessions=YEAR),
    HILL_RETURNS: Gate(above=2.5, below=5.0, sessions=SEASON),
    MEMORY: Gate(above=-0.02, below=0.02, sessions=SEASON),
    CLUSTERING: Gate(above=0.1, sessions=SEASON),
    CLUSTERING_1H: Gate(below_of=(CLUSTERING, 0.0), sessions=SEASON),
    CLUSTERING_1D: Gate(above=0.03, below_of=(CLUSTERING_1H, 0.0), sessions=YEAR),
    # Between one and five days the memory falls by less than a year's sampling error of 0.01.
    CLUSTERING_5D: Gate(below_of=(CLUSTERING_1D, 0.03), sessions=YEAR),
    LEVERAGE: Gate(below=-0.01, sessions=YEAR),
    VOLUME: Gate(above=0.1),
    FANO: Gate(above=3.0),
    BOUNCE: Gate(above=-0.5, below_of=(CONTROL, -0.03)),
    HILL_SIZES: Gate(above=1.3, below=3.0),
    SIDES_1: Gate(above=0.1),
    SIDES_20: Gate(above=0.02, below_of=(SIDES_1, 0.0)),
    DIURNAL: Gate(above=0.95, sessions=SEASON),
    # A minute of heavy tails goes further at times; days that did not join would step by about forty.
    MIDNIGHT: Gate(below=12.0),
    NIGHTS: Gate(above=0.05, below=0.5, sessions=SEASON),
    COMMON: Gate(above=0.15),
    YEARLY: Gate(above=0.6, below=1.6, sessions=YEAR),
}

_CONTROLS: Final[Mapping[str, frozenset[str]]] = {
    "gbm": frozenset({KURTOSIS_1M, HILL_RETURNS, CLUSTERING, CLUSTERING_1D, VOLUME, BOUNCE, COMMON}),
    "mean-reverting": frozenset({KURTOSIS_1M, HILL_RETURNS, CLUSTERING, CLUSTERING_1D, VOLUME, COMMON}),
    "poisson": frozenset({FANO, DIURNAL}),
    "lognormal": frozenset({HILL_SIZES}),
    "fixed": frozenset({HILL_SIZES}),
}


def expected_failures(strategies: Strategies) -> frozenset[str]:
    """Return the statistics whose gates these strategies must miss; none for the default.

    A gate that every law passes proves nothing.
    """
    names = (strategies.price_model, strategies.arrivals, strategies.sizes)
    return frozenset().union(*(_CONTROLS.get(name, frozenset()) for name in names))
