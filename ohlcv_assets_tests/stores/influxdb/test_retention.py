"""Days that a bucket would not keep are known by the server's clock, and refused."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator

import pytest

from ohlcv_assets.errors import StoreAccessError, StoreRejectedError
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MIN_NS
from ohlcv_assets.stores.influxdb.retention import Retention
from ohlcv_assets.units import DAY, SECOND, Nanos, day_of, day_start
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.integration

YEAR = 365 * DAY // SECOND
BUCKETS = "/api/v2/buckets"


@pytest.fixture
def connection(fake_server: Fake) -> Iterator[Connection]:
    """Return a way to the fake server."""
    opened = fake_server.connect(patience=0.0)
    yield opened
    opened.close()


def test_what_would_not_be_kept_is_refused(any_server: Server, fresh_layout: Callable[..., Layout]) -> None:
    """An instant older than the bucket keeps is refused with what it keeps and what to do; a younger one passes."""
    bucket = fresh_layout(any_server, YEAR).trades.name
    opened = any_server.connect()
    retention = Retention(opened, bucket)
    now = int(opened.server_time()) * SECOND
    retention.require(now - 364 * DAY)
    old = now - 367 * DAY
    with pytest.raises(StoreRejectedError) as caught:
        retention.require(old)
    said = str(caught.value)
    assert f"{bucket!r} of InfluxDB at {any_server.url} keeps points for 365 days, back to 20" in said
    assert f"those of {day_of(Nanos(old))}; nothing was written" in said
    assert "OHLCV_INFLUX_RETENTION" in said
    first = retention.first_kept_day()
    assert first is not None
    assert first - dt.timedelta(days=1) <= day_of(Nanos(now - 365 * DAY)) < first
    # A day that is kept whole from its first nanosecond passes.
    retention.require(day_start(first))
    opened.close()


def test_for_ever_is_for_ever(any_server: Server, any_layout: Layout) -> None:
    """A bucket without a retention keeps whatever InfluxDB can hold; before that there is nothing to keep."""
    opened = any_server.connect()
    retention = Retention(opened, any_layout.trades.name)
    retention.require(MIN_NS)
    assert retention.first_kept_day() is None
    with pytest.raises(StoreRejectedError, match="1677-09-20"):
        retention.require(MIN_NS - DAY)
    opened.close()


def test_the_servers_clock_counts(fake_server: Fake, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where our clock is years off the server's decides, also long after it was asked."""
    rule = {"buckets": [{"name": "first", "retentionRules": [{"type": "expire", "everySeconds": YEAR}]}]}
    fake_server.faults.add("answer", path=BUCKETS, status=200, body=json.dumps(rule).encode())
    there = 1_000_000_000.0
    monkeypatch.setattr(connection, "server_time", lambda: there)
    boot = [50.0]
    monkeypatch.setattr("ohlcv_assets.stores.influxdb.retention.seconds_since_boot", lambda: boot[0])
    retention = Retention(connection, "first")
    oldest = int(there - YEAR) * SECOND
    retention.require(oldest)
    with pytest.raises(StoreRejectedError):
        retention.require(oldest - 1)
    boot[0] += 10
    retention.require(oldest + 10 * SECOND)
    with pytest.raises(StoreRejectedError):
        retention.require(oldest + 10 * SECOND - 1)
    assert fake_server.faults.count(BUCKETS) == 1


@pytest.mark.parametrize("rules", [[], None, [{"type": "expire"}]])
def test_a_bucket_without_rules_keeps_everything(
    fake_server: Fake, connection: Connection, rules: list[dict[str, str]] | None
) -> None:
    """However the server says that there is no rule."""
    rule = {"buckets": [{"name": "first", "retentionRules": rules}]}
    fake_server.faults.add("answer", path=BUCKETS, status=200, body=json.dumps(rule).encode())
    assert Retention(connection, "first").first_kept_day() is None


def test_a_bucket_that_is_not_shown(fake_server: Fake, connection: Connection) -> None:
    """One that is missing, or that the token may not see, is an error with a remedy."""
    fake_server.faults.add("answer", path=BUCKETS, status=200, body=b'{"buckets": []}')
    with pytest.raises(StoreAccessError, match="shows no bucket 'first' to this token: run `ohlcv influx setup`"):
        Retention(connection, "first").require(time.time_ns())
    with pytest.raises(StoreAccessError, match="ohlcv influx setup"):
        Retention(connection, "missing").require(time.time_ns())
