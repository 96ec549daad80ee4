"""Whether a day can be loaded in bulk, and why not.

What belongs here: what speaks against it. What does not: doing it (``loading``).
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final, Literal

from ohlcv_assets.errors import StoreAccessError, StoreRejectedError
from ohlcv_assets.logs import get_logger
from ohlcv_assets.stores.influxdb.bulk.loading import BulkLoader
from ohlcv_assets.stores.influxdb.bulk.plan import Wish
from ohlcv_assets.units import DAY, day_bounds

Path = Literal["bulk", "line"]

_TRIED: Final = re.compile(r"2\.9\.\d+")
TRIED: Final = "2.9"
"""The versions whose files, names and locks are those that were looked at; others may name files in another way."""

_told: Final[set[str]] = set()


@dataclass(frozen=True, slots=True)
class Way:
    """How a day is loaded, and why so.

    Attributes
    ----------
    reason
        To be told.
    loader
        Who loads it in bulk; None where it is loaded by line protocol.
    """

    reason: str
    loader: BulkLoader | None = None

    @property
    def path(self) -> Path:
        """What it is called."""
        return "line" if self.loader is None else "bulk"


def way_of(wish: Wish, loader: BulkLoader | None, rows_per_second: int | None, day: dt.date) -> Way:
    """Return how a day is to be loaded.

    Parameters
    ----------
    wish
        What the user asked for.
    loader
        Who loads in bulk; None where there is no operator token.
    rows_per_second
        The throttle in force.
    day
        UTC.

    Raises
    ------
    StoreRejectedError
        It cannot be loaded as the user asked for.
    """
    if wish == "line":
        return Way("lines were asked for")
    against = against_backups(loader)
    if loader is not None and against is None:
        against = _against(loader, rows_per_second, day)
    if against is None:
        return Way("a whole day, and the server allows it", loader)
    if wish == "bulk":
        raise StoreRejectedError(f"{day} cannot be loaded in bulk, as was asked for: {against}. Nothing was changed.")
    return Way(against)


def _against(loader: BulkLoader, rows_per_second: int | None, day: dt.date) -> str | None:
    """Return what speaks against loading a day in bulk where the server would allow it; None for nothing."""
    if rows_per_second is not None:
        return "OHLCV_MAX_ROWS_PER_SECOND is set"
    start, end = day_bounds(day)
    shards = loader.shards()
    shard = shards.holding(start)
    whole = shards.span % DAY == 0 if shard is None else shard.end >= end
    return None if whole else f"{day} does not lie in one shard of the bucket"


def against_backups(loader: BulkLoader | None) -> str | None:
    """Return what speaks against the API of backup and restore; None for nothing."""
    if loader is None:
        return "OHLCV_INFLUX_OPERATOR_TOKEN is not set"
    version = loader.version()
    if _TRIED.fullmatch(version) is None:
        _warn(version)
        return f"InfluxDB {version or 'of unknown version'} was not tried, {TRIED} was"
    try:
        loader.shards()
    except StoreAccessError:
        return "the server takes OHLCV_INFLUX_OPERATOR_TOKEN for no operator's"
    return None


def _warn(version: str) -> None:
    if version not in _told:
        _told.add(version)
        get_logger("influxdb").warning("bulk loading was not tried with this server", version=version, tried=TRIED)
