"""Days and instants as people write them."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import InvalidDateError
from ohlcv_assets.instants import format_instant, parse_day, parse_days, parse_end, parse_start
from ohlcv_assets.units import DAY, HOUR, Nanos, day_start

pytestmark = pytest.mark.unit

MARCH_15 = day_start(dt.date(2024, 3, 15))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-15", MARCH_15),
        (" 2024-03-15 ", MARCH_15),
        ("2024-03", day_start(dt.date(2024, 3, 1))),
        ("2024-03-15T14:30Z", MARCH_15 + 14 * HOUR + HOUR // 2),
        ("2024-03-15 14:30", MARCH_15 + 14 * HOUR + HOUR // 2),
        ("2024-03-15t14:30:00z", MARCH_15 + 14 * HOUR + HOUR // 2),
        ("2024-03-15T14:30:00+01:00", MARCH_15 + 13 * HOUR + HOUR // 2),
        ("2024-03-15T14:30:00-00:30", MARCH_15 + 15 * HOUR),
        ("2024-03-15T00:00:00.000000001Z", MARCH_15 + 1),
        ("2024-03-15T00:00:00.1Z", MARCH_15 + 100_000_000),
        ("2024-03-15T00:00:00,123456789", MARCH_15 + 123_456_789),
    ],
)
def test_a_range_starts_where_its_text_says(text: str, expected: int) -> None:
    """Days, months and RFC 3339 instants are read exactly; no offset means UTC."""
    assert parse_start(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-15", MARCH_15 + DAY),
        ("2024-02", day_start(dt.date(2024, 3, 1))),
        ("2024-12", day_start(dt.date(2025, 1, 1))),
        ("2024-03-15T00:00:00.000000001Z", MARCH_15 + 1),
    ],
)
def test_a_day_or_month_given_as_the_end_is_included(text: str, expected: int) -> None:
    """A bare date as the end includes that day; an instant is excluded."""
    assert parse_end(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no date or instant"),
        ("yesterday", "no date or instant"),
        ("2024-3-5", "no date or instant"),
        ("2024-03-15T", "no date or instant"),
        ("2024-03-15X14:30", "no date or instant"),
        ("2024-3-015T14:30", "no date or instant"),
        ("\uff12\uff10\uff12\uff14-03-15", "no date or instant"),
        ("2024-02-30", "no calendar has"),
        ("2024-13", "no calendar has"),
        ("2024-02-30T10:00Z", "no calendar has"),
        ("1600-01-01", "nanosecond timestamps can hold"),
        ("9999-01", "nanosecond timestamps can hold"),
        ("2024-03-15T24:00Z", "no UTC day has"),
        ("2024-03-15T10:60Z", "no UTC day has"),
        ("2024-03-15T10:00:60Z", "no UTC day has"),
        ("2024-03-15T10:00:00.1234567890Z", "finer than a nanosecond"),
        ("2024-03-15T10:00:00+24:00", "offset that does not exist"),
        ("2024-03-15T10:00:00+01:60", "offset that does not exist"),
    ],
)
def test_wrong_text_is_refused_in_one_sentence(text: str, says: str) -> None:
    """Wrong text is named, with what is wrong and what to write."""
    for parse in (parse_start, parse_end):
        with pytest.raises(InvalidDateError, match=says) as raised:
            parse(text)
        assert repr(text) in str(raised.value)
        assert "\n" not in str(raised.value)


def test_days_take_days_and_months_only() -> None:
    """Commands that work on whole days take no instants."""
    assert parse_day("2024-03-15") == dt.date(2024, 3, 15)
    assert parse_days("2024-03-15") == (dt.date(2024, 3, 15), dt.date(2024, 3, 15))
    assert parse_days("2024-02") == (dt.date(2024, 2, 1), dt.date(2024, 2, 29))
    with pytest.raises(InvalidDateError, match="is no day"):
        parse_day("2024-03")
    with pytest.raises(InvalidDateError, match="neither a day nor a month"):
        parse_days("2024-03-15T10:00Z")


@settings(max_examples=40, deadline=None)
@given(st.integers(min_value=0, max_value=9_000_000_000_000_000_000))
def test_formatting_and_parsing_are_inverse(instant: int) -> None:
    """What is printed reads back as the same nanosecond."""
    text = format_instant(Nanos(instant))
    assert parse_start(text) == instant
    assert len(text) in {20, 24, 27, 30}
