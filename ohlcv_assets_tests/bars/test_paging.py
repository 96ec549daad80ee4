"""Reading until there are enough bars."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.paging import Search, Stretch, counted_back
from ohlcv_assets.units import Nanos

pytestmark = pytest.mark.unit


def searched(stored: list[int], search: Search) -> tuple[list[int], list[Stretch]]:
    """Return what a search finds among stored open times, and what it read."""
    found: list[int] = []
    read: list[Stretch] = []
    while (stretch := search.next()) is not None:
        piece = [ts for ts in stored if stretch[0] <= ts < stretch[1]]
        search.found(stretch, len(piece))
        read.append(stretch)
        found = [*piece, *found] if search.backwards else [*found, *piece]
    return found, read


@settings(max_examples=60, deadline=None)
@given(
    stored=st.sets(st.integers(0, 10_000), max_size=60).map(sorted),
    count=st.integers(0, 40),
    start=st.integers(0, 10_000),
    length=st.integers(0, 10_000),
    span=st.integers(1, 3_000),
    backwards=st.booleans(),
)
def test_enough_is_found_and_nothing_is_read_twice(
    stored: list[int], count: int, start: int, length: int, span: int, *, backwards: bool
) -> None:
    """The first or last so many of a range come out in order, whatever the gaps, and stretches touch each other."""
    end = start + length
    search = Search(count, Nanos(start), Nanos(end), Nanos(span), backwards=backwards)
    inside = [ts for ts in stored if start <= ts < end]

    found, read = searched(stored, search)

    wanted = min(count, len(inside))
    assert len(found) >= wanted
    assert found == (inside[len(inside) - len(found) :] if backwards else inside[: len(found)])
    ordered = read[::-1] if backwards else read
    assert all(one[1] == other[0] for one, other in pairwise(ordered))
    assert all(start <= first < last <= end for first, last in read)


def test_a_guess_that_was_long_enough_is_read_alone() -> None:
    """One read where the guess held."""
    _, read = searched(list(range(100)), Search(5, Nanos(0), Nanos(100), Nanos(10), backwards=True))
    assert read == [(90, 100)]


@pytest.mark.parametrize(
    ("start", "count", "first"),
    [
        (20, 0, 2),
        (20, 1, 2),  # more in the range than counted: all are given
        (20, 3, 1),  # fewer: earlier ones are added
        (20, 99, 0),
        (0, 1, 0),
        (100, 2, 2),  # an empty range
        (100, 0, 4),
    ],
)
def test_the_count_outranks_the_start(start: int, count: int, first: int) -> None:
    """All bars of the range, and as many before as make the count."""
    assert counted_back(np.array([0, 10, 20, 30]), Nanos(start), count) == first
