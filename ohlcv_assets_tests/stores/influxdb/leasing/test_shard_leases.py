"""Leases of shards, which are held beside those of days while files are loaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from ohlcv_assets.errors import StoreBusyError
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.leasing.leases import Leases
from ohlcv_assets_tests.servers import Server

pytestmark = pytest.mark.integration

QUICK = Terms(life=30.0, grace=0.2, patience=0.3)


@pytest.fixture
def open_leases(any_server: Server) -> Iterator[Callable[[], Leases]]:
    """Return what gives the leases of a scope of the test's own, as another process would have them."""
    scope = f"leases{time.time_ns()}"
    opened: list[Connection] = []

    def open_() -> Leases:
        opened.append(any_server.connect(size=2, patience=1.0, timeout=5.0))
        return Leases(opened[-1], scope, QUICK)

    yield open_
    for connection in opened:
        connection.close()


def seen(leases: Leases) -> list[tuple[str, str]]:
    """Return what the server shows: what is held and what is done with it."""
    found, _ = leases.labels.all(leases.prefix)
    return sorted((label.name.removeprefix(leases.prefix), label.properties["mode"]) for label in found)


def test_a_shard_is_held_by_one_who_writes(open_leases: Callable[[], Leases]) -> None:
    """It shows as written to from the first moment, with or without a day."""
    mine = open_leases()
    with mine.shard(12) as lease:
        lease.check()
        assert seen(mine) == [("shard/12", "writing")]
    with mine.days([]), mine.shard(7):
        assert seen(mine) == [("shard/7", "writing")]
    assert seen(mine) == []


def test_others_are_told_who_has_it(open_leases: Callable[[], Leases]) -> None:
    """Whoever wants the same shard waits, then hears of it; another shard is free."""
    mine, other = open_leases(), open_leases()
    with mine.shard(12):
        with (
            pytest.raises(StoreBusyError, match=r"Process \d+ on .* writes to the shard 12 of the bucket 'leases\d+'"),
            other.shard(12),
        ):
            pytest.fail("the shard was held by two")
        with other.shard(13):
            assert len(seen(mine)) == 2
    with other.shard(12):
        pass


def test_deleters_wait_for_it(open_leases: Callable[[], Leases]) -> None:
    """Nobody deletes while a shard is loaded."""
    mine, other = open_leases(), open_leases()
    with mine.shard(12), other.days([]) as lease:
        with pytest.raises(StoreBusyError, match="writes to the shard 12"), lease.deleting():
            pytest.fail("a delete met a load")
        assert seen(mine) == [("shard/12", "writing")]
