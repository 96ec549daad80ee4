"""Bars against trades, against what is possible, and against bars by other code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.bars.rollup import bars_of_day, bars_of_trades
from ohlcv_assets.market.schema import CONTENT, TRADES
from ohlcv_assets.units import HOUR, MINUTE
from ohlcv_assets.verify.bars import Turnover, bar_totals, bars_equal, bars_invariants
from ohlcv_assets.verify.content import content_of, turnover_of
from ohlcv_assets.verify.independent import independent_bars, independent_day
from ohlcv_assets_tests.bars.made import START, Trade, assert_same, day_of_trades, table

pytestmark = pytest.mark.unit

MINUTES = RESOLUTIONS["1m"]
DAY_OF_TRADES = table(
    [
        ("A", START, 10.0, 1.0, 1),
        ("A", START + 1, 11.0, 2.0, 1),
        ("A", START + MINUTE, 9.0, 3.0, -1),
        ("B", START + HOUR, 5.0, 0.1, 1),
    ]
)
BARS_OF_DAY = bars_of_trades(DAY_OF_TRADES, MINUTES)


def traded(trades: pa.Table) -> Turnover:
    """Return what was traded, as a store adds it up."""
    return Turnover(turnover_of(trades), "stored trades")


def changed(field: str, row: int = 0) -> pa.Table:
    """Return the day's bars with one value changed by a little more than rounding."""
    at = BARS.get_field_index(field)
    values = (BARS_OF_DAY[field].cast(pa.int64()) if field == "ts" else BARS_OF_DAY[field]).to_numpy().copy()
    values[row] += 1 if values.dtype == np.int64 else values[row] * 1e-14
    return BARS_OF_DAY.set_column(at, BARS.field(at), pa.array(values).cast(BARS.field(at).type))


@settings(max_examples=10, deadline=None)
@given(trades=day_of_trades())
def test_stored_bars_pass_every_check(trades: list[Trade]) -> None:
    """Whatever the trades of a day, its bars pass all checks at every stored resolution."""
    whole = table(trades)
    by_sql, of_trades = independent_day(whole), content_of(whole)
    direct = independent_day(whole, direct=True)

    for name, bars in bars_of_day(whole).items():
        resolution = RESOLUTIONS[name]
        assert bars_equal(by_sql[name], bars, resolution).passed
        assert bars_invariants(bars, resolution).passed
        assert_same(direct[name], bars)
        verdict = bar_totals(bars, resolution, of_trades, traded(whole))
        assert verdict.passed, verdict.differences


def test_a_day_without_trades_passes() -> None:
    """No bars are right where there are no trades."""
    for resolution in STORED_RESOLUTIONS:
        expected = independent_bars(TRADES.empty_table(), resolution)
        assert bars_equal(expected, BARS.empty_table(), resolution).passed
        assert bars_invariants(BARS.empty_table(), resolution).passed
        assert bar_totals(BARS.empty_table(), resolution, CONTENT.empty_table(), traded(TRADES.empty_table())).passed


def test_sentences() -> None:
    """Verdicts that pass say of what and how much."""
    of_trades = content_of(DAY_OF_TRADES)

    assert (
        bars_equal(BARS_OF_DAY, BARS_OF_DAY, MINUTES).summary
        == "All 3 stored 1m bars equal those that SQL makes of the day file."
    )
    assert "All 3 1m bars are possible bars." == bars_invariants(BARS_OF_DAY, MINUTES).summary  # noqa: SIM300 -- as above
    assert (
        bar_totals(BARS_OF_DAY, MINUTES, of_trades, traded(DAY_OF_TRADES)).summary
        == "3 1m bars add up to the 4 stored trades, their volume, order flow and extremes, and to the turnover of the "
        "stored trades."
    )


@pytest.mark.parametrize("field", BARS.names[2:])
def test_equality_can_fail(field: str) -> None:
    """A change of any field of one bar fails, named by symbol, time and field."""
    verdict = bars_equal(BARS_OF_DAY, changed(field, row=1), MINUTES)

    assert not verdict.passed
    assert [("A", "2024-03-15T00:01:00Z", field)] == [
        (row["symbol"], row["time"], row["field"]) for row in verdict.differences
    ]
    assert field in verdict.summary


def test_a_moved_bar_is_missing_and_extra() -> None:
    """A bar at another time is missing where it should be and extra where it is."""
    verdict = bars_equal(BARS_OF_DAY, changed("ts"), MINUTES)

    assert [row["field"] for row in verdict.differences] == ["missing", "extra"]


@pytest.mark.parametrize("field", ["volume", "turnover", "trades", "imbalance", "high", "low"])
def test_totals_can_fail(field: str) -> None:
    """A change of what adds up over a day fails, named by symbol and figure."""
    row = 1 if field == "low" else 0

    verdict = bar_totals(changed(field, row), MINUTES, content_of(DAY_OF_TRADES), traded(DAY_OF_TRADES))

    assert not verdict.passed
    assert [("A", None, field)] == [(found["symbol"], found["time"], found["field"]) for found in verdict.differences]
    assert f"first: A, {field}" in verdict.summary


def test_a_symbol_without_bars_fails() -> None:
    """A symbol that has trades and no bars is missing."""
    verdict = bar_totals(BARS_OF_DAY.slice(0, 2), MINUTES, content_of(DAY_OF_TRADES), traded(DAY_OF_TRADES))

    assert [(found["symbol"], found["field"]) for found in verdict.differences] == [("B", "missing")]
    assert (verdict.expected["trades"], verdict.found["trades"]) == (4, 3)


def test_totals_say_whose_turnover_they_were_compared_with() -> None:
    """A reader sees which trades the turnover is of; one that is not known of a symbol fails."""
    of_file = Turnover(turnover_of(DAY_OF_TRADES), "day file's trades")
    verdict = bar_totals(BARS_OF_DAY, MINUTES, content_of(DAY_OF_TRADES), of_file)

    assert verdict.passed
    assert verdict.summary.endswith("and to the turnover of the day file's trades.")
    assert verdict.expected["turnover_of"] == "day file's trades"
    assert verdict.expected["turnover"] == pytest.approx(59.5)
    lacking = Turnover(of_file.by_symbol.slice(0, 1), "day file's trades")
    wrong = bar_totals(BARS_OF_DAY, MINUTES, content_of(DAY_OF_TRADES), lacking)
    assert [(row["symbol"], row["field"], row["expected"]) for row in wrong.differences] == [("B", "turnover", "0.0")]


def test_invariants_can_fail() -> None:
    """An impossible bar fails, named by symbol, time and rule."""
    verdict = bars_invariants(changed("ts"), MINUTES)

    assert not verdict.passed
    assert verdict.summary == (
        f"1 broken rule in 3 1m bars; first: A 2024-03-15T00:00:00.000000001Z breaks 'opens at a multiple of its "
        f"duration' with ts {START + 1}."
    )
    assert {"symbol", "time", "rule", "value"} == set(verdict.differences[0])


def test_sql_reads_files(tmp_path: Path) -> None:
    """Bars by SQL are the same of a Parquet file, read by DuckDB itself, to the nanosecond, as of the table in it."""
    trades = table([("A", START + n, 1.0 + n, 1.0, 1) for n in range(999)])
    path = tmp_path / "a 'quoted' folder" / "trades.parquet"
    path.parent.mkdir()
    pq.write_table(trades, path, row_group_size=100)

    bars = independent_bars(path, MINUTES)

    assert_same(bars_of_trades(trades, MINUTES), bars)
    assert (bars["open"].to_pylist(), bars["close"].to_pylist()) == ([1.0], [999.0])
