"""Tasks kept still: by one or several, against people's own pauses, and whatever becomes of who paused them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.errors import StoreAccessError, StoreBusyError, StoreUnavailableError
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.tasks import pausing as pausing_module
from ohlcv_assets.stores.influxdb.tasks.manager import TaskManager
from ohlcv_assets.stores.influxdb.tasks.pausing import Pausing
from ohlcv_assets_tests.servers import Server, make_token
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake, FakeServer
from ohlcv_assets_tests.stores.influxdb.fake.tasks import Tasks

pytestmark = pytest.mark.integration

MINUTES, DAYS = RESOLUTIONS["1m"], RESOLUTIONS["1d"]
QUICK = Terms(life=6.0, grace=0.1, patience=2.0)
Open = Callable[..., Pausing]


@pytest.fixture(name="connection")
def _connection(any_server: Server, any_layout: Layout) -> Iterator[Connection]:
    """Return a connection to the server; the tasks of the layout go when the test ends."""
    connection = any_server.connect()
    yield connection
    TaskManager(connection, any_layout).remove()
    connection.close()


@pytest.fixture(name="manager")
def _manager(connection: Connection, any_layout: Layout) -> TaskManager:
    """Return what manages tasks that are installed."""
    manager = TaskManager(connection, any_layout, terms=QUICK)
    manager.install()
    return manager


@pytest.fixture(name="pausing")
def _pausing(connection: Connection, any_layout: Layout) -> Pausing:
    """Return what pauses tasks."""
    return Pausing(connection, any_layout, QUICK)


@pytest.fixture(name="faked")
def _faked(fake_server: Fake, fresh_layout: Callable[[Server], Layout]) -> tuple[FakeServer, Layout]:
    """Return a fake server with installed tasks."""
    layout = fresh_layout(fake_server)
    TaskManager(fake_server.connect(), layout).install()
    return fake_server.faults, layout


def states(manager: TaskManager) -> str:
    """Return which tasks run: a letter each."""
    return "".join("a" if standing.state == "active" else "p" for standing in manager.look())


def labels(connection: Connection) -> list[str]:
    """Return the names of all labels."""
    query = {"orgID": connection.org_id()}
    found: Any = connection.call("GET", "/api/v2/labels", doing="list labels", query=query).document()
    return [label["name"] for label in found.get("labels") or []]


def test_paused_as_long_as_the_work_lasts(
    manager: TaskManager, pausing: Pausing, connection: Connection, any_layout: Layout
) -> None:
    """Only the tasks meant rest, it is told who does it, and nothing is left afterwards, also after an error."""
    with pausing.paused([MINUTES, DAYS]):
        assert states(manager) == "paaap"
        told = manager.look()[0]
        assert told.paused_by is not None
        assert told.paused_by.startswith("process ")
        assert told.notes == (f"paused by {told.paused_by}, which makes its bars just now",)
        assert told.faults == ()
    assert states(manager) == "aaaaa"
    nothing: dict[str, int] = {}
    with pytest.raises(KeyError, match="ppppp"), pausing.paused(STORED_RESOLUTIONS):
        nothing[states(manager)]
    assert states(manager) == "aaaaa"
    assert not [name for name in labels(connection) if any_layout.trades.name in name]


def test_the_last_one_resumes(
    manager: TaskManager, pausing: Pausing, connection: Connection, any_layout: Layout
) -> None:
    """Of several who keep a task still, whatever the order they come and go in."""
    other = Pausing(connection, any_layout, QUICK)
    first, second = pausing.paused([MINUTES]), other.paused([MINUTES, DAYS])
    with first:
        second.__enter__()
        assert states(manager) == "paaap"
    assert states(manager) == "paaap"
    second.__exit__(None, None, None)
    assert states(manager) == "aaaaa"


def test_what_people_paused_stays(manager: TaskManager, pausing: Pausing) -> None:
    """A task that people paused before or meanwhile is not resumed; one that they resume meanwhile waits."""
    TaskManager(manager._connection, manager._layout, [DAYS]).set_active(active=False)
    with pausing.paused([MINUTES, DAYS]):
        assert [one.deed for one in manager.set_active(active=True)] == ["held", *["unchanged"] * 3, "resumed"]
        assert states(manager) == "paaaa"
    assert states(manager) == "aaaaa"
    with pausing.paused([MINUTES]):
        assert [one.deed for one in manager.set_active(active=False)] == ["unchanged", *["paused"] * 4]
    assert states(manager) == "ppppp"
    with pausing.paused([MINUTES]):
        assert manager.look()[0].paused_by is None
    assert states(manager) == "ppppp"


def test_without_tasks_nothing_is_done(any_server: Server, any_layout: Layout) -> None:
    """A token that may see tasks is enough where there are none."""
    org = any_server.connect().org_id()
    rights = [{"action": "read", "resource": {"type": kind, "orgID": org}} for kind in ("tasks", "orgs")]
    rights[1] = {"action": "read", "resource": {"type": "orgs", "id": org}}
    connection = any_server.connect(make_token(any_server, rights)[1], patience=0)
    with Pausing(connection, any_layout, QUICK).paused(STORED_RESOLUTIONS):
        pass
    TaskManager(any_server.connect(), any_layout).install()
    with pytest.raises(StoreAccessError), Pausing(connection, any_layout, QUICK).paused(STORED_RESOLUTIONS):
        pytest.fail("worked without a pause")
    assert states(TaskManager(any_server.connect(), any_layout)) == "aaaaa"
    TaskManager(any_server.connect(), any_layout).remove()
    connection.close()


PAUSER = """
    import os, sys
    from pydantic import SecretStr
    from ohlcv_assets.bars.resolutions import RESOLUTIONS
    from ohlcv_assets.stores.influxdb.connection import Address, Connection
    from ohlcv_assets.stores.influxdb.layout import layout_of
    from ohlcv_assets.stores.influxdb.leasing.holders import Terms
    from ohlcv_assets.stores.influxdb.tasks.pausing import Pausing
    url, org, prefix = sys.argv[1:]
    layout = layout_of(prefix, "trades", retention=0, shard=604800, bar_retention=0, bar_shard=2592000)
    connection = Connection(Address(url, org, SecretStr(os.environ["TOKEN"])), 2)
    with Pausing(connection, layout, Terms(life=60.0)).paused([RESOLUTIONS["1m"]]):
        print("paused", flush=True)
        sys.stdin.read()
"""


def test_whoever_comes_next_mends(any_server: Server, any_layout: Layout, manager: TaskManager) -> None:
    """A process that is killed while it keeps a task still is found out at once, told, and its task resumed."""
    prefix = any_layout.trades.name.removesuffix("trades")
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PAUSER), any_server.url, any_server.org, prefix],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"TOKEN": any_server.operator_token},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "paused\n"
        assert [standing.state for standing in manager.look()][:2] == ["paused", "active"]
        process.kill()
        process.wait()
    first, second, *_ = manager.look()
    assert (first.state, second.state) == ("active", "active")
    assert first.notes[0].startswith(f"had been left paused by process {process.pid} on ")
    assert (second.notes, manager.look()[0].notes) == ((), ())


@pytest.mark.parametrize("next_one", ["pauser", "install", "pause", "resume"])
def test_every_command_mends(faked: tuple[FakeServer, Layout], fake_server: Fake, next_one: str) -> None:
    """Whoever changes tasks first looks for those that were left paused."""
    server, layout = faked
    connection = fake_server.connect()
    manager = TaskManager(connection, layout)
    left_behind(Pausing(connection, layout, QUICK), [MINUTES])
    assert actives(server.tasks) == 4
    if next_one == "pauser":
        with Pausing(connection, layout, QUICK).paused([MINUTES]):
            assert actives(server.tasks) == 4
    elif next_one == "install":
        manager.install()
    else:
        assert manager.set_active(active=next_one == "resume")[0].deed == (
            "unchanged" if next_one == "resume" else "paused"
        )
    assert actives(server.tasks) == (0 if next_one == "pause" else 5)
    assert labels(connection) == []


def left_behind(pausing: Pausing, resolutions: Sequence[Resolution]) -> None:
    """Pause tasks and end as if killed."""
    pause = pausing._begin([resolution.name for resolution in resolutions])
    assert pause is not None
    pause.leave()


def actives(tasks: Tasks) -> int:
    """Count the tasks that run."""
    return sum(task["status"] == "active" for task in tasks.held.values())


def test_a_server_that_fails_at_the_end(faked: tuple[FakeServer, Layout], fake_server: Fake) -> None:
    """The work is done, so it is a warning; whoever looks next resumes the task."""
    server, layout = faked
    pausing = Pausing(fake_server.connect(patience=0), layout, QUICK)
    with capture_logs() as logs, pausing.paused([MINUTES]):
        server.add("answer", path="/api/v2/tasks", times=None, status=500, body=b'{"message": "engine is closed"}')
    server.heal()
    assert [line["event"] for line in logs] == ["tasks_left_paused"]
    assert actives(server.tasks) == 4
    assert [one.resolution for one in pausing.mend()] == ["1m"]
    assert actives(server.tasks) == 5
    assert pausing.mend() == []


def test_a_server_that_fails_while_pausing(faked: tuple[FakeServer, Layout], fake_server: Fake) -> None:
    """Nothing is worked on then; what was paused already is found by whoever looks next."""
    server, layout = faked
    pausing = Pausing(fake_server.connect(patience=0), layout, QUICK)
    second = list(server.tasks.held)[1]
    server.add(
        "answer", path=f"/api/v2/tasks/{second}", times=None, status=500, body=b'{"message": "engine is closed"}'
    )
    with pytest.raises(StoreUnavailableError), pausing.paused(STORED_RESOLUTIONS):
        pytest.fail("worked without a pause")
    server.heal()
    assert [one.resolution for one in pausing.mend()] == ["1m"]


def test_one_who_mends_while_another_works(faked: tuple[FakeServer, Layout], fake_server: Fake) -> None:
    """The label of who is gone goes; the task rests on while the other works."""
    server, layout = faked
    connection = fake_server.connect()
    pausing, other = Pausing(connection, layout, QUICK), Pausing(connection, layout, QUICK)
    left_behind(pausing, [MINUTES])
    with other.paused([MINUTES]):
        left_behind(pausing, [MINUTES])
        assert len(labels(connection)) > 1
        assert pausing.mend() == []
        assert len(labels(connection)) == 1
        assert actives(server.tasks) == 4
    assert actives(server.tasks) == 5


def test_one_at_a_time_changes(faked: tuple[FakeServer, Layout], fake_server: Fake) -> None:
    """Somebody who is in the middle of pausing is waited for, then named."""
    _, layout = faked
    pausing = Pausing(fake_server.connect(), layout, QUICK)
    other = Pausing(fake_server.connect(), layout, Terms(life=6.0, grace=0.1, patience=0.2))
    with pausing._changing(), pytest.raises(StoreBusyError, match="holds the right to pause and resume the tasks of"):
        other.forget(["1m"])


def test_runs_under_way_are_waited_for(faked: tuple[FakeServer, Layout], fake_server: Fake) -> None:
    """The work begins when the last of them has ended; a run that only waits for its turn is not waited for long."""
    server, layout = faked
    (first, second, *_) = server.tasks.held
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            server.tasks.runs[first][0]["status"] = "success"

    server.tasks.runs[first].append({"id": "a", "status": "started", "scheduledFor": "2024-01-01T00:00:00Z"})
    with Pausing(fake_server.connect(), layout, QUICK, sleep=sleep).paused([MINUTES]):
        assert slept == [pausing_module.POLL] * 3
    server.tasks.runs[second].append({"id": "b", "status": "scheduled", "scheduledFor": "2024-01-01T00:00:00Z"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pausing_module, "SETTLING", 0.0)
        with Pausing(fake_server.connect(), layout, QUICK, sleep=sleep).paused([RESOLUTIONS["5m"]]):
            assert len(slept) == 3


def test_a_run_that_does_not_end_is_ended(faked: tuple[FakeServer, Layout], fake_server: Fake) -> None:
    """After as long as our patience, with a warning."""
    server, layout = faked
    first = next(iter(server.tasks.held))
    server.tasks.runs[first].append({"id": "a", "status": "started", "scheduledFor": "2024-01-01T00:00:00Z"})
    terms = Terms(life=6.0, grace=0.1, patience=0.3)
    with capture_logs() as logs, Pausing(fake_server.connect(), layout, terms).paused([MINUTES]):
        assert server.tasks.runs[first][0]["status"] == "canceled"
    assert [line["event"] for line in logs] == ["task_run_ended"]
