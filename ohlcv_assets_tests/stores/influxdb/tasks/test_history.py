"""The history of runs: the server's own and what runs recorded, brought together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.errors import StoreQueryError
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.tasks.calls import TaskCalls
from ohlcv_assets.stores.influxdb.tasks.definitions import Task
from ohlcv_assets.stores.influxdb.tasks.history import past_runs
from ohlcv_assets.stores.influxdb.tasks.manager import TaskManager
from ohlcv_assets.stores.influxdb.tasks.runs import TaskRun, followed, newest, recorded_runs
from ohlcv_assets.units import DAY, HOUR, MINUTE, Nanos
from ohlcv_assets_tests.bars.made import START
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.instants import text_of
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.reads.limited import write
from ohlcv_assets_tests.stores.influxdb.tasks.markets import Market, open_market, trades_of

pytestmark = pytest.mark.integration

MINUTES, HOURS = RESOLUTIONS["1m"], RESOLUTIONS["1h"]


@pytest.fixture(name="market")
def _market(fake_server: Fake, fresh_layout: Callable[[Server], Layout]) -> Iterator[Market]:
    """Return a market on the fake server with tasks and two hours of trades."""
    market = open_market(fake_server, fresh_layout(fake_server))
    TaskManager(market.connection, market.layout).install()
    market.write(trades_of(START, START + 2 * HOUR, 50))
    yield market
    market.close()


def test_both_sides_of_a_run(fake_server: Fake, market: Market) -> None:
    """What the server says of a run and what it recorded are one; newest first, a source before what is made of it."""
    fake_server.faults.tasks.pass_time(START + 2 * HOUR, START + 2 * HOUR + 2 * MINUTE)
    found = past_runs(market.connection, market.layout, STORED_RESOLUTIONS, 100)
    assert [(one.at, one.resolution) for one in found] == [
        (START + 2 * HOUR + MINUTE, "1m"),
        *((START + 2 * HOUR, name) for name in ("1m", "5m", "15m", "1h", "1d")),
    ]
    first = found[1]
    assert first.record is not None
    assert (first.status, first.seconds, first.reason) == ("success", 0.0, "")
    assert (first.record.kind, first.record.watermark, first.record.trades) == ("live", START + 2 * HOUR, 50)
    assert len(past_runs(market.connection, market.layout, STORED_RESOLUTIONS, 2)) == 2
    assert {one.resolution for one in past_runs(market.connection, market.layout, [HOURS], 100)} == {"1h"}


def test_records_outlive_the_servers_history(fake_server: Fake, market: Market) -> None:
    """After three days the server has forgotten a run, and after a removal the task: its record tells of it."""
    tasks = fake_server.faults.tasks
    tasks.pass_time(START + 2 * HOUR, START + 2 * HOUR + MINUTE)
    for runs in tasks.runs.values():
        runs.clear()
    (found,) = past_runs(market.connection, market.layout, [MINUTES], 10)
    assert (found.status, found.reason) == ("success", "")
    assert found.record is not None
    assert found.seconds == found.record.seconds
    TaskManager(market.connection, market.layout).remove()
    assert past_runs(market.connection, market.layout, [MINUTES], 10) == [found]


def test_runs_that_did_not_succeed(fake_server: Fake, market: Market) -> None:
    """They are told with the server's reason, and one under way without an end."""
    tasks = fake_server.faults.tasks
    (task,) = [task for task in tasks.held.values() if task["name"].endswith(" 1h")]
    task["flux"] = task["flux"].replace(market.layout.bars["1h"].name, "gone")
    assert tasks.run(task, START + 2 * HOUR)["status"] == "failed"
    zero = "0001-01-01T00:00:00Z"
    tasks.runs[task["id"]].append(
        {"id": "a", "status": "started", "scheduledFor": text_of(START + 3 * HOUR), "finishedAt": zero, "log": []}
    )
    running, failed = past_runs(market.connection, market.layout, [HOURS], 10)
    assert (running.status, running.seconds, running.record, running.reason) == ("started", None, None, "")
    assert (failed.status, failed.record) == ("failed", None)
    assert "could not execute task run" in failed.reason
    assert "gone" in failed.reason


def test_a_task_that_is_gone_has_no_runs(market: Market) -> None:
    """Somebody may remove it between two questions."""
    gone = Task("0" * 16, "gone", "", "", active=True, owner="")
    assert TaskCalls(market.connection).runs(gone, 10) == []


def test_many_tasks_come_in_pages(fake_server: Fake, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are looked through, whatever their number."""
    monkeypatch.setattr("ohlcv_assets.stores.influxdb.tasks.calls._PAGE", 2)
    standings = TaskManager(market.connection, market.layout).look()
    assert [standing.state for standing in standings] == ["active"] * len(STORED_RESOLUTIONS)
    assert fake_server.faults.count("/api/v2/tasks") > len(STORED_RESOLUTIONS)


def test_records_that_cannot_be_read(fake_server: Fake, market: Market) -> None:
    """An error inside a reply is told as one."""
    fake_server.faults.add("answer", path="/query", status=200, body=b'{"results": [{"error": "no room"}]}')
    with pytest.raises(StoreQueryError, match="no room"):
        recorded_runs(market.connection, market.layout, 1)
    fake_server.faults.add("answer", path="/query", status=200, body=b"{}")
    with pytest.raises(StoreQueryError, match="no result"):
        recorded_runs(market.connection, market.layout, 1)


def test_a_run_that_is_being_recorded(fake_server: Fake, market: Market) -> None:
    """Part of a record is none: it is left out, and the one before it told."""
    fake_server.faults.tasks.pass_time(START + 2 * HOUR, START + 2 * HOUR + 2 * MINUTE)
    line = f'task_runs,bucket={market.layout.trades.name},resolution=1m kind="live" {START + 3 * HOUR}'
    write(market.server, [line], market.layout.status.name)
    assert [one.at for one in recorded_runs(market.connection, market.layout, 1, ["1m"])] == [START + 2 * HOUR + MINUTE]


def run_of(since: int, watermark: int, at: int = 0) -> TaskRun:
    """Return what a run recorded."""
    whole = [Nanos(value) for value in (0, 0, since, watermark)]
    return TaskRun("1h", Nanos(at), "live", whole[0], whole[1], whole[2], whole[3], 0, 0, 0.0)


def test_days_that_a_task_has_followed() -> None:
    """Each day that it has made up to its watermark, the last one in part, within what is asked about."""
    run = run_of(START, START + 2 * DAY + HOUR)
    ever = Span(Nanos(0), Nanos(2**62))
    assert [(one.start - START, one.stop - START) for one in followed(run, ever)] == [
        (0, DAY),
        (DAY, 2 * DAY),
        (2 * DAY, 2 * DAY + HOUR),
    ]
    assert {(one.state, one.source_hash, one.at) for one in followed(run, ever)} == {("done", "", 0)}
    part = Span(Nanos(START + HOUR), Nanos(START + 2 * DAY))
    assert [one.start - START for one in followed(run, part)] == [DAY]
    assert followed(run, Span(Nanos(0), Nanos(START))) == []
    assert followed(run_of(0, 0), ever) == []


def test_the_newest_of_each() -> None:
    """Whatever the order they come in."""
    assert newest([run_of(0, 2, at=2), run_of(0, 1, at=1)])["1h"].watermark == 2
    assert newest([]) == {}
