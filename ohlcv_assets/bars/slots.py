"""Intervals in which a symbol can trade: how many there are, where they begin, and a bar for each of them.

What belongs here: intervals of a calendar's sessions, by their open times. What does not: which of them have a stored
bar, sessions themselves (``market.calendars``).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.bars.labels import bar_numbers, open_times
from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.bars.runs import VALUES, table_of
from ohlcv_assets.bars.split import by_symbol
from ohlcv_assets.market.calendars import REGULAR_OPEN, sessions_between
from ohlcv_assets.market.symbols import CalendarName
from ohlcv_assets.units import DAY, Nanos, day_of

_LONGEST_MONTH: Final = 31 * DAY
_PRICES: Final = ("open", "high", "low", "close")


def slots(resolution: Resolution, calendar: CalendarName, start: Nanos, end: Nanos) -> NDArray[np.int64]:
    """Return the open times in ``[start, end)`` of all intervals that touch a session, ascending, nanoseconds UTC.

    Raises
    ------
    UserError
        For years that the calendar does not know.
    """
    if calendar == "24/7" or end <= start:
        first, last = bar_numbers(np.array([start - 1, max(start, end) - 1], np.int64), resolution) + 1
        return open_times(np.arange(first, last), resolution)
    # An interval that opens before the end may hold a session that begins after it, as a month does.
    reach = Nanos(end + (resolution.duration or _LONGEST_MONTH))
    sessions = sessions_between(calendar, day_of(start), day_of(reach))
    if not sessions:
        return np.empty(0, np.int64)
    firsts = bar_numbers(np.array([session.open for session in sessions], np.int64), resolution)
    lasts = bar_numbers(np.array([session.close - 1 for session in sessions], np.int64), resolution)
    numbers = np.unique(np.concatenate([np.arange(a, b + 1) for a, b in zip(firsts, lasts, strict=True)]))
    opens = open_times(numbers, resolution)
    return opens[(opens >= start) & (opens < end)]


def span_of(count: int, resolution: Resolution, calendar: CalendarName) -> Nanos:
    """Return a span of time that has about ``count`` intervals, rather more than fewer.

    A guess without a calendar's help, for whoever looks for so many bars and looks further where it was too short.
    """
    duration = resolution.duration or _LONGEST_MONTH
    if calendar == "24/7" or duration >= 7 * DAY:
        return Nanos((count + 1) * duration)
    a_session = max(1, REGULAR_OPEN[calendar] // duration)
    sessions = -(-count // a_session)
    # Five sessions a week, and a holiday or a long weekend in between.
    return Nanos((sessions * 7 // 5 + 4) * DAY)


def fill_slots(bars: pa.Table, symbol: str, opens: NDArray[np.int64], close: float | None) -> pa.Table:
    """Add a bar for each interval without a trade.

    A filled bar has the previous close for all four prices and zero volume, turnover, trades and imbalance; it is a
    reading aid and is never stored. Before the first close that is known nothing is filled.

    Parameters
    ----------
    bars
        ``BARS`` of one symbol, sorted by ts.
    symbol
        Its name.
    opens
        Intervals to have a bar, ascending; bars outside them stay.
    close
        The close before the first of them; None where there is none.

    Returns
    -------
    pa.Table
        ``BARS`` sorted by ts.
    """
    found = dict(by_symbol(bars, VALUES)).get(symbol)
    if found is None:
        if close is None:
            return bars
        found = {"ts": np.empty(0, np.int64), **{name: np.empty(0) for name in VALUES}}
    every = np.union1d(opens, found["ts"])
    at = np.searchsorted(found["ts"], every, side="right") - 1
    if close is None:
        known = at >= 0
        every, at = every[known], at[known]
    traded = np.isin(every, found["ts"])
    closes = np.append(found["close"], np.nan if close is None else close)[at]  # index -1 is the close before
    columns = {"ts": every}
    for name in VALUES:
        padded = np.append(found[name], found[name].dtype.type(0))
        columns[name] = np.where(traded, padded[at], closes if name in _PRICES else 0)
    columns |= {name: columns[name].astype(np.int64) for name in ("trades", "imbalance")}
    return table_of([(symbol, columns)]) if len(every) > 0 else bars
