"""The one definition of each resolution; assets, stores, SQL, Flux, tasks, checks and documentation derive from it.

What belongs here: names, durations, the chain, how stored bars are kept and kept up to date, column schema. What does
not: computing a bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from ohlcv_assets.errors import UserError
from ohlcv_assets.market.schema import SYMBOL_TYPE, TS_TYPE
from ohlcv_assets.units import DAY, HOUR, MINUTE, SECOND, Nanos


@dataclass(frozen=True, slots=True)
class Keeping:
    """How the bars of a stored resolution are kept, and kept up to date.

    Attributes
    ----------
    bucket
        What holds them is called so: the bucket in InfluxDB (after a dataset's prefix), the asset in Dagster.
    retention
        Seconds that InfluxDB keeps them, 0 for ever; OHLCV_INFLUX_BAR_RETENTION goes before it.
    lateness
        How far before a run of its task bars may still change: a run computes everything again from there on. At least
        the source's own lateness and interval, so that what a source corrects is always seen.
    every, offset
        When its task runs: every so often, so long after the full interval. Offsets ascend along the chain, so that a
        resolution runs after its source.
    first_chunk, largest_chunk
        Days that a computation of much history does at a time: at first, and at most. The finer, the fewer.
    """

    bucket: str
    retention: int
    lateness: Nanos
    every: Nanos
    offset: Nanos
    first_chunk: int
    largest_chunk: int


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
    keeping
        How its bars are kept; None where they are derived at read time.
    """

    name: str
    duration: Nanos | None
    source: str | None
    keeping: Keeping | None = None

    @property
    def stored(self) -> bool:
        """Whether bars of it are kept."""
        return self.keeping is not None

    @property
    def kept(self) -> Keeping:
        """How its bars are kept.

        Raises
        ------
        UserError
            They are not: the resolution is derived at read time.
        """
        if self.keeping is None:
            raise UserError(f"{self.name} bars are derived when they are read and stored nowhere.")
        return self.keeping


def _kept(name: str, lateness: int, every: int, offset: int, first_chunk: int, largest_chunk: int) -> Keeping:
    """Return how a resolution is kept; bars are so few that all of them are kept for ever."""
    spans = Nanos(lateness), Nanos(every), Nanos(offset)
    return Keeping(f"ohlcv_{name}", 0, *spans, first_chunk, largest_chunk)


RESOLUTIONS: Final[dict[str, Resolution]] = {
    resolution.name: resolution
    for resolution in (
        Resolution("1m", MINUTE, None, _kept("1m", 15 * MINUTE, MINUTE, 5 * SECOND, 1, 2)),
        Resolution("5m", Nanos(5 * MINUTE), "1m", _kept("5m", 30 * MINUTE, 5 * MINUTE, 20 * SECOND, 4, 16)),
        Resolution("15m", Nanos(15 * MINUTE), "5m", _kept("15m", HOUR, 15 * MINUTE, 35 * SECOND, 8, 32)),
        Resolution("30m", Nanos(30 * MINUTE), "15m"),
        Resolution("1h", HOUR, "15m", _kept("1h", 3 * HOUR, HOUR, 50 * SECOND, 16, 64)),
        Resolution("2h", Nanos(2 * HOUR), "1h"),
        Resolution("4h", Nanos(4 * HOUR), "1h"),
        Resolution("1d", DAY, "1h", _kept("1d", 2 * DAY, HOUR, 65 * SECOND, 64, 366)),
        Resolution("1W", Nanos(7 * DAY), "1d"),
        Resolution("1M", None, "1d"),
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
