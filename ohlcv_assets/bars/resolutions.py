"""The one definition of each resolution; assets, stores, SQL and checks are derived from it.

What belongs here: names, durations, the chain, column schema. What does not: computing a bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from ohlcv_assets.errors import UserError
from ohlcv_assets.market.schema import SYMBOL_TYPE, TS_TYPE
from ohlcv_assets.units import DAY, HOUR, MINUTE, Nanos


@dataclass(frozen=True, slots=True)
class Resolution:
    """One bar duration.

    Attributes
    ----------
    name
        ``"1m"`` to ``"1M"``.
    duration
        Nanoseconds of a bar; None for calendar months. Weeks start on Monday.
    source
        Name of the resolution it is composed from; None for 1m, which comes from trades.
    stored
        Whether bars of it are kept; the others are derived at read time.
    """

    name: str
    duration: Nanos | None
    source: str | None
    stored: bool


RESOLUTIONS: Final[dict[str, Resolution]] = {
    resolution.name: resolution
    for resolution in (
        Resolution("1m", MINUTE, None, stored=True),
        Resolution("5m", Nanos(5 * MINUTE), "1m", stored=True),
        Resolution("15m", Nanos(15 * MINUTE), "5m", stored=True),
        Resolution("30m", Nanos(30 * MINUTE), "15m", stored=False),
        Resolution("1h", HOUR, "15m", stored=True),
        Resolution("2h", Nanos(2 * HOUR), "1h", stored=False),
        Resolution("4h", Nanos(4 * HOUR), "1h", stored=False),
        Resolution("1d", DAY, "1h", stored=True),
        Resolution("1W", Nanos(7 * DAY), "1d", stored=False),
        Resolution("1M", None, "1d", stored=False),
    )
}

STORED_RESOLUTIONS: Final[tuple[Resolution, ...]] = tuple(r for r in RESOLUTIONS.values() if r.stored)

BARS: Final = pa.schema(
    [
        pa.field("symbol", SYMBOL_TYPE, nullable=False),
        pa.field("ts", TS_TYPE, nullable=False),
        pa.field("open", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("close", pa.float64(), nullable=False),
        pa.field("volume", pa.float64(), nullable=False),
        pa.field("turnover", pa.float64(), nullable=False),
        pa.field("trades", pa.int64(), nullable=False),
        pa.field("imbalance", pa.int64(), nullable=False),
    ]
)
"""Bars, sorted by (symbol, ts): ``ts`` is the open time of ``[ts, ts + duration)``; a bar has a trade or is absent."""


def resolution_of(name: str) -> Resolution:
    """Return the resolution of that name.

    Raises
    ------
    UserError
        Listing the names there are.
    """
    found = RESOLUTIONS.get(name)
    if found is None:
        raise UserError(f"There is no resolution {name!r}; choose one of {', '.join(RESOLUTIONS)}.")
    return found
