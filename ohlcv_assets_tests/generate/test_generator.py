"""The generator: counts, order, grids, chunks, reproducibility, continuity."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import OutsideDatasetError, PlanError, UnknownSymbolError
from ohlcv_assets.generate import kernels
from ohlcv_assets.generate.generator import Generator, warm_up
from ohlcv_assets.generate.kernels import TradeColumns
from ohlcv_assets.generate.strategies import ARRIVALS, PRICE_MODELS, SIZES, Strategies
from ohlcv_assets.market.calendars import session_on
from ohlcv_assets.market.plan import make_plan
from ohlcv_assets.market.universe import load_universe
from ohlcv_assets.units import days_between
from ohlcv_assets_tests.generate.made import EARLY_CLOSE, MONDAY, PAIR, STOCK, THING, plan_of

pytestmark = pytest.mark.unit

EVERY_STRATEGY = [Strategies(*names) for names in itertools.product(PRICE_MODELS, ARRIVALS, SIZES)]


def joined(chunks: list[TradeColumns]) -> TradeColumns:
    """Return chunks put together."""
    return TradeColumns(*(np.concatenate(columns) for columns in zip(*chunks, strict=True)))


def same(one: TradeColumns, other: TradeColumns) -> bool:
    """Tell whether two runs gave the same bits."""
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in TradeColumns._fields)


@pytest.mark.kernels
@pytest.mark.parametrize("strategies", EVERY_STRATEGY, ids=str)
def test_a_session_keeps_every_rule(strategies: Strategies) -> None:
    """Exact count, increasing whole microseconds within the session, grid prices and lots, sides of one."""
    generator = Generator(plan_of(120), 1, strategies)
    for symbol in (STOCK, PAIR):
        trades, session = generator.day(symbol.name, MONDAY), session_on(symbol.calendar, MONDAY)
        assert session is not None
        assert len(trades.ts) == 120
        assert trades.ts[0] >= session.open
        assert trades.ts[-1] < session.close
        assert np.all(np.diff(trades.ts) > 0)
        assert np.all(trades.ts % 1_000 == 0)
        assert trades.ticks.min() >= 1
        assert trades.lots.min() >= 1
        assert set(trades.side.tolist()) <= {-1, 1}
        assert [column.dtype for column in trades] == [np.int64, np.int64, np.int64, np.int8]


@given(size=st.integers(1, 4_000), count=st.integers(1, 3_000), seed=st.integers(0, 2**63 - 1))
@settings(deadline=None, max_examples=25)
def test_chunks_of_any_size_join_to_the_same_day(size: int, count: int, seed: int) -> None:
    """Where a day is cut changes no bit of it, and each chunk but the last is full."""
    generator = Generator(plan_of(count), seed)
    chunks = list(generator.chunks("STK", MONDAY, size))
    assert same(joined(chunks), generator.day("STK", MONDAY))
    assert [len(chunk.ts) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)


@pytest.mark.kernels
def test_chunks_join_without_compilation_too() -> None:
    """The kernel's own state carries everything over a cut."""
    generator = Generator(plan_of(1_200), 5)
    assert same(joined(list(generator.chunks("STK", MONDAY, 101))), generator.day("STK", MONDAY))


def test_another_process_gives_the_same_bits() -> None:
    """A day does not depend on the process, on its hash seed, nor on what was generated before it."""
    script = (
        "import hashlib\n"
        "from ohlcv_assets.generate.generator import Generator\n"
        "from ohlcv_assets_tests.generate.made import MONDAY, plan_of\n"
        "day = Generator(plan_of(5_000), 11).day('PAIR', MONDAY)\n"
        "print(hashlib.sha256(day.ts.tobytes() + day.ticks.tobytes() + day.lots.tobytes()).hexdigest())\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    ).stdout
    generator = Generator(plan_of(5_000), 11)
    generator.day("STK", MONDAY)
    day = generator.day("PAIR", MONDAY)
    assert told.strip() == hashlib.sha256(day.ts.tobytes() + day.ticks.tobytes() + day.lots.tobytes()).hexdigest()


def test_seed_day_and_symbol_each_change_the_trades() -> None:
    """Streams are told apart by seed, day and symbol."""
    plan = plan_of(500, symbols=(PAIR, dataclasses.replace(PAIR, name="PEER")))
    generator = Generator(plan, 1)
    base = generator.day("PAIR", MONDAY)
    others = [
        generator.day("PEER", MONDAY),
        generator.day("PAIR", MONDAY + dt.timedelta(days=1)),
        Generator(plan, 2).day("PAIR", MONDAY),
    ]
    assert not any(np.array_equal(base.lots, other.lots) for other in others)


def test_round_the_clock_prices_join_over_midnight() -> None:
    """A day opens where the one before closed: the skeleton to the last bit, trades to a few spreads."""
    generator = Generator(plan_of(50_000, days=4, symbols=(PAIR,)), 3)
    bones = generator.skeleton
    assert np.array_equal(bones.opens[0, 1:], bones.closes[0, :-1])
    days = [generator.day("PAIR", day) for day in generator.plan.days]
    for column, (before, after) in enumerate(itertools.pairwise(days)):
        step = abs(float(np.log(after.ticks[0] / before.ticks[-1])))
        assert step < 0.15 * bones.volatility[0, column]
        assert np.log(before.ticks[-1]) == pytest.approx(bones.closes[0, column], abs=1e-3)


def test_stocks_open_with_a_gap_but_for_the_first_day() -> None:
    """The first session opens at the first price, later ones a night away from the close before."""
    generator = Generator(plan_of(10, days=2, symbols=(STOCK,)), 3)
    bones = generator.skeleton
    assert bones.opens[0, 0] == pytest.approx(np.log(float(STOCK.first_price)))
    assert 1e-5 < abs(bones.opens[0, 1] - bones.closes[0, 0]) < 0.1


@pytest.mark.parametrize("model", PRICE_MODELS)
def test_minutes_begin_and_end_on_the_skeleton(model: str) -> None:
    """Every price model is a bridge between open and close."""
    generator = Generator(plan_of(10, first=EARLY_CLOSE), 3, Strategies(price_model=model))
    path = generator.minutes("STK", EARLY_CLOSE)
    assert len(path.levels) == 211
    row = generator.plan.universe.names.index("STK")
    assert path.levels[0] == pytest.approx(generator.skeleton.opens[row, 0], abs=1e-12)
    assert path.levels[-1] == pytest.approx(generator.skeleton.closes[row, 0], abs=1e-12)


def test_one_trade_a_day() -> None:
    """The smallest plan there is: one trade, anywhere in the session, near the price of its minute."""
    generator = Generator(plan_of(1, days=5), 4)
    seconds = [int(generator.day("PAIR", day).ts[0] // 10**9 % 86_400) for day in generator.plan.days]
    assert len(set(seconds)) == 5
    assert len(generator.day("STK", MONDAY).ts) == 1


def test_a_million_trades_in_a_session() -> None:
    """Very many trades stay in order and within the session."""
    trades = Generator(plan_of(1_000_000), 4).day("STK", MONDAY)
    session = session_on("XNYS", MONDAY)
    assert session is not None
    assert np.all(np.diff(trades.ts) >= 1_000)
    assert trades.ts[-1] < session.close
    assert len(trades.ts) == 1_000_000


def test_a_price_of_a_few_ticks_never_falls_below_one() -> None:
    """The least price is one tick."""
    generator = Generator(plan_of(2_000, days=20, symbols=(THING,)), 4)
    least = [int(generator.day("THING", day).ticks.min()) for day in generator.plan.days]
    assert min(least) == 1


def test_a_day_without_trades_is_empty() -> None:
    """Nothing planned, nothing made: no chunk, and a day of no rows."""
    generator = Generator(plan_of(0), 1)
    assert list(generator.chunks("STK", MONDAY, 10)) == []
    assert len(generator.day("STK", MONDAY).ts) == 0


def test_refusals_are_one_sentence() -> None:
    """What cannot be generated is refused: a closed day, an overfull session, what the plan does not have."""
    saturday = Generator(plan_of(5, first=dt.date(2024, 3, 16)), 1)
    with pytest.raises(PlanError, match=r"STK does not trade on 2024-03-16: calendar XNYS is closed\."):
        saturday.day("STK", dt.date(2024, 3, 16))
    room = 390 * kernels.MINUTE_MICROS
    with pytest.raises(PlanError, match="more than its session has microseconds"):
        next(Generator(plan_of(room + 1), 1).chunks("STK", MONDAY, 10))
    with pytest.raises(UnknownSymbolError):
        Generator(plan_of(5), 1).day("NONE", MONDAY)
    with pytest.raises(OutsideDatasetError):
        Generator(plan_of(5), 1).day("STK", dt.date(2025, 1, 1))


def test_a_full_plan_is_kept_to_the_trade() -> None:
    """Every symbol has exactly the planned trades on a day of the shipped universe."""
    universe, days = load_universe(), days_between(dt.date(2024, 11, 25), dt.date(2024, 12, 1))
    plan = make_plan(universe, days, 200_000, 6)
    generator = Generator(plan, 6)
    made = {day: {name: len(generator.day(name, day).ts) for name in universe.names} for day in days}
    assert made == {day: plan.day_counts(day) for day in days}


def test_warm_up_leaves_nothing_to_compile() -> None:
    """After warming up, a first day compiles no further variant of the trade loop."""
    warm_up()
    signatures = list(getattr(kernels.fill, "signatures", []))
    Generator(plan_of(100), 1).day("STK", MONDAY)
    assert list(getattr(kernels.fill, "signatures", [])) == signatures
