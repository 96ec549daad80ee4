"""When a calendar trades: sessions as half-open intervals of UTC nanoseconds.

What belongs here: looking sessions up, remembered per process. What does not: how busy a session is (``spread``).

Sessions of New York come from ``exchange_calendars``, which knows holidays, early closes and daylight saving. Importing
it takes about a second, so that is left to the first question about XNYS; ten years of sessions are kept at a time.
"""

from __future__ import annotations

import datetime as dt
import threading
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Final, get_args

from ohlcv_assets.errors import UserError
from ohlcv_assets.market.symbols import CalendarName
from ohlcv_assets.units import HOUR, MINUTE, Nanos, day_bounds, days_between

CALENDARS: Final[tuple[CalendarName, ...]] = get_args(CalendarName)
"""The calendars there are."""

REGULAR_OPEN: Final[dict[CalendarName, Nanos]] = {"XNYS": Nanos(6 * HOUR + 30 * MINUTE), "24/7": Nanos(24 * HOUR)}
"""Open time of a day that closes when it usually does."""

SESSIONS_A_YEAR: Final[dict[CalendarName, float]] = {"XNYS": 252.0, "24/7": 365.25}
"""Sessions of an ordinary year."""

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2199
"""Years whose New York sessions can be asked for."""

_YEARS_AT_ONCE: Final = 10
_building = threading.Lock()


@dataclass(frozen=True, slots=True)
class Session:
    """One day's trading.

    Attributes
    ----------
    day
        The day it belongs to, in UTC for round-the-clock calendars and in New York for XNYS.
    open, close
        Nanoseconds UTC; trades happen at ``open <= ts < close``.
    early_close
        Whether it ends before the usual hour.
    """

    day: dt.date
    open: Nanos
    close: Nanos
    early_close: bool


def session_on(calendar: CalendarName, day: dt.date) -> Session | None:
    """Return the session of a day, or None where the calendar is closed.

    Raises
    ------
    UserError
        For a year of XNYS outside 1900 to 2199.
    """
    if calendar == "24/7":
        start, end = day_bounds(day)
        return Session(day, start, end, early_close=False)
    return _new_york(day.year // _YEARS_AT_ONCE).get(day)


def sessions_between(calendar: CalendarName, first: dt.date, last: dt.date) -> tuple[Session, ...]:
    """Return the sessions from ``first`` to ``last``, both included, in order of time.

    Raises
    ------
    UserError
        For years of XNYS outside 1900 to 2199.
    """
    found = (session_on(calendar, day) for day in days_between(first, last))
    return tuple(session for session in found if session is not None)


@cache
def _new_york(block: int) -> dict[dt.date, Session]:
    """Return ten years of XNYS sessions by day."""
    first_year, last_year = block * _YEARS_AT_ONCE, block * _YEARS_AT_ONCE + _YEARS_AT_ONCE - 1
    if first_year < FIRST_YEAR or last_year > LAST_YEAR:
        raise UserError(
            f"The New York calendar is known from {FIRST_YEAR} to {LAST_YEAR}, not for {first_year} to {last_year}; "
            "choose other days or the calendar 24/7."
        )
    with _building, warnings.catch_warnings():
        # The library's own use of pandas is deprecated there; a user can do nothing about it.
        warnings.simplefilter("ignore", DeprecationWarning)
        import exchange_calendars  # noqa: PLC0415 -- takes a second; only those who ask about XNYS pay

        calendar = exchange_calendars.get_calendar("XNYS", start=f"{first_year}-01-01", end=f"{last_year}-12-31")
        early = set(calendar.early_closes.date)
    return {
        day: Session(day, Nanos(opens), Nanos(closes), early_close=day in early)
        for day, opens, closes in zip(
            calendar.sessions.date, calendar.opens_nanos.tolist(), calendar.closes_nanos.tolist(), strict=True
        )
    }
