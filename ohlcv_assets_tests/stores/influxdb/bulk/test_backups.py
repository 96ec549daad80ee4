"""Every stored trade by way of backups: whatever a shard holds, as the server answers it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import IO

import pyarrow as pa
import pytest

from ohlcv_assets.errors import StoreAccessError, StoreMismatchError
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.base import BacksUp
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.stores.influxdb.tsm.archives import unpacked
from ohlcv_assets.units import DAY, day_start
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.reads.limited import write
from ohlcv_assets_tests.stores.influxdb.stores import held, in_bulk, plan, trade_store
from ohlcv_assets_tests.stores.made import FIRST, Row, batches, day_number, made_day, promise, rows_of, stored

pytestmark = pytest.mark.integration

Open = Callable[[Server], InfluxTradeStore]
BACKUP = "/api/v2/backup/shards/"


@pytest.fixture
def open_on(fresh_layout: Callable[..., Layout]) -> Iterator[Open]:
    """Return what opens a store on fresh buckets of a server, in bulk."""
    stores: list[InfluxTradeStore] = []

    def on(server: Server) -> InfluxTradeStore:
        stores.append(trade_store(server, fresh_layout(server), plan(), bulk=in_bulk(server)))
        return stores[-1]

    yield on
    for store in stores:
        store.close()


def backed_up(store: InfluxTradeStore, offset: int, *, afresh: bool = True) -> list[Row]:
    """Return a day's trades from backups."""
    return rows_of(pa.Table.from_batches(list(store.backed_up(day_number(offset), afresh=afresh)), STORED))


def test_trades_however_they_came(any_server: Server, open_on: Open) -> None:
    """Loaded in bulk and by lines, overwritten, deleted, still in the cache: the last word holds, as in answers."""
    store = open_on(any_server)
    for offset in (0, 1, 5):
        trades = made_day(day_number(offset), 50)
        store.replace_day(promise(day_number(offset), trades), batches(trades))
    first = made_day(FIRST, 50).select(STORED.names).slice(3, 4)
    store.append(first.set_column(2, STORED.field("price"), pa.array([9.5] * 4)))
    store.append(stored([("A B", day_start(FIRST) + DAY - 1, 1.0, 2.0, -1), ("A", day_start(FIRST), 3.0, 4.0, 1)]))
    document = {
        "start": "2024-02-01T00:00:00Z",
        "stop": "2024-02-01T12:00:00Z",
        "predicate": '_measurement="trades" AND symbol="MSFT"',
    }
    query = {"org": any_server.org, "bucket": store._bucket}
    store._connection.call("POST", "/api/v2/delete", doing="delete", query=query, body=json.dumps(document).encode())
    everything = held(store)
    assert store.no_backup() is None
    for offset in (0, 1, 2, 5):
        start = day_start(day_number(offset))
        assert backed_up(store, offset) == [row for row in everything if start <= row[1] < start + DAY]
    assert backed_up(store, 2) == []
    assert len(backed_up(store, 1)) < 150


def test_one_backup_serves_the_days_of_its_shard(fake_server: Fake, open_on: Open) -> None:
    """Another is fetched for another shard, or where it is asked for; what came meanwhile is seen by that alone."""
    store = open_on(fake_server)
    for offset in (0, 1, 5):
        trades = made_day(day_number(offset), 5)
        store.replace_day(promise(day_number(offset), trades), batches(trades))
    before = fake_server.faults.count(BACKUP)
    assert len(backed_up(store, 0, afresh=False)) == len(backed_up(store, 1, afresh=False)) == 15
    assert fake_server.faults.count(BACKUP) == before + 1
    store.append(stored([("LATE", day_start(FIRST), 1.0, 1.0, 1)]))
    assert len(backed_up(store, 0, afresh=False)) == 15
    assert len(backed_up(store, 0)) == 16
    assert fake_server.faults.count(BACKUP) == before + 2
    assert len(backed_up(store, 5, afresh=False)) == 15
    assert len(backed_up(store, 0, afresh=False)) == 16
    assert fake_server.faults.count(BACKUP) == before + 4


def sizes(store: InfluxTradeStore) -> list[int]:
    """Return a list that grows by how many files each backup brings that is fetched from now on."""
    assert store._backups is not None
    api, found = store._backups._api, list[int]()
    fetch = api.download

    def download(shard: int, into: IO[bytes], since: float | None = None) -> bool:
        there = fetch(shard, into, since)
        into.seek(0)
        found.append(len([name for name in unpacked(into.read()) if name.endswith(".tsm")]) if there else 0)
        return there

    api.download = download  # type: ignore[method-assign]  # looks on
    return found


def test_only_what_changed_is_fetched(real_server: Server, open_on: Open) -> None:
    """Days loaded one after another bring their own files; a day that was fetched before brings all of them again."""
    store = open_on(real_server)
    fetched = sizes(store)
    loaded = {}
    for offset in range(3):
        loaded[offset] = made_day(day_number(offset), 20)
        store.replace_day(promise(day_number(offset), loaded[offset]), batches(loaded[offset]))
        time.sleep(1.1)  # dates are of whole seconds
        assert backed_up(store, offset) == rows_of(loaded[offset])
    assert fetched == [1] * 3
    assert backed_up(store, 1) == rows_of(loaded[1])
    assert fetched == [1] * 3 + [3]
    store.delete_day(day_number(1))
    store.append(made_day(day_number(2), 20).select(STORED.names).slice(0, 5))
    assert backed_up(store, 1) == []
    assert backed_up(store, 3) == backed_up(store, 3) == []
    assert fetched[-2] < fetched[-1]
    assert backed_up(store, 2) == rows_of(loaded[2])
    assert backed_up(store, 0) == rows_of(loaded[0])


def test_shards_and_buckets_that_have_gone(fake_server: Fake, open_on: Open) -> None:
    """There is nothing to be found in them."""
    store = open_on(fake_server)
    trades = made_day(FIRST, 5)
    store.replace_day(promise(FIRST, trades), batches(trades))
    fake_server.faults.add("answer", path=BACKUP, status=404)
    assert backed_up(store, 0) == []
    fake_server.faults.held.buckets.clear()
    assert backed_up(store, 0) == []


def test_points_that_are_no_trades(real_server: Server, open_on: Open) -> None:
    """A point without all fields is named; other measurements are none of ours."""
    store = open_on(real_server)
    trades = made_day(FIRST, 5)
    store.replace_day(promise(FIRST, trades), batches(trades))
    write(real_server, [f"weather,place=x price=1 {day_start(FIRST)}"], store._bucket)
    assert backed_up(store, 0) == rows_of(trades)
    write(real_server, [f"trades,symbol=AAPL price=1 {day_start(FIRST)}"], store._bucket)
    with pytest.raises(StoreMismatchError, match="1 trades without amount, the first is AAPL"):
        backed_up(store, 0)


def test_without_the_operators_token(fake_server: Fake, fresh_layout: Callable[..., Layout]) -> None:
    """There are no backups, and the reason is told."""
    store = trade_store(fake_server, fresh_layout(fake_server), plan())
    assert isinstance(store, BacksUp)
    assert not store.backs_up
    assert store.no_backup() == "OHLCV_INFLUX_OPERATOR_TOKEN is not set"
    with pytest.raises(StoreAccessError, match="gives no backups: OHLCV_INFLUX_OPERATOR_TOKEN is not set"):
        store.backed_up(FIRST, afresh=True)
    store.close()
