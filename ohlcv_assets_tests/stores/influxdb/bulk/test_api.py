"""The API of backup and restore: what is repeated, what is an answer, what is an error."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from typing import IO, cast

import pytest

from ohlcv_assets.errors import MachineError, StoreAccessError, StoreBusyError, StoreUnavailableError
from ohlcv_assets.stores.influxdb.bulk.api import BackupApi
from ohlcv_assets.stores.influxdb.bulk.shards import Shard
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.failures import Failure, Reply
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.tsm.archives import unpacked
from ohlcv_assets.units import day_start
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.reads.limited import write
from ohlcv_assets_tests.stores.made import FIRST

pytestmark = pytest.mark.integration

START = day_start(FIRST)
LINE = f"trades,symbol=A price=1,amount=1,side=1i {START}"
SHARDS = "/api/v2/backup/shards/"


@pytest.fixture
def open_api() -> Iterator[Callable[[Server], BackupApi]]:
    """Return what opens the API of a server, with little patience and short pauses."""
    opened: list[Connection] = []

    def on(server: Server) -> BackupApi:
        opened.append(server.connect(size=2, timeout=5.0, patience=1.0))
        return BackupApi(opened[-1], 1.0, lambda _seconds: time.sleep(0.01))

    yield on
    for connection in opened:
        connection.close()


@pytest.fixture
def api(fake_server: Fake, open_api: Callable[[Server], BackupApi]) -> BackupApi:
    """Return the API of the fake server."""
    return open_api(fake_server)


@pytest.fixture
def shard(fake_server: Fake, api: BackupApi, fresh_layout: Callable[[Server], Layout]) -> Shard:
    """Return a shard of the fake server that holds one trade."""
    bucket = fresh_layout(fake_server).trades.name
    write(fake_server, [LINE], bucket)
    shards = api.shards(bucket)
    assert shards is not None
    return shards.those[0]


def test_shards_and_their_files(
    any_server: Server, open_api: Callable[[Server], BackupApi], fresh_layout: Callable[[Server], Layout]
) -> None:
    """A bucket has no shard until a point is written; then its files are listed, all or those that are new."""
    api, bucket = open_api(any_server), fresh_layout(any_server).trades.name
    assert api.version() == any_server.version
    assert api.shards("no such bucket") is None
    before = api.shards(bucket)
    assert before is not None
    assert (before.span, before.those) == (7 * 86_400 * 10**9, ())
    write(any_server, [LINE], bucket)
    after = api.shards(bucket)
    assert after is not None
    (shard,) = after.those
    assert shard.start <= START < shard.end == shard.start + before.span
    listing = api.files(shard.id)
    assert listing is not None
    assert [path.endswith("-000000001.tsm") for path in listing.names] == [True]
    assert abs(listing.date - time.time()) < 60
    assert api.files(shard.id, listing.date + 3600) is not None
    assert api.files(shard.id, listing.date + 3600).names == ()  # type: ignore[union-attr]  # it is there
    held = io.BytesIO(b"something of before")
    # What an attempt before left is written over, and nothing of it stays behind the end.
    held.write(b"x" * 1_000_000)
    assert api.download(shard.id, held)
    assert list(unpacked(held.getvalue())) == list(listing.names)


def test_shards_that_are_not_there(any_server: Server, open_api: Callable[[Server], BackupApi]) -> None:
    """That is an answer of a backup; a restore fails."""
    api = open_api(any_server)
    assert api.files(987_654) is None
    assert not api.download(987_654, io.BytesIO())
    reply = api.restore(987_654, [bytes(1024)], 5.0)
    assert isinstance(reply, Reply)
    assert reply.status == 500


@pytest.mark.parametrize("fault", ["reset", "truncate", "refuse", "answer"])
def test_backups_are_asked_for_until_they_come_whole(
    fake_server: Fake, api: BackupApi, shard: Shard, fault: str
) -> None:
    """A connection that ends, a reply that is cut off, a shard that is closed just then: the same again."""
    fake_server.faults.add(fault, path=SHARDS, times=2, status=500)  # type: ignore[arg-type]  # one of those
    listing = api.files(shard.id)
    assert listing is not None
    assert len(listing.names) == 1
    assert fake_server.faults.count(SHARDS) == 3


def test_patience_ends(fake_server: Fake, api: BackupApi, shard: Shard) -> None:
    """A server that never answers properly is an error that says what was wanted."""
    fake_server.faults.add("answer", path=SHARDS, times=None, status=200, body=b"no tar")
    with pytest.raises(StoreUnavailableError, match=rf"could not back up the shard {shard.id} .*no tar, or an incompl"):
        api.files(shard.id)


def test_other_tokens(fake_server: Fake, api: BackupApi, shard: Shard) -> None:
    """What the server refuses is not asked again."""
    fake_server.faults.add("answer", path="/api/v2/backup", times=None, status=401)
    with pytest.raises(StoreAccessError):
        api.files(shard.id)
    with pytest.raises(StoreAccessError):
        api.shards("trades")
    assert fake_server.faults.count("/api/v2/backup", 401) == 2


def test_a_disk_that_is_full(api: BackupApi, shard: Shard) -> None:
    """Trouble of this machine is no trouble of the server, and not repeated."""

    class Full(io.BytesIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(MachineError, match=r"temporary file: .*No space left"):
        api.download(shard.id, cast("IO[bytes]", Full()))


def test_a_guard_comes_first(fake_server: Fake, api: BackupApi, shard: Shard) -> None:
    """What it raises comes through, but an OSError is a request without a reply."""

    def lost() -> None:
        raise StoreBusyError("somebody else has it")

    def overdue() -> None:
        raise ConnectionError

    before = fake_server.faults.count("/api/v2")
    with pytest.raises(StoreBusyError):
        api.guarded(lost).files(shard.id)
    with pytest.raises(StoreBusyError):
        api.guarded(lost).restore(shard.id, [b""], 5.0)
    assert isinstance(api.guarded(overdue).restore(shard.id, [b""], 5.0), Failure)
    assert fake_server.faults.count("/api/v2") == before
