"""What holds for every bar."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.invariants import violations
from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS, Resolution
from ohlcv_assets.bars.rollup import bars_of_trades
from ohlcv_assets.units import DAY, MINUTE
from ohlcv_assets_tests.bars.made import START, Trade, table, trades_between

pytestmark = pytest.mark.unit

MINUTES = RESOLUTIONS["1m"]


def good() -> pa.Table:
    """Return three bars in order."""
    trades: list[Trade] = [("A", START + n, 10.0 + n, 1.0, 1) for n in range(3)]
    return bars_of_trades(table([*trades, ("A", START + MINUTE, 5.0, 1.0, -1), ("B", START, 5.0, 1.0, 1)]), MINUTES)


def changed(name: str, value: float) -> pa.Table:
    """Return the bars with one value of the first of them changed."""
    bars = good()
    column: list[float] = (bars[name].cast(pa.int64()) if name == "ts" else bars[name]).to_numpy().tolist()
    column[0] = value
    arrow = pa.array(column).cast(bars.schema.field(name).type)
    return bars.set_column(bars.schema.get_field_index(name), BARS.field(name), arrow)


@settings(max_examples=40, deadline=None)
@given(
    trades=trades_between(START, START + 70 * DAY), resolution=st.sampled_from(list(RESOLUTIONS.values()))
)  # fmt: skip
def test_bars_of_trades_hold_them_all(trades: list[Trade], resolution: Resolution) -> None:
    """Whatever the trades, their bars break no rule: rounding of VWAP included."""
    assert violations(bars_of_trades(table(trades), resolution), resolution, 5) == (0, ())


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("ts", START + 1, "opens at a multiple of its duration"),
        ("open", 9.0, "low <= open <= high"),
        ("close", 13.0, "low <= close <= high"),
        ("high", 9.0, "low <= open <= high"),
        ("low", 11.5, "low <= open <= high"),
        ("high", np.inf, "high positive and finite"),
        ("low", -1.0, "low positive and finite"),
        ("low", np.nan, "low positive and finite"),
        ("volume", 0.0, "volume positive and finite"),
        ("turnover", np.nan, "turnover positive and finite"),
        ("turnover", 3 * 12.0 * (1 + 1e-15), "low <= vwap <= high"),
        ("turnover", 29.0, "low <= vwap <= high"),
        ("trades", 0, "at least one trade"),
        ("imbalance", -4, "imbalance within trades"),
        ("ts", START + MINUTE, "sorted by symbol and time, each once"),
    ],
)
def test_each_rule_can_be_broken(name: str, value: float, rule: str) -> None:
    """A bar that breaks a rule is found, with symbol, time, rule and figures."""
    total, first = violations(changed(name, value), MINUTES, 20)

    assert total >= 1
    named = [violation for violation in first if violation.rule == rule]
    assert named[0].symbol == "A"
    assert name in named[0].value


def test_disorder_of_symbols() -> None:
    """Symbols that are not ascending are found."""
    bars = good()

    total, first = violations(pa.concat_tables([bars.slice(2), bars.slice(0, 2)]), MINUTES, 20)

    assert (total, first[0].rule) == (1, "sorted by symbol and time, each once")


def test_only_the_first_are_described() -> None:
    """All are counted, no more than the limit are described."""
    total, first = violations(good(), RESOLUTIONS["1d"], 1)

    assert (total, len(first)) == (1, 1)
    assert violations(good(), RESOLUTIONS["1d"], 0) == (1, ())
