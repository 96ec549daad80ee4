"""Shards that are not there, come late, go, or belong to somebody else."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from ohlcv_assets.errors import (
    StoreAccessError,
    StoreUnavailableError,
)
from ohlcv_assets.stores.influxdb.bulk.shards import Shards
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets_tests.servers import Server, drop_bucket, make_bucket
from ohlcv_assets_tests.stores.influxdb.bulk.loads import Open, load, require
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.stores import held
from ohlcv_assets_tests.stores.made import day_number, made_day, rows_of

pytestmark = pytest.mark.integration

RESTORE = "/api/v2/restore/shards/"
BACKUP = "/api/v2/backup/shards/"


def test_a_bucket_that_was_made_anew(store: InfluxTradeStore, fake_server: Fake) -> None:
    """Shards known from before have gone: they are asked for again, and made again."""
    load(store)
    connection = fake_server.connect()
    drop_bucket(connection, store._bucket)
    make_bucket(connection, store._bucket)
    connection.close()
    load(store, 1)
    assert sorted(held(store)) == sorted(rows_of(made_day(day_number(1), 10)))


def test_shards_that_do_not_stay(fake_server: Fake, open_on: Callable[[Server], Open]) -> None:
    """A server that has no shard after all is left alone, in the end."""
    store = open_on(fake_server)(deadline=0.3)
    fake_server.faults.add("answer", path=BACKUP, times=None, status=404)
    with pytest.raises(StoreUnavailableError, match="does not keep the shard of 2024-01-31"):
        load(store)


def test_shards_that_do_not_come(store: InfluxTradeStore, fake_server: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that has no shard for the day after a point was written to it."""
    loader = store._loader
    assert loader is not None
    monkeypatch.setattr(loader._api, "shards", lambda _bucket: Shards(7 * 86_400 * 10**9, ()))
    with pytest.raises(StoreUnavailableError, match="has made no shard for 2024-01-31"):
        load(store)
    assert fake_server.faults.count(RESTORE) == 0


def test_a_shard_is_not_tidied_while_another_restores_into_it(
    fake_server: Fake, open_on: Callable[[Server], Open]
) -> None:
    """Who did not know that there is one deletes its point under the lease of the shard: 2.9.1 would hang for ever."""
    opened = open_on(fake_server)
    first, late = opened(), opened(deadline=60.0)
    loader = late._loader
    assert loader is not None
    assert loader.shards().those == ()
    load(first)
    found = loader._api.shards(late._bucket)
    assert found is not None
    (shard,) = found.those
    deletes = fake_server.faults.count("/api/v2/delete")
    with ThreadPoolExecutor(1) as pool:
        with first._leases.shard(shard.id):
            loaded = pool.submit(load, late, 1)
            looks = fake_server.faults.count("/api/v2/labels")
            deadline = time.monotonic() + 60
            while fake_server.faults.count("/api/v2/labels") < looks + 40:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert fake_server.faults.count("/api/v2/delete") == deletes
        loaded.result()
    assert fake_server.faults.count("/api/v2/delete") == deletes + 1
    require(first, {0: 0, 1: 0})


def test_a_bucket_that_is_not_there(store: InfluxTradeStore) -> None:
    """It is missed in a sentence that says what makes it."""
    loader = store._loader
    assert loader is not None
    loader._bucket = "missing"
    with pytest.raises(StoreAccessError, match="has no bucket 'missing': run `ohlcv influx setup`"):
        loader.shards()


def test_loaders_who_begin_a_week_together(real_server: Server, open_on: Callable[[Server], Open]) -> None:
    """However one's restore falls into the other's making of the shard: both end, and everything is there."""
    for lag in range(0, 60, 4):
        opened = open_on(real_server)
        both = opened(deadline=60.0), opened(deadline=60.0)
        for store in both:
            assert store._loader is not None
            assert store._loader.shards().those == ()
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(load, both[0], 0, per_symbol=2_000)
            time.sleep(lag / 1_000)
            load(both[1], 1, per_symbol=2_000)
            first.result()
        require(both[0], {0: 0, 1: 0}, per_symbol=2_000)
