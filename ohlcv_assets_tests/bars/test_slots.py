"""Intervals of sessions, and bars for those without a trade."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS
from ohlcv_assets.bars.rollup import bars_of_trades
from ohlcv_assets.bars.slots import fill_slots, slots, span_of
from ohlcv_assets.units import DAY, HOUR, MINUTE, Nanos, day_start
from ohlcv_assets_tests.bars.made import table

pytestmark = pytest.mark.unit
JANUARY = day_start(dt.date(2024, 1, 1))
YEAR = (JANUARY, day_start(dt.date(2025, 1, 1)))


@pytest.mark.parametrize(
    ("name", "stocks", "crypto"),
    [
        ("1m", 97_740, 527_040),
        ("5m", 19_548, 105_408),
        ("15m", 6_516, 35_136),
        ("30m", 3_258, 17_568),
        ("1h", 1_755, 8_784),
        ("1d", 252, 366),
        ("1W", 53, 53),
        ("1M", 12, 12),
    ],
)
def test_a_year_has_as_many_as_the_calendar_says(name: str, stocks: int, crypto: int) -> None:
    """252 sessions, three of them short, and 366 days."""
    assert len(slots(RESOLUTIONS[name], "XNYS", *YEAR)) == stocks
    assert len(slots(RESOLUTIONS[name], "24/7", *YEAR)) == crypto


def test_a_session_has_its_own_intervals() -> None:
    """From the opening to before the close; an hour of the clock that a session begins within counts."""
    friday = day_start(dt.date(2024, 1, 5))
    minutes = slots(RESOLUTIONS["1m"], "XNYS", friday, Nanos(friday + DAY))
    assert (minutes[0] - friday, minutes[-1] - friday) == (14 * HOUR + 30 * MINUTE, 21 * HOUR - MINUTE)
    hours = slots(RESOLUTIONS["1h"], "XNYS", friday, Nanos(friday + DAY))
    assert [(hour - friday) // HOUR for hour in hours.tolist()] == [14, 15, 16, 17, 18, 19, 20]


@pytest.mark.parametrize("calendar", ["XNYS", "24/7"])
def test_an_empty_range_has_none(calendar: str) -> None:
    """Nor has one that ends before it begins, or a weekend of stocks."""
    day = RESOLUTIONS["1d"]
    assert len(slots(day, calendar, JANUARY, JANUARY)) == 0  # type: ignore[arg-type]  # one of the two
    assert len(slots(day, calendar, JANUARY, Nanos(JANUARY - DAY))) == 0  # type: ignore[arg-type]  # as above
    assert len(slots(RESOLUTIONS["1m"], "XNYS", Nanos(JANUARY - 2 * DAY), Nanos(JANUARY - DAY))) == 0


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 3_000),
    name=st.sampled_from(list(RESOLUTIONS)),
    end=st.integers(YEAR[0], YEAR[1]),
    calendar=st.sampled_from(["XNYS", "24/7"]),
)
def test_the_guess_is_seldom_too_short(count: int, name: str, end: int, calendar: str) -> None:
    """Between half of what was wanted and a few times as much is found."""
    resolution = RESOLUTIONS[name]
    if name in {"1W", "1M"}:
        count = min(count, 100)
    span = span_of(count, resolution, calendar)  # type: ignore[arg-type]  # one of the two
    start = Nanos(max(end - span, day_start(dt.date(1990, 1, 1))))
    found = len(slots(resolution, calendar, start, Nanos(end)))  # type: ignore[arg-type]  # as above
    if start == end - span:
        assert count / 2 <= found + 1
    assert found <= 3 * count + 2_500


def minute_bars(*minutes: int) -> pa.Table:
    """Return one bar in each of some minutes, with a price that tells the minute."""
    return bars_of_trades(
        table([("A", JANUARY + minute * MINUTE, 100.0 + minute, 2.0, 1) for minute in minutes]), RESOLUTIONS["1m"]
    )


def rows(bars: pa.Table) -> list[tuple[int, float, float, int]]:
    """Return minute, open, volume and trades of each bar."""
    ts = (bars["ts"].cast(pa.int64()).to_numpy() - JANUARY) // MINUTE
    columns = [bars[name].to_pylist() for name in ("open", "volume", "trades")]
    return list(zip(ts.tolist(), *columns, strict=True))


OPENS = slots(RESOLUTIONS["1m"], "24/7", JANUARY, Nanos(JANUARY + 5 * MINUTE))


def test_intervals_without_a_trade_get_the_close_before() -> None:
    """All four prices are the last close; volume, turnover, trades and imbalance are none."""
    filled = fill_slots(minute_bars(1, 3), "A", OPENS, 7.0)
    assert filled.schema.equals(BARS)
    assert rows(filled) == [
        (0, 7.0, 0.0, 0),
        (1, 101.0, 2.0, 1),
        (2, 101.0, 0.0, 0),
        (3, 103.0, 2.0, 1),
        (4, 103.0, 0.0, 0),
    ]
    row = filled.slice(2, 1).to_pylist()[0]
    assert (row["high"], row["low"], row["close"], row["turnover"], row["imbalance"]) == (101.0, 101.0, 101.0, 0.0, 0)


def test_nothing_is_filled_before_the_first_close() -> None:
    """Where no close is known there is nothing to say."""
    assert [row[0] for row in rows(fill_slots(minute_bars(2), "A", OPENS, None))] == [2, 3, 4]
    assert fill_slots(BARS.empty_table(), "A", OPENS, None).num_rows == 0


def test_a_range_without_a_trade_is_filled_from_before() -> None:
    """A close before the range is enough."""
    assert rows(fill_slots(BARS.empty_table(), "A", OPENS[:2], 5.0)) == [(0, 5.0, 0.0, 0), (1, 5.0, 0.0, 0)]


def test_bars_outside_the_intervals_stay() -> None:
    """A trade outside a session is no reason to hide its bar."""
    assert [row[0] for row in rows(fill_slots(minute_bars(9), "A", OPENS[:1], 1.0))] == [0, 9]
    assert fill_slots(minute_bars(9), "A", np.empty(0, np.int64), None).num_rows == 1
    assert fill_slots(BARS.empty_table(), "A", np.empty(0, np.int64), 1.0).num_rows == 0
