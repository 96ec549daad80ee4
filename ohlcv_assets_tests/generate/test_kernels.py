"""The trade loop and its random words."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ohlcv_assets.generate import kernels, paths
from ohlcv_assets.generate.settings import day_settings, gap_quantiles, run_lengths
from ohlcv_assets.generate.sizes import ParetoLogNormal
from ohlcv_assets_tests.generate.made import PAIR

pytestmark = [pytest.mark.unit, pytest.mark.kernels]


def minute_of(count: int, *, followers: float = 0.35) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Fill one minute at a constant price; return microseconds and sides."""
    law = ParetoLogNormal().law(PAIR)
    minutes = np.array([[1e6, 2.0, 3.0, 1.0, 0.5], [1e6, 0.0, 0.0, 0.0, 0.0]])
    ts, ticks, lots = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.int64)
    side = np.empty(count, np.int8)
    with np.errstate(over="ignore"):
        done = kernels.fill(
            np.uint64(9), 0, np.array([count]), minutes, day_settings(law, followers, count, has_quotes=True),
            gap_quantiles(), law.body, run_lengths(), np.zeros(kernels.INTEGERS, np.int64), np.zeros(kernels.REALS),
            ts, ticks, lots, side,
        )  # fmt: skip
    assert done == count
    return ts // 1_000, side


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
    law = ParetoLogNormal().law(PAIR)
    integers, reals = np.zeros(kernels.INTEGERS, np.int64), np.zeros(kernels.REALS)
    none, sides = np.empty(0, np.int64), np.empty(0, np.int8)
    done = kernels.fill(
        np.uint64(9), 0, np.array([3]), np.ones((2, 5)), day_settings(law, 0.0, 3.0, has_quotes=False),
        gap_quantiles(), law.body, run_lengths(), integers, reals, none, none, none, sides,
    )  # fmt: skip
    assert done == 0
    assert not integers.any()


def test_a_quote_stands_until_it_is_revised() -> None:
    """Between revisions trades meet the same two prices; every trade revises where there are no quotes."""
    law = ParetoLogNormal().law(PAIR)
    minutes = np.array([[1e6, 50.0, 0.0, 1.0, 0.5], [1e6, 0.0, 0.0, 0.0, 0.0]])
    same = []
    for has_quotes in (True, False):
        ts, ticks, lots = np.empty(300, np.int64), np.empty(300, np.int64), np.empty(300, np.int64)
        with np.errstate(over="ignore"):
            kernels.fill(
                np.uint64(9), 0, np.array([300]), minutes, day_settings(law, 0.0, 300.0, has_quotes=has_quotes),
                gap_quantiles(), law.body, run_lengths(), np.zeros(kernels.INTEGERS, np.int64),
                np.zeros(kernels.REALS), ts, ticks, lots, np.empty(300, np.int8),
            )  # fmt: skip
        same.append(float(np.mean(np.diff(ticks) == 0)))
    assert 0.5 < same[0] < 0.8
    assert same[1] < 0.1


def path_of(last: float, draws: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return levels and mood of forty minutes that end at ``last``."""
    rng = np.random.default_rng(3)
    levels, mood = np.empty(41), np.empty(40)
    paths.volatile_path(
        0.0, last, np.full(40, 1e-3), rng.standard_normal((2, 40)), rng.standard_normal((3, 40)), np.ones(40),
        rng.integers(0, 2, (draws, 8), dtype=np.int8), np.zeros(2), 0.4, 0.0, 1, 0.0, levels, mood,
    )  # fmt: skip
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
