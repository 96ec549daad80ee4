"""The universe as a value."""

from __future__ import annotations

import pytest

from ohlcv_assets.errors import UnknownSymbolError
from ohlcv_assets.market.universe import load_universe

pytestmark = pytest.mark.unit


def test_symbols_by_name() -> None:
    """A symbol is found by its name."""
    universe = load_universe()

    assert universe.symbol("AAPL").name == "AAPL"
    assert universe.by_name["BTC-USD"] is universe.symbol("BTC-USD")
    assert universe.names == tuple(universe.by_name)


def test_unknown_symbol() -> None:
    """A symbol that is not there is named, with those that are."""
    with pytest.raises(UnknownSymbolError, match=r"no symbol 'APPL' .*; did you mean AAPL\? It has: .*XRP-USD"):
        load_universe().symbol("APPL")
