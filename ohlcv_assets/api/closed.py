"""Which days will not change any more: their trades are proved and their bars were made of exactly these trades.

What belongs here: looking at the store's records, and judging ranges by them. What does not: when to look
(``service``), how bars stand day by day (``pipeline.bar_status``). Records are few: looking costs two small questions.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ohlcv_assets.bars.derive import read_for
from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS, Resolution
from ohlcv_assets.project import Project
from ohlcv_assets.units import Nanos, day_bounds, day_of, day_start, days_between

Days = Mapping[dt.date, str]
"""What is stored of each day: another text where it was made again, be it of the same trades."""


@dataclass(frozen=True, slots=True)
class Closed:
    """What was found.

    Attributes
    ----------
    trades
        Days whose trades are proved.
    bars
        By stored resolution: days whose bars were made of these trades.
    """

    trades: Days = field(default_factory=dict)
    bars: Mapping[str, Days] = field(default_factory=dict)

    def outlives(self, later: Closed) -> bool:
        """Return whether all that was closed still is, and is the same."""
        return all(
            days.items() <= now.items()
            for days, now in (
                (self.trades, later.trades),
                *((self.bars[name], later.bars.get(name, {})) for name in self.bars),
            )
        )

    def tag(self, salt: str) -> str:
        """Return sixteen digits that are others as soon as anything that is closed is, or the salt."""
        closed = [
            sorted(self.trades.items()),
            *((name, sorted(days.items())) for name, days in sorted(self.bars.items())),
        ]
        return hashlib.sha256(f"{salt} {closed}".encode()).hexdigest()[:16]

    def without(self, days: Collection[dt.date]) -> Closed:
        """Return what is closed beside some days."""
        return Closed(_without(self.trades, days), {name: _without(closed, days) for name, closed in self.bars.items()})

    @property
    def whole_days(self) -> set[dt.date]:
        """The days of which the bars of every resolution are closed."""
        return set.intersection(*map(set, self.bars.values())) if self.bars else set()


def look(project: Project) -> Closed:
    """Look at what is recorded of the dataset's days.

    Raises
    ------
    StoreError
        The store cannot be used.
    """
    with project.store_session():
        proved = {day: one for day, one in project.trade_store.day_records().items() if one.state == "clean"}
        records = project.chunks.records()
    bars: dict[str, dict[dt.date, str]] = {
        resolution.name: {day: one.content_hash for day, one in proved.items() if one.rows == 0}
        for resolution in STORED_RESOLUTIONS
    }
    for record in records:
        day = day_of(record.start)
        whole = day_bounds(day)
        if record.state != "done" or record.start != whole[0] or record.stop < whole[1]:
            continue
        if day in proved and record.source_hash == proved[day].content_hash:
            bars[record.resolution][day] = f"{record.source_hash} {record.at}"
    return Closed({day: one.content_hash for day, one in proved.items()}, bars)


def bars_closed(closed: Closed, project: Project, resolution: Resolution, start: Nanos, end: Nanos) -> bool:
    """Return whether no bar of a resolution that opens in ``[start, end)`` will change: outside the dataset none is."""
    stored, first, last = read_for(resolution, start, end)
    return _all_closed(closed.bars.get(stored.name, {}), project, first, last)


def trades_closed(closed: Closed, project: Project, start: Nanos, end: Nanos) -> bool:
    """Return whether no trade in ``[start, end)`` will change."""
    return _all_closed(closed.trades, project, start, end)


def complete_until(closed: Closed, project: Project, resolution: str) -> dt.date | None:
    """Return the last day up to which all days of the dataset are closed; None where the first one is not."""
    days, last = closed.bars.get(resolution, {}), None
    for day in project.dataset.days:
        if day not in days:
            break
        last = day
    return last


def _without(closed: Days, days: Collection[dt.date]) -> Days:
    return {day: found for day, found in closed.items() if day not in days}


def _all_closed(days: Days, project: Project, start: Nanos, end: Nanos) -> bool:
    dataset = project.dataset.days
    first, last = max(start, day_start(dataset[0])), min(end, day_bounds(dataset[-1])[1])
    return first >= last or all(day in days for day in days_between(day_of(first), day_of(Nanos(last - 1))))
