"""Sessions of New York and round the clock."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import pytest

from ohlcv_assets.errors import UserError
from ohlcv_assets.market.calendars import CALENDARS, REGULAR_OPEN, Session, session_on, sessions_between
from ohlcv_assets.units import DAY, HOUR, MINUTE, Nanos, day_start

pytestmark = pytest.mark.unit

FIRST, LAST = dt.date(2024, 1, 1), dt.date(2024, 12, 31)


def test_new_york_2024() -> None:
    """2024 has 252 sessions and 97,740 open minutes, from 2 January to 31 December."""
    sessions = sessions_between("XNYS", FIRST, LAST)

    assert len(sessions) == 252
    assert (sessions[0].day, sessions[-1].day) == (dt.date(2024, 1, 2), LAST)
    assert sum(session.close - session.open for session in sessions) == 97_740 * MINUTE


def test_early_closes() -> None:
    """Three days of 2024 close at 13:00 in New York, after three and a half hours."""
    early = [session for session in sessions_between("XNYS", FIRST, LAST) if session.early_close]

    assert [session.day.isoformat() for session in early] == ["2024-07-03", "2024-11-29", "2024-12-24"]
    assert {session.close - session.open for session in early} == {Nanos(3 * HOUR + 30 * MINUTE)}


@pytest.mark.parametrize("day", ["2024-01-01", "2024-03-29", "2024-07-04", "2024-11-28", "2024-06-15", "2024-06-16"])
def test_closed(day: str) -> None:
    """New York is closed on holidays and weekends."""
    assert session_on("XNYS", dt.date.fromisoformat(day)) is None


@pytest.mark.parametrize(
    ("day", "minutes_after_midnight"),
    [("2024-03-08", 870), ("2024-03-11", 810), ("2024-11-01", 810), ("2024-11-04", 870)],
)
def test_daylight_saving(day: str, minutes_after_midnight: int) -> None:
    """New York opens at 14:30 UTC in winter and 13:30 UTC in summer, for the usual time."""
    date = dt.date.fromisoformat(day)
    session = session_on("XNYS", date)

    assert session is not None
    assert session.open == day_start(date) + minutes_after_midnight * MINUTE
    assert session.close == session.open + REGULAR_OPEN["XNYS"]


def test_round_the_clock() -> None:
    """The calendar 24/7 is open for the whole UTC day, leap day and weekends included."""
    sessions = sessions_between("24/7", FIRST, LAST)
    day = dt.date(2024, 2, 29)

    assert len(sessions) == 366
    assert session_on("24/7", day) == Session(day, day_start(day), Nanos(day_start(day) + DAY), early_close=False)


def test_other_years() -> None:
    """Spans may cross decades, and years long past and to come have sessions."""
    around_2020 = sessions_between("XNYS", dt.date(2019, 12, 30), dt.date(2020, 1, 3))

    assert [session.day.day for session in around_2020] == [30, 31, 2, 3]
    assert session_on("XNYS", dt.date(1900, 1, 3)) is not None
    assert session_on("XNYS", dt.date(2199, 1, 3)) is not None


@pytest.mark.parametrize("year", [1899, 2200])
def test_years_without_a_calendar(year: int) -> None:
    """A year that New York's calendar does not reach is refused in a sentence that says which it does."""
    with pytest.raises(UserError, match="from 1900 to 2199"):
        session_on("XNYS", dt.date(year, 6, 1))


def test_no_session_when_the_span_is_empty() -> None:
    """A span that ends before it begins has no session."""
    assert sessions_between("24/7", LAST, FIRST) == ()


def test_the_calendar_library_is_imported_on_demand() -> None:
    """Neither importing the room nor asking for 24/7 pays for importing the calendar library."""
    code = (
        "import sys, datetime as dt\n"
        "import ohlcv_assets.market.plan\n"
        "from ohlcv_assets.market.calendars import session_on\n"
        "session_on('24/7', dt.date(2024, 1, 1))\n"
        "sys.exit('exchange_calendars' in sys.modules)\n"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_names() -> None:
    """There are two calendars, and each has its usual open time."""
    assert CALENDARS == ("XNYS", "24/7")
    assert set(REGULAR_OPEN) == set(CALENDARS)
