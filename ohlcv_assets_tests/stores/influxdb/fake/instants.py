"""Instants as InfluxDB reads and writes them, exact to the nanosecond over its whole range.

What belongs here: RFC 3339, durations, floats as text. What does not: anything that holds state.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from decimal import Decimal
from typing import Final

SECOND: Final = 1_000_000_000
_STAMP: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d))?", re.IGNORECASE
)
_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "u": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3_600 * SECOND,
    "d": 86_400 * SECOND,
    "w": 7 * 86_400 * SECOND,
    "mo": 30 * 86_400 * SECOND,
    "y": 365 * 86_400 * SECOND,
}
DURATION: Final = re.compile(r"-?(?:\d+(?:ns|us|µs|ms|mo|[usmhdwy]))+")


def nanos_of(text: str) -> int:
    """Return an RFC 3339 instant, or a bare date, in nanoseconds.

    Raises
    ------
    ValueError
        It is none.
    """
    found = _STAMP.fullmatch(text)
    if found is None:
        raise ValueError(f"no instant: {text}")
    year, month, day = (int(part) for part in found.groups()[:3])
    hour, minute, second = (int(part or 0) for part in found.groups()[3:6])
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    zone = found[8]
    if zone not in {None, "Z", "z"}:
        seconds -= (1 if zone[0] == "+" else -1) * (int(zone[1:3]) * 3600 + int(zone[4:]) * 60)
    return seconds * SECOND + int((found[7] or "").ljust(9, "0"))


def text_of(ns: int) -> str:
    """Return nanoseconds as RFC 3339 with as many digits as needed."""
    seconds, rest = divmod(ns, SECOND)
    whole = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    part = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{whole:%Y-%m-%dT%H:%M:%S}{part}Z"


def duration_of(text: str) -> int:
    """Return a duration such as ``1h30m`` in nanoseconds."""
    sign = -1 if text.startswith("-") else 1
    return sign * sum(
        int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ns|us|µs|ms|mo|[usmhdwy])", text)
    )


def float_text(value: float) -> str:
    """Return the shortest text that reads back as the same number, without an exponent."""
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0") if "." in text else text
