"""Which days go together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import cast

import pytest

from ohlcv_assets.errors import StoreRejectedError
from ohlcv_assets.stores.base import DayContent, GivenDay
from ohlcv_assets.stores.influxdb.bulk.groups import MOST, part_of, together
from ohlcv_assets.stores.influxdb.bulk.loading import BulkLoader
from ohlcv_assets.stores.influxdb.bulk.shards import Shards
from ohlcv_assets.units import DAY

pytestmark = pytest.mark.unit
FIRST = dt.date(2023, 12, 28)


class Loader:
    """A loader into shards of so many days."""

    def __init__(self, days: int) -> None:
        self._span = days * DAY

    def shards(self) -> Shards:
        """Return what new shards are like."""
        return Shards(self._span, ())


def days(count: int) -> list[GivenDay]:
    """Return days one after another, from a Thursday on."""
    return [
        GivenDay(DayContent(FIRST + dt.timedelta(days=number), "", {}), lambda: iter(())) for number in range(count)
    ]


def grouped(count: int, loader_of: Callable[[dt.date], Loader | None]) -> list[list[int]]:
    """Return days by their distance from the first, in groups."""
    groups = together(days(count), cast("Callable[[dt.date], BulkLoader | None]", loader_of))
    return [[(each.content.day - FIRST).days for each in group] for group in groups]


def test_weeks_begin_on_mondays() -> None:
    """Days of one shard of a week go together, and shards of a day hold one."""
    assert grouped(13, lambda _: Loader(7)) == [[0, 1, 2, 3], [4, 5, 6, 7, 8, 9, 10], [11, 12]]
    assert grouped(3, lambda _: Loader(1)) == [[0], [1], [2]]
    assert together([], lambda _: None) == []


def test_long_shards() -> None:
    """Of a shard of a year so many days go together that not too many are dirty at a time."""
    assert [len(group) for group in grouped(2 * MOST + 1, lambda _: Loader(3_660))] == [MOST, MOST, 1]


def test_days_that_go_by_lines() -> None:
    """Each goes alone, and what comes before and after it does not go together."""
    line = {FIRST + dt.timedelta(days=number) for number in (5, 6)}
    groups = grouped(9, lambda day: None if day in line else Loader(7))
    assert groups == [[0, 1, 2, 3], [4], [5], [6], [7, 8]]


def test_the_part_that_a_day_lies_in() -> None:
    """Days of a week have one part; days that go by lines, or that cannot go as asked for, have none."""

    def parts(loader_of: Callable[[dt.date], Loader | None]) -> list[int | None]:
        chosen = cast("Callable[[dt.date], BulkLoader | None]", loader_of)
        return [part_of(FIRST + dt.timedelta(days=number), chosen) for number in range(6)]

    def refused(_day: dt.date) -> Loader:
        raise StoreRejectedError("not so")

    first, *others = parts(lambda _: Loader(7))
    assert first is not None
    assert others == [first, first, first, first + 1, first + 1]
    assert parts(lambda _: None) == parts(refused) == [None] * 6
