"""Bars as a trading session has them: hours counted from its opening, weeks and months named by their first session.

What belongs here: composing and labelling bars of stocks as charting front ends expect them. What does not: stored
bars, which follow the clock (``labels``). A New York session opens at half past, so the clock's hour 14:00 to 15:00 UTC
begins half an hour before the session does; the session's own first hour is 14:30 to 15:30.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.bars.resolutions import BARS
from ohlcv_assets.bars.runs import VALUES, reduce_runs, table_of
from ohlcv_assets.bars.split import by_symbol
from ohlcv_assets.market.calendars import Session
from ohlcv_assets.units import Nanos, day_start


def compose_in_sessions(bars: pa.Table, sessions: Sequence[Session], duration: Nanos) -> pa.Table:
    """Compose bars whose intervals are counted from each session's opening.

    Parameters
    ----------
    bars
        ``BARS`` whose intervals nest in those; what opens outside a session is left out.
    sessions
        Ascending.
    duration
        Of the new bars, in nanoseconds; the last one of a session ends with it.

    Returns
    -------
    pa.Table
        ``BARS`` sorted by (symbol, ts).
    """
    if not sessions:
        return BARS.empty_table()
    opens = np.array([session.open for session in sessions], np.int64)
    closes = np.array([session.close for session in sessions], np.int64)
    composed = []
    for name, columns in by_symbol(bars, VALUES):
        at = np.searchsorted(opens, columns["ts"], side="right") - 1
        inside = (at >= 0) & (columns["ts"] < closes[at])
        if inside.any():
            rows = {key: values[inside] for key, values in columns.items()}
            base = opens[at[inside]]
            labels = base + (rows["ts"] - base) // duration * duration
            composed.append((name, reduce_runs(rows, labels)))
    return table_of(composed)


def first_sessions(opens: NDArray[np.int64], sessions: Sequence[Session]) -> NDArray[np.int64]:
    """Return midnight UTC of the first session's day at or after each instant; the instant itself where there is none.

    Parameters
    ----------
    opens
        Open times of weeks or months, ascending, nanoseconds UTC.
    sessions
        Ascending.
    """
    days = np.array([day_start(session.day) for session in sessions], np.int64)
    at = np.searchsorted(days, opens)
    return np.where(at < len(days), np.append(days, 0)[at], opens)
