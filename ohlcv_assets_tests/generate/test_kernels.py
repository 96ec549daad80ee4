"""The trade loop and its random words."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ohlcv_assets.generate import kernels, paths
from ohlcv_assets.generate.kernels import Carried, PreparedSession, TradeColumns
from ohlcv_assets.generate.settings import day_settings
from ohlcv_assets.generate.sizes import ParetoLogNormal
from ohlcv_assets_tests.generate.made import PAIR

pytestmark = [pytest.mark.unit, pytest.mark.kernels]


def filled(
    prices: NDArray[np.float64], counts: list[int], room: int, *, followers: float = 0.0, has_quotes: bool = True
) -> tuple[int, TradeColumns, Carried]:
    """Fill minutes at midnight of 1970 into arrays; return how many trades, the arrays and what is carried on."""
    settings = day_settings(ParetoLogNormal().law(PAIR), followers, counts[0], has_quotes=has_quotes)
    session = PreparedSession(np.uint64(9), 0, np.array(counts), prices, settings)
    ts, ticks, lots = np.empty((3, room), np.int64)
    out = TradeColumns(ts, ticks, lots, np.empty(room, np.int8))
    carried = kernels.start()
    with np.errstate(over="ignore"):
        return kernels.fill(session, carried, out), out, carried


def minute_of(count: int, *, followers: float = 0.35) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Fill one minute at a constant price; return microseconds and sides."""
    minutes = np.array([[1e6, 2.0, 3.0, 1.0, 0.5], [1e6, 0.0, 0.0, 0.0, 0.0]])
    done, trades, _ = filled(minutes, [count], count, followers=followers)
    assert done == count
    return trades.ts // 1_000, trades.side


def test_words_follow_the_published_generator() -> None:
    """The words of a trade are SplitMix64's: its first output for state zero is a published figure."""
    words = np.empty(4, np.uint64)
    with np.errstate(over="ignore"):
        kernels.draw(np.uint64(0x9E3779B97F4A7C15), words)
    assert int(words[0]) == 0xE220A8397B1DCDAF
    assert int(words[1]) == 0x6E789E6AA1B965F4


def test_a_minute_is_filled_in_order_from_end_to_end() -> None:
    """Stamps increase by a microsecond at least, and lie within the minute."""
    micros, _ = minute_of(600)
    assert np.all(np.diff(micros) >= 1)
    assert micros[0] >= 0
    assert micros[-1] < kernels.MINUTE_MICROS
    assert micros[-1] > 0.98 * kernels.MINUTE_MICROS


def test_without_followers_stamps_are_spread_evenly() -> None:
    """Waiting times without clusters are those of uniform order statistics: no part of the minute is preferred."""
    micros, _ = minute_of(800, followers=0.0)
    counts, _ = np.histogram(micros, bins=4, range=(0, kernels.MINUTE_MICROS))
    assert np.all(np.abs(counts - 200) < 60)


def test_followers_come_within_milliseconds() -> None:
    """With followers a good part of the waits is short."""
    micros, _ = minute_of(800)
    assert 0.25 < np.mean(np.diff(micros) < 5_000) < 0.55


def test_a_loop_without_room_changes_nothing() -> None:
    """Filling into empty arrays writes nothing and is no end of the day."""
    done, _, carried = filled(np.ones((2, 5)), [3], 0, has_quotes=False)
    assert done == 0
    assert not carried.integers.any()


def test_a_quote_stands_until_it_is_revised() -> None:
    """Between revisions trades meet the same two prices; every trade revises where there are no quotes."""
    minutes = np.array([[1e6, 50.0, 0.0, 1.0, 0.5], [1e6, 0.0, 0.0, 0.0, 0.0]])
    same = []
    for has_quotes in (True, False):
        _, trades, _ = filled(minutes, [300], 300, has_quotes=has_quotes)
        same.append(float(np.mean(np.diff(trades.ticks) == 0)))
    assert 0.5 < same[0] < 0.8
    assert same[1] < 0.1


def path_of(last: float, draws: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return levels and mood of forty minutes that end at ``last``."""
    rng = np.random.default_rng(3)
    levels, mood = np.empty(41), np.empty(40)
    ends = paths.Ends(0.0, last, 0.0, 1)
    shocks = paths.Shocks(
        np.full(40, 1e-3), rng.standard_normal((2, 40)), rng.standard_normal((3, 40)), np.ones(40),
        rng.integers(0, 2, (draws, 8), dtype=np.int8), np.zeros(2), 0.4,
    )  # fmt: skip
    paths.volatile_path(ends, shocks, 0.0, levels, mood)
    return levels, mood


def test_paths_end_where_they_must_whatever_is_drawn() -> None:
    """A day that no draw frees of linear memory keeps the closest one, pinned to its ends all the same."""
    for last in (0.0, 0.5):
        levels, mood = path_of(last, 6)
        assert levels[0] == 0.0
        assert levels[-1] == last
        assert np.all(np.abs(mood) < paths.MOST_MOOD + paths.MOOD_CENTRE)
    trend, _ = path_of(0.5, 6)
    assert paths.linear_memory(trend) > paths.MOST_LINEAR


def test_more_draws_leave_less_linear_memory() -> None:
    """The draw that is kept is never worse than the first."""
    first, best = (abs(paths.linear_memory(path_of(0.004, draws)[0])) for draws in (1, 8))
    assert best <= first
    assert paths.linear_memory(np.zeros(41)) == 0.0
