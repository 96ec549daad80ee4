"""From text to numbers, instants and sides."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.sources.exchange.expressions import Instant, TimeUnit, fixed_point, number, side_of, text

pytestmark = pytest.mark.unit


def evaluated(expression: pl.Expr | Instant, *values: str | None) -> list[object]:
    """Evaluate an expression over a column ``c`` of text."""
    frame = pl.DataFrame({"c": pl.Series(values, dtype=pl.String)})
    return (
        expression.read(frame) if isinstance(expression, Instant) else frame.select(expression).to_series()
    ).to_list()


@settings(max_examples=40, deadline=None)
@given(nanos=st.integers(0, 2**62), unit=st.sampled_from([("s", 9), ("ms", 6), ("us", 3), ("ns", 0)]))
def test_decimal_instants_are_exact(nanos: int, unit: tuple[TimeUnit, int]) -> None:
    """Any nanosecond written as a decimal number in any unit is read to that nanosecond."""
    name, power = unit
    written = f"{Decimal(nanos).scaleb(-power):f}"
    assert evaluated(Instant("c", name), written) == [nanos]


@settings(max_examples=40, deadline=None)
@given(nanos=st.integers(0, 2**62), hours=st.integers(-14, 14), colon=st.sampled_from(["", ":"]))
def test_iso_instants_are_exact(nanos: int, hours: int, colon: str) -> None:
    """ISO 8601 with nine decimals and any offset is read to the nanosecond."""
    local = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=nanos // 10**9, hours=hours)
    offset = f"{'-' if hours < 0 else '+'}{abs(hours):02d}{colon}00"
    written = f"{local:%Y-%m-%dT%H:%M:%S}.{nanos % 10**9:09d}{offset}"
    assert evaluated(Instant("c", "iso"), written) == [nanos]


def test_iso_spellings() -> None:
    """A blank for the T, Z, no offset, fewer and more decimals are all read; nonsense is null."""
    second = 1_710_460_800
    assert evaluated(
        Instant("c", "auto"),
        "2024-03-15 00:00:00",
        "2024-03-15T00:00:00Z",
        "2024-03-15T00:00:00.5Z",
        "2024-03-15T00:00:00.1234567899Z",
        "2024-03-15T02:30:00+02:30",
        "2024-13-15T00:00:00Z",
        "15-03-2024",
        "0001-01-01T00:00:00Z",
    ) == [
        second * 10**9,
        second * 10**9,
        second * 10**9 + 500_000_000,
        second * 10**9 + 123_456_789,
        second * 10**9,
        None,
        None,
        None,
    ]


def test_units_by_size() -> None:
    """Seconds, milliseconds, microseconds and nanoseconds are told apart by their size."""
    assert (
        evaluated(Instant("c", "auto"), "1710460800.25", "1710460800250", "1710460800250000", "1710460800250000000")
        == [1_710_460_800_250_000_000] * 4
    )


def test_whole_numbers_in_a_given_unit() -> None:
    """Whole numbers are read in the unit given, whatever their size; too large ones are null."""
    assert evaluated(Instant("c", "ms"), "1710460800250", "5", None) == [1_710_460_800_250_000_000, 5_000_000, None]
    assert evaluated(Instant("c", "ns"), "5", "9223372036854775807") == [5, None]
    assert evaluated(Instant("c", "auto"), "-1710460800001", "1710460800001") == [None, 1_710_460_800_001_000_000]


def test_unreadable_instants() -> None:
    """What is no plain decimal number, or too large, is null; digits beyond the nanosecond are cut off."""
    assert evaluated(Instant("c", "s"), "", " 1 ", "-1", "1e9", "abc", None, "99999999999", "1.9999999999", "1.") == [
        None,
        10**9,
        None,
        None,
        None,
        None,
        None,
        1_999_999_999,
        10**9,
    ]


def test_numbers_and_text() -> None:
    """Numbers are the nearest double; blanks around text do not matter; empty text is null."""
    assert evaluated(number("c"), "187.15", " 1e-05", "abc", "") == [187.15, 1e-05, None, None]
    assert evaluated(text("c"), " a ", "  ", None) == ["a", None, None]


def test_fixed_point() -> None:
    """Whole steps are divided, decimals are taken as they are."""
    assert evaluated(fixed_point("c", 9), "16950000000", "16.950000000", "x") == [16.95, 16.95, None]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=50))
def test_fixed_point_is_the_nearest_double(hundredths: list[int]) -> None:
    """A whole number of steps is the double that reading the decimal gives, one row or many."""
    assert evaluated(fixed_point("c", 9), *(str(value * 10**7) for value in hundredths)) == [
        float(f"{value // 100}.{value % 100:02d}") for value in hundredths
    ]


def test_sides() -> None:
    """Words count whatever their case; nothing is unknown, and strange words are null."""
    words = side_of("c", buy=("buy", "b"), sell=("sell",), unknown=("n",))
    assert evaluated(words, "Buy", "B", "SELL", "n", "", None, "hold") == [1, 1, -1, 0, 0, 0, None]
