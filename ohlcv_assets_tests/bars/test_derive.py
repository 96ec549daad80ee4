"""Bars at read time: derived resolutions, VWAP, filled intervals."""

from __future__ import annotations

import datetime as dt
import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.derive import Read, derive, fill_previous, with_vwap
from ohlcv_assets.bars.invariants import violations
from ohlcv_assets.bars.resolutions import RESOLUTIONS, Resolution
from ohlcv_assets.bars.rollup import bars_of_trades
from ohlcv_assets.units import DAY, HOUR, MINUTE, Nanos, day_start
from ohlcv_assets_tests.bars.made import START, Trade, assert_same, day_of_trades, table, trades_between

pytestmark = pytest.mark.unit


def between(bars: pa.Table, start: int, end: int) -> pa.Table:
    """Return bars with ``start <= ts < end``."""
    ts = bars["ts"].cast(pa.int64()).to_numpy()
    return bars.filter((ts >= start) & (ts < end)).combine_chunks()


def stored(trades: pa.Table) -> Read:
    """Return a reader of stored bars."""

    def read(resolution: Resolution, start: Nanos, end: Nanos) -> pa.Table:
        assert resolution.stored
        return between(bars_of_trades(trades, resolution), start, end)

    return read


@settings(max_examples=40, deadline=None)
@given(
    trades=trades_between(START, START + 70 * DAY),
    resolution=st.sampled_from(list(RESOLUTIONS.values())),
    ends=st.tuples(st.integers(START, START + 70 * DAY), st.integers(START, START + 70 * DAY)),
)
def test_a_range_gives_whole_bars(trades: list[Trade], resolution: Resolution, ends: tuple[int, int]) -> None:
    """Whatever the range, exactly the bars that open in it come, each as all of the trades make it."""
    start, end = sorted(ends)

    found = derive(resolution, stored(table(trades)), Nanos(start), Nanos(end))

    assert_same(between(bars_of_trades(table(trades), resolution), start, end), found)


def test_a_week_starts_on_monday() -> None:
    """A week is labelled by its Monday and holds the Sunday after it."""
    monday = day_start(dt.date(2024, 3, 11))
    trades = table([("A", monday, 1.0, 1.0, 1), ("A", monday + 7 * DAY - 1, 2.0, 1.0, 1)])

    bars = derive(RESOLUTIONS["1W"], stored(trades), monday, Nanos(monday + 1))

    assert [monday] == bars["ts"].cast(pa.int64()).to_pylist()
    assert bars["close"].to_pylist() == [2.0]


def test_vwap() -> None:
    """VWAP is turnover by volume, at any resolution."""
    trades = table([("A", START, 10.0, 1.0, 1), ("A", START + HOUR, 20.0, 3.0, 1)])

    bars = with_vwap(bars_of_trades(trades, RESOLUTIONS["1d"]))

    assert bars["vwap"].to_pylist() == [17.5]


def test_filling() -> None:
    """Intervals without a trade repeat the previous close with nothing traded; each symbol starts with its own bar."""
    trades = table(
        [("A", START, 10.0, 1.0, 1), ("A", START + 2 * MINUTE, 11.0, 1.0, 1), ("B", START + MINUTE, 5.0, 1.0, 1)]
    )
    bars = bars_of_trades(trades, RESOLUTIONS["1m"])

    filled = with_vwap(fill_previous(bars, RESOLUTIONS["1m"]))

    assert filled["symbol"].to_pylist() == ["A", "A", "A", "B"]
    assert filled["open"].to_pylist() == [10.0, 10.0, 11.0, 5.0]
    assert filled["close"].to_pylist() == [10.0, 10.0, 11.0, 5.0]
    assert filled["trades"].to_pylist() == [1, 0, 1, 1]
    assert filled["volume"].to_pylist() == [1.0, 0.0, 1.0, 1.0]
    assert math.isnan(filled["vwap"][1].as_py())


def test_filling_to_an_end() -> None:
    """Filling goes on to the last bar that opens before the end given, and never takes a bar away."""
    bars = bars_of_trades(table([("A", START + MINUTE, 10.0, 1.0, 1)]), RESOLUTIONS["1m"])

    assert fill_previous(bars, RESOLUTIONS["1m"], Nanos(START + 3 * MINUTE + 1)).num_rows == 3
    assert fill_previous(bars, RESOLUTIONS["1m"], Nanos(START)).num_rows == 1


@settings(max_examples=20, deadline=None)
@given(trades=day_of_trades())
def test_filled_bars_keep_the_traded_ones(trades: list[Trade]) -> None:
    """Dropping the rows without trades gives back the bars, and every interval in between has a row."""
    resolution = RESOLUTIONS["15m"]
    bars = bars_of_trades(table(trades), resolution)

    filled = fill_previous(bars, resolution)

    assert_same(bars, filled.filter(filled["trades"].to_numpy() > 0))
    assert violations(filled, resolution, 0)[0] == 4 * filled["trades"].to_pylist().count(0)
