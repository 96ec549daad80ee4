"""Estimators: held to laws whose value is known."""

from __future__ import annotations

import numpy as np
import pytest

from ohlcv_assets.generate.realism.statistics import (
    autocorrelation,
    change_memory,
    correlation,
    excess_kurtosis,
    hill,
    hill_of_histogram,
)

pytestmark = pytest.mark.unit

RNG = np.random.default_rng(5)
NORMAL = RNG.standard_normal(200_000)


def test_kurtosis_of_known_laws() -> None:
    """Zero for a normal, three for a Laplace, zero for a constant."""
    assert excess_kurtosis(NORMAL) == pytest.approx(0.0, abs=0.05)
    assert excess_kurtosis(RNG.laplace(size=400_000)) == pytest.approx(3.0, abs=0.3)
    assert excess_kurtosis(np.ones(5)) == 0.0


def test_hill_finds_a_power_laws_exponent() -> None:
    """The index of a Pareto sample is its exponent; the histogram's agrees with the sample's."""
    sample = RNG.pareto(1.5, 400_000) + 1.0
    assert hill(sample, 0.01) == pytest.approx(1.5, rel=0.05)
    cells = np.bincount((np.log2(sample) * 128).astype(np.int64))
    assert hill_of_histogram(cells, 128, 0.01) == pytest.approx(hill(sample, 0.01), rel=0.03)


def test_hill_of_too_little_or_of_equal_values() -> None:
    """Too few values have no index; equal ones have no tail."""
    assert np.isnan(hill(np.array([1.0, 2.0]), 0.5))
    assert hill(np.full(100, 3.0), 0.1) == float("inf")
    assert hill_of_histogram(np.array([0, 50]), 128, 0.1) == float("inf")


def test_autocorrelation_of_a_moving_average() -> None:
    """A sum of neighbours has a half at lag one and nothing at lag two."""
    moving = NORMAL[1:] + NORMAL[:-1]
    assert autocorrelation(moving, 1) == pytest.approx(0.5, abs=0.01)
    assert autocorrelation(moving, 2) == pytest.approx(0.0, abs=0.01)
    assert np.isnan(autocorrelation(moving[:3], 2))
    assert autocorrelation(np.ones(9), 1) == 0.0


def test_correlation_is_pearsons() -> None:
    """Equal to NumPy's, and zero for a constant."""
    other = NORMAL + RNG.standard_normal(len(NORMAL))
    assert correlation(NORMAL, other) == pytest.approx(np.corrcoef(NORMAL, other)[0, 1])
    assert correlation(NORMAL, np.ones(len(NORMAL))) == 0.0


def test_change_memory_from_sums() -> None:
    """Number, sum, squares and products give the lag-one autocorrelation."""
    changes = np.diff(NORMAL)
    sums = np.array([len(changes), changes.sum(), np.sum(changes**2), np.sum(changes[1:] * changes[:-1])])
    assert change_memory(sums) == pytest.approx(-0.5, abs=0.01)
    assert np.isnan(change_memory(np.zeros(4)))
    assert change_memory(np.array([5.0, 0.0, 0.0, 0.0])) == 0.0
