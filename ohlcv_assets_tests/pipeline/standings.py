"""How bars stand after what was done to them, and stores that refuse, for tests of healing.

What belongs here: looking at the bars of a whole project, and spoiling them. What does not: judging.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Final

import pytest

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS
from ohlcv_assets.errors import StoreError
from ohlcv_assets.pipeline.bar_days import bar_days
from ohlcv_assets.pipeline.verify import verify_day
from ohlcv_assets.project import Project
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY

DAYS: Final = (THURSDAY, FRIDAY, SATURDAY)
FIVE: Final = len(STORED_RESOLUTIONS)


def standings(project: Project) -> dict[dt.date, set[str]]:
    """Return how each day's resolutions stand, where they are not complete."""
    facts = bar_days(project, project.dataset.days, STORED_RESOLUTIONS)
    found: dict[dt.date, set[str]] = {}
    for name, days in facts.items():
        for day in days:
            if day.standing != "complete":
                found.setdefault(day.day, set()).add(f"{name} {day.standing}")
    return found


def all_of(standing: str) -> set[str]:
    """Return what ``standings`` says of a day that is so at every resolution."""
    return {f"{resolution.name} {standing}" for resolution in STORED_RESOLUTIONS}


def proves(project: Project, *days: dt.date) -> bool:
    """Return whether every check of some days passes."""
    return all(proof.verdict.passed for day in days for proof in verify_day(project, day))


def refusing(
    project: Project, monkeypatch: pytest.MonkeyPatch, refuse: Callable[[dt.date, Sequence[str]], StoreError | None]
) -> list[tuple[dt.date, tuple[str, ...]]]:
    """Let the store of bars refuse some writes; return what it is asked to write, as it comes."""
    asked: list[tuple[dt.date, tuple[str, ...]]] = []
    write = project.bar_store.write_many

    def write_many(day: dt.date, bars: dict[str, object]) -> int:
        asked.append((day, tuple(bars)))
        error = refuse(day, tuple(bars))
        if error is not None:
            raise error
        return write(day, bars)  # type: ignore[arg-type]  # handed on as it is

    monkeypatch.setattr(project.bar_store, "write_many", write_many)
    return asked


def never(seconds: float) -> None:
    """Fail: nothing is to be waited for."""
    pytest.fail(f"waited {seconds} s")


def purge_bars(project: Project) -> None:
    """Delete the bars of all days, and leave their records."""
    for resolution in STORED_RESOLUTIONS:
        for day in project.dataset.days:
            project.bar_store.delete_day(resolution, day)


def start(day: dt.date) -> int:
    """Return a day's first instant."""
    return day_bounds(day)[0]
