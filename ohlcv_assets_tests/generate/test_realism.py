"""The stylised facts: the default passes every gate, each control misses those it must."""

from __future__ import annotations

import dataclasses
import datetime as dt
from functools import cache

import numpy as np
import pytest

from ohlcv_assets.generate.generator import Generator
from ohlcv_assets.generate.realism import Report, expected_failures, gates, measure
from ohlcv_assets.generate.realism import observe as watching
from ohlcv_assets.generate.realism.gates import GATES, Gate
from ohlcv_assets.generate.realism.observe import observe
from ohlcv_assets.generate.realism.series import common_movement, facts
from ohlcv_assets.generate.strategies import Strategies
from ohlcv_assets.market.plan import Plan, make_plan
from ohlcv_assets.market.universe import load_universe
from ohlcv_assets.progress import Progress
from ohlcv_assets.units import days_between
from ohlcv_assets_tests.generate.made import MONDAY, PAIR, STOCK, plan_of

pytestmark = pytest.mark.unit

YEAR = days_between(dt.date(2024, 1, 1), dt.date(2024, 12, 31))
MONTH = tuple(day for day in YEAR if day.month == 3)
MONTH_SYMBOLS = ("KO", "PFE", "UNH", "ADA-USD", "LINK-USD")
YEAR_SYMBOLS = ("KO", "V", "LINK-USD")


@cache
def year_plan(seed: int) -> Plan:
    """Return the default plan of a seed."""
    return make_plan(load_universe(), YEAR, 300_000_000, seed)


def month_of(strategies: Strategies, seed: int = 2024) -> Report:
    """Measure a month of a few symbols."""
    return measure(Generator(year_plan(seed), seed, strategies), MONTH_SYMBOLS, MONTH)


@pytest.mark.parametrize("seed", [2024, 1])
def test_a_month_of_the_default_passes_every_gate(seed: int) -> None:
    """What a month can tell holds, for one seed as for another."""
    report = month_of(Strategies(), seed)
    assert [row for row in report.rows if row.passed is False] == []
    assert report.passed
    assert report.surprises == ()
    assert {row.symbol for row in report.rows} == set(MONTH_SYMBOLS)
    judged = {row.statistic for row in report.rows if row.passed is not None}
    assert judged >= {gates.KURTOSIS_1M, gates.VOLUME, gates.FANO, gates.BOUNCE, gates.HILL_SIZES, gates.COMMON}


@pytest.mark.parametrize(
    "control",
    [
        Strategies(price_model="gbm"),
        Strategies(price_model="mean-reverting"),
        Strategies(arrivals="poisson"),
        Strategies(sizes="lognormal"),
        Strategies(sizes="fixed"),
    ],
    ids=str,
)
def test_a_month_of_a_control_misses_the_gates_it_must(control: Strategies) -> None:
    """A gate that a control passes would prove nothing about the default."""
    report = month_of(control)
    assert not report.passed
    assert report.surprises == ()
    missed = {row.statistic for row in report.rows if row.passed is False}
    judged = {row.statistic for row in report.rows if row.passed is not None}
    assert missed >= report.expected_failures & judged
    assert report.expected_failures & judged


def test_a_year_passes_the_gates_that_take_a_year() -> None:
    """Over a year every gate is judged and passed: memory over days, leverage, the shape of the day, nights."""
    report = measure(Generator(year_plan(2024), 2024), YEAR_SYMBOLS, YEAR)
    assert [row for row in report.rows if row.passed is False] == []
    passed, judged = report.gates_passed
    # A correlation within a class takes two of its members: the pair is alone here.
    assert passed == judged == len(report.rows)
    assert {row.statistic for row in report.rows} == set(GATES)


def test_a_year_of_the_control_misses_what_takes_a_year() -> None:
    """Clustering over a day is judged on a year, and the control has none."""
    report = measure(Generator(year_plan(2024), 2024, Strategies(price_model="gbm")), ("KO", "V"), YEAR)
    assert report.surprises == ()
    assert {row.statistic for row in report.rows if row.passed is False} >= expected_failures(report.strategies)


def test_surprises_name_a_control_that_passes() -> None:
    """A control that passes a gate it must miss is a surprise; what it need not miss is none."""
    report = month_of(Strategies(price_model="gbm"))
    fixed = tuple(dataclasses.replace(row, passed=True) for row in report.rows)
    turned = dataclasses.replace(report, rows=fixed)
    assert {row.statistic for row in turned.surprises} == report.expected_failures
    default = dataclasses.replace(report, strategies=Strategies())
    assert default.surprises == tuple(row for row in report.rows if row.passed is False)


def test_gates_say_what_they_hold() -> None:
    """The words of a gate are its bounds, and a value that is not a number does not pass."""
    gate = Gate(above=-0.5, below=2.0, below_of=("peer", -0.03))
    assert gate.text() == "> -0.5 and < 2 and < peer - 0.03"
    assert Gate(below_of=("peer", 0.03)).text() == "< peer + 0.03"
    assert Gate(below_of=("peer", 0.0)).text() == "< peer"
    assert gate.holds(0.9, {"peer": 1.0})
    assert not gate.holds(0.98, {"peer": 1.0})
    assert not gate.holds(-0.5, {"peer": 1.0})
    assert not gate.holds(2.0, {"peer": 9.0})
    assert not Gate(above=1.0).holds(float("nan"), {})


def test_progress_is_told_by_symbol() -> None:
    """The observer hears of every symbol."""
    heard: list[Progress] = []
    measure(Generator(plan_of(2_000), 1), ["STK", "PAIR"], [MONDAY], heard.append)
    assert [(event.subject, event.done, event.total) for event in heard] == [("STK", 1, 2), ("PAIR", 2, 2)]


def test_too_few_sessions_are_not_judged() -> None:
    """A gate says from how many sessions on it is judged; symbols without trades have no rows."""
    report = measure(Generator(plan_of(2_000), 1), ["STK"], [MONDAY])
    assert {row.passed for row in report.rows} == {None}
    assert all("sessions on)" in row.gate for row in report.rows)
    assert report.gates_passed == (0, 0)
    assert measure(Generator(plan_of(1), 1), ["STK"], [MONDAY]).rows == ()


@pytest.mark.kernels
def test_observing_keeps_what_the_trades_say() -> None:
    """Minutes, changes, sides and sizes agree with the trades themselves."""
    generator = Generator(plan_of(150, days=1, symbols=(PAIR,)), 1)
    trades, seen = generator.day("PAIR", MONDAY), observe(generator, PAIR, (MONDAY,))
    day = seen.days[0]
    minutes = (trades.ts - trades.ts[0] // 86_400_000_000_000 * 86_400_000_000_000) // 60_000_000_000
    assert day.counts.tolist() == np.bincount(minutes, minlength=1_440).tolist()
    assert day.volumes.sum() == trades.lots.sum()
    assert day.prices[0] == pytest.approx(np.log(trades.ticks[0]))
    assert day.prices[-1] == pytest.approx(np.log(trades.ticks[-1]))
    assert day.expected.sum() == pytest.approx(150)
    change = np.diff(trades.ticks)
    expected = [149, change.sum(), np.sum(change**2), np.sum(change[1:] * change[:-1])]
    assert seen.changes.tolist() == expected
    assert seen.control[0] == 149
    side = trades.side.astype(np.int64)
    assert seen.signs[0].tolist() == [np.sum(side[1:] * side[:-1]), 149]
    assert seen.sizes.sum() == 150


@pytest.mark.kernels
def test_observing_in_chunks_keeps_the_same_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that does not fit into one chunk gives the same minutes."""
    generator = Generator(plan_of(150, days=1, symbols=(PAIR,)), 1)
    whole = observe(generator, PAIR, (MONDAY,))
    monkeypatch.setattr(watching, "CHUNK", 40)
    parts = observe(generator, PAIR, (MONDAY,))
    assert np.array_equal(parts.days[0].prices, whole.days[0].prices)
    assert np.array_equal(parts.days[0].volumes, whole.days[0].volumes)
    assert np.array_equal(parts.sizes, whole.sizes)


def test_facts_of_very_little_are_not_numbers() -> None:
    """One short session has neither days nor nights to compare, and nothing fails for it."""
    generator = Generator(plan_of(3, days=1), 1)
    for symbol, between in ((PAIR, gates.MIDNIGHT), (STOCK, gates.NIGHTS)):
        values = facts(observe(generator, symbol, (MONDAY,)))
        assert np.isnan(values[between])
        assert np.isnan(values[gates.KURTOSIS_1D])
        assert np.isnan(values[gates.YEARLY])


def test_leverage_takes_more_than_an_hour() -> None:
    """Sessions of an hour or less leave nothing to look ahead to."""
    seen = observe(Generator(plan_of(300, days=1), 1), STOCK, (MONDAY,))
    short = dataclasses.replace(
        seen,
        days=[dataclasses.replace(day, prices=day.prices[:61], volumes=day.volumes[:60], counts=day.counts[:60],
                                  expected=day.expected[:60]) for day in seen.days],
    )  # fmt: skip
    assert np.isnan(facts(short)[gates.LEVERAGE])


def test_common_movement_takes_two_symbols_with_a_day_in_common() -> None:
    """One symbol, or two that never trade on the same day, have nothing in common to measure."""
    one, other = np.array([1.0, -1.0, 2.0], np.float32), np.array([2.0, -2.0, 4.0], np.float32)
    tuesday = MONDAY + dt.timedelta(days=1)
    assert common_movement({"A": {MONDAY: one}}) == {}
    assert common_movement({"A": {MONDAY: one}, "B": {tuesday: other}}) == {}
    assert common_movement({"A": {MONDAY: one}, "B": {MONDAY: other}}) == pytest.approx({"A": 1.0, "B": 1.0})
