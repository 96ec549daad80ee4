"""How each day stands: its file, its trades in the store, its bars.

What belongs here: looking at lake and stores. What does not: Dagster's history, and showing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS
from ohlcv_assets.errors import LakeError, MissingDayFileError

if TYPE_CHECKING:
    from ohlcv_assets.project import Project
    from ohlcv_assets.stores.base import DayRecord

State = Literal["complete", "partial", "missing", "failed"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One day as it is now.

    Attributes
    ----------
    day
        Which.
    rows, size
        Trades and bytes of its file; None without a readable file.
    stored
        Trades that the store's record has of it; None without a record.
    clean
        Whether the record says that they are all there.
    current
        Whether the record is of the very file that is there now.
    bars
        Bars by resolution.
    problem
        Why the file cannot be used, or why the last run failed.
    """

    day: dt.date
    rows: int | None
    size: int | None
    stored: int | None
    clean: bool
    current: bool
    bars: Mapping[str, int] = field(default_factory=dict)
    problem: str | None = None

    @property
    def state(self) -> State:
        """In one word: a failure outranks everything but completeness."""
        if self.rows is not None and self.clean and self.current and (self.rows == 0 or all(self.bars.values())):
            return "complete"
        if self.problem is not None:
            return "failed"
        return "missing" if self.rows is None and self.stored is None else "partial"


def standings(project: Project, days: Sequence[dt.date], failures: Mapping[dt.date, str]) -> list[Standing]:
    """Return how each day stands.

    Parameters
    ----------
    project
        Whose days.
    days
        Which, in order.
    failures
        Why the last run of a day failed, by day.
    """
    records = project.trade_store.day_records()
    bars = _bars_by_day(project)
    return [_standing(project, day, records.get(day), bars.get(day, {}), failures.get(day)) for day in days]


def _standing(
    project: Project, day: dt.date, record: DayRecord | None, bars: Mapping[str, int], failure: str | None
) -> Standing:
    file = None
    try:
        file = project.lake.inspect(day)
    except MissingDayFileError:
        problem = failure
    except LakeError as error:
        problem = str(error)
    else:
        problem = failure
    return Standing(
        day=day,
        rows=None if file is None else file.rows,
        size=None if file is None else file.bytes,
        stored=None if record is None else record.rows,
        clean=record is not None and record.state == "clean",
        current=record is not None and file is not None and record.content_hash == file.content_hash,
        bars={resolution.name: bars.get(resolution.name, 0) for resolution in STORED_RESOLUTIONS},
        problem=problem,
    )


def _bars_by_day(project: Project) -> dict[dt.date, dict[str, int]]:
    found: dict[dt.date, dict[str, int]] = {}
    for resolution in STORED_RESOLUTIONS:
        coverage = project.bar_store.coverage(resolution).group_by("day").aggregate([("bars", "sum")])
        days, counts = coverage.column("day").to_pylist(), coverage.column("bars_sum").to_pylist()
        for day, count in zip(days, counts, strict=True):
            found.setdefault(day, {})[resolution.name] = count
    return found
