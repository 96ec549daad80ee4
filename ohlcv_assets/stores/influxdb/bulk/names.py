"""Which files shards have, as far as loads have to know.

What belongs here: listing no more than what is new. What does not: choosing a name (``tsm.naming``).

A listing makes the server send the files themselves. So each shard is listed whole once, and then only what changed
since. A file of the server's own that took its name long after it was written may be missing in that; no name that is
chosen here can be its, nor any that it may get (docs/decisions/0005).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ohlcv_assets.stores.influxdb.bulk.api import BackupApi


@dataclass
class _Known:
    """All files that there were at a date of the server's clock, some of which may be gone."""

    names: set[str] = field(default_factory=set)
    date: float | None = None


class KnownNames:
    """The names of files by shard; one who uses it for a shard holds that shard's lease."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    def of(self, api: BackupApi, shard: int) -> frozenset[str] | None:
        """Return the names of a shard's files, and perhaps of some that are gone; None where there is no such shard."""
        known = self._known.setdefault(shard, _Known())
        listing = api.files(shard, known.date)
        if listing is None:
            del self._known[shard]
            return None
        known.names.update(PurePosixPath(path).name for path in listing.names)
        known.date = listing.date
        return frozenset(known.names)

    def add(self, shard: int, names: Iterable[str], date: float) -> None:
        """Take notice of files that were loaded by a date of the server's clock; nobody else has loaded any since."""
        known = self._known[shard]
        known.names.update(names)
        known.date = date
