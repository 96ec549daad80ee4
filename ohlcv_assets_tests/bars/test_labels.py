"""Which bar an instant falls into."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.labels import bar_numbers, open_times, whole_bars
from ohlcv_assets.bars.resolutions import RESOLUTIONS, Resolution
from ohlcv_assets.units import DAY, MINUTE, Nanos, day_start

pytestmark = pytest.mark.unit

ANY = st.sampled_from(list(RESOLUTIONS.values()))
INSTANTS = st.integers(-(2**60), 2**60)


def label(ts: int, name: str) -> int:
    """Return the open time of the bar that an instant falls into."""
    resolution = RESOLUTIONS[name]
    return int(open_times(bar_numbers(np.array([ts], np.int64), resolution), resolution)[0])


@pytest.mark.parametrize(
    ("name", "opens"),
    [
        ("1d", dt.date(2024, 2, 29)),
        ("1W", dt.date(2024, 2, 26)),
        ("1M", dt.date(2024, 2, 1)),
    ],
)
def test_days_weeks_and_months(name: str, opens: dt.date) -> None:
    """Days open at midnight UTC, weeks on Monday, months on the first."""
    last = day_start(dt.date(2024, 3, 1)) - 1

    assert day_start(opens) == label(last, name)
    assert day_start(opens) == label(day_start(opens), name)


@settings(max_examples=40, deadline=None)
@given(ts=INSTANTS, resolution=ANY)
def test_an_instant_lies_in_its_bar(ts: int, resolution: Resolution) -> None:
    """An instant, before 1970 too, is at or after the open time of its bar and before that of the next."""
    numbers = bar_numbers(np.array([ts], np.int64), resolution)

    assert open_times(numbers, resolution)[0] <= ts < open_times(numbers + 1, resolution)[0]


@settings(max_examples=40, deadline=None)
@given(ts=INSTANTS, resolution=ANY)
def test_bars_nest_in_their_source(ts: int, resolution: Resolution) -> None:
    """A bar of the source resolution lies in one bar as a whole."""
    source = resolution.source or resolution.name

    assert label(ts, resolution.name) == label(label(ts, source), resolution.name)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 1, (0, 30)),
        (0, 30, (0, 30)),
        (1, 30, (30, 30)),
        (1, 31, (30, 60)),
        (-1, 31, (0, 60)),
        (5, 5, (30, 30)),
        (31, 5, (60, 60)),
    ],
)
def test_whole_bars(start: int, end: int, expected: tuple[int, int]) -> None:
    """Bars that open in the range are in as a whole; one that is open already at its start is not."""
    found = whole_bars(Nanos(start * MINUTE), Nanos(end * MINUTE), RESOLUTIONS["30m"])

    assert (expected[0] * MINUTE, expected[1] * MINUTE) == found


def test_whole_months() -> None:
    """A range within February from its first day on is widened to the whole month."""
    start = day_start(dt.date(2024, 2, 1))

    assert (start, day_start(dt.date(2024, 3, 1))) == whole_bars(start, Nanos(start + DAY), RESOLUTIONS["1M"])
