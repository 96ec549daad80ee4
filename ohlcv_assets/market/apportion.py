"""Whole numbers in proportion to weights, adding up to exactly the total asked for.

What belongs here: the largest-remainder method in integer arithmetic. What does not: where weights come from
(``spread``).

The method is applied twice: the total is divided among rows, then each row's share among its columns. Rows therefore
get their exact proportion, to the unit, at any total. Weights are first rounded to integers of at most 28 bits, so that
a product with a total of 10^10 (34 bits) is exact in int64 and no sum can drift.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

MOST_TOTAL: Final = 10**10
"""Largest total whose products with weights stay exact."""

_WEIGHT_STEPS: Final = 2**28


def apportion(total: int, weights: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Divide a total among cells in proportion to their weights.

    Parameters
    ----------
    total
        What the result adds up to, 0 to ``MOST_TOTAL``.
    weights
        Shape (rows, columns), float64, finite, not negative, at least one positive. Cells of weight zero get nothing.
    seed
        Orders cells of equal remainder, 0 or more; nothing else depends on it.

    Returns
    -------
    NDArray[np.int64]
        Shape (rows, columns).
    """
    draw = np.random.default_rng(seed)
    row_sums = weights.sum(axis=1, keepdims=True).T
    rows = _largest_remainder(np.array([total]), _whole(row_sums), draw)
    return _largest_remainder(rows[0], _whole(weights), draw)


def _whole(weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return each row's weights as integers up to 2^28; a positive weight stays positive."""
    most = weights.max(axis=1, keepdims=True)
    scaled = np.rint(weights / np.where(most > 0.0, most, 1.0) * _WEIGHT_STEPS).astype(np.int64)
    return np.where(weights > 0.0, np.maximum(scaled, 1), 0)


def _largest_remainder(
    totals: NDArray[np.int64], weights: NDArray[np.int64], draw: np.random.Generator
) -> NDArray[np.int64]:
    """Divide each row's total among its columns; what rounding down leaves goes to the largest remainders."""
    sums = np.maximum(weights.sum(axis=1, keepdims=True), 1)
    products = totals[:, np.newaxis] * weights
    counts, remainders = products // sums, products % sums
    left = np.where(weights.any(axis=1), totals, 0) - counts.sum(axis=1)
    ties = draw.permuted(np.broadcast_to(np.arange(weights.shape[1]), weights.shape), axis=1)
    order = np.lexsort((ties, -remainders), axis=1)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(weights.shape[1]), weights.shape), axis=1)
    more: NDArray[np.int64] = counts + (ranks < left[:, np.newaxis])
    return more
