"""Bars from trades."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.bars.rollup import bars_of_day, bars_of_file, bars_of_trades
from ohlcv_assets.market.schema import STORED, TRADES
from ohlcv_assets.units import DAY, MINUTE
from ohlcv_assets.verify.independent import independent_day
from ohlcv_assets_tests.bars.made import (
    START,
    Trade,
    assert_same,
    by_pandas,
    day_of_trades,
    table,
    trades_between,
)

pytestmark = pytest.mark.unit

MINUTES = RESOLUTIONS["1m"]


def test_a_bar_by_hand() -> None:
    """Open and close are first and last price of the interval, turnover is price by amount, imbalance adds up sides."""
    trades: list[Trade] = [
        ("A", START, 10.0, 1.0, 1),
        ("A", START + 30, 12.0, 2.0, 1),
        ("A", START + 40, 9.0, 3.0, -1),
        ("A", START + MINUTE - 1, 11.0, 4.0, 1),
        ("A", START + MINUTE, 20.0, 5.0, -1),
    ]

    bars = bars_of_trades(table(trades), MINUTES)

    assert [
        tuple(row.values())
        for row in bars.set_column(1, "ts", bars["ts"].cast(pa.int64())).to_pylist()
    ] == [
        ("A", START, 10.0, 12.0, 9.0, 11.0, 10.0, 10.0 + 24.0 + 27.0 + 44.0, 4, 2),
        ("A", START + MINUTE, 20.0, 20.0, 20.0, 20.0, 5.0, 100.0, 1, -1),
    ]  # fmt: skip


def test_no_trades_no_bars() -> None:
    """An empty table gives empty bars of the same schema, at every resolution."""
    found = bars_of_day(TRADES.empty_table())

    assert [resolution.name for resolution in STORED_RESOLUTIONS] == list(found)
    assert all(bars.schema.equals(BARS) and bars.num_rows == 0 for bars in found.values())


def test_one_nanosecond_before_midnight() -> None:
    """The last nanosecond of a day belongs to that day's last bar, at full resolution of time."""
    bars = bars_of_trades(table([("A", START + DAY - 1, 1.0, 1.0, 1)]), MINUTES)

    assert bars["ts"].cast(pa.int64()).to_pylist() == [START + DAY - MINUTE]


@settings(max_examples=25, deadline=None)
@given(trades=trades_between(START, START + 100 * DAY), resolution=st.sampled_from(list(RESOLUTIONS.values())))
def test_equal_to_pandas(trades: list[Trade], resolution: Resolution) -> None:
    """At every resolution, weeks and months included, bars are those that pandas makes."""
    assert_same(by_pandas(trades, resolution), bars_of_trades(table(trades), resolution))


@settings(max_examples=10, deadline=None)
@given(trades=trades_between(START, START + 100 * DAY))
def test_equal_to_sql(trades: list[Trade]) -> None:
    """At every resolution, bars are those that DuckDB makes by SQL."""
    by_sql = independent_day(table(trades), RESOLUTIONS.values())

    for name, bars in by_sql.items():
        assert_same(bars, bars_of_trades(table(trades), RESOLUTIONS[name]))


@settings(max_examples=25, deadline=None)
@given(trades=day_of_trades(), data=st.data())
def test_order_does_not_matter(trades: list[Trade], data: st.DataObject) -> None:
    """Shuffled trades give the same bars, bit for bit."""
    shuffled = data.draw(st.permutations(trades))

    assert bars_of_trades(table(shuffled), MINUTES).equals(bars_of_trades(table(trades), MINUTES))


@settings(max_examples=25, deadline=None)
@given(trades=day_of_trades(), cut=st.integers(0, 60), chunk=st.integers(1, 5))
def test_chunks_do_not_matter(trades: list[Trade], cut: int, chunk: int) -> None:
    """Chunks of any length, each with its own dictionary, empty ones among them, and plain text give the same bars."""
    whole = table(trades)
    parts = [table(trades[:cut]), TRADES.empty_table(), table(trades[cut:])]
    batches = [batch for part in parts for batch in part.to_batches(max_chunksize=chunk)]
    chunked = pa.Table.from_batches(batches, TRADES)
    text = whole.set_column(0, "symbol", whole["symbol"].cast(pa.string()))

    expected = bars_of_trades(whole, MINUTES)

    assert expected.equals(bars_of_trades(chunked, MINUTES))
    assert expected.equals(bars_of_trades(text, MINUTES))
    assert expected.equals(bars_of_trades(whole.select(STORED.names), MINUTES))


@settings(max_examples=10, deadline=None)
@given(trades=day_of_trades())
def test_a_day_at_all_resolutions(trades: list[Trade]) -> None:
    """The chain gives at each stored resolution what the trades themselves give."""
    found = bars_of_day(table(trades))

    for resolution in STORED_RESOLUTIONS:
        assert_same(bars_of_trades(table(trades), resolution), found[resolution.name])


def test_from_a_file(tmp_path: Path) -> None:
    """A file gives the bars of the table in it, wherever its row groups end."""
    trades = table([("A", START + n * 7 * 10**9, 1.0 + n, 1.0, 1) for n in range(50)])
    path = tmp_path / "trades.parquet"
    pq.write_table(trades, path, row_group_size=7)

    assert bars_of_trades(trades, MINUTES).equals(bars_of_file(path, MINUTES))
