"""Bars against the bars below them, and the first of the chain against the trades."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.bars.rollup import bars_of_day
from ohlcv_assets.market.schema import CONTENT
from ohlcv_assets.units import HOUR, MINUTE
from ohlcv_assets.verify.chain import chain_of_bars, chain_of_trades
from ohlcv_assets.verify.content import content_of
from ohlcv_assets_tests.bars.made import START, Trade, day_of_trades, table

pytestmark = pytest.mark.unit

MINUTES, FIVES = RESOLUTIONS["1m"], RESOLUTIONS["5m"]
TRADES = table(
    [
        ("A", START, 10.0, 1.0, 1),
        ("A", START + 1, 11.0, 2.0, 1),
        ("A", START + MINUTE, 9.0, 3.0, -1),
        ("B", START + HOUR, 5.0, 0.1, 1),
    ]
)
DAY = bars_of_day(TRADES)


def changed(name: str, field: str, row: int = 0) -> pa.Table:
    """Return a resolution's bars with one value changed by a little more than rounding."""
    bars = DAY[name]
    values = bars[field].to_numpy().copy()
    values[row] += 1 if values.dtype == np.int64 else values[row] * 1e-14
    at = BARS.get_field_index(field)
    return bars.set_column(at, BARS.field(at), pa.array(values).cast(BARS.field(at).type))


@settings(max_examples=10, deadline=None)
@given(trades=day_of_trades())
def test_composed_bars_are_direct_ones(trades: list[Trade]) -> None:
    """Whatever the trades of a day, each resolution is what the one below composes to, and 1m is what was traded."""
    whole = table(trades)
    bars = bars_of_day(whole)

    assert chain_of_trades(bars["1m"], content_of(whole), MINUTES).passed
    for below, resolution in pairwise(STORED_RESOLUTIONS):
        assert chain_of_bars(bars[resolution.name], bars[below.name], resolution).passed


def test_sentences() -> None:
    """Verdicts that pass say of what and how much; nothing is right where there is nothing."""
    assert chain_of_trades(DAY["1m"], content_of(TRADES), MINUTES).summary == (
        "All 3 1m bars are hour by hour those of the stored trades."
    )
    assert chain_of_bars(DAY["5m"], DAY["1m"], FIVES).summary == (
        "All 2 5m bars are those that the 3 stored 1m bars compose to."
    )
    empty = BARS.empty_table()
    assert chain_of_trades(empty, CONTENT.empty_table(), MINUTES).passed
    assert chain_of_bars(empty, empty, FIVES).passed


@pytest.mark.parametrize("field", BARS.names[2:])
def test_a_broken_link_is_named(field: str) -> None:
    """A change of any field of one bar fails, named by symbol, time and field, whichever of the two was changed."""
    for verdict in (
        chain_of_bars(changed("5m", field, row=1), DAY["1m"], FIVES),
        chain_of_bars(DAY["5m"], changed("1m", field, row=2), FIVES),
    ):
        assert not verdict.passed
        assert [("B", "2024-03-15T01:00:00Z", field)] == [
            (row["symbol"], row["time"], row["field"]) for row in verdict.differences
        ]
        assert verdict.summary.startswith("2 5m bars are not those that the 3 stored 1m bars compose to: ")


@pytest.mark.parametrize(
    ("field", "figure"),
    [
        ("trades", "trades"),
        ("high", "price_max"),
        ("low", "price_min"),
        ("volume", "amount_sum"),
        ("imbalance", "side_sum"),
    ],
)
def test_an_hour_that_is_not_that_of_the_trades_is_named(field: str, figure: str) -> None:
    """What adds up over a day and not in an hour is found."""
    verdict = chain_of_trades(changed("1m", field, row=2), content_of(TRADES), MINUTES)

    assert not verdict.passed
    assert [("B", "2024-03-15T01:00:00Z", figure)] == [
        (row["symbol"], row["time"], row["field"]) for row in verdict.differences
    ]


@pytest.mark.parametrize("resolution", STORED_RESOLUTIONS[1:])
def test_bars_whose_source_is_gone(resolution: Resolution) -> None:
    """Bars of which there is nothing below are extra, each of them."""
    verdict = chain_of_bars(DAY[resolution.name], BARS.empty_table(), resolution)

    assert {row["field"] for row in verdict.differences} == {"extra"}
    assert (verdict.expected, verdict.found) == ({"bars": 0}, {"bars": DAY[resolution.name].num_rows})
