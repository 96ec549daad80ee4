"""Which buckets there are, what they are called, how long they keep and how they are sharded.

What belongs here: names and figures. What does not: making buckets (``setup``), writing into them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS

TRADES_MEASUREMENT: Final = "trades"
"""Tag ``symbol``; fields ``price`` and ``amount`` (float), ``side`` (integer, +1 or -1)."""

BARS_MEASUREMENT: Final = "ohlcv"
"""Tag ``symbol``; fields ``open``, ``high``, ``low``, ``close``, ``volume``, ``turnover`` (float), ``trades`` and
``imbalance`` (integer); the time is the bar's open time."""

STATUS_BUCKET: Final = "ohlcv_status"
"""What is recorded of days, chunks and runs of tasks; shared by all datasets of an organisation, kept for ever."""

DAYS_MEASUREMENT: Final = "days"
CHUNKS_MEASUREMENT: Final = "chunks"
RUNS_MEASUREMENT: Final = "task_runs"
"""What the status bucket holds; all have the tag ``bucket``, the bucket of trades that is meant, and the last two
``resolution``."""

_WEEK: Final = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket as it should be.

    Attributes
    ----------
    name
        Unique in the organisation.
    retention
        Seconds that points are kept; 0 for ever.
    shard
        Seconds of a shard group.
    """

    name: str
    retention: int
    shard: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The buckets of one dataset.

    Attributes
    ----------
    trades
        Bucket of trades.
    bars
        Bucket of each stored resolution, by the resolution's name.
    status
        Bucket of records.
    """

    trades: Bucket
    bars: Mapping[str, Bucket]
    status: Bucket

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """All of them."""
        return (self.trades, *self.bars.values(), self.status)


def layout_of(
    prefix: str,
    trades: str,
    *,
    retention: int,
    shard: int,
    bar_retention: int | None,
    bar_shard: int,
    status: str = STATUS_BUCKET,
) -> Layout:
    """Return the buckets of a dataset.

    Parameters
    ----------
    prefix
        What is put before every name but the status bucket's; empty for the default dataset, ``btc_`` for ``btc``.
    trades
        Name of the bucket of trades, without prefix.
    retention, shard, bar_retention, bar_shard
        Seconds; a retention of 0 means for ever, and None for bars what the definition of each resolution says.
    status
        Name of the bucket of records.
    """
    bars = {
        resolution.name: Bucket(
            f"{prefix}{resolution.kept.bucket}",
            resolution.kept.retention if bar_retention is None else bar_retention,
            bar_shard,
        )
        for resolution in STORED_RESOLUTIONS
    }
    return Layout(Bucket(f"{prefix}{trades}", retention, shard), bars, Bucket(status, 0, _WEEK * 52))
