"""The grid of prices and amounts: a value is a whole number of steps divided by steps per unit, to the last bit.

What belongs here: going from steps to values, back, and telling whether a value is on the grid. What does not: which
grid a symbol has (``symbols``), rules of whole tables (``verify``).

``ticks / 100`` and ``ticks * 0.01`` differ in the last bit for many ticks; only the division gives the double nearest
to the decimal price, the one that reading ``"187.15"`` gives too.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

MOST_STEPS: Final = 2**51
"""Up to this many steps, value and steps determine each other."""


def values_of(steps: NDArray[np.integer], steps_per_unit: int) -> NDArray[np.float64]:
    """Return the values of whole steps.

    Parameters
    ----------
    steps
        Ticks or lots, any shape, at most ``MOST_STEPS`` in magnitude.
    steps_per_unit
        Steps in one unit of price or amount, greater than zero.

    Returns
    -------
    NDArray[np.float64]
        ``steps / steps_per_unit``, of the same shape.
    """
    values: NDArray[np.float64] = steps / np.float64(steps_per_unit)
    return values


def nearest_steps(values: NDArray[np.float64], steps_per_unit: int) -> NDArray[np.int64]:
    """Return the steps nearest to values; ties go to the even step.

    Parameters
    ----------
    values
        Prices or amounts, finite, any shape, at most ``MOST_STEPS`` steps in magnitude.
    steps_per_unit
        Steps in one unit, greater than zero.

    Returns
    -------
    NDArray[np.int64]
        Whole steps, of the same shape.
    """
    return np.rint(values * steps_per_unit).astype(np.int64)


def on_grid(values: NDArray[np.float64], steps_per_unit: int | NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell of each value whether it is a whole number of steps divided by steps per unit, bit for bit.

    Parameters
    ----------
    values
        Prices or amounts, any shape. What is not finite is on no grid.
    steps_per_unit
        Steps in one unit, greater than zero; one for all values, or one for each.

    Returns
    -------
    NDArray[np.bool_]
        Of the same shape.
    """
    given = np.ascontiguousarray(values, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        back = np.rint(given * steps_per_unit) / steps_per_unit
    same: NDArray[np.bool_] = back.view(np.int64) == given.view(np.int64)
    return same & np.isfinite(given)
