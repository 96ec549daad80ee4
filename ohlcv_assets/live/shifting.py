"""A day's trades moved onto another day, at the same times of their sessions.

What belongs here: the instants. What does not: where the trades come from and go to (``replay``).

New York opens at another hour of UTC in summer than in winter. So a stock's trades are moved from session to session;
what would fall behind an early close is left out.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ohlcv_assets.errors import UserError
from ohlcv_assets.market.calendars import CALENDARS, session_on
from ohlcv_assets.market.schema import TS_TYPE
from ohlcv_assets.market.symbols import CalendarName, Universe
from ohlcv_assets.stores.tables import nanos


def shifted(trades: pa.Table, universe: Universe, day: dt.date, to: dt.date) -> pa.Table:
    """Return trades of a day as trades of another; fewer where a session is shorter there.

    Parameters
    ----------
    trades
        ``market.schema.STORED``, all of that day.
    universe
        Their symbols.
    day, to
        From where to where.

    Raises
    ------
    UserError
        The other day has no session for some of them.
    """
    if day == to:
        return trades
    names = trades["symbol"].cast(pa.string())
    ts = nanos(trades["ts"])
    moved, kept = ts.copy(), np.zeros(len(ts), np.bool_)
    for calendar in CALENDARS:
        of = [symbol.name for symbol in universe.symbols if symbol.calendar == calendar]
        rows = np.asarray(pc.is_in(names, value_set=pa.array(of, pa.string())))
        if rows.any():
            span, stop = _span(calendar, day, to)
            moved[rows] += span
            kept |= rows & (moved < stop)
    position = trades.schema.get_field_index("ts")
    field = trades.schema.field(position)
    return trades.set_column(position, field, pa.array(moved).cast(TS_TYPE)).filter(pa.array(kept))


def _span(calendar: CalendarName, day: dt.date, to: dt.date) -> tuple[int, int]:
    """Return by how much trades are moved, and where the other day's session ends."""
    before, after = session_on(calendar, day), session_on(calendar, to)
    if before is None or after is None:
        shut = day if before is None else to
        raise UserError(
            f"{shut} has no session of {calendar}, so there are no times to replay its trades at: choose "
            "another day, or with --symbols those that trade around the clock."
        )
    return after.open - before.open, after.close
