"""Typed units: a nanosecond is never a second, a tick never a price.

What belongs here: ``NewType``s and the few conversions between them. What does not: calendars and parsing of user text.
"""

from __future__ import annotations

import datetime as dt
from typing import Final, NewType

Nanos = NewType("Nanos", int)
"""Nanoseconds since 1970-01-01T00:00:00Z, or a span of them."""

Ticks = NewType("Ticks", int)
"""A price as a whole number of ticks of its symbol."""

Lots = NewType("Lots", int)
"""An amount as a whole number of lots of its symbol."""

MICROSECOND: Final = Nanos(1_000)
SECOND: Final = Nanos(1_000_000_000)
MINUTE: Final = Nanos(60 * SECOND)
HOUR: Final = Nanos(60 * MINUTE)
DAY: Final = Nanos(24 * HOUR)

_EPOCH: Final = dt.date(1970, 1, 1)


def day_start(day: dt.date) -> Nanos:
    """Return the first nanosecond of a UTC day."""
    return Nanos((day - _EPOCH).days * DAY)


def day_bounds(day: dt.date) -> tuple[Nanos, Nanos]:
    """Return a UTC day as the half-open interval ``[start, end)`` in nanoseconds."""
    start = day_start(day)
    return start, Nanos(start + DAY)


def day_of(instant: Nanos) -> dt.date:
    """Return the UTC day that an instant falls on."""
    return _EPOCH + dt.timedelta(days=instant // DAY)


def days_between(first: dt.date, last: dt.date) -> tuple[dt.date, ...]:
    """Return every day from ``first`` to ``last``, both included."""
    return tuple(first + dt.timedelta(days=offset) for offset in range((last - first).days + 1))
