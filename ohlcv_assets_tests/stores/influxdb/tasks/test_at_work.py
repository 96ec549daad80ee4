"""Tasks at work on a real server, on a schedule of seconds: every bar right, whatever happens meanwhile."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.stores.influxdb.failures import Reply
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.tasks import manager as managing
from ohlcv_assets.stores.influxdb.tasks.calls import TaskCalls
from ohlcv_assets.stores.influxdb.tasks.definitions import task_name, wanted_tasks
from ohlcv_assets.stores.influxdb.tasks.history import past_runs
from ohlcv_assets.stores.influxdb.tasks.manager import TaskManager
from ohlcv_assets.stores.influxdb.tasks.pausing import Pausing
from ohlcv_assets.units import DAY, HOUR, MINUTE, SECOND, day_of
from ohlcv_assets_tests.bars.made import START
from ohlcv_assets_tests.servers import OwnServer, Server, drop_layout, made_layout
from ohlcv_assets_tests.stores.influxdb.reads.limited import write
from ohlcv_assets_tests.stores.influxdb.tasks.markets import IMPATIENT, Market, open_market, trades_of, whole

pytestmark = pytest.mark.integration

MINUTES = RESOLUTIONS["1m"]


@pytest.fixture(name="market")
def _market(real_server: Server, real_layout: Layout) -> Iterator[Market]:
    """Return a market on the real server without tasks."""
    market = open_market(real_server, real_layout)
    yield market
    market.close()


def settles(market: Market, until: Callable[[str], int], seconds: float = 90.0) -> None:
    """Wait until every bar is right up to an instant of each resolution; fail with what is wrong."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(AssertionError):
            market.hold(lambda resolution: until(resolution.name))
            return
        time.sleep(0.2)
    market.hold(lambda resolution: until(resolution.name))


def set_clock(market: Market, instant: int) -> None:
    """Let it be so late for tasks that were made with ``clock_of``: nobody is later than the one who writes."""
    write(market.server, [f"clock at={instant}i 0"], market.layout.status.name)


def clock_of(market: Market) -> str:
    """Return the clock that is set by ``set_clock``."""
    return (
        f'time(v: (from(bucket: "{market.layout.status.name}")'
        " |> range(start: 1970-01-01T00:00:00Z, stop: 1970-01-02T00:00:00Z)"
        ' |> filter(fn: (r) => r._measurement == "clock") |> last()'
        ' |> findColumn(fn: (key) => true, column: "_value"))[0])'
    )


def test_a_day_as_it_comes(market: Market) -> None:
    """A day's trades are written in time order while tasks run every second; then every bar of it is right."""
    trades = trades_of(START, START + DAY, 3_000)
    set_clock(market, START)
    market.install(int(SECOND), clock_of(market), offsets=[int(SECOND)] * len(STORED_RESOLUTIONS))
    for hour in range(24):
        since, until = START + hour * HOUR, START + (hour + 1) * HOUR
        market.write([trade for trade in trades if since <= trade[1] < until])
        set_clock(market, until)
        if hour % 8 == 0:
            # However slow the machine is, tasks run in the middle of the day more than once.
            market.wait(lambda until=until: market.watermark("1m") >= until)  # type: ignore[misc]  # a default
    market.wait(lambda: market.watermark("1d") >= START + DAY)
    market.hold(lambda _: START + DAY)
    for resolution in STORED_RESOLUTIONS:
        runs = [run for run in market.runs(resolution.name) if run.kind != "idle"]
        assert len({run.watermark for run in runs}) > 1, resolution.name
        assert all(run.stop % int(resolution.duration or 1) == 0 for run in runs)
    past = past_runs(market.connection, market.layout, STORED_RESOLUTIONS, 500)
    assert {one.status for one in past} <= {"success", "started", "scheduled"}


def test_late_trades_and_a_corrected_day(market: Market) -> None:
    """Trades that come late within the window are in the bars soon after; so is a day that was loaded again."""
    now = int(market.connection.server_time()) * SECOND
    today = now // DAY * DAY
    yesterday = trades_of(today - DAY, today, 500)
    market.prove(yesterday, "first")
    recent = trades_of(now - HOUR, now, 400)
    late = [trade for trade in recent if now - 10 * MINUTE <= trade[1] < now - MINUTE][::3]
    market.write([trade for trade in recent if trade not in late and trade[1] >= today])
    market.install(int(SECOND), offsets=[int(SECOND)] * len(STORED_RESOLUTIONS))
    for resolution in STORED_RESOLUTIONS:
        market.wait(partial(has_come, market, resolution, now))
    settles(market, market.watermark)
    market.write([trade for trade in late if trade[1] >= today])
    settles(market, market.watermark)
    market.prove([(name, at, price + 1, amount, side) for name, at, price, amount, side in yesterday], "second")
    settles(market, market.watermark)
    market.wait(lambda: {"second"} == {market.records(one.name)[0].source_hash for one in STORED_RESOLUTIONS})
    for resolution in STORED_RESOLUTIONS:
        first = market.records(resolution.name)[0]
        assert (first.state, first.source_hash, first.rows_in) == ("done", "second", len(yesterday))


def has_come(market: Market, resolution: Resolution, now: int) -> bool:
    """Return whether a task has made all complete bars of an instant."""
    return market.watermark(resolution.name) >= whole(resolution, now)


def test_the_server_is_killed_during_a_run(own_server: OwnServer) -> None:
    """Killed while tasks catch up and started again, they go on where they were, and every bar is right."""
    layout = made_layout(own_server)
    market = open_market(own_server, layout)
    market.write(trades_of(START, START + 4 * DAY, 3_000))
    tasks = market.install(int(SECOND), offsets=[int(SECOND)] * len(STORED_RESOLUTIONS))
    calls = TaskCalls(market.connection)
    market.wait(lambda: market.watermark("1m") > 0)
    market.wait(lambda: any(run.status == "started" for run in calls.runs(tasks["1m"], 5)))
    own_server.restart()
    market.wait(lambda: market.watermark("1d") >= START + 4 * DAY)
    settles(market, market.watermark)
    market.close()
    drop_layout(own_server, layout)


def asked(market: Market, resolution: Resolution, moment: str, profiler: str = "") -> Reply:
    """Send the script of a task as a query, as if it were scheduled for a moment."""
    (wanted,) = [one for one in wanted_tasks(market.layout) if one.resolution == resolution]
    text = wanted.script.replace("\nbegan =", f"\n{profiler}option now = () => {moment}\nbegan =", 1)
    imports = 'import "profiler"\n' if profiler else ""
    return market.connection.send(
        "POST",
        "/api/v2/query",
        query={"org": market.connection.address.org},
        body=(imports + text).encode(),
        headers={"Content-Type": "application/vnd.flux"},
    )


def test_a_run_whose_writes_fail(market: Market) -> None:
    """It fails, and records nothing: neither how far it came nor the day as done; the next one does it again."""
    market.prove(trades_of(START, START + DAY, 200), "first")
    write(market.server, [f"ohlcv,symbol=AAPL trades=1.5 {START}"], market.layout.bars["1m"].name)
    # Where the write fails before anything was answered, the server keeps its reason to itself.
    said = asked(market, MINUTES, "2024-03-16T01:00:00Z").body.decode()
    assert "field type conflict" in said or "internal error" in said
    assert (market.runs("1m"), market.records("1m")) == ([], [])
    assert asked(market, MINUTES, "2024-03-16T01:01:00Z").passed
    assert [one.kind for one in market.runs("1m")] == ["skipped"]
    market.bars.delete_day(MINUTES, day_of(START))
    tags = f"bucket={market.layout.trades.name},resolution=1m"
    write(market.server, [f"task_runs,{tags} begun=1i {START + DAY + HOUR}"], market.layout.status.name)
    assert asked(market, MINUTES, "2024-03-16T01:02:00Z").passed
    assert [(one.kind, one.trades) for one in market.runs("1m")][1:] == [("catch-up", 200)]
    assert [(one.state, one.source_hash) for one in market.records("1m")] == [("done", "first")]


def test_the_storage_engine_aggregates_for_tasks(market: Market) -> None:
    """A task's plan has one read a column that aggregates in storage, but for turnover of trades, and short replies."""
    market.write(trades_of(START, START + DAY, 200))
    enabled = 'option profiler.enabledProfilers = ["operator"]\n'
    for resolution, reads in ((MINUTES, 7), (RESOLUTIONS["5m"], 8)):
        reply = asked(market, resolution, "2024-03-16T01:00:00Z", enabled)
        assert reply.passed
        found = re.findall(r",\*influxdb\.(\w+),", reply.body.decode())
        assert found.count("readWindowAggregateSource") == reads
        assert len(asked(market, resolution, "2024-03-16T01:01:00Z").body) < 500


def test_a_task_rests_while_somebody_else_makes_its_bars(market: Market) -> None:
    """Not a run begins while it is paused; afterwards it goes on where it was."""
    market.write(trades_of(START, START + HOUR, 50))
    market.install(int(SECOND), offsets=[int(SECOND)] * len(STORED_RESOLUTIONS))
    pausing = Pausing(market.server.connect(), market.layout, IMPATIENT)
    market.wait(lambda: market.runs("1m") and market.runs("1d"))
    with pausing.paused([MINUTES]):
        before = len(market.runs("1m"))
        others = len(market.runs("1d"))
        # Another task of the same schedule says when ours would have run.
        market.wait(lambda: len(market.runs("1d")) > others + 1)
        assert len(market.runs("1m")) == before
        assert [one.state for one in TaskManager(market.connection, market.layout).look()][:2] == ["paused", "active"]
    market.wait(lambda: len(market.runs("1m")) > before)


@contextmanager
def silent_port() -> Iterator[tuple[int, list[socket.socket]]]:
    """Listen on a port, take connections and never answer; give the port and the connections."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def take() -> None:
            with suppress(OSError):
                while True:
                    taken.append(listening.accept()[0])

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield listening.getsockname()[1], taken
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for one in taken:
                one.close()


def endless(name: str, port: int) -> str:
    """Return the script of a task whose runs wait for somebody who never answers."""
    return f"""import "array"
import "http/requests"
option task = {{name: "{name}", every: 1s, offset: 0s}}
usual = requests.defaultConfig
reply = requests.get(url: "http://127.0.0.1:{port}/", config: {{usual with timeout: 1h}})
array.from(rows: [{{_value: reply.statusCode}}]) |> yield(name: "endless")
"""


def test_a_run_that_never_ends(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, ended by whoever needs the task to rest, and the task put right by a repair."""
    calls = TaskCalls(market.connection)
    manager = TaskManager(market.connection, market.layout, [MINUTES], IMPATIENT)
    manager.install()
    monkeypatch.setattr(managing, "LONG", 0.0)
    monkeypatch.setattr(managing, "LONG_AT_LEAST", 0)
    with silent_port() as (port, taken):
        (task,) = calls.named(task_name(market.layout, "1m"))[task_name(market.layout, "1m")]
        flux = endless(task.name, port)
        market.connection.call("PATCH", f"/api/v2/tasks/{task.id}", doing="edit", document={"flux": flux})
        market.wait(lambda: len(taken) >= 2)
        market.wait(lambda: manager.look()[0].is_stuck)
        (standing,) = manager.look()
        assert standing.faults[0] == "its script was edited on the server"
        assert standing.faults[-1].startswith("a run has been under way for ")
        pausing = Pausing(market.server.connect(), market.layout, Terms(life=6.0, grace=0.2, patience=1.0))
        with pausing.paused([MINUTES]):
            assert {run.status for run in calls.runs(task, 20)} <= {"canceled", "failed"}
            assert manager.install(repair=True)[0].deed == "repaired"
    (standing,) = manager.look()
    assert (standing.state, standing.running, standing.drift) == ("active", None, None)
