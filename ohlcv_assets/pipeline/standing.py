"""How the days of each resolution stand, told to an observer in a few figures.

What belongs here: the figures. What does not: judging days (``bar_days``), telling symbols apart (``bar_status``).
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from ohlcv_assets.pipeline.bar_days import Facts, lag_of
from ohlcv_assets.progress import Observer, Progress
from ohlcv_assets.units import SECOND

STANDING: Final = "standing"
"""The stage that observers are told."""


def tell_standing(observer: Observer, facts: Facts) -> None:
    """Tell an observer how many days of each resolution are complete, and how many are not and how.

    The event's ``done`` are the complete days; its detail has ``missing``, ``stale`` and ``waiting`` days and, in
    ``lag_seconds``, how much lies between the end of what is complete without a gap and the end of the trades.
    """
    for name, days in facts.items():
        counts = Counter(day.standing for day in days)
        detail: dict[str, float | int | str] = {
            "missing": counts["missing"],
            "stale": counts["stale"],
            "waiting": counts["waiting"],
            "lag_seconds": lag_of(days) / SECOND,
        }
        observer(Progress(STANDING, name, counts["complete"], len(days), "days", detail))
