"""What is there: for every day the file, the stored trades, the bars.

What belongs here: looking, cheaply: footers, one count by day, one coverage a resolution. What does not: proving
(``checks``), what Dagster recorded (``orchestration``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS
from ohlcv_assets.errors import (
    DamagedDayFileError,
    ForeignDayFileError,
    LakeError,
    MachineError,
    MissingDayFileError,
    OhlcvError,
    StaleDayFileError,
)
from ohlcv_assets.lake.dayfile import DayFile
from ohlcv_assets.project import Project
from ohlcv_assets.stores.base import DayRecord

FileState = Literal["present", "missing", "stale", "damaged", "foreign", "unreadable"]
StoreState = Literal["proved", "missing", "posted", "interrupted", "no file", "other content", "counts differ"]
BarState = Literal["complete", "missing", "other trades"]


@dataclass(frozen=True, slots=True)
class BarsThere:
    """Stored bars of a day and resolution, and the trades they hold."""

    bars: int
    trades: int


@dataclass(frozen=True, slots=True)
class DayStatus:
    """What is there of one day.

    Attributes
    ----------
    day
        The day.
    planned
        Trades that the source gives it.
    file, filed, file_bytes
        State of the day file, its trades and its size.
    store, stored
        State of the stored trades, and how many there are; ``no file`` where none can tell what they should be,
        ``posted`` where the day was never loaded either: they came one by one.
    bars
        By resolution: how many bars, holding how many trades.
    problem
        One sentence on what is wrong with the file, or empty.
    content_hash
        The file's, or empty.
    """

    day: dt.date
    planned: int
    file: FileState
    filed: int
    file_bytes: int
    store: StoreState
    stored: int
    bars: Mapping[str, BarsThere] = field(default_factory=dict)
    problem: str = ""
    content_hash: str = ""

    @property
    def bar_state(self) -> BarState:
        """Whether the bars of every stored resolution hold the file's trades, or the planned ones without a file."""
        expected = self.filed if self.content_hash else self.planned
        if any(there.trades != expected for there in self.bars.values()):
            return "other trades" if any(there.bars > 0 for there in self.bars.values()) else "missing"
        return "complete"

    @property
    def complete(self) -> bool:
        """Whether nothing of the day is missing; proving it is another matter."""
        return self.file == "present" and self.store == "proved" and self.bar_state == "complete"


def status_of(project: Project, days: Sequence[dt.date] | None = None) -> tuple[DayStatus, ...]:
    """Look at some days of the dataset, or all.

    Raises
    ------
    StoreError
        The store cannot be used.
    """
    chosen = project.dataset.days if days is None else days
    with project.store_session():
        records = project.trade_store.day_records()
        counts = project.trade_store.counts_by_day()
        bars = _bars_by_day(project)
    return tuple(_day(project, day, records.get(day), counts.get(day, 0), bars.get(day, {})) for day in chosen)


def _day(
    project: Project, day: dt.date, record: DayRecord | None, stored: int, bars: Mapping[str, BarsThere]
) -> DayStatus:
    file, state, problem = _file(project, day)
    return DayStatus(
        day=day,
        planned=sum(project.source.counts(day).values()),
        file=state,
        filed=0 if file is None else file.rows,
        file_bytes=0 if file is None else file.bytes,
        store=_store_state(file, record, stored),
        stored=stored,
        bars={resolution.name: bars.get(resolution.name, BarsThere(0, 0)) for resolution in STORED_RESOLUTIONS},
        problem=problem,
        content_hash="" if file is None else file.content_hash,
    )


_STATES: Mapping[type[OhlcvError], FileState] = {
    MissingDayFileError: "missing",
    DamagedDayFileError: "damaged",
    ForeignDayFileError: "foreign",
    StaleDayFileError: "stale",
}


def _file(project: Project, day: dt.date) -> tuple[DayFile | None, FileState, str]:
    try:
        file = project.lake.inspect(day)
    except (LakeError, MachineError) as error:
        return None, _STATES.get(type(error), "unreadable"), str(error)
    if file.fingerprint != project.source.fingerprint(day):
        problem = (
            f"{file.path} was made from something else than the settings in force describe: {project.lake.remedy}."
        )
        return file, "stale", problem
    return file, "present", ""


def _store_state(file: DayFile | None, record: DayRecord | None, stored: int) -> StoreState:
    if record is None:
        return "missing" if stored == 0 else "posted" if file is None else "other content"
    if record.state != "clean":
        return "interrupted"
    if file is None:
        return "no file"
    if record.content_hash != file.content_hash:
        return "other content"
    return "proved" if stored == record.rows == file.rows else "counts differ"


def _bars_by_day(project: Project) -> dict[dt.date, dict[str, BarsThere]]:
    """Return what is stored by day and resolution."""
    found: dict[dt.date, dict[str, BarsThere]] = {}
    for resolution in STORED_RESOLUTIONS:
        coverage = project.bar_store.coverage(resolution)
        by_day = pa.TableGroupBy(coverage, "day").aggregate([("bars", "sum"), ("trades", "sum")])
        for row in by_day.to_pylist():
            found.setdefault(row["day"], {})[resolution.name] = BarsThere(row["bars_sum"], row["trades_sum"])
    return found
