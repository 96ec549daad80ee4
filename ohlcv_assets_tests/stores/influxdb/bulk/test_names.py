"""What is known of shards' files: listed whole once, and what is new from then on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from ohlcv_assets.stores.influxdb.bulk.api import BackupApi, Listing
from ohlcv_assets.stores.influxdb.bulk.names import KnownNames

pytestmark = pytest.mark.unit


@dataclass
class Scripted:
    """Listings written down beforehand."""

    listings: list[Listing | None]
    asked: list[tuple[int, float | None]] = field(default_factory=list)

    def files(self, shard: int, since: float | None) -> Listing | None:
        """Return the next one."""
        self.asked.append((shard, since))
        return self.listings.pop(0)


def test_only_what_is_new_is_listed_again() -> None:
    """Names are kept by shard with the date of the listing, or of the load that came after it."""
    api = Scripted([Listing(("b/1/x.tsm", "b/1/y.tsm"), 10.0), Listing((), 20.0), Listing(("b/1/z.tsm",), 40.0)])
    known = KnownNames()
    assert known.of(cast("BackupApi", api), 1) == frozenset({"x.tsm", "y.tsm"})
    assert known.of(cast("BackupApi", api), 1) == frozenset({"x.tsm", "y.tsm"})
    known.add(1, ["ours.tsm"], 30.0)
    assert known.of(cast("BackupApi", api), 1) == frozenset({"x.tsm", "y.tsm", "z.tsm", "ours.tsm"})
    assert api.asked == [(1, None), (1, 10.0), (1, 30.0)]


def test_a_shard_that_has_gone_is_forgotten() -> None:
    """Should it come again, all of its files are listed."""
    api = Scripted([Listing(("x.tsm",), 10.0), None, Listing((), 20.0)])
    known = KnownNames()
    known.of(cast("BackupApi", api), 1)
    assert known.of(cast("BackupApi", api), 1) is None
    assert known.of(cast("BackupApi", api), 1) == frozenset()
    assert [since for _, since in api.asked] == [None, 10.0, None]
