"""What stores do to tables of trades before they keep them."""

from __future__ import annotations

import pytest

from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.tables import first_of_each
from ohlcv_assets_tests.stores.made import FIRST, made_day, rows_of, stored

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_the_first_trade_of_each_symbol(size: int) -> None:
    """However the trades are cut into batches, one of each symbol comes, the earliest; of none comes none."""
    trades = stored(rows_of(made_day(FIRST, 4)))
    pieces = [STORED.empty_table().to_batches(), trades.to_batches(max_chunksize=size)]
    cut = [batch for batches in pieces for batch in batches] + stored([]).to_batches()
    empty = trades.slice(0, 0).combine_chunks().to_batches() or [trades.to_batches()[0].slice(0, 0)]
    assert rows_of(first_of_each([*empty, *cut])) == rows_of(trades)[::4]
    assert first_of_each([]).equals(STORED.empty_table())
