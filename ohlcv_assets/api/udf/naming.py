"""How TradingView names resolutions, exchanges and symbols.

What belongs here: names and descriptions. What does not: routes, bars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from ohlcv_assets.api.native.symbols import TIME_ZONES
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.api.service import Service
from ohlcv_assets.bars.resolutions import RESOLUTIONS, Resolution
from ohlcv_assets.errors import UnknownSymbolError
from ohlcv_assets.market.calendars import Session, sessions_between
from ohlcv_assets.market.symbols import CalendarName, Symbol
from ohlcv_assets.units import DAY, Nanos, day_of

NAMES: Final[Mapping[str, str]] = {
    "1": "1m",
    "5": "5m",
    "15": "15m",
    "30": "30m",
    "60": "1h",
    "120": "2h",
    "240": "4h",
    "1D": "1d",
    "1W": "1W",
    "1M": "1M",
}
"""Our names by TradingView's; minutes are bare numbers."""

SHORT: Final[Mapping[str, str]] = {"D": "1D", "W": "1W", "M": "1M"}

MULTIPLIERS: Final[Mapping[CalendarName, Sequence[str]]] = {
    # A session that opens at half past has no whole clock hours: front ends compose hours of half hours.
    "XNYS": ("1", "5", "15", "30"),
    "24/7": ("1", "5", "15", "60"),
}
"""Minutes that front ends ask for; they compose the others of them."""

SESSIONS: Final[Mapping[CalendarName, str]] = {"XNYS": "0930-1600", "24/7": "24x7"}
_EARLY: Final = "0930-1300"


@dataclass(frozen=True, slots=True)
class Exchange:
    """Where symbols of a calendar trade."""

    value: str
    name: str
    desc: str


EXCHANGES: Final[Mapping[CalendarName, Exchange]] = {
    "XNYS": Exchange("XNYS", "New York", "New York Stock Exchange, regular sessions"),
    "24/7": Exchange("24X7", "Round the clock", "Trading round the clock, UTC"),
}
TYPES: Final[Mapping[str, str]] = {"stock": "Stocks", "crypto": "Crypto", "other": "Other"}


def resolution_of(name: str) -> Resolution:
    """Return the resolution of one of TradingView's names.

    Raises
    ------
    ProblemError
        There is none of that name.
    """
    found = NAMES.get(SHORT.get(name, name))
    if found is None:
        raise ProblemError("invalid", f"There is no resolution {name!r}; the names are {', '.join(NAMES)}.")
    return RESOLUTIONS[found]


def symbol_named(service: Service, name: str) -> Symbol:
    """Return the symbol of a name, which may have its exchange before it: ``XNYS:AAPL``.

    Raises
    ------
    UnknownSymbolError
        There is none.
    """
    try:
        return service.symbol(name)
    except UnknownSymbolError:
        exchange, colon, bare = name.partition(":")
        found = service.project.dataset.universe.by_name.get(bare)
        if colon and found is not None and EXCHANGES[found.calendar].value == exchange.upper():
            return found
        raise


def symbol_info(service: Service, symbol: Symbol) -> dict[str, Any]:  # Any: JSON
    """Return what TradingView calls a ``LibrarySymbolInfo``."""
    exchange = EXCHANGES[symbol.calendar].value
    return {
        "name": symbol.name,
        "ticker": symbol.name,
        "full_name": f"{exchange}:{symbol.name}",
        "description": f"{symbol.name} ({symbol.asset_class})",
        "type": symbol.asset_class,
        "exchange": exchange,
        "listed_exchange": exchange,
        "timezone": TIME_ZONES[symbol.calendar],
        "session": SESSIONS[symbol.calendar],
        **_exceptions(service, symbol.calendar),
        "format": "price",
        "minmov": 1,
        "pricescale": symbol.ticks_per_unit,
        "minmove2": 0,
        "has_intraday": True,
        "has_daily": True,
        # Front ends compose weeks and months of days.
        "has_weekly_and_monthly": False,
        "has_empty_bars": False,
        "intraday_multipliers": list(MULTIPLIERS[symbol.calendar]),
        "supported_resolutions": list(NAMES),
        "visible_plots_set": "ohlcv",
        "volume_precision": len(str(symbol.lots_per_unit)) - 1,
        "data_status": "streaming",
    }


def sessions_of(calendar: CalendarName, start: Nanos, end: Nanos) -> tuple[Session, ...]:
    """Return the sessions of the days that a range touches."""
    return sessions_between(calendar, day_of(start), day_of(Nanos(max(start, end - 1))))


@cache
def _holidays(calendar: CalendarName, first: int, last: int) -> tuple[str, str]:
    """Return the days without a session that front ends would expect one on, and those that end early."""
    start, end = day_of(Nanos(first * DAY)), day_of(Nanos(last * DAY))
    sessions = {session.day: session for session in sessions_between(calendar, start, end)}
    weekdays = [day for number in range(first, last + 1) if (day := day_of(Nanos(number * DAY))).isoweekday() <= 5]  # noqa: PLR2004 -- Friday
    closed = ",".join(f"{day:%Y%m%d}" for day in weekdays if day not in sessions)
    early = ";".join(f"{_EARLY}:{day:%Y%m%d}" for day, session in sessions.items() if session.early_close)
    return closed, early


def _exceptions(service: Service, calendar: CalendarName) -> dict[str, str]:
    if calendar == "24/7":
        return {}
    first, last = service.bounds
    holidays, corrections = _holidays(calendar, first // DAY, last // DAY - 1)
    return {"session_holidays": holidays, "corrections": corrections}
