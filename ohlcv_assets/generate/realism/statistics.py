"""Estimators of the stylised facts.

What belongs here: pure functions of arrays. What does not: which series they are applied to (``series``), which values
are accepted (``gates``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]


def excess_kurtosis(values: Series) -> float:
    """Return the fourth standardised moment less three; zero for a constant."""
    centred = values - values.mean()
    variance = np.mean(centred**2)
    return float(np.mean(centred**4) / variance**2 - 3.0) if variance > 0.0 else 0.0


def hill(values: Series, share: float) -> float:
    """Return Hill's tail index over the largest ``share`` of positive values; infinite for a constant tail."""
    positive = np.sort(values[values > 0.0])
    top = max(int(len(positive) * share), 2)
    if len(positive) <= top:
        return float("nan")
    excess = float(np.mean(np.log(positive[-top:] / positive[-top - 1])))
    return 1.0 / excess if excess > 0.0 else float("inf")


def hill_of_histogram(counts: NDArray[np.int64], cells_an_octave: int, share: float) -> float:
    """Return Hill's tail index from a histogram whose cells are equal steps of the logarithm.

    Parameters
    ----------
    counts
        Shape (cells,): numbers of values by cell, smallest values first.
    cells_an_octave
        Cells per factor of two.
    share
        Largest part to use.
    """
    top = max(int(counts.sum() * share), 2)
    above = np.cumsum(counts[::-1])[::-1]
    threshold = int(np.flatnonzero(above >= top)[-1])
    steps = np.arange(len(counts)) - threshold
    tail = np.where(steps > 0, counts, 0)
    # The cell of the threshold itself gives as many values as are missing, at an excess of zero.
    excess = float(np.sum(tail * steps)) / top * np.log(2.0) / cells_an_octave
    return float(1.0 / excess) if excess > 0.0 else float("inf")


def autocorrelation(values: Series, lag: int) -> float:
    """Return the sample autocorrelation at a lag; zero for a constant, not a number for too short a series."""
    if len(values) <= lag + 1:
        return float("nan")
    centred = values - values.mean()
    variance = float(np.dot(centred, centred))
    return float(np.dot(centred[lag:], centred[:-lag])) / variance if variance > 0.0 else 0.0


def correlation(left: Series, right: Series) -> float:
    """Return Pearson's correlation; zero where either is constant."""
    one, other = left - left.mean(), right - right.mean()
    scale = float(np.sqrt(np.dot(one, one) * np.dot(other, other)))
    return float(np.dot(one, other)) / scale if scale > 0.0 else 0.0


def change_memory(sums: Series) -> float:
    """Return the lag-one autocorrelation of changes from their number, sum, squares and lag-one products."""
    number, total, squares, products = (float(value) for value in sums)
    if number < 2:  # noqa: PLR2004 -- one change has no neighbour
        return float("nan")
    mean = total / number
    variance = squares / number - mean * mean
    return (products / number - mean * mean) / variance if variance > 0.0 else 0.0
