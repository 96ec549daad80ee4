"""Steps to values and back, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.market.grid import MOST_STEPS, nearest_steps, on_grid, values_of

pytestmark = pytest.mark.unit

steps_per_unit = st.integers(1, 10**12)
steps = st.lists(st.integers(-MOST_STEPS, MOST_STEPS), min_size=1, max_size=30).map(
    lambda numbers: np.array(numbers, dtype=np.int64)
)


@settings(deadline=None, max_examples=40)
@given(steps, steps_per_unit)
def test_steps_come_back(given_steps: np.ndarray[tuple[int], np.dtype[np.int64]], per_unit: int) -> None:
    """Values made of steps are on the grid and lead back to the same steps."""
    values = values_of(given_steps, per_unit)

    assert on_grid(values, per_unit).all()
    assert nearest_steps(values, per_unit).tolist() == given_steps.tolist()


def test_the_last_bit_counts() -> None:
    """The doubles next to a price of the grid are not on it, nor is ticks times 0.01 where it differs."""
    price = values_of(np.array([18_715]), 100)

    assert price.tolist() == [187.15]
    assert not on_grid(np.nextafter(price, 0.0), 100).any()
    assert not on_grid(np.nextafter(price, 1e9), 100).any()
    assert on_grid(np.array([3 * 0.1, 3 / 10]), 10).tolist() == [False, True]


def test_between_two_ticks() -> None:
    """Half a tick is on no grid, and whole shares are."""
    assert on_grid(np.array([[1.0, 1.005], [2.01, 100.0]]), 100).tolist() == [[True, False], [True, True]]


def test_not_finite() -> None:
    """What is not finite, or overflows when counted in ticks, is on no grid."""
    assert on_grid(np.array([np.nan, np.inf, -np.inf, 1e308]), 10**9).tolist() == [False] * 4


def test_views_of_other_arrays() -> None:
    """Strided and integer input is judged by its values."""
    assert on_grid(np.array([1.0, 9.99, 2.5, 9.99])[::2], 2).tolist() == [True, True]
    assert on_grid(np.array([1, 2]), 1).tolist() == [True, True]
