"""Laws by name: strategies, profiles, arrivals, sizes, skeletons, spreads."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from ohlcv_assets.errors import StrategyError
from ohlcv_assets.generate import kernels, profiles
from ohlcv_assets.generate.arrivals import Clustered, Poisson, minute_counts
from ohlcv_assets.generate.generator import Generator
from ohlcv_assets.generate.prices import PULL_HALF_LIFE, market_minutes
from ohlcv_assets.generate.settings import LEAST_HALF_SPREAD, MOST_BOUNCE, bounce, half_spread, run_lengths
from ohlcv_assets.generate.sizes import Fixed, LogNormal, ParetoLogNormal
from ohlcv_assets.generate.skeleton import day_volatility
from ohlcv_assets.generate.strategies import Strategies
from ohlcv_assets_tests.generate.made import MONDAY, PAIR, STOCK, plan_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"price_model": "GBM"},
            "no strategy 'GBM' for price model; choose one of stochastic-volatility, gbm, mean-rev",
        ),
        ({"arrivals": "hawkes"}, "no strategy 'hawkes' for arrivals; choose one of clustered, poisson"),
        ({"sizes": ""}, "no strategy '' for sizes; choose one of pareto-lognormal, lognormal, fixed"),
    ],
)
def test_unknown_names_are_refused_with_those_there_are(wrong: dict[str, str], sentence: str) -> None:
    """A name that is no strategy is refused in one sentence that lists the others."""
    with pytest.raises(StrategyError, match=sentence):
        Strategies(**wrong)


def test_new_york_is_busy_at_the_open_and_at_the_close() -> None:
    """The U shape: open, then close, then noon; an early close has one of its own."""
    for minutes in (390, 210):
        shape = profiles.activity("XNYS", minutes, weekend=False)
        assert shape.mean() == pytest.approx(1.0)
        assert shape[0] > shape[minutes // 2]
        assert shape[-1] > 1.5 * shape[minutes // 2]
        assert np.mean(profiles.volatility("XNYS", minutes, weekend=False) ** 2) == pytest.approx(1.0)


def test_round_the_clock_peaks_in_new_yorks_morning() -> None:
    """The peak is between 15 and 16 UTC, the trough between 9 and 10; weekends are flatter; midnight joins."""
    shape, weekend = (profiles.activity("24/7", 1_440, weekend=flag) for flag in (False, True))
    assert int(shape.argmax()) // 60 == 15
    assert int(shape.argmin()) // 60 == 9
    assert np.ptp(weekend) < 0.7 * np.ptp(shape)
    assert abs(shape[0] - shape[-1]) < 0.01
    assert not shape.flags.writeable


def test_weekends_are_calmer_without_changing_the_year() -> None:
    """A weekend day of a pair is less volatile than a weekday, and the week's variance is the configured one."""
    plan = plan_of(1, days=7)
    rows = dict(zip(plan.universe.names, day_volatility(plan.universe, plan.days), strict=True))
    assert rows["PAIR"][5] == pytest.approx(profiles.WEEKEND_VOLATILITY * rows["PAIR"][0])
    assert np.sqrt(np.mean(rows["PAIR"] ** 2) * 365.25) == pytest.approx(PAIR.yearly_volatility)
    assert rows["STK"][5:].tolist() == [0.0, 0.0]
    assert rows["STK"][0] * np.sqrt(252.0) == pytest.approx(STOCK.yearly_volatility)


@pytest.mark.kernels
def test_clustered_counts_vary_more_than_poisson_counts() -> None:
    """Both add up to the total; the clustered ones have a variance far above their mean."""
    flat, rng = np.ones(390), np.random.default_rng(1)
    fano = []
    for law in (Poisson(), Clustered()):
        counts = minute_counts(20_000, law.law(flat, np.zeros(390), rng).weights, rng)
        assert counts.sum() == 20_000
        fano.append(counts.var() / counts.mean())
    assert fano[0] < 1.5
    assert fano[1] > 5.0


def test_a_minute_holds_no_more_trades_than_microseconds() -> None:
    """What a minute cannot hold moves to minutes with room; the total stays."""
    total = 3 * kernels.MINUTE_MICROS - 5
    counts = minute_counts(total, np.array([1.0, 100.0, 1.0]), np.random.default_rng(1))
    assert counts.sum() == total
    assert counts.max() <= kernels.MINUTE_MICROS
    assert counts.min() >= 0


def test_sizes_follow_their_law() -> None:
    """The body's mean is the configured amount; a tail, round lots and short figures are the default's alone."""
    lots = PAIR.mean_amount * PAIR.lots_per_unit
    plain, full, fixed = (law.law(PAIR) for law in (LogNormal(), ParetoLogNormal(), Fixed()))
    assert plain.body.mean() == pytest.approx(lots, rel=0.01)
    assert plain.tail == plain.rounded == plain.coarse == 0.0
    assert full.tail > 0.0
    assert full.round_lot == float(PAIR.round_lot)
    assert set(fixed.body.tolist()) == {lots}
    assert not fixed.follows_volatility


def test_round_lots_are_frequent_and_large_trades_rare() -> None:
    """A quarter and more of a stock's trades are whole hundreds; the largest are far above the median."""
    trades = Generator(plan_of(20_000), 2).day("STK", MONDAY)
    assert 0.2 < np.mean(trades.lots % 100 == 0) < 0.6
    assert trades.lots.max() > 50 * np.median(trades.lots)
    fixed = Generator(plan_of(2_000), 2, Strategies(sizes="fixed")).day("STK", MONDAY)
    assert set(fixed.lots.tolist()) == {80}


def test_buyers_pay_more_than_sellers() -> None:
    """The bounce is tied to the side, and gone without a spread and in the control."""
    plan = plan_of(50_000, symbols=(PAIR,))

    def against_neighbours(generator: Generator) -> float:
        trades = generator.day("PAIR", MONDAY)
        change, turn = np.diff(trades.ticks), np.diff(trades.side.astype(np.int64))
        return float(np.corrcoef(change, turn)[0, 1])

    assert against_neighbours(Generator(plan, 2)) > 0.3
    assert abs(against_neighbours(Generator(plan, 2, spread=False))) < 0.05
    assert abs(against_neighbours(Generator(plan, 2, Strategies(price_model="gbm")))) < 0.05


def test_spreads_follow_volatility_within_bounds() -> None:
    """Half a spread is at least half a tick, grows with the step between trades, and is a small part of the price."""
    prices = np.full(3, 1e5)
    found = half_spread(prices, np.array([0.01, 10.0, 1e4]))
    assert found[0] == LEAST_HALF_SPREAD
    assert found[0] < found[1] < found[2] == pytest.approx(30.0)
    assert bounce(np.log(1e6), 0.02, 390, 100_000) < 0.01
    assert bounce(np.log(2.0), 0.02, 390, 100_000) == MOST_BOUNCE


def test_runs_of_one_side_have_a_heavy_tail() -> None:
    """Most orders are alone, some belong to hundreds."""
    runs = run_lengths()
    assert np.median(runs) == 1
    assert runs.max() > 100
    assert runs.min() == 1


def test_a_class_shares_its_minutes() -> None:
    """The market's minutes depend on seed, class and day alone; two symbols' prices share them."""
    shared = market_minutes(1, "crypto", MONDAY, 1_440)
    assert np.array_equal(shared, market_minutes(1, "crypto", MONDAY, 1_440))
    assert not np.array_equal(shared, market_minutes(1, "stock", MONDAY, 1_440))


def test_mean_reverting_prices_stay_near_where_they_began() -> None:
    """Over years a mean-reverting price keeps within a few weeks' volatility, a random walk does not."""
    plan = plan_of(1, first=dt.date(2020, 1, 1), days=1_500, symbols=(PAIR,))
    away = {
        model: np.std(
            Generator(plan, 3, Strategies(price_model=model)).skeleton.closes - np.log(float(PAIR.first_price))
        )
        for model in ("gbm", "mean-reverting", "stochastic-volatility")
    }
    a_day = PAIR.yearly_volatility / np.sqrt(365.25)
    assert away["mean-reverting"] < 3.0 * a_day
    assert away["gbm"] > 5.0 * a_day
    assert away["stochastic-volatility"] < 3.0 * a_day * np.sqrt(PULL_HALF_LIFE)


def test_jumps_are_rare_and_part_of_the_days_move() -> None:
    """A few sessions a year jump; a jump has the direction of its day and is smaller than its move."""
    bones = Generator(plan_of(1, days=730, symbols=(PAIR,)), 3).skeleton
    jumps, moves = bones.jumps[0], (bones.closes - bones.opens)[0]
    jumped = jumps != 0.0
    assert 10 < jumped.sum() < 60
    assert np.all(np.sign(jumps[jumped]) == np.sign(moves[jumped]))
    assert np.all(np.abs(jumps) <= np.abs(moves))


def test_a_jump_happens_within_one_minute() -> None:
    """On a day with a jump one minute moves by at least that much less what the others do."""
    generator = Generator(plan_of(1, days=365, symbols=(PAIR,)), 3)
    column = int(np.abs(generator.skeleton.jumps[0]).argmax())
    path = generator.minutes("PAIR", generator.plan.days[column])
    assert np.abs(np.diff(path.levels)).max() > 0.7 * abs(generator.skeleton.jumps[0, column])
