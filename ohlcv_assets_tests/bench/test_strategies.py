"""The comparison of strategies."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ohlcv_assets.bench.strategies import combinations, compare_strategies
from ohlcv_assets.generate.strategies import Strategies
from ohlcv_assets.market.plan import make_plan
from ohlcv_assets.market.universe import load_universe
from ohlcv_assets.progress import Progress
from ohlcv_assets.units import days_between

pytestmark = pytest.mark.integration


def test_every_strategy_is_compared_once_with_the_default() -> None:
    """The default comes first, then each other name in its place."""
    chosen = combinations()
    assert chosen[0] == Strategies()
    assert len(chosen) == len(set(chosen)) == 6


def test_rows_hold_speed_size_and_realism(tmp_path: Path) -> None:
    """Each combination is timed, weighed and judged."""
    days = days_between(dt.date(2024, 3, 11), dt.date(2024, 3, 20))
    plan, heard = make_plan(load_universe(), days, 400_000, 1), list[Progress]()
    rows = compare_strategies(plan, 1, days[0], tmp_path, symbols=("KO", "V"), repeats=1, observer=heard.append)
    assert [row.strategies for row in rows] == list(combinations())
    assert all(row.trades_per_second > 0 and 1 < row.bytes_per_trade < 40 for row in rows)
    assert all(row.gates_judged > 0 for row in rows)
    assert [event.done for event in heard] == [1, 2, 3, 4, 5, 6]
    one_day = compare_strategies(plan, 1, days[0], tmp_path / "again", symbols=("KO",), days=days[:1], repeats=1)
    assert all(row.gates_judged == 0 and row.as_expected for row in one_day)
