"""Days and instants as people write them, and back, exact to the nanosecond.

What belongs here: parsing and formatting of text. What does not: calendars, ranges of a dataset. Nothing here passes
through ``datetime`` instants (microseconds) or float seconds.

Accepted everywhere: ``2024-03-15`` (a day), ``2024-03`` (a month) and RFC 3339 instants such as
``2024-03-15T14:30:00.000000001Z`` or ``2024-03-15T15:30+01:00``; an instant without offset is UTC. Ranges are half
open; a day or a month given as the end of a range is included in it.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from typing import Final

from ohlcv_assets.errors import InvalidDateError
from ohlcv_assets.units import DAY, HOUR, MINUTE, SECOND, Nanos, day_of, day_start

FORMS: Final = "YYYY-MM-DD, YYYY-MM, or an instant such as 2024-03-15T14:30:00Z"
_DAY_FORMS: Final = "YYYY-MM-DD or YYYY-MM"
_EARLIEST: Final = dt.date(1678, 1, 1)
_LATEST: Final = dt.date(2261, 12, 31)
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_DAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_TIME: Final = re.compile(
    r"(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?"
    r"(?P<offset>Z|(?P<sign>[+-])(?P<off_hour>\d{2}):(?P<off_minute>\d{2}))?",
    re.ASCII | re.IGNORECASE,
)
_FRACTION_DIGITS: Final = 9


def parse_day(text: str) -> dt.date:
    """Return the day that ``YYYY-MM-DD`` names.

    Raises
    ------
    InvalidDateError
        The text is no such day.
    """
    match = _DAY.fullmatch(text.strip())
    if match is None:
        raise InvalidDateError(f"{text!r} is no day; write it as YYYY-MM-DD.")
    return _day(text, int(match[1]), int(match[2]), int(match[3]))


def parse_days(text: str) -> tuple[dt.date, dt.date]:
    """Return first and last day, both included, of a day or a month.

    Raises
    ------
    InvalidDateError
        The text is neither.
    """
    span = _span(text.strip(), text)
    if span is None:
        raise InvalidDateError(f"{text!r} is neither a day nor a month; write it as {_DAY_FORMS}.")
    return span


def parse_start(text: str) -> Nanos:
    """Return where a range that begins with this day, month or instant begins.

    Raises
    ------
    InvalidDateError
        The text is none of them.
    """
    span = _span(text.strip(), text)
    return _instant(text) if span is None else day_start(span[0])


def parse_end(text: str) -> Nanos:
    """Return where a half-open range ends: after a day or month, before an instant.

    Raises
    ------
    InvalidDateError
        The text is none of them.
    """
    span = _span(text.strip(), text)
    return _instant(text) if span is None else Nanos(day_start(span[1]) + DAY)


def format_instant(instant: Nanos) -> str:
    """Return an instant in RFC 3339, UTC, with 0, 3, 6 or 9 digits of a second: as few as keep it exact."""
    seconds, fraction = divmod(instant % DAY, SECOND)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    digits = f"{fraction:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    tail = f".{digits}" if digits else ""
    return f"{day_of(instant)}T{hour:02d}:{minute:02d}:{second:02d}{tail}Z"


def _span(stripped: str, text: str) -> tuple[dt.date, dt.date] | None:
    if (match := _DAY.fullmatch(stripped)) is not None:
        day = _day(text, int(match[1]), int(match[2]), int(match[3]))
        return day, day
    if (match := _MONTH.fullmatch(stripped)) is not None:
        first = _day(text, int(match[1]), int(match[2]), 1)
        return first, first.replace(day=calendar.monthrange(first.year, first.month)[1])
    return None


def _day(text: str, year: int, month: int, day: int) -> dt.date:
    try:
        found = dt.date(year, month, day)
    except ValueError:
        raise InvalidDateError(f"{text!r} names a day that no calendar has; write it as {FORMS}.") from None
    if not _EARLIEST <= found <= _LATEST:
        raise InvalidDateError(
            f"{text!r} is outside what nanosecond timestamps can hold; choose a day from {_EARLIEST} to {_LATEST}."
        )
    return found


def _instant(text: str) -> Nanos:
    date_text, separator, time_text = _split(text.strip())
    match = _TIME.fullmatch(time_text)
    if not separator or match is None:
        raise InvalidDateError(f"{text!r} is no date or instant; write it as {FORMS}.")
    day = _DAY.fullmatch(date_text)
    if day is None:
        raise InvalidDateError(f"{text!r} is no date or instant; write it as {FORMS}.")
    start = day_start(_day(text, int(day[1]), int(day[2]), int(day[3])))
    return Nanos(start + _time_of_day(text, match) - _offset(text, match))


def _split(text: str) -> tuple[str, str, str]:
    head, tail = text[:10], text[11:]
    return head, text[10:11] if text[10:11] in {"T", "t", " "} else "", tail


def _time_of_day(text: str, match: re.Match[str]) -> int:
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
    fraction = match["fraction"] or ""
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004 -- the clock's own limits
        raise InvalidDateError(f"{text!r} names a time that no UTC day has; write it as {FORMS}.")
    if len(fraction) > _FRACTION_DIGITS:
        raise InvalidDateError(f"{text!r} is finer than a nanosecond; give at most nine digits of a second.")
    return hour * HOUR + minute * MINUTE + second * SECOND + int(fraction.ljust(_FRACTION_DIGITS, "0"))


def _offset(text: str, match: re.Match[str]) -> int:
    if match["sign"] is None:
        return 0
    hours, minutes = int(match["off_hour"]), int(match["off_minute"])
    if hours > 23 or minutes > 59:  # noqa: PLR2004 -- RFC 3339's limits
        raise InvalidDateError(f"{text!r} has an offset that does not exist; write Z for UTC, or +HH:MM.")
    span = hours * HOUR + minutes * MINUTE
    return span if match["sign"] == "+" else -span
