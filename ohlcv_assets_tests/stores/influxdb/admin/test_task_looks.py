"""A look at tasks says which are well, which are not, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.stores.influxdb.admin.checkup import Finding, Patient
from ohlcv_assets.stores.influxdb.admin.setup import set_up
from ohlcv_assets.stores.influxdb.admin.task_looks import look_at_tasks
from ohlcv_assets.stores.influxdb.connection import Address, Connection
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.tasks.calls import TaskCalls
from ohlcv_assets.stores.influxdb.tasks.definitions import mark_of
from ohlcv_assets.stores.influxdb.tasks.manager import TaskManager
from ohlcv_assets.stores.influxdb.tasks.pausing import Pausing
from ohlcv_assets_tests.servers import ORG
from ohlcv_assets_tests.stores.influxdb.fake.organisation import Document
from ohlcv_assets_tests.stores.influxdb.fake.server import FakeServer
from ohlcv_assets_tests.stores.influxdb.fresh import Kept, fresh_fake, layout

pytestmark = pytest.mark.integration


@pytest.fixture(name="kept")
def _kept() -> Kept:
    """Return a keeper of secrets."""
    return Kept()


@pytest.fixture(name="fake")
def _fake(kept: Kept) -> Iterator[FakeServer]:
    """Return a fake server that was set up."""
    with fresh_fake() as server:
        set_up(kept.order(server.url), kept)
        yield server


@pytest.fixture(name="manager")
def _manager(fake: FakeServer, kept: Kept) -> TaskManager:
    """Return what manages the tasks, with the token that `ohlcv influx setup` makes; they are installed."""
    manager = TaskManager(connection(fake, kept), layout())
    manager.install()
    return manager


def connection(fake: FakeServer, kept: Kept) -> Connection:
    """Return a connection with the token for tasks."""
    return Connection(Address(fake.url, ORG, kept.tokens["tasks"], patience=0), 2)


def looked(fake: FakeServer, kept: Kept, dataset: str = "default") -> dict[str, Finding]:
    """Return what is found, by name."""
    patient = Patient(Address(fake.url, ORG, timeout=10, patience=0), layout(), dataset, tokens=kept.tokens)
    found = {finding.name: finding for finding in look_at_tasks(patient)}
    assert all((finding.state == "ok") == (finding.remedy == "") for finding in found.values())
    return found


def first(fake: FakeServer) -> Document:
    """Return the task of 1m."""
    return next(iter(fake.tasks.held.values()))


def test_no_task_and_no_token(fake: FakeServer, kept: Kept) -> None:
    """Whoever uses no tasks has nothing to do; without a token they cannot be seen."""
    assert looked(fake, kept)["tasks"].state == "ok"
    tokenless = Patient(Address(fake.url, ORG), layout(), "btc", tokens={})
    (found,) = look_at_tasks(tokenless)
    assert (found.state, found.remedy) == ("warn", "run `ohlcv --dataset btc influx setup`, or set it")


def test_tasks_that_are_well(fake: FakeServer, kept: Kept, manager: TaskManager) -> None:
    """One line a task, with what its last run did."""
    assert [one.state for one in manager.look()] == ["active"] * 5
    found = looked(fake, kept)
    assert list(found) == ["task 1m", "task 5m", "task 15m", "task 1h", "task 1d"]
    assert {one.state for one in found.values()} == {"ok"}
    assert found["task 1m"].text == "runs every 1m, has no run yet"
    fake.tasks.run(first(fake), 1_704_067_200_000_000_000)
    assert looked(fake, kept)["task 1m"].text == "runs every 1m, last: idle, 0 bars"
    manager.set_active(active=False)
    assert looked(fake, kept)["task 1m"].text == "is paused, last: idle, 0 bars"


def test_tasks_that_are_not_ours(fake: FakeServer, kept: Kept, manager: TaskManager) -> None:
    """Missing, edited and outdated ones, and several of one name, are warnings with the command that helps."""
    (one, two, three, four, _) = fake.tasks.held.values()
    del fake.tasks.held[one["id"]]
    two["flux"] += "// mine\n"
    wanted = manager.look()[2].wanted
    three["flux"] += "// before\n"
    three["description"] = three["description"].replace(wanted.description[-16:], mark(three["flux"]))
    TaskCalls(connection(fake, kept)).make(manager.look()[3].wanted)
    found = looked(fake, kept, "btc")
    assert [finding.state for finding in found.values()] == ["warn"] * 4 + ["ok"]
    assert found["task 1m"].remedy == "`ohlcv --dataset btc tasks install` makes it"
    assert found["task 5m"].text == "its script was edited on the server"
    assert found["task 5m"].remedy.startswith("`ohlcv --dataset btc tasks install --repair` puts the project's script")
    assert found["task 15m"].text == "the project has another script by now"
    assert found["task 15m"].remedy == "`ohlcv --dataset btc tasks install` puts it right"
    assert found["task 1h"].text == "there are 2 of this name"
    assert four["name"].endswith("1h")


def mark(script: str) -> str:
    """Return the hash that a description carries of a script."""
    return mark_of(script).removeprefix("script ")


def test_tasks_that_fail(fake: FakeServer, kept: Kept, manager: TaskManager) -> None:
    """A failed last run, a run that does not end and an owner who may not write fail."""
    assert manager.look()
    (one, two, three, *_) = fake.tasks.held.values()
    one.update(lastRunStatus="failed", lastRunError="no such bucket")
    fake.tasks.runs[two["id"]].append(
        {"id": "a", "status": "started", "scheduledFor": "2024-01-01T00:00:00Z", "startedAt": "2024-01-01T00:00:01.5Z"}
    )
    three["ownerID"] = "00000000000000aa"
    found = looked(fake, kept)
    assert [finding.state for finding in found.values()] == ["fail"] * 3 + ["ok"] * 2
    assert found["task 1m"].text == "its last run failed: no such bucket"
    assert found["task 1m"].remedy.startswith("`ohlcv tasks history -r 1m` tells more; `ohlcv tasks install --repair`")
    assert found["task 5m"].text.startswith("a run has been under way for ")
    assert "no owner of the organisation" in found["task 15m"].text
    assert found["task 15m"].remedy == "`ohlcv tasks remove` and install again"


def test_a_task_that_somebody_keeps_still(fake: FakeServer, kept: Kept, manager: TaskManager) -> None:
    """Who does is told; one whose pauser is gone is resumed by the look, and told once."""
    assert manager.look()
    pausing = Pausing(connection(fake, kept), layout(), Terms(life=6.0, grace=0.1, patience=2.0))
    with pausing.paused([RESOLUTIONS["1m"]]):
        found = looked(fake, kept)["task 1m"]
        assert found.state == "ok"
        assert found.text.startswith("is paused, has no run yet; paused by process ")
    pause = pausing._begin(["1m"])
    assert pause is not None
    pause.leave()
    found = looked(fake, kept)["task 1m"]
    assert (found.state, first(fake)["status"]) == ("warn", "active")
    assert found.text.startswith("had been left paused by process ")
    assert found.remedy == "`ohlcv bars status` says whether anything is missing"
    assert looked(fake, kept)["task 1m"].state == "ok"
