"""Bars from bars."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.compose import compose, merge
from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS, Resolution
from ohlcv_assets.bars.rollup import bars_of_trades
from ohlcv_assets.units import DAY
from ohlcv_assets_tests.bars.made import START, Trade, assert_same, table, trades_between

pytestmark = pytest.mark.unit

COMPOSED = [resolution for resolution in RESOLUTIONS.values() if resolution.source is not None]
A_QUARTER = trades_between(START, START + 100 * DAY)


@settings(max_examples=40, deadline=None)
@given(trades=A_QUARTER, resolution=st.sampled_from(COMPOSED))
def test_composing_is_computing_from_trades(trades: list[Trade], resolution: Resolution) -> None:
    """Bars of the source resolution compose to what the trades give at once."""
    source = bars_of_trades(table(trades), RESOLUTIONS[resolution.source or ""])

    assert_same(bars_of_trades(table(trades), resolution), compose(source, resolution))


@settings(max_examples=40, deadline=None)
@given(trades=A_QUARTER, resolution=st.sampled_from(list(RESOLUTIONS.values())), data=st.data())
def test_splitting_anywhere_changes_nothing(
    trades: list[Trade], resolution: Resolution, data: st.DataObject
) -> None:  # fmt: skip
    """Trades cut by time into three, each rolled up alone and merged, give the bars of all of them."""
    first, second = sorted(data.draw(st.integers(START, START + 100 * DAY)) for _ in range(2))
    spans = ((START, first), (first, second), (second, START + 100 * DAY))
    parts = [[trade for trade in trades if low <= trade[1] < high] for low, high in spans]

    merged = merge([bars_of_trades(table(part), resolution) for part in parts], resolution)

    assert_same(bars_of_trades(table(trades), resolution), merged)


def test_nothing_composes_to_nothing() -> None:
    """No bars compose to no bars of the same schema."""
    assert compose(BARS.empty_table(), RESOLUTIONS["1d"]).equals(BARS.empty_table())
