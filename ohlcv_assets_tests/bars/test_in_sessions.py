"""Hours counted from a session's opening, and weeks and months named by their first session."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from ohlcv_assets.bars.in_sessions import compose_in_sessions, first_sessions
from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS
from ohlcv_assets.bars.rollup import bars_of_trades
from ohlcv_assets.bars.slots import slots
from ohlcv_assets.market.calendars import sessions_between
from ohlcv_assets.units import DAY, HOUR, MINUTE, Nanos, day_start
from ohlcv_assets_tests.bars.made import Trade, table

pytestmark = pytest.mark.unit
WEEK = sessions_between("XNYS", dt.date(2024, 7, 1), dt.date(2024, 7, 5))
"""Monday, Tuesday, a short Wednesday, the holiday, Friday."""


def trades() -> list[Trade]:
    """Return a trade every ten minutes of the week, nights included, with a price that tells its number."""
    start = day_start(dt.date(2024, 7, 1))
    instants = range(start, start + 5 * DAY, 10 * MINUTE)
    return [("A", ts, float(number + 1), 1.0, 1) for number, ts in enumerate(instants)]


@pytest.mark.parametrize("hours", [1, 2, 4])
def test_bars_begin_with_the_session(hours: int) -> None:
    """Each is what its trades make, the last one of a session ends with it, and nights are left out."""
    halves = bars_of_trades(table(trades()), RESOLUTIONS["30m"])
    composed = compose_in_sessions(halves, WEEK, Nanos(hours * HOUR))
    expected = []
    for session in WEEK:
        for opens in range(session.open, session.close, hours * HOUR):
            prices = [price for _, ts, price, *_ in trades() if opens <= ts < min(opens + hours * HOUR, session.close)]
            expected.append((opens, prices[0], max(prices), min(prices), prices[-1], len(prices)))
    columns = [
        composed["ts"].cast(pa.int64()),
        *(composed[name] for name in ("open", "high", "low", "close", "trades")),
    ]
    assert list(zip(*(column.to_pylist() for column in columns), strict=True)) == expected
    assert composed.schema.equals(BARS)


def test_without_sessions_or_trades_there_are_no_bars() -> None:
    """A holiday has none, and so have trades at night alone."""
    halves = bars_of_trades(table(trades()), RESOLUTIONS["30m"])
    assert compose_in_sessions(halves, (), HOUR).num_rows == 0
    assert compose_in_sessions(BARS.empty_table(), WEEK, HOUR).num_rows == 0
    assert compose_in_sessions(halves.slice(0, 4), WEEK, HOUR).num_rows == 0


def test_weeks_and_months_are_named_by_their_first_session() -> None:
    """The second of January, since the first is a holiday; what has no session after it keeps its name."""
    sessions = sessions_between("XNYS", dt.date(2024, 1, 1), dt.date(2024, 3, 31))
    year = day_start(dt.date(2024, 1, 1)), day_start(dt.date(2024, 5, 1))
    months = first_sessions(slots(RESOLUTIONS["1M"], "24/7", *year), sessions)
    assert [str(np.datetime64(int(ts), "ns"))[:10] for ts in months] == [
        "2024-01-02",
        "2024-02-01",
        "2024-03-01",
        "2024-04-01",
    ]
    weeks = first_sessions(slots(RESOLUTIONS["1W"], "24/7", year[0], Nanos(year[0] + 21 * DAY)), sessions)
    assert [str(np.datetime64(int(ts), "ns"))[:10] for ts in weeks] == ["2024-01-02", "2024-01-08", "2024-01-16"]
