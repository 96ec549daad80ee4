"""Which laws the generator follows, chosen by name.

What belongs here: the names, the protocols behind them and the factories. What does not: the laws themselves
(``prices``, ``arrivals``, ``sizes``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from ohlcv_assets.errors import StrategyError
from ohlcv_assets.generate.arrivals import Arrivals, Clustered, Poisson
from ohlcv_assets.generate.prices import GeometricBrownian, MeanReverting, PriceModel, StochasticVolatility
from ohlcv_assets.generate.sizes import Fixed, LogNormal, ParetoLogNormal, Sizes

PRICE_MODELS: Final[Mapping[str, Callable[[], PriceModel]]] = {
    "stochastic-volatility": StochasticVolatility,
    "gbm": GeometricBrownian,
    "mean-reverting": MeanReverting,
}
ARRIVALS: Final[Mapping[str, Callable[[], Arrivals]]] = {"clustered": Clustered, "poisson": Poisson}
SIZES: Final[Mapping[str, Callable[[], Sizes]]] = {
    "pareto-lognormal": ParetoLogNormal,
    "lognormal": LogNormal,
    "fixed": Fixed,
}

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Strategies:
    """The laws of one dataset.

    Attributes
    ----------
    price_model
        How prices move: ``"stochastic-volatility"``, ``"gbm"`` or ``"mean-reverting"``.
    arrivals
        When trades arrive: ``"clustered"`` or ``"poisson"``.
    sizes
        How large they are: ``"pareto-lognormal"``, ``"lognormal"`` or ``"fixed"``.

    Raises
    ------
    StrategyError
        For a name there is no strategy of; it lists those there are.
    """

    price_model: str = "stochastic-volatility"
    arrivals: str = "clustered"
    sizes: str = "pareto-lognormal"

    def __post_init__(self) -> None:
        """Refuse unknown names."""
        _known("price model", self.price_model, PRICE_MODELS)
        _known("arrivals", self.arrivals, ARRIVALS)
        _known("sizes", self.sizes, SIZES)

    def make_price_model(self) -> PriceModel:
        """Return the price model of that name."""
        return PRICE_MODELS[self.price_model]()

    def make_arrivals(self) -> Arrivals:
        """Return the law of arrivals of that name."""
        return ARRIVALS[self.arrivals]()

    def make_sizes(self) -> Sizes:
        """Return the law of sizes of that name."""
        return SIZES[self.sizes]()


def _known(kind: str, name: str, there: Mapping[str, Callable[[], Made]]) -> None:
    if name not in there:
        raise StrategyError(f"There is no strategy {name!r} for {kind}; choose one of {', '.join(there)}.")
