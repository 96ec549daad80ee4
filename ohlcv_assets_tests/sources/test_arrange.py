"""Putting trades in order: what the rules promise, for any trades."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.market.grid import on_grid
from ohlcv_assets.sources.exchange.arrange import Last, Tally, arrange, decimals_of, spread_ties, tick_rule
from ohlcv_assets.sources.exchange.canonical import CANONICAL

pytestmark = pytest.mark.unit

END = 1_000
Row = tuple[int, float, float, int, str | None]


def rows_of(*rows: Row) -> pl.DataFrame:
    """Return canonical rows of (ts, price, amount, side, id)."""
    return pl.DataFrame([(at + 1, "A", *row) for at, row in enumerate(rows)], schema={**CANONICAL}, orient="row")


def naive_spread(ts: list[int]) -> list[int]:
    """Return the same by a loop, as one would write it down."""
    out: list[int] = []
    for instant in ts:
        out.append(instant if not out or instant > out[-1] else out[-1] + 1)
    return out


@settings(max_examples=40, deadline=None)
@given(ts=st.lists(st.integers(0, END - 1), min_size=1, max_size=60))
def test_spread(ts: list[int]) -> None:
    """Instants become strictly increasing, each as little later as possible, and never leave the day."""
    given_ts = np.array(sorted(ts))
    found = spread_ties(given_ts, END)
    assert bool(np.all(np.diff(found) > 0))
    assert found[-1] < END
    naive = naive_spread(sorted(ts))
    if naive[-1] < END:
        assert found.tolist() == naive


def test_spread_at_midnight() -> None:
    """Ties in the last nanoseconds of a day are moved back, only as many and as far as needed."""
    assert spread_ties(np.array([5, 998, 999, 999, 999]), END).tolist() == [5, 996, 997, 998, 999]
    assert spread_ties(np.array([5, 990, 999, 999]), END).tolist() == [5, 990, 998, 999]


def test_ties_follow_ids() -> None:
    """Equal instants are ordered by number of id where all have one, else in the order read."""
    by_id = arrange(rows_of((7, 1.0, 1.0, 1, "10"), (7, 2.0, 1.0, 1, "9"), (3, 3.0, 1.0, 1, "11")), END, 1, 1)
    assert by_id.price.tolist() == [3.0, 2.0, 1.0]
    assert by_id.ts.tolist() == [3, 7, 8]
    assert by_id.tally == Tally(trades=3, out_of_order=1, spread=1)
    as_read = arrange(rows_of((7, 1.0, 1.0, 1, "b"), (7, 2.0, 1.0, 1, "a")), END, 1, 1)
    assert as_read.price.tolist() == [1.0, 2.0]


def test_duplicates() -> None:
    """The first row of an id stays; others are dropped, and those that differ are counted; no id is no duplicate."""
    found = arrange(
        rows_of(
            (1, 5.0, 1.0, 1, "a"),
            (2, 5.0, 1.0, 1, None),
            (1, 5.0, 1.0, 1, "a"),
            (1, 6.0, 1.0, 1, "a"),
            (2, 5.0, 1.0, 1, None),
        ),
        END,
        1,
        1,
    )
    assert found.ts.tolist() == [1, 2, 3]
    assert found.tally == Tally(trades=3, duplicates=2, conflicting=1, out_of_order=2, spread=1)


def naive_tick(prices: list[float], previous: Last | None) -> list[int]:
    """Return the tick rule by a loop."""
    before, direction = (prices[0], 1) if previous is None else (previous.price, previous.direction)
    out = []
    for price in prices:
        direction = 1 if price > before else -1 if price < before else direction
        before = price
        out.append(direction)
    return out


@settings(max_examples=40, deadline=None)
@given(
    prices=st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=1, max_size=20),
    previous=st.none() | st.builds(Last, st.sampled_from([1.0, 2.0]), st.sampled_from([1, -1])),
)
def test_tick_rule(prices: list[float], previous: Last | None) -> None:
    """The direction of the last change of price, carried over from before; +1 where there is none."""
    assert tick_rule(np.array(prices), previous).tolist() == naive_tick(prices, previous)


def test_missing_sides_are_inferred() -> None:
    """Only trades without a side get one, from prices in order of time, and they are counted."""
    rows = rows_of((3, 1.0, 1.0, 0, None), (1, 2.0, 1.0, 0, None), (2, 2.0, 1.0, -1, None), (4, 1.0, 1.0, 0, None))
    found = arrange(rows, END, 1, 1)
    assert found.side.tolist() == [1, -1, -1, -1]
    assert found.tally.inferred == 3
    assert found.last == Last(1.0, -1)
    assert arrange(rows_of((5, 1.0, 1.0, 0, None)), END, 1, 1, found.last).side.tolist() == [-1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 6)), min_size=1, max_size=10))
def test_decimals(numbers: list[tuple[int, int]]) -> None:
    """As many decimals are found as the values were written with, trailing zeros aside, and no more."""
    values = np.array([steps / 10**decimals for steps, decimals in numbers])
    found = decimals_of(values)
    assert bool(on_grid(values, 10**found).all())
    assert found == 0 or not bool(on_grid(values, 10 ** (found - 1)).all())


def test_more_decimals_than_doubles_hold() -> None:
    """Decimals end where doubles do: at twelve, or earlier for large values."""
    assert decimals_of(np.array([1 / 3])) == 12
    assert decimals_of(np.array([1e9 / 3, 1.0])) == 6


def test_rounded_to_the_grid() -> None:
    """What is finer than the grid is rounded to it, never to zero, and counted."""
    found = arrange(rows_of((1, 1.234, 0.0001, 1, None), (2, 1.25, 0.5, 1, None)), END, 100, 100)
    assert found.price.tolist() == [1.23, 1.25]
    assert found.amount.tolist() == [0.01, 0.5]
    assert found.tally.rounded == 1
    assert found.tally + Tally(rounded=2) == Tally(trades=2, rounded=3)
