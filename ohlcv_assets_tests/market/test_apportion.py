"""Whole numbers in proportion to weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ohlcv_assets.market.apportion import MOST_TOTAL, apportion

pytestmark = pytest.mark.unit

totals = st.integers(0, MOST_TOTAL)
weights = arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 8)),
    elements=st.one_of(st.just(0.0), st.floats(1e-12, 1e6)),
).filter(lambda matrix: bool(matrix.any()))


@settings(deadline=None, max_examples=40)
@given(totals, weights, st.integers(0, 2**128))
def test_exact_whatever_the_weights(
    total: int, matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]], seed: int
) -> None:
    """Counts add up to exactly the total, none is negative, weight zero gets nothing, and the same call agrees."""
    counts = apportion(total, matrix, seed)

    assert int(counts.sum()) == total
    assert counts.min() >= 0
    assert not counts[matrix == 0.0].any()
    assert (counts == apportion(total, matrix, seed)).all()


def test_in_proportion() -> None:
    """Whole quotas are met exactly; fractions go to the largest remainders."""
    assert apportion(10, np.array([[1.0, 4.0], [0.0, 5.0]]), 0).tolist() == [[1, 4], [0, 5]]
    assert apportion(10, np.array([[1.0, 1.2, 1.1]]), 0).tolist() == [[3, 4, 3]]


def test_rows_keep_their_proportion() -> None:
    """However many columns a row has, rounding does not move its total by more than one."""
    matrix = np.random.default_rng(0).random((3, 1000)) * np.array([[1.0], [2.0], [3.0]])
    quotas = 500 * matrix.sum(axis=1) / matrix.sum()

    assert (np.abs(apportion(500, matrix, 0).sum(axis=1) - quotas) < 1).all()


def test_ties_follow_the_seed() -> None:
    """Equal remainders are ordered by the seed alone: each cell has at most one more than another, anywhere."""
    matrix = np.ones((1, 100))
    results = [apportion(150, matrix, seed)[0] for seed in range(8)]

    assert all(set(result.tolist()) == {1, 2} for result in results)
    assert len({tuple(result.tolist()) for result in results}) == 8


def test_the_largest_total() -> None:
    """Ten thousand million trades over ten thousand cells of very different weight are exact."""
    matrix = np.random.default_rng(0).pareto(0.5, (20, 500))

    assert int(apportion(MOST_TOTAL, matrix, 0).sum()) == MOST_TOTAL


def test_rare_cells_keep_a_weight() -> None:
    """A weight far below the others is rounded up to one step, not down to nothing."""
    counts = apportion(MOST_TOTAL, np.array([[1.0, 1e-30]]), 0)

    assert counts.tolist() == [[MOST_TOTAL - 37, 37]]
