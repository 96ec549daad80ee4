"""Which way a day goes, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from ohlcv_assets.errors import StoreRejectedError
from ohlcv_assets.stores.influxdb.bulk import choice
from ohlcv_assets.stores.influxdb.bulk.plan import BulkPlan
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.units import day_start
from ohlcv_assets_tests.servers import drop_bucket, make_bucket, make_token
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.reads.limited import write
from ohlcv_assets_tests.stores.influxdb.stores import held, in_bulk, plan, trade_store
from ohlcv_assets_tests.stores.made import FIRST, batches, made_day, promise, rows_of

pytestmark = pytest.mark.integration

RIGHTS = [
    {"action": action, "resource": {"type": kind}}
    for kind in ("buckets", "labels", "orgs")
    for action in ("read", "write")
]


def load(server: Fake, layout: Layout, bulk: BulkPlan | None, **figures: Any) -> tuple[str, str]:
    """Load a day and return the way it took and why; Any: fields of LoadPlan."""
    store = trade_store(server, layout, plan(**figures), bulk=bulk)
    trades = made_day(FIRST, 10)
    try:
        report = store.replace_day(promise(FIRST, trades), batches(trades))
        assert held(store) == rows_of(trades)
        assert (report.rows, report.written, report.detail["rows"]) == (30, 30, 30)
        return str(report.detail["path"]), str(report.detail["path_reason"])
    finally:
        store.close()


@pytest.fixture
def layout(fake_server: Fake, fresh_layout: Callable[..., Layout]) -> Layout:
    """Return fresh buckets of the fake server."""
    return fresh_layout(fake_server)


@pytest.mark.parametrize("wish", ["auto", "bulk"])
def test_whole_days_go_in_bulk(fake_server: Fake, layout: Layout, wish: Any) -> None:
    """Where the server allows it, no line of trades is written; Any: a wish."""
    assert load(fake_server, layout, in_bulk(fake_server, wish)) == ("bulk", "a whole day, and the server allows it")
    assert fake_server.faults.count("/api/v2/restore/shards/") == 1
    # Two records of the day, and the point that makes the shard.
    assert fake_server.faults.count("/api/v2/write") == 3


def test_lines_where_they_are_asked_for(fake_server: Fake, layout: Layout) -> None:
    """Then nothing is asked with the operator's token."""
    assert load(fake_server, layout, in_bulk(fake_server, "line")) == ("line", "lines were asked for")
    assert fake_server.faults.count("/api/v2/backup") == 0


def refused(server: Fake, layout: Layout, bulk: BulkPlan, reason: str, **figures: Any) -> None:
    """Fail unless a day goes by lines for a reason, and is refused where only bulk will do; Any: of LoadPlan."""
    store = trade_store(server, layout, plan(**figures), bulk=replace(bulk, wish="bulk"))
    trades = made_day(FIRST, 10)
    with pytest.raises(StoreRejectedError, match=rf"^2024-01-31 cannot be loaded in bulk.*: {reason}\. Nothing was ch"):
        store.replace_day(promise(FIRST, trades), batches(trades))
    assert dict(store.day_records()) == {}
    store.close()
    way, said = load(server, layout, replace(bulk, wish="auto"), **figures)
    assert (way, said) == ("line", reason.replace("\\", ""))


def test_without_the_operators_token(fake_server: Fake, layout: Layout) -> None:
    """Days go by lines, and only bulk is refused before anything is changed."""
    refused(fake_server, layout, BulkPlan(), "OHLCV_INFLUX_OPERATOR_TOKEN is not set")
    assert "secret" not in repr(BulkPlan("bulk", SecretStr("secret")))


def test_with_another_token(fake_server: Fake, layout: Layout) -> None:
    """A token that may not back up is named by its variable."""
    _, token = make_token(fake_server, RIGHTS)
    refused(
        fake_server,
        layout,
        BulkPlan("auto", SecretStr(token)),
        "the server takes OHLCV_INFLUX_OPERATOR_TOKEN for no operator's",
    )


@pytest.mark.parametrize(
    ("version", "said"), [("v2.8.0", "2\\.8\\.0"), ("v3.0.1", "3\\.0\\.1"), ("", "of unknown version")]
)
def test_versions_that_were_not_tried(
    fake_server: Fake, layout: Layout, version: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version's files may be named otherwise: days go by lines, with a warning once."""
    warned: list[str] = []
    monkeypatch.setattr(choice, "_told", set())
    monkeypatch.setattr(choice, "get_logger", lambda _room: Logger(warned))
    headers = {"X-Influxdb-Version": version} if version else {}
    fake_server.faults.add("answer", path="/ping", times=None, status=204, headers=headers)
    refused(fake_server, layout, in_bulk(fake_server), f"InfluxDB {said} was not tried, 2\\.9 was")
    assert warned == [version.removeprefix("v")]


class Logger:
    """Keeps the versions that it is told."""

    def __init__(self, warned: list[str]) -> None:
        self._warned = warned

    def warning(self, _event: str, *, version: str, tried: str) -> None:
        """Keep one."""
        assert tried == "2.9"
        self._warned.append(version)


def test_with_a_throttle(fake_server: Fake, layout: Layout) -> None:
    """Files cannot be sent slowly."""
    reason = "OHLCV_MAX_ROWS_PER_SECOND is set"
    refused(fake_server, layout, in_bulk(fake_server), reason, rows_per_second=1_000_000)


@pytest.mark.parametrize("there", [False, True])
def test_shards_that_end_within_a_day(fake_server: Fake, layout: Layout, *, there: bool) -> None:
    """A day of several shards goes by lines, whether they are there or not."""
    connection = fake_server.connect()
    drop_bucket(connection, layout.trades.name)
    make_bucket(connection, layout.trades.name, 0, 6 * 3_600)
    connection.close()
    if there:
        write(fake_server, [f"other x=1 {day_start(FIRST)}"], layout.trades.name)
    refused(fake_server, layout, in_bulk(fake_server), "2024-01-31 does not lie in one shard of the bucket")
