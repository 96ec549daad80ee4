"""Days and nanoseconds."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.units import (
    DAY,
    HOUR,
    MICROSECOND,
    MINUTE,
    SECOND,
    Nanos,
    day_bounds,
    day_of,
    day_start,
    days_between,
)

pytestmark = pytest.mark.unit

days = st.dates(dt.date(1700, 1, 1), dt.date(2250, 1, 1))


def test_spans() -> None:
    """Units of time are whole nanoseconds."""
    assert (MICROSECOND, SECOND, MINUTE, HOUR, DAY) == (10**3, 10**9, 60 * 10**9, 3600 * 10**9, 86_400 * 10**9)


def test_a_known_day() -> None:
    """2 January 2024 begins at the instant that other tools say."""
    assert day_start(dt.date(2024, 1, 2)) == 1_704_153_600_000_000_000


@settings(deadline=None, max_examples=40)
@given(days, st.integers(0, DAY - 1))
def test_every_instant_has_one_day(day: dt.date, offset: int) -> None:
    """A day is half open: its first nanosecond belongs to it, its end to the next, before 1970 too."""
    start, end = day_bounds(day)

    assert end - start == DAY
    assert day_of(Nanos(start + offset)) == day
    assert day_of(end) == day + dt.timedelta(days=1)


@settings(deadline=None, max_examples=40)
@given(days, st.integers(0, 500))
def test_days_between(first: dt.date, length: int) -> None:
    """Both ends are included and no day is left out."""
    between = days_between(first, first + dt.timedelta(days=length))

    assert len(between) == length + 1
    assert all(later - earlier == dt.timedelta(days=1) for earlier, later in itertools.pairwise(between))


def test_no_days_between() -> None:
    """A span that ends before it begins has no day."""
    assert days_between(dt.date(2024, 1, 2), dt.date(2024, 1, 1)) == ()
