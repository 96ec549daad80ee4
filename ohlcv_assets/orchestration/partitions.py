"""The partitions: one a day, from a dataset's first day to its last.

What belongs here: partition definitions and keys. What does not: which days there are (``lake.dataset``).
https://docs.dagster.io/guides/build/partitions-and-backfills
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import dagster as dg


def day_partitions(days: Sequence[dt.date]) -> dg.DailyPartitionsDefinition:
    """Return the daily partitions of consecutive days; days without trades are partitions too."""
    return dg.DailyPartitionsDefinition(
        start_date=days[0].isoformat(), end_date=(days[-1] + dt.timedelta(days=1)).isoformat()
    )


def key_of(day: dt.date) -> str:
    """Return the partition key of a day."""
    return day.isoformat()


def day_of(key: str) -> dt.date:
    """Return the day of a partition key."""
    return dt.date.fromisoformat(key)
