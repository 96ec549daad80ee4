"""What others add to the store while we run: other services, loads, the pipeline.

What belongs here: finding out which days somebody else has changed, and counting these. What does not: running bars
(``feed``), when to look (``api.service``).

Asking which days were changed costs next to nothing; counting a day that was, some ten milliseconds. Trades are only
added to open days, so that bars that hold as many trades as the store has of each hour hold the same ones. Days that
are replaced are another matter: their records tell (``feed.settle``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Final, cast

from ohlcv_assets.live.feed import Feed
from ohlcv_assets.live.held import Ask, Hours
from ohlcv_assets.project import Project
from ohlcv_assets.stores.base import DayRecord
from ohlcv_assets.stores.tables import nanos
from ohlcv_assets.units import Nanos

FEW: Final = 8
"""So many days are counted one by one; of more all are counted at once."""

PATIENCE: Final = 300.0
"""Seconds that counting may take; nobody waits for it."""


class Others:
    """Follows what others do to the days that are not closed.

    Parameters
    ----------
    project
        Whose stores.
    feed
        Whose running bars are held against them.
    ask
        Asks them.
    most
        Days that are taken for open at a time, the last ones, where the store has trades of them and no bars.
    """

    def __init__(self, project: Project, feed: Feed, ask: Ask, most: int) -> None:
        self._project = project
        self._feed = feed
        self._ask = ask
        self._most = most
        self._seen: dict[dt.date, Hashable] = {}
        self._begun = False

    async def look(self, days: Collection[dt.date]) -> None:
        """Look whether anybody has changed any of some days, and have the feed follow.

        Parameters
        ----------
        days
            Those whose bars are not made of proved trades.

        Raises
        ------
        OhlcvError
            The store cannot be read; the next look finds the same.
        """
        if not days:
            return
        store = self._project.trade_store
        found = await self._ask("changes", lambda: store.changes(days))
        self._seen = {day: mark for day, mark in self._seen.items() if day in found}
        changed = [day for day in sorted(found) if day not in self._seen or self._seen[day] != found[day]]
        if not changed:
            return
        records = await self._ask("closed days", store.day_records)
        for day in changed:
            if day in records:
                self._feed.looked(day, None)
        # What is being replaced is looked at when it is done.
        ready = [day for day in changed if day not in records or records[day].state == "clean"]
        fresh = [day for day in ready if not self._feed.is_open(day)]
        if fresh:
            traded = await self._traded(fresh, records)
            self._feed.open_days(traded[-self._most :], self._project.dataset.universe.names)
            for day in set(fresh).difference(traded, records):
                self._feed.looked(day, ())
        for day in ready:
            if not self._begun or not self._feed.is_open(day) or await self._compared(day):
                self._seen[day] = found[day]
        self._begun = True

    async def _traded(self, days: Sequence[dt.date], records: Mapping[dt.date, DayRecord]) -> list[dt.date]:
        """Return which of some days have trades."""
        store = self._project.trade_store
        counts: dict[dt.date, int] = {day: records[day].rows for day in days if day in records}
        left = [day for day in days if day not in records]
        if len(left) > FEW or not self._begun:
            counts |= await self._ask("days of trades", store.counts_by_day, PATIENCE)
        else:
            for day in left:
                found = await self._ask("days of trades", lambda day=day: store.counts(day), PATIENCE)  # type: ignore[misc]
                counts[day] = sum(found.values())
        return [day for day in days if counts.get(day, 0) > 0]

    async def _compared(self, day: dt.date) -> bool:
        """Hold the running bars of a day against the store; return whether that is done."""
        known, store = self._feed.counted(day), self._project.trade_store
        content = await self._ask("trades by hour", lambda: store.content(day, {"trades"}), PATIENCE)
        found: dict[str, dict[Nanos, int]] = {}
        columns = (content["symbol"].to_pylist(), nanos(content["hour"]).tolist(), content["trades"].to_pylist())
        for symbol, hour, count in zip(*columns, strict=True):
            found.setdefault(str(symbol), {})[Nanos(hour)] = cast("int", count)
        hours: Mapping[str, Hours] = found
        return self._feed.compare(day, known, hours)
