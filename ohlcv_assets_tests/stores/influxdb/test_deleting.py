"""Deletes end at the last nanosecond of their range, and are repeated until nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ohlcv_assets.errors import StoreMismatchError, StoreUnavailableError
from ohlcv_assets.stores.influxdb.deleting import DELETE_PAUSES, delete_range, until_gone
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MAX_NS, MIN_NS
from ohlcv_assets.stores.influxdb.reads.asking import Asker
from ohlcv_assets.stores.influxdb.reads.parts import END_NS, FIRST_NS, Part
from ohlcv_assets.stores.influxdb.reads.points import TRADES, field_counts
from ohlcv_assets.units import DAY
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.reads.limited import BUCKET, write

Delete = Callable[[int, int], None]


class Left:
    """Points that go only after several deletes."""

    def __init__(self, *left: int) -> None:
        self.left = list(left)
        self.deletes = 0
        self.waits: list[float] = []

    def delete(self) -> None:
        """Count deletes."""
        self.deletes += 1

    def still(self) -> int:
        """Return what is left after the delete."""
        return self.left[self.deletes - 1]


@pytest.mark.unit
@pytest.mark.parametrize("left", [(0,), (3, 0), (9, 9, 1, 0)])
def test_deletes_are_repeated(left: tuple[int, ...]) -> None:
    """Nothing is waited for where the first delete has taken everything; else each repetition waits longer."""
    points = Left(*left)
    until_gone(points.delete, points.still, "the trades", points.waits.append)
    assert points.deletes == len(left)
    assert points.waits == list(DELETE_PAUSES[: len(left)])
    assert points.waits[0] == 0


@pytest.mark.unit
def test_what_stays_is_an_error() -> None:
    """After the last repetition the error says how many are left of what, and what to do."""
    points = Left(*[5] * len(DELETE_PAUSES))
    with pytest.raises(StoreMismatchError, match=r"^5 of the trades were still there .* run the same again"):
        until_gone(points.delete, points.still, "the trades", points.waits.append)
    assert points.waits == list(DELETE_PAUSES)


def deleter(server: Server, bucket: str) -> Iterator[Delete]:
    """Give what deletes trades between two instants."""
    connection = server.connect()
    yield lambda start, end: delete_range(
        connection, bucket, "trades", start, end, doing="delete for a test", patience=5.0
    )
    connection.close()


@pytest.mark.integration
def test_the_end_is_not_deleted(any_server: Server, any_layout: Layout) -> None:
    """What lies at the end of the range or a nanosecond before its start stays, as do other measurements."""
    bucket = any_layout.trades.name
    for instant in (-1, 0, DAY - 1, DAY):
        write(any_server, [f"{kind},symbol=A price=1 {instant}" for kind in ("trades", "others")], bucket)
    for delete in deleter(any_server, bucket):
        delete(0, DAY)
    connection = any_server.connect()
    asker = Asker(connection, 20)

    def held(start: int, end: int) -> int:
        found = field_counts(asker, TRADES, bucket, Part(start, end), name="held")
        return sum(counts["price"] for counts in found.values())

    assert (held(FIRST_NS, 0), held(0, DAY), held(DAY, END_NS)) == (1, 0, 1)
    rows = f'from(bucket: "{bucket}") |> range(start: 1960-01-01T00:00:00Z) |> filter(fn: (r) => r._field == "price")'
    others = asker.flux(f'{rows} |> filter(fn: (r) => r._measurement == "others") |> count()', "others")
    assert others["_value"].to_pylist() == ["4"]
    connection.close()


@pytest.mark.integration
def test_all_that_can_be_held(any_server: Server, any_layout: Layout) -> None:
    """Bounds beyond what InfluxDB can hold are cut to it; a range wholly beyond is no request."""
    bucket = any_layout.trades.name
    write(any_server, [f"trades,symbol=A price=1 {instant}" for instant in (MIN_NS, 0, MAX_NS)], bucket)
    connection = any_server.connect()
    asker = Asker(connection, 20)
    for delete in deleter(any_server, bucket):
        delete(MAX_NS + 1, 2**64)
        delete(5, 5)
        held = f'from(bucket: "{bucket}") |> range(start: 1677-09-21T00:12:43.145224194Z, stop: 2262-04-11T23:47:16Z)'
        assert asker.flux(f"{held} |> count()", "held")["_value"].to_pylist() == ["2"]
        delete(-(2**64), 2**64)
    assert asker.flux(f"{held} |> count()", "held")["_value"].to_pylist() == []
    connection.close()


@pytest.mark.integration
def test_an_overloaded_server_is_asked_again(fake_server: Fake) -> None:
    """A delete is repeated like any request that may be, as long as patience lasts."""
    fake_server.faults.add("answer", path="/api/v2/delete", times=2, status=503)
    for delete in deleter(fake_server, BUCKET):
        delete(0, DAY)
    assert fake_server.faults.count("/api/v2/delete") == 3
    fake_server.faults.add("answer", path="/api/v2/delete", times=None, status=503)
    connection = fake_server.connect()
    with pytest.raises(StoreUnavailableError, match="could not delete for a test"):
        delete_range(connection, BUCKET, "trades", 0, DAY, doing="delete for a test", patience=0.0)
    connection.close()
