"""The plan: exact, deterministic, zero on closed days, and shaped as its strategy says."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import OutsideDatasetError, PlanError, UnknownSymbolError
from ohlcv_assets.market.calendars import session_on
from ohlcv_assets.market.plan import BY_MONTH, BY_SYMBOL, Plan, make_plan
from ohlcv_assets.market.spread import SPREADS, WEEKEND
from ohlcv_assets.market.universe import load_universe, universe_from_symbols
from ohlcv_assets.units import days_between

pytestmark = pytest.mark.unit

UNIVERSE = load_universe()
YEAR = days_between(dt.date(2024, 1, 1), dt.date(2024, 12, 31))
TOTAL = 300_000_000


def year(spread: str = "activity", seed: int = 2024, total: int = TOTAL) -> Plan:
    """Return the plan of 2024."""
    return make_plan(UNIVERSE, YEAR, total, seed, spread)


def closed(days: tuple[dt.date, ...]) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Return where calendars are closed, shape (symbols, days)."""
    return np.array([[session_on(symbol.calendar, day) is None for day in days] for symbol in UNIVERSE.symbols])


spans = st.tuples(st.dates(dt.date(1990, 1, 1), dt.date(2060, 1, 1)), st.integers(0, 40)).map(
    lambda span: days_between(span[0], span[0] + dt.timedelta(days=span[1]))
)


@settings(deadline=None, max_examples=40)
@given(spans, st.integers(1, 10**10), st.integers(0, 2**63 - 1), st.sampled_from(sorted(SPREADS)))
def test_exact_and_repeatable(days: tuple[dt.date, ...], total: int, seed: int, spread: str) -> None:
    """Any total over any span adds up exactly, is zero on closed days, and is the same again."""
    plan = make_plan(UNIVERSE, days, total, seed, spread)

    assert plan.total == int(plan.counts.sum()) == total
    assert plan.counts.shape == (28, len(days))
    assert plan.counts.min() >= 0
    assert not plan.counts[closed(days)].any()
    assert (make_plan(UNIVERSE, days, total, seed, spread).counts == plan.counts).all()


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("total", [1, 2, 365, 10_000, TOTAL, 10**10])
def test_totals_of_a_year(spread: str, total: int) -> None:
    """A year adds up at every scale, and open days all trade once there is enough to go round."""
    plan = year(spread, total=total)

    assert int(plan.counts.sum()) == total
    if total >= TOTAL:
        assert ((plan.counts > 0) == ~closed(YEAR)).all()


def test_the_seed_matters_to_chance_only() -> None:
    """Another seed is another `activity` plan; at whole proportions it does not touch `uniform` but in ties."""
    assert (year(seed=1).counts != year(seed=2).counts).any()
    assert np.abs(year("uniform", seed=1).counts - year("uniform", seed=2).counts).max() <= 1


def test_file_order_does_not_matter() -> None:
    """Symbols given in another order make the same plan."""
    turned = universe_from_symbols(reversed(UNIVERSE.symbols))

    assert (make_plan(turned, YEAR, TOTAL, 2024).counts == year().counts).all()


@pytest.mark.parametrize("spread", SPREADS)
def test_shares(spread: str) -> None:
    """Over a year every symbol has about its share of activity, whatever the strategy."""
    whole = sum(symbol.activity for symbol in UNIVERSE.symbols)
    shares = year(spread).by_symbol().column("share").to_pylist()

    assert shares == pytest.approx([symbol.activity / whole for symbol in UNIVERSE.symbols], rel=0.25)


def test_uniform_is_equal_over_open_time() -> None:
    """Every open minute of a symbol has the same trades: half days half as many as their time says."""
    plan = year("uniform")
    ordinary, half = plan.count("AAPL", dt.date(2024, 7, 2)), plan.count("AAPL", dt.date(2024, 7, 3))

    assert half == pytest.approx(ordinary * 210 / 390, abs=1)
    assert np.ptp(plan.counts[UNIVERSE.names.index("BTC-USD")]) <= 1


def test_half_days_are_quiet() -> None:
    """Under `activity` stocks trade less on early closes than the days around them, beyond what time explains."""
    ratios = []
    for seed in range(12):
        plan = year(seed=seed)
        stocks = [row for row, symbol in enumerate(UNIVERSE.symbols) if symbol.asset_class == "stock"]
        totals = {day: int(plan.counts[stocks, column].sum()) for column, day in enumerate(YEAR)}
        ratios.append(totals[dt.date(2024, 7, 3)] / totals[dt.date(2024, 7, 2)])

    assert 0.35 < float(np.mean(ratios)) < 210 / 390


def test_weekends_are_thin() -> None:
    """Under `activity` pairs trade on weekends about as much less as the constant says."""
    pairs = [row for row, symbol in enumerate(UNIVERSE.symbols) if symbol.asset_class == "crypto"]
    weekend = np.array([day.weekday() >= 5 for day in YEAR])
    totals = [year(seed=seed).counts[pairs].sum(axis=0) for seed in range(6)]
    ratio = np.mean([total[weekend].mean() / total[~weekend].mean() for total in totals])

    assert float(ratio) == pytest.approx(WEEKEND, rel=0.1)


def test_busy_days_follow_volatility() -> None:
    """Under `activity` days of high volatility have more trades."""
    from ohlcv_assets.market.regime import regime  # noqa: PLC0415 -- the one test that needs the states

    row = UNIVERSE.names.index("BTC-USD")
    states = np.log(regime(UNIVERSE, YEAR, 2024).volatility[row])

    assert np.corrcoef(states, np.log(year().counts[row]))[0, 1] > 0.5


def test_days_move_together() -> None:
    """Under `activity` stocks have busy days in common."""
    correlations = []
    for seed in range(6):
        counts = year(seed=seed).counts[[symbol.asset_class == "stock" for symbol in UNIVERSE.symbols]]
        matrix = np.corrcoef(np.log(counts[:, counts[0] > 0]))
        correlations.append(matrix[np.triu_indices(20, k=1)].mean())

    assert float(np.mean(correlations)) > 0.3


def test_seasonal_has_a_pattern_and_no_chance() -> None:
    """Under `seasonal` summers are quieter than March, Mondays than Wednesdays, and equal dates are equal."""
    plan = year("seasonal")
    months = {row["month"]: row["trades"] for row in plan.by_month().to_pylist()}

    assert months["2024-08"] < months["2024-03"]
    assert plan.count("AAPL", dt.date(2024, 3, 4)) < plan.count("AAPL", dt.date(2024, 3, 6))
    assert abs(plan.count("AAPL", dt.date(2024, 3, 5)) - plan.count("AAPL", dt.date(2024, 3, 12))) <= 1


def test_a_weekend_is_crypto_only() -> None:
    """Where only some calendars are open, they have the whole total."""
    plan = make_plan(UNIVERSE, days_between(dt.date(2024, 1, 6), dt.date(2024, 1, 7)), 1_000, 1)
    traded = {name for name, count in plan.day_counts(dt.date(2024, 1, 6)).items() if count > 0}

    assert plan.total == 1_000
    assert traded == {symbol.name for symbol in UNIVERSE.symbols if symbol.asset_class == "crypto"}


def test_ids_count_per_symbol() -> None:
    """Ids start at 0 and go on from day to day without a gap, closed days included."""
    plan = year()
    first = [plan.first_id("AAPL", day) for day in YEAR]
    counts = [plan.count("AAPL", day) for day in YEAR]

    assert first[0] == 0
    assert first[1:] == list(np.cumsum(counts)[:-1])
    assert first[-1] + counts[-1] == int(plan.counts[UNIVERSE.names.index("AAPL")].sum())


def test_counts_of_a_day() -> None:
    """A day's counts name every symbol in order, zeros included, and agree with single questions."""
    saturday = dt.date(2024, 1, 6)
    counts = year().day_counts(saturday)

    assert tuple(counts) == UNIVERSE.names
    assert counts["AAPL"] == 0
    assert counts["BTC-USD"] == year().count("BTC-USD", saturday) > 0
    assert all(type(count) is int for count in counts.values())


def test_digest_of_a_day() -> None:
    """The digest is the same for the same plan and knows the day, its counts and what came before."""
    first, second = dt.date(2024, 1, 2), dt.date(2024, 1, 3)
    plan = year()
    moved = plan.counts.copy()
    moved[0, 0] += 1
    shifted = dataclasses.replace(plan, counts=moved)

    assert plan.digest(first) == year().digest(first) != plan.digest(second)
    assert shifted.digest(first) != plan.digest(first)
    assert len(plan.digest(first)) == 64


def test_summaries_add_up() -> None:
    """By month and by symbol: each adds up to the total, with days, least and most of days that traded."""
    plan = year()
    months, symbols = plan.by_month().to_pylist(), plan.by_symbol().to_pylist()
    january, apple = months[0], symbols[0]

    assert (plan.by_month().schema, plan.by_symbol().schema) == (BY_MONTH, BY_SYMBOL)
    assert sum(row["trades"] for row in months) == sum(row["trades"] for row in symbols) == TOTAL
    assert sum(row["share"] for row in symbols) == pytest.approx(1)
    assert [row["month"] for row in months] == [f"2024-{month:02d}" for month in range(1, 13)]
    assert (january["days"], apple["days"]) == (31, 252)
    assert 0 < apple["least"] < TOTAL * apple["share"] / 252 < apple["most"]
    assert 0 < january["least"] < january["trades"] / 31 < january["most"]


def test_summaries_of_nothing() -> None:
    """Months and symbols without a trade have a row of zeros."""
    plan = make_plan(UNIVERSE, days_between(dt.date(2024, 1, 31), dt.date(2024, 2, 1)), 1, 2024)

    assert sorted(row["most"] for row in plan.by_month().to_pylist()) == [0, 1]
    assert sorted(row["least"] for row in plan.by_symbol().to_pylist()) == [0] * 27 + [1]


def test_a_plan_without_trades() -> None:
    """A plan made of found counts, all of them zero, has shares of zero."""
    plan = Plan(UNIVERSE, YEAR, np.zeros((28, 366), dtype=np.int64))

    assert {row["share"] for row in plan.by_symbol().to_pylist()} == {0.0}


def test_counts_cannot_be_changed() -> None:
    """The matrix is read-only, and a plan survives the way to another process."""
    plan = year(total=1_000)
    with pytest.raises(ValueError, match="read-only"):
        plan.counts[0, 0] = 1

    assert (pickle.loads(pickle.dumps(plan)).counts == plan.counts).all()  # noqa: S301 -- its own bytes


def test_unknown_symbol_and_day() -> None:
    """A symbol or day that the plan does not cover is named."""
    with pytest.raises(UnknownSymbolError, match="'XYZ'"):
        year().count("XYZ", YEAR[0])
    for day in (dt.date(2023, 12, 31), dt.date(2025, 1, 1)):
        with pytest.raises(OutsideDatasetError, match=f"{day} is outside the dataset; its days run from 2024-01-01 to"):
            year().first_id("AAPL", day)


@pytest.mark.parametrize("total", [0, -1, 10**10 + 1])
def test_totals_out_of_range(total: int) -> None:
    """A total that cannot be planned is refused with the range."""
    with pytest.raises(PlanError, match=f"A total of {total} trades cannot be planned; choose 1 to 10000000000"):
        year(total=total)


def test_other_refusals() -> None:
    """Unknown spreads, negative seeds and days with gaps are each one sentence."""
    with pytest.raises(PlanError, match="no way 'even' to spread trades; choose one of activity, uniform, seasonal"):
        year("even")
    with pytest.raises(PlanError, match="seed -1 is negative"):
        year(seed=-1)
    for days in ((), (YEAR[0], YEAR[2]), (YEAR[1], YEAR[0])):
        with pytest.raises(PlanError, match="must follow one another without a gap"):
            make_plan(UNIVERSE, days, 1, 1)


@pytest.mark.parametrize("day", [dt.date(1899, 12, 31), dt.date(2200, 1, 1)])
def test_years_out_of_range(day: dt.date) -> None:
    """Years that have no calendar, and soon no nanoseconds, are refused with those that can be planned."""
    with pytest.raises(PlanError, match=f"from {day} to {day} cannot be planned; choose years 1900 to 2199"):
        make_plan(UNIVERSE, (day,), 1, 1)


@pytest.mark.parametrize("spread", SPREADS)
def test_nothing_is_open(spread: str) -> None:
    """Stocks alone on a weekend cannot be planned, and that is said."""
    stocks = universe_from_symbols(symbol for symbol in UNIVERSE.symbols if symbol.asset_class == "stock")

    with pytest.raises(PlanError, match="No symbol trades from 2024-01-06 to 2024-01-07: every calendar is closed"):
        make_plan(stocks, days_between(dt.date(2024, 1, 6), dt.date(2024, 1, 7)), 1, 1, spread)
