"""What a symbol is: its class, its calendar, its grid of prices and amounts.

What belongs here: the immutable value types. What does not: reading them from a file (``universe``), sessions
(``calendars``).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ohlcv_assets.errors import UnknownSymbolError
from ohlcv_assets.units import Lots, Ticks

AssetClass = Literal["stock", "crypto", "other"]
CalendarName = Literal["XNYS", "24/7"]


@dataclass(frozen=True, slots=True)
class Symbol:
    """One traded instrument.

    Attributes
    ----------
    name
        Any non-empty text; it is a partition of nothing and a path of nothing.
    asset_class
        ``"stock"``, ``"crypto"``, or ``"other"`` for imported symbols of which nothing is known.
    calendar
        ``"XNYS"`` or ``"24/7"``.
    ticks_per_unit
        Prices are ``ticks / ticks_per_unit``; 100 for a tick size of 0.01.
    lots_per_unit
        Amounts are ``lots / lots_per_unit``; 1 for whole shares.
    round_lot
        A customary multiple of lots (100 shares); 1 where there is none.
    first_price
        Price in ticks at the dataset's first instant.
    yearly_volatility
        Standard deviation of a year's log return, for example 0.25.
    activity
        Share of the class-independent whole in trades; shares need not add up to one.
    mean_amount
        Typical size of one trade in units (shares, coins).
    """

    name: str
    asset_class: AssetClass
    calendar: CalendarName
    ticks_per_unit: int
    lots_per_unit: int
    round_lot: Lots
    first_price: Ticks
    yearly_volatility: float
    activity: float
    mean_amount: float


@dataclass(frozen=True)
class Universe:
    """The symbols of a dataset, in the order in which files and plans list them: sorted by name."""

    symbols: tuple[Symbol, ...]
    digest: str
    """Hex SHA-256 over the symbols' canonical text: part of every fingerprint."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(symbol.name for symbol in self.symbols)

    @cached_property
    def by_name(self) -> Mapping[str, Symbol]:
        """Symbols by name."""
        return {symbol.name: symbol for symbol in self.symbols}

    def symbol(self, name: str) -> Symbol:
        """Return the symbol of that name.

        Raises
        ------
        UnknownSymbolError
            Naming the closest names that exist.
        """
        found = self.by_name.get(name)
        if found is None:
            folded = {known.casefold(): known for known in self.names}
            close = difflib.get_close_matches(name.casefold(), folded, 1, 0.5)
            hint = f"did you mean {folded[close[0]]}? It has" if close else "it has"
            raise UnknownSymbolError(
                f"There is no symbol {name!r} in this dataset; {hint}: {', '.join(self.names[:30])}."
            )
        return found
