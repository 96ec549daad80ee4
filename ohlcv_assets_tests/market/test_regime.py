"""Daily states: volatility with memory, shocks in common, leverage."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from ohlcv_assets.market.calendars import session_on
from ohlcv_assets.market.regime import MARKET_SHARE, Regime, regime, stream
from ohlcv_assets.market.universe import load_universe
from ohlcv_assets.units import days_between

pytestmark = pytest.mark.unit

DAYS = days_between(dt.date(2024, 1, 1), dt.date(2024, 12, 31))
UNIVERSE = load_universe()
STOCKS = np.array([symbol.asset_class == "stock" for symbol in UNIVERSE.symbols])
OPEN = np.array([session_on("XNYS", day) is not None for day in DAYS])


@pytest.fixture(scope="module")
def years() -> list[Regime]:
    """Return the states of forty years that differ in their seed."""
    return [regime(UNIVERSE, DAYS, seed) for seed in range(40)]


def test_same_seed_same_states_and_another_seed_others() -> None:
    """States are a pure function of universe, days and seed."""
    one, same, other = (regime(UNIVERSE, DAYS, seed) for seed in (7, 7, 8))
    assert np.array_equal(one.shocks, same.shocks)
    assert np.array_equal(one.volatility, same.volatility)
    assert not np.array_equal(one.shocks, other.shocks)


def test_a_day_does_not_depend_on_later_days() -> None:
    """A longer dataset begins like a shorter one."""
    year, month = regime(UNIVERSE, DAYS, 3), regime(UNIVERSE, DAYS[:31], 3)
    assert np.array_equal(month.shocks, year.shocks[:, :31])
    assert np.array_equal(month.volatility, year.volatility[:, :31])


def test_closed_days_have_no_shock_and_keep_the_volatility(years: list[Regime]) -> None:
    """Where New York is closed nothing happens to a stock; pairs trade on."""
    states = years[0]
    assert np.all(states.shocks[STOCKS][:, ~OPEN] == 0.0)
    assert np.all(states.shocks[~STOCKS] != 0.0)
    sunday = DAYS.index(dt.date(2024, 1, 7))
    assert np.array_equal(states.volatility[STOCKS, sunday], states.volatility[STOCKS, sunday - 1])


def test_scale_of_shocks_and_volatility(years: list[Regime]) -> None:
    """Shocks are standardised and the mean square of the volatility is about one."""
    shocks = np.concatenate([states.shocks[~STOCKS].ravel() for states in years])
    volatility = np.concatenate([states.volatility.ravel() for states in years])
    assert shocks.std() == pytest.approx(1.0, abs=0.02)
    assert np.mean(volatility**2) == pytest.approx(1.0, abs=0.1)


def test_symbols_of_a_class_move_together(years: list[Regime]) -> None:
    """The pairwise correlation of shocks is the class's market share; between classes there is none."""
    shocks = np.concatenate([states.shocks[:, OPEN] for states in years], axis=1)
    found = np.corrcoef(shocks)
    stocks = found[np.ix_(STOCKS, STOCKS)][np.triu_indices(STOCKS.sum(), 1)]
    assert stocks.mean() == pytest.approx(MARKET_SHARE["stock"], abs=0.05)
    assert abs(found[np.ix_(STOCKS, ~STOCKS)].mean()) < 0.03


def test_volatility_remembers_and_answers_to_losses(years: list[Regime]) -> None:
    """Volatility has memory over days, and rises after a negative shock."""
    logarithm = np.concatenate([np.log(states.volatility[~STOCKS]) for states in years])
    shocks = np.concatenate([states.shocks[~STOCKS] for states in years])
    centred = logarithm - logarithm.mean()
    memory = [np.mean(centred[:, lag:] * centred[:, :-lag]) / centred.var() for lag in (1, 5, 20)]
    assert 0.8 < memory[0] < 0.97
    assert memory[0] > memory[1] > memory[2] > 0.2
    assert np.corrcoef(shocks[:, :-1].ravel(), np.diff(logarithm, axis=1).ravel())[0, 1] < -0.3


def test_streams_are_told_apart_by_every_part_of_their_name() -> None:
    """Two streams share a key only if seed and every part of the name are equal."""
    keys = {stream(1, "a", "bc"), stream(1, "ab", "c"), stream(2, "a", "bc"), stream(1, "abc")}
    assert len(keys) == 4
    assert stream(1, "a", "bc") == stream(1, "a", "bc")
