"""What a service has that can be asked for: a symbol, and the days whose bars are complete.

What belongs here: finding that out, and addresses of ranges within. What does not: timing.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from ohlcv_assets.bench.serving.client import Connection
from ohlcv_assets.errors import UserError

MINUTE: Final = 60_000
DAY: Final = 1_440 * MINUTE
SPANS: Final[Mapping[str, int]] = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}
"""Milliseconds."""

_number: Final = itertools.count()


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked for.

    Attributes
    ----------
    symbol
        One that trades round the clock.
    start, end
        Milliseconds since 1970: its bars are complete in between.
    """

    symbol: str
    start: int
    end: int

    def span(self, name: str) -> int:
        """Return a span by its name, or what there is where that is less."""
        return min(SPANS[name], self.end - self.start)

    def days(self, count: int) -> int:
        """Return the span of some days, or what there is where that is less."""
        return min(count * DAY, self.end - self.start)

    def path(self, resolution: str, start: int, span: int) -> str:
        """Return the address of the bars of a range, at exactly this resolution."""
        asked = {"symbol": self.symbol, "resolution": resolution, "start": start, "end": start + span}
        return f"/api/v1/ohlc?{urlencode({**asked, 'adaptive': 'false'})}"

    def paths(self, resolution: str, span: int) -> Iterator[str]:
        """Yield addresses of ranges all over the dataset, none of them twice: no cache knows the answer."""
        draw = random.Random(1)  # noqa: S311 -- the same ranges in every run
        room = (self.end - self.start - span) // MINUTE
        while True:
            start = self.start + draw.randint(0, room) * MINUTE
            yield f"{self.path(resolution, start, span)}&number={next(_number)}"


async def subject_of(connection: Connection, symbol: str | None = None) -> Subject:
    """Find out what a service has.

    Parameters
    ----------
    connection
        The way to it.
    symbol
        The symbol to ask for; the one that traded most on the first day of those that trade round the clock if None.

    Raises
    ------
    UserError
        It has no bars that are complete, or no such symbol.
    """
    listed = (await connection.get("/api/v1/symbols")).document()
    until = (await connection.get("/ready")).document()["complete_until"]
    if any(day is None for day in until.values()):
        raise UserError("The service has no complete bars of every resolution; make them with `ohlcv backfill`.")
    start, end = _midnight(listed["first_day"]), _midnight(min(until.values())) + DAY
    names = [one["symbol"] for one in listed["symbols"] if one["calendar"] == "24/7"]
    wanted = names if symbol is None else [symbol]
    if not wanted or not set(wanted) <= set(names):
        known = ", ".join(names) or "none in this dataset"
        raise UserError(f"Only symbols that trade round the clock can be measured: {known}.")
    trades = {name: await _trades(connection, Subject(name, start, end)) for name in wanted}
    return Subject(max(trades, key=lambda name: trades[name]), start, end)


async def _trades(connection: Connection, subject: Subject) -> int:
    """Return how many trades the first day had."""
    found = (await connection.get(subject.path("1d", subject.start, DAY))).document()["columns"]["n"]
    return sum(found)


def _midnight(day: str) -> int:
    moment = dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC)
    return int(moment.timestamp()) * 1_000
