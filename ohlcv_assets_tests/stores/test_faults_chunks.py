"""Bad days of leases and records of chunks: holders killed, clocks wrong, records gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ohlcv_assets.errors import StoreAccessError, StoreBusyError, StoreQueryError
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.stores.duckdb.broker import Broker
from ohlcv_assets.stores.duckdb.chunks import DuckDBChunks
from ohlcv_assets.stores.influxdb.chunks import InfluxChunks
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.leasing.holders import Terms, properties_of
from ohlcv_assets.stores.influxdb.leasing.labels import Labels, ServerClock
from ohlcv_assets.stores.influxdb.leasing.processes import Process
from ohlcv_assets.units import SECOND
from ohlcv_assets_tests.servers import Server, drop_bucket, make_bucket
from ohlcv_assets_tests.stores.leaseholder import DAY, holding
from ohlcv_assets_tests.stores.made import FIRST

pytestmark = pytest.mark.integration

HOUR = 3_600
Open = Callable[[], InfluxChunks]


@pytest.fixture
def open_chunks(any_server: Server, any_layout: Layout) -> Iterator[Open]:
    """Return what opens the records of one dataset on a server, with little patience."""
    opened: list[InfluxChunks] = []

    def make() -> InfluxChunks:
        opened.append(InfluxChunks(any_server.connect(None, 2), any_layout, Terms(patience=0.5)))
        return opened[-1]

    yield make
    for chunks in opened:
        chunks.close()


def taken(chunks: InfluxChunks | DuckDBChunks) -> bool:
    """Return whether the first day's 1m bars are to be had."""
    try:
        with chunks.lease(["1m"], DAY):
            return True
    except StoreBusyError:
        return False


def test_a_killed_holder_of_the_embedded_store(tmp_path: Path) -> None:
    """What a living process holds is not to be had; once it is killed it is, at once."""
    chunks = DuckDBChunks(Broker(tmp_path / "store.duckdb"), 0.2)
    with holding({"store": str(tmp_path / "store.duckdb")}) as process:
        assert not taken(chunks)
        process.kill()
        process.wait()
        assert taken(chunks)


def test_a_file_made_before_there_were_records(tmp_path: Path) -> None:
    """A store of an older version has no records until there is something to record."""
    broker = Broker(tmp_path / "store.duckdb")
    with broker.session():
        pass
    chunks = DuckDBChunks(broker, 0.2)
    assert list(chunks.records()) == []
    chunks.forget(DAY)
    chunks.mark([ChunkRecord("1m", DAY.start, DAY.stop, "done")])
    assert len(chunks.records()) == 1
    broker.close()


def test_a_killed_holder_on_a_server(any_server: Server, any_layout: Layout, open_chunks: Open) -> None:
    """The same where the lease is a label: whose process is seen to be gone is waited for no longer."""
    prefix = any_layout.trades.name.removesuffix("trades")
    order = {"url": any_server.url, "org": any_server.org, "token": any_server.operator_token, "prefix": prefix}
    with holding(order) as process:
        assert not taken(open_chunks())
        process.kill()
        process.wait()
        assert taken(open_chunks())


@pytest.mark.parametrize(("left", "free"), [(20, False), (-2, True)])
def test_a_holder_on_another_machine(any_server: Server, open_chunks: Open, left: int, free: bool) -> None:
    """Who cannot be seen from here has its lease until it ends by the server's clock, whatever ours says."""
    chunks = open_chunks()
    labels = Labels(any_server.connect(None, 1), ServerClock())
    ends = str(int(any_server.connect(None, 1).server_time()) + left)
    elsewhere = Process("far-away", "another place", 1, 1.0)
    name = chunks._leases.label_of((FIRST.isoformat(), "1m"))
    assert labels.create(name, properties_of("somebody", elsewhere, "idle", ends)) is not None
    assert taken(chunks) == free


@pytest.mark.parametrize("wrong", [HOUR, -HOUR])
def test_a_clock_wrong_by_an_hour(
    real_server: Server, real_layout: Layout, monkeypatch: pytest.MonkeyPatch, wrong: int
) -> None:
    """A client with a wrong clock takes nothing that others hold and loses nothing; records say the true time."""
    right = time.time

    def open_chunks() -> InfluxChunks:
        return InfluxChunks(real_server.connect(None, 2), real_layout, Terms(patience=0.5))

    with open_chunks().lease(["1m"], DAY):
        monkeypatch.setattr(time, "time", lambda: right() + wrong)
        other = open_chunks()
        assert not taken(other)
        with other.lease(["5m"], DAY) as check:
            check()
            other.mark([ChunkRecord("1m", DAY.start, DAY.stop, "done")])
        (found,) = other.records()
        other.close()
    assert abs(found.at / SECOND - right()) < HOUR / 2


def test_the_status_bucket_is_deleted(any_server: Server, any_layout: Layout, open_chunks: Open) -> None:
    """Without the bucket of records every question names it; once it is there again nothing is recorded."""
    chunks = open_chunks()
    record = ChunkRecord("1m", DAY.start, DAY.stop, "done")
    chunks.mark([record])
    connection = any_server.connect(None, 1)
    drop_bucket(connection, any_layout.status.name)
    with pytest.raises((StoreAccessError, StoreQueryError), match="not found"):
        chunks.records()
    with pytest.raises(StoreAccessError, match="ohlcv influx setup"):
        chunks.mark([record])
    make_bucket(connection, any_layout.status.name)
    assert list(chunks.records()) == []
    chunks.mark([record])
    assert len(chunks.records()) == 1


def test_a_reply_without_results_is_no_answer(any_layout: Layout, any_server: Server) -> None:
    """A reply that has no result is an error, not a store without records."""

    class Empty(Connection):
        def call(self, *_args: object, **_more: object) -> object:  # type: ignore[override]  # all it needs
            class Reply:
                def document(self) -> dict[str, object]:
                    return {}

            return Reply()

    chunks = InfluxChunks(Empty(any_server.connect(None, 1).address), any_layout, Terms())
    with pytest.raises(StoreQueryError, match="no result"):
        chunks.records()
