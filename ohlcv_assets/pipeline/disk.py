"""Whether there is room for what is about to be made.

What belongs here: the estimate. What does not: how full a disk is (``lake.machine``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from ohlcv_assets.lake.machine import require_room
from ohlcv_assets.project import Project

FILE_BYTES: Final = 8.5
"""Most bytes a trade takes in a day file."""

STORE_BYTES: Final = 10.5
"""Most bytes a trade takes in the embedded store, its share of the bars included."""

SPARE_BYTES: Final = 200_000_000
"""Room for run history, reports and files in the making."""


def bytes_needed(project: Project, days: Sequence[dt.date]) -> int:
    """Return about how many bytes making these days will add: nothing for a file that is there."""
    filed = set(project.lake.days())
    recorded = project.trade_store.day_records() if project.settings.store_in_force == "duckdb" else {}
    needed = 0.0
    for day in days:
        trades = sum(project.source.counts(day).values())
        needed += 0 if day in filed else FILE_BYTES * trades
        if project.settings.store_in_force == "duckdb" and day not in recorded:
            needed += STORE_BYTES * trades
    return int(needed)


def require_disk(project: Project, days: Sequence[dt.date]) -> int:
    """Refuse to begin what cannot end for want of room; return the bytes it takes.

    Raises
    ------
    MachineError
        Saying how much is needed and how much is free.
    """
    needed = bytes_needed(project, days)
    if needed > 0:
        require_room(f"make {len(days)} days", project.dataset.root, needed + SPARE_BYTES)
    return needed
