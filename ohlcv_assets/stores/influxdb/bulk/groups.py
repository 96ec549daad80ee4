"""Which of many days are loaded together.

What belongs here: days put into groups. What does not: loading them (``loading``, ``trades``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

from ohlcv_assets.errors import StoreRejectedError
from ohlcv_assets.stores.base import GivenDay
from ohlcv_assets.stores.influxdb.bulk.loading import BulkLoader
from ohlcv_assets.units import day_start

ABREAST: Final = 3
"""Groups at a time: while some wait for the server or its disk another encodes."""

MOST: Final = 10
"""Days of a group, in shards of more: each is a lease, and all of them are dirty until the last one is proved."""

YEAR_ONE: Final = 62_135_596_800 * 10**9
"""Nanoseconds from the year one, from which the server counts the spans of shards, to 1970."""


def together(given: Sequence[GivenDay], loader_of: Callable[[dt.date], BulkLoader | None]) -> list[list[GivenDay]]:
    """Return days in groups: those that follow each other in one shard where they go in bulk, else each alone.

    Parameters
    ----------
    given
        In the order in which they are to be loaded.
    loader_of
        Returns who loads a day in bulk; None where it goes by lines.
    """
    place = 0

    def key(each: GivenDay) -> tuple[int, int]:
        nonlocal place
        loader = loader_of(each.content.day)
        if loader is None:
            place += 1
            return 0, place
        return 1, _place(loader, each.content.day)

    groups = [list(group) for _, group in groupby(given, key)]
    return [group[at : at + MOST] for group in groups for at in range(0, len(group), MOST)]


def part_of(day: dt.date, loader_of: Callable[[dt.date], BulkLoader | None]) -> int | None:
    """Return the number of the shard that a day is loaded into in bulk; None where it is not."""
    try:
        loader = loader_of(day)
    except StoreRejectedError:
        # Whoever loads the day is told.
        return None
    return None if loader is None else _place(loader, day)


def _place(loader: BulkLoader, day: dt.date) -> int:
    """Return the number of the shard that a day goes into, whether or not it is there."""
    return (day_start(day) + YEAR_ONE) // loader.shards().span
