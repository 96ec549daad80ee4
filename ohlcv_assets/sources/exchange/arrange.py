"""Putting the trades of one symbol and day in order, and counting everything that had to be done to them.

What belongs here: duplicates, order, equal instants, missing sides, the grid. What does not: reading, writing.
Everything is a pure function of the rows in the order read.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ohlcv_assets.market.grid import MOST_STEPS, on_grid

MOST_DECIMALS: Final = 12


@dataclass(frozen=True)
class Tally:
    """What was done to some trades, in numbers of trades.

    Attributes
    ----------
    trades
        Kept.
    duplicates
        Dropped because their id had come before.
    conflicting
        Of those dropped, how many differed from the one kept in time, price, amount or side.
    out_of_order
        Came after a later one of the same symbol and day.
    spread
        Moved by nanoseconds because their instant was taken.
    inferred
        Without a side in the file: given one by the tick rule.
    rounded
        With more decimals than the symbol's grid can hold: rounded to it.
    """

    trades: int = 0
    duplicates: int = 0
    conflicting: int = 0
    out_of_order: int = 0
    spread: int = 0
    inferred: int = 0
    rounded: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Return both together."""
        return Tally(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True)
class Last:
    """A symbol's last trade so far, for the tick rule: price, and the direction of the last change of price."""

    price: float
    direction: int


@dataclass(frozen=True)
class Arranged:
    """The trades of a symbol and day in order: equally long arrays; what was done; the last trade."""

    ts: NDArray[np.int64]
    price: NDArray[np.float64]
    amount: NDArray[np.float64]
    side: NDArray[np.int8]
    tally: Tally
    last: Last


def arrange(
    rows: pl.DataFrame, end: int, ticks_per_unit: int, lots_per_unit: int, previous: Last | None = None
) -> Arranged:
    """Order the trades of one symbol and day.

    Parameters
    ----------
    rows
        ts, price, amount, side and id (numbers, or text) as ``canonical.CANONICAL`` has them, in the order read, at
        least one row.
    end
        First nanosecond after the day.
    ticks_per_unit, lots_per_unit
        The symbol's grid.
    previous
        Its last trade on the days before.
    """
    out_of_order = int((rows["ts"] < rows["ts"].cum_max()).sum())
    kept, duplicates, conflicting = _without_duplicates(rows)
    ordered = _ordered(kept)
    given = ordered["ts"].to_numpy()
    ts = spread_ties(given, end)
    price, rough_prices = _on_grid(ordered["price"].to_numpy(), ticks_per_unit)
    amount, rough_amounts = _on_grid(ordered["amount"].to_numpy(), lots_per_unit)
    direction = tick_rule(price, previous)
    stated = ordered["side"].to_numpy()
    side = np.where(stated == 0, direction, stated).astype(np.int8)
    tally = Tally(
        trades=len(ts),
        duplicates=duplicates,
        conflicting=conflicting,
        out_of_order=out_of_order,
        spread=int((ts != given).sum()),
        inferred=int((stated == 0).sum()),
        rounded=int((rough_prices | rough_amounts).sum()),
    )
    return Arranged(ts, price, amount, side, tally, Last(float(price[-1]), int(direction[-1])))


def _without_duplicates(rows: pl.DataFrame) -> tuple[pl.DataFrame, int, int]:
    """Keep the first row of every id, and every row without one."""
    if _is_ascending(rows["id"]):
        return rows, 0, 0
    first = pl.col("id").is_null() | pl.col("id").is_first_distinct()
    kept = rows.filter(first)
    dropped = rows.height - kept.height
    if dropped == 0:
        return kept, 0, 0
    same = kept.select("id", "ts", "price", "amount", "side")
    agreeing = rows.filter(~first).join(same, on=same.columns, how="semi").height
    return kept, dropped, dropped - agreeing


def _ordered(rows: pl.DataFrame) -> pl.DataFrame:
    """Sort by instant; equal instants by id where every row has a number for one, else in the order read."""
    number = rows["id"].cast(pl.Int64, strict=False)
    if number.null_count() > 0:
        return rows.sort("ts", maintain_order=True)
    if _is_ascending(number) and rows["ts"].is_sorted():
        return rows
    return rows.with_columns(number.alias("id")).sort("ts", "id", maintain_order=True)


def _is_ascending(ids: pl.Series) -> bool:
    """Tell whether ids are numbers each greater than the one before: the usual case, where nothing repeats."""
    return ids.dtype == pl.Int64 and ids.null_count() == 0 and bool((ids.diff().fill_null(1) > 0).all())


def spread_ties(ts: NDArray[np.int64], end: int) -> NDArray[np.int64]:
    """Return instants made strictly increasing by moving each as little later as its predecessors leave room for.

    Where that would reach the end of the day, the last ones are moved back instead, just as far as needed, so that the
    last is at most ``end - 1``. Each result depends on the given instants alone.

    Parameters
    ----------
    ts
        Shape (n,): nanoseconds, sorted, below ``end``.
    end
        First nanosecond after the day.
    """
    at = np.arange(len(ts))
    later = np.maximum.accumulate(ts - at) + at
    return np.minimum(later, end - len(ts) + at)


def tick_rule(price: NDArray[np.float64], previous: Last | None) -> NDArray[np.int8]:
    """Return +1 where the last change of price was upwards, -1 where it was downwards, +1 before any change.

    Parameters
    ----------
    price
        Shape (n,), in order of time.
    previous
        The trade before the first.
    """
    before = price[0] if previous is None else previous.price
    change = np.sign(np.diff(price, prepend=before)).astype(np.int8)
    at = np.maximum.accumulate(np.where(change != 0, np.arange(len(price)), -1))
    opening = np.int8(1 if previous is None else previous.direction)
    direction: NDArray[np.int8] = np.where(at >= 0, change[at], opening).astype(np.int8)
    return direction


def decimals_of(values: NDArray[np.float64], known: int = 0) -> int:
    """Return how many decimals values need, as far as a grid of doubles can tell, at most ``MOST_DECIMALS``.

    Parameters
    ----------
    values
        Positive and finite, at least one.
    known
        Decimals that other values need: the least to return.
    """
    rest = values[~on_grid(values, 10**known)]
    if len(rest) == 0:
        return known
    return max(known, _decimals_of(values))


def _decimals_of(values: NDArray[np.float64]) -> int:
    rest = values
    most = float(values.max())
    for decimals in range(MOST_DECIMALS + 1):
        if decimals > 0 and most * 10**decimals > MOST_STEPS:
            return decimals - 1
        rest = rest[~on_grid(rest, 10**decimals)]
        if len(rest) == 0:
            return decimals
    return MOST_DECIMALS


def _on_grid(values: NDArray[np.float64], steps_per_unit: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return values rounded to their grid where they are not on it, at least one step, and where that was."""
    rough = ~on_grid(values, steps_per_unit)
    if not rough.any():
        return values, rough
    steps = np.maximum(np.rint(values * steps_per_unit), 1.0)
    return np.where(rough, steps / steps_per_unit, values), rough
