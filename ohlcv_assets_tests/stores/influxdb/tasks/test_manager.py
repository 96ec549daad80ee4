"""Tasks looked at, installed, paused, resumed and removed, alike on the fake and on a real server."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.errors import StoreAccessError, StoreUnavailableError
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import Bucket, Layout
from ohlcv_assets.stores.influxdb.tasks.calls import TaskCalls
from ohlcv_assets.stores.influxdb.tasks.definitions import Task, wanted_tasks
from ohlcv_assets.stores.influxdb.tasks.manager import Done, Standing, TaskManager
from ohlcv_assets_tests.servers import Server, make_token
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.integration

COUNT = len(STORED_RESOLUTIONS)
NOON = 1_709_294_400
"""2024-03-01T12:00:00Z in seconds."""


@pytest.fixture(name="connection")
def _connection(any_server: Server, any_layout: Layout) -> Iterator[Connection]:
    """Return a connection to the server; the tasks of the layout go when the test ends."""
    connection = any_server.connect()
    yield connection
    TaskManager(connection, any_layout).remove()
    connection.close()


@pytest.fixture(name="manager")
def _manager(connection: Connection, any_layout: Layout) -> TaskManager:
    """Return what manages the tasks of fresh buckets."""
    return TaskManager(connection, any_layout)


def deeds(done: list[Done]) -> set[str]:
    """Return what was done."""
    return {one.deed for one in done}


def states(manager: TaskManager) -> list[str]:
    """Return how each task stands."""
    return [standing.state for standing in manager.look()]


def task_of(standing: Standing) -> Task:
    """Return the task that must be there."""
    assert standing.task is not None
    return standing.task


def edit(connection: Connection, task: Task, **changes: str) -> None:
    """Change a task as somebody in the user interface does."""
    connection.call("PATCH", f"/api/v2/tasks/{task.id}", doing="edit", document=changes)


def limited(server: Server, *kinds: tuple[str, str]) -> Connection:
    """Return a connection with a token that may only read the organisation and what is given."""
    org = server.connect().org_id()
    rights = [{"action": action, "resource": {"type": kind, "orgID": org}} for action, kind in kinds]
    rights.append({"action": "read", "resource": {"type": "orgs", "id": org}})
    return server.connect(make_token(server, rights)[1], patience=0)


def test_installed_once(manager: TaskManager) -> None:
    """Installing makes one task a resolution, which runs what it should; doing it again changes nothing."""
    assert [standing.faults for standing in manager.look()] == [
        ("there is none, or none that the token may read",)
    ] * COUNT
    assert deeds(manager.install()) == {"made"}
    found = manager.look()
    assert [task_of(standing).script for standing in found] == [standing.wanted.script for standing in found]
    assert [task_of(standing).description for standing in found] == [one.wanted.description for one in found]
    assert [(standing.state, standing.faults) for standing in found] == [("active", ())] * COUNT
    assert deeds(manager.install()) == {"unchanged"}
    assert [task_of(standing).id for standing in manager.look()] == [task_of(standing).id for standing in found]


def test_paused_resumed_removed(manager: TaskManager) -> None:
    """Each can be done again without harm; a paused task stays so when it is installed again."""
    assert deeds(manager.set_active(active=False)) == {"missing"}
    manager.install()
    assert deeds(manager.set_active(active=False)) == {"paused"}
    assert deeds(manager.set_active(active=False)) == {"unchanged"}
    assert deeds(manager.install()) == {"unchanged"}
    assert states(manager) == ["paused"] * COUNT
    assert deeds(manager.set_active(active=True)) == {"resumed"}
    assert states(manager) == ["active"] * COUNT
    assert deeds(manager.remove()) == {"removed"}
    assert deeds(manager.remove()) == {"missing"}


def test_some_resolutions_alone(manager: TaskManager, connection: Connection, any_layout: Layout) -> None:
    """What is done to one resolution leaves the others alone."""
    hourly = TaskManager(connection, any_layout, [RESOLUTIONS["1h"]])
    assert [(one.name, one.resolution) for one in hourly.install()] == [(f"ohlcv {any_layout.trades.name} 1h", "1h")]
    assert states(manager) == ["missing"] * 3 + ["active", "missing"]


def test_an_edited_script_is_told_and_kept(manager: TaskManager, connection: Connection) -> None:
    """What somebody edited on the server stays until it is to be repaired."""
    manager.install()
    first = manager.look()[0]
    edited = first.wanted.script + "// mine\n"
    edit(connection, task_of(first), flux=edited)
    told = manager.install()
    assert [one.deed for one in told] == ["left"] + ["unchanged"] * (COUNT - 1)
    assert told[0].faults == ("its script was edited on the server",)
    assert task_of(manager.look()[0]).script == edited
    assert manager.install(repair=True)[0].deed == "repaired"
    assert manager.look()[0].faults == ()


def test_a_script_of_an_older_version_is_updated(manager: TaskManager, connection: Connection) -> None:
    """A script that we installed and nobody edited gives way to the project's; its pause stays."""
    manager.install()
    first = manager.look()[0]
    older = replace(first.wanted, script=first.wanted.script + "// before\n")
    edit(connection, task_of(first), flux=older.script, description=older.description, status="inactive")
    assert manager.look()[0].faults == ("the project has another script by now",)
    assert manager.install()[0].deed == "updated"
    again = manager.look()[0]
    assert (again.state, again.faults, task_of(again).id) == ("paused", (), task_of(first).id)


def test_several_of_one_name(manager: TaskManager, connection: Connection) -> None:
    """The server takes them; installing leaves the oldest, pausing pauses all."""
    manager.install()
    first = manager.look()[0]
    TaskCalls(connection).make(first.wanted)
    assert manager.look()[0].faults == ("there are 2 of this name",)
    manager.set_active(active=False)
    assert [task.active for task in named(connection, first)] == [False, False]
    assert manager.install()[0].deed == "repaired"
    assert named(connection, first) == [replace(task_of(first), active=False)]


def named(connection: Connection, standing: Standing) -> list[Task]:
    """Return the tasks of a name."""
    return TaskCalls(connection).named(standing.wanted.name)[standing.wanted.name]


def test_buckets_that_are_missing(connection: Connection, any_layout: Layout) -> None:
    """Nothing is installed where a task could not read or write; the server would not say so."""
    nowhere = Bucket(f"{any_layout.trades.name}_none", 0, 86_400)
    for layout, what in (
        (replace(any_layout, trades=nowhere), "read"),
        (replace(any_layout, bars={**any_layout.bars, "1m": nowhere}), "write"),
    ):
        with pytest.raises(StoreAccessError, match=f"may not {what} the bucket '{nowhere.name}'.*influx setup"):
            TaskManager(connection, layout).install()
        assert states(TaskManager(connection, layout)) == ["missing"] * COUNT


def test_a_token_without_the_right(any_server: Server, any_layout: Layout, manager: TaskManager) -> None:
    """One that may not write tasks is told at once; one that may not read them makes none that nobody sees."""
    everything = [(action, kind) for kind in ("buckets", "labels") for action in ("read", "write")]
    reader = TaskManager(limited(any_server, *everything, ("read", "tasks")), any_layout)
    with pytest.raises(StoreAccessError, match=r"could not make the task 'ohlcv .* 1m' .*OHLCV_INFLUX_TASKS_TOKEN"):
        reader.install()
    writer = TaskManager(limited(any_server, *everything, ("write", "tasks")), any_layout)
    with pytest.raises(StoreAccessError, match="the token of tasks may not read tasks: `ohlcv influx setup`"):
        writer.install()
    assert states(manager) == ["missing"] * COUNT
    manager.install()
    assert states(reader) == ["active"] * COUNT
    assert states(writer) == ["missing"] * COUNT
    with pytest.raises(StoreAccessError, match="could not pause the task"):
        reader.set_active(active=False)


def test_a_token_of_an_older_version(any_server: Server, any_layout: Layout, manager: TaskManager) -> None:
    """One that may not use the records or the labels is told what puts another in its place."""
    manager.install()
    buckets = [("read", "buckets"), ("write", "buckets")]
    tasks = [("read", "tasks"), ("write", "tasks")]
    labelless = TaskManager(limited(any_server, *buckets, *tasks), any_layout)
    with pytest.raises(StoreAccessError, match="by which pauses are agreed on: `ohlcv influx setup --repair`"):
        labelless.set_active(active=False)
    recordless = TaskManager(limited(any_server, *tasks, ("read", "labels"), ("write", "labels")), any_layout)
    with pytest.raises(
        StoreAccessError, match=r"may not read the bucket '.*_status', .* `ohlcv influx setup --repair`"
    ):
        recordless.look()
    assert states(manager) == ["active"] * COUNT


def test_owners_who_cannot_write(fake_server: Fake, fresh_layout: Any) -> None:
    """Tasks run as their owner: who is no owner of the organisation, or is inactive, is told."""
    manager = TaskManager(fake_server.connect(), fresh_layout(fake_server))
    manager.install()
    held = fake_server.faults.tasks.held
    first = next(iter(held.values()))
    owner, first["ownerID"] = first["ownerID"], "00000000000000aa"
    (fault,) = manager.look()[0].faults
    assert fault.startswith("the user it runs as is no owner of the organisation")
    with pytest.raises(StoreAccessError, match=r"The task 'ohlcv .* 1m' is there, but the user it runs as is no owner"):
        manager.install()
    first["ownerID"] = owner
    fake_server.faults.held.user["status"] = "inactive"
    assert manager.look()[0].faults == ("the user it runs as is inactive: activate that user in InfluxDB",)


def test_what_is_told_of_the_last_run(fake_server: Fake, fresh_layout: Any) -> None:
    """A failed run is a fault, in the server's words where it has any."""
    manager = TaskManager(fake_server.connect(), fresh_layout(fake_server))
    manager.install()
    first = next(iter(fake_server.faults.tasks.held.values()))
    first.update(lastRunStatus="failed", lastRunError="bucket not found")
    assert manager.look()[0].faults == ("its last run failed: bucket not found",)
    first.update(lastRunError="Completed(failed)")
    assert manager.look()[0].faults == ("its last run failed: no reason told",)
    first["flux"], ours = first["flux"].replace("_1m", "_gone"), first["flux"]
    fake_server.faults.tasks.run(first, 1_709_294_400_000_000_000)
    first["flux"] = ours
    (fault,) = manager.look()[0].faults
    assert re.search(r"its last run failed: .*could not find bucket .*_gone", fault)
    first.update(lastRunStatus="success", lastRunError="")
    assert manager.look()[0].faults == ()


def test_a_server_that_fails(fake_server: Fake, fresh_layout: Any) -> None:
    """A 500 that is no missing right is repeated, and told as the server's failure where it lasts."""
    manager = TaskManager(fake_server.connect(patience=0), fresh_layout(fake_server))
    failing = {"path": "/api/v2/tasks", "status": 500, "body": b'{"message": "engine is closed"}'}
    fake_server.faults.add("answer", **failing)
    assert states(manager) == ["missing"] * COUNT
    fake_server.faults.add("answer", times=None, **failing)
    with pytest.raises(StoreUnavailableError, match=r"could not look for the tasks .*engine is closed"):
        manager.look()


def test_a_task_makes_bars(real_server: Server, real_layout: Layout) -> None:
    """On a real server: what is installed runs, and makes a bar of each trade of its window."""
    connection = real_server.connect()
    manager = TaskManager(connection, real_layout, [RESOLUTIONS["1m"]])
    lines = b"\n".join(
        b"trades,symbol=A price=%d,amount=2,side=1i %d" % (minute, (NOON - 60 * minute) * 10**9)
        for minute in range(5)  # the first is of a minute that is not over
    )
    query = {"org": real_server.org, "bucket": real_layout.trades.name}
    connection.call("POST", "/api/v2/write", doing="write", query=query, body=lines)
    manager.install()
    task = task_of(manager.look()[0])
    run = {"scheduledFor": "2024-03-01T12:00:00Z"}
    path = f"/api/v2/tasks/{task.id}/runs"
    made: Any = connection.call("POST", path, doing="run", document=run).document()
    status = None
    for _ in range(900):
        # A run is nowhere for a moment while it goes from the queue into the history.
        reply = connection.call("GET", f"{path}/{made['id']}", doing="look", accept=frozenset({404}))
        status = reply.document().get("status")
        if status in {"success", "failed"}:
            break
        time.sleep(0.1)
    manager.remove()
    assert status == "success"
    bars = real_layout.bars["1m"].name
    text = f'from(bucket: "{bars}") |> range(start: 2024-03-01T00:00:00Z, stop: 2024-03-02T00:00:00Z)'
    body = json.dumps({"query": text, "type": "flux"}).encode()
    reply = connection.send(
        "POST",
        "/api/v2/query",
        query={"org": real_server.org},
        body=body,
        headers={"Content-Type": "application/json"},
    )
    rows = [row for row in reply.body.decode().splitlines() if ",turnover,A" in row or ",turnover,ohlcv,A" in row]
    assert len(rows) == 4
    assert wanted_tasks(real_layout)[0].name == task.name
