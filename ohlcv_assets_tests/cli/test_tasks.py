"""`ohlcv tasks`: what is found and done is told by text, JSON and exit code; errors are one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.influx_parts import influx_address, influx_layout
from ohlcv_assets.project import open_project
from ohlcv_assets.settings import load_settings
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.tasks.pausing import Pausing
from ohlcv_assets_tests.commands import Ohlcv
from ohlcv_assets_tests.stores.influxdb.fake.points import parse
from ohlcv_assets_tests.stores.influxdb.fake.server import FakeServer
from ohlcv_assets_tests.stores.influxdb.fresh import fresh_fake

pytestmark = pytest.mark.integration
NOON = 1_709_294_400_000_000_000
"""2024-03-01T12:00:00Z."""

NAMES = [f"ohlcv trades {resolution.name}" for resolution in STORED_RESOLUTIONS]


@pytest.fixture(name="server")
def _server(ohlcv: Ohlcv) -> Iterator[FakeServer]:
    """Return a server that `ohlcv influx setup` has set up; the working directory has its .env."""
    with fresh_fake() as server:
        assert ohlcv("--set", f"influx_url={server.url}", "influx", "setup").code == 0
        yield server


def test_installed_and_listed(server: FakeServer, ohlcv: Ohlcv) -> None:
    """The tasks are made once with the token of `ohlcv influx setup`; missing ones fail the list."""
    missing = ohlcv("tasks", "list")
    assert missing.code == 1
    assert "there is none" in missing.out
    assert "`ohlcv tasks install` makes what is missing" in missing.err
    done = ohlcv("tasks", "install")
    assert (done.code, done.out.splitlines()) == (0, [f"made: {name}" for name in NAMES])
    assert "Each starts where its bars end, a chunk a run" in done.err
    again = ohlcv("tasks", "install", "--json")
    assert (again.code, again.err) == (0, "")
    assert again.document["url"] == server.url
    assert {one["deed"] for one in again.document["tasks"]} == {"unchanged"}
    found = ohlcv("tasks", "list")
    assert (found.code, found.err) == (0, "")
    assert all(name in found.out for name in NAMES)
    assert "none yet" in found.out


def test_listed_as_json(server: FakeServer, ohlcv: Ohlcv) -> None:
    """The document has what the table has, and null for what there is not."""
    missing = ohlcv("tasks", "list", "-r", "1h", "--json")
    assert missing.code == 1
    (one,) = missing.document["tasks"]
    assert (one["id"], one["state"], one["completed"], one["last_run"]) == (None, "missing", None, None)
    ohlcv("tasks", "install", "-r", "1h")
    (held,) = server.tasks.held.values()
    held["lastRunStatus"] = "success"
    found = ohlcv("tasks", "list", "-r", "1h", "--json")
    assert found.code == 0
    assert found.document["tasks"] == [
        {
            "name": "ohlcv trades 1h",
            "resolution": "1h",
            "id": held["id"],
            "state": "active",
            "drift": None,
            "every_seconds": 3600,
            "offset_seconds": 50,
            "completed": "2024-06-01T00:00:00Z",
            "last_run": "success",
            "made_until": None,
            "running_seconds": None,
            "paused_by": None,
            "left_paused_by": None,
            "faults": [],
        }
    ]


def test_an_edited_script(server: FakeServer, ohlcv: Ohlcv) -> None:
    """It is told with what to do, fails, and is replaced when asked for."""
    ohlcv("tasks", "install")
    first = next(iter(server.tasks.held.values()))
    ours = first["flux"]
    first["flux"] = ours + "// mine\n"
    listed = ohlcv("tasks", "list", "--json")
    assert (listed.code, listed.document["tasks"][0]["drift"]) == (1, "edited")
    told = ohlcv("tasks", "install")
    assert told.code == 1
    assert "left: ohlcv trades 1m (its script was edited on the server)" in told.out
    assert "--repair` replaces it" in told.err
    as_json = ohlcv("tasks", "install", "--json")
    assert (as_json.code, as_json.err, as_json.document["tasks"][0]["deed"]) == (1, "", "left")
    assert first["flux"] != ours
    assert "repaired: ohlcv trades 1m" in ohlcv("tasks", "install", "--repair").out
    assert first["flux"] == ours


def test_paused_resumed_removed(server: FakeServer, ohlcv: Ohlcv) -> None:
    """Some or all of them, with what to know afterwards."""
    ohlcv("tasks", "install")
    assert ohlcv("tasks", "pause", "-r", "1m", "-r", "1d").out == "paused: ohlcv trades 1m\npaused: ohlcv trades 1d\n"
    assert [task["status"] for task in server.tasks.held.values()] == ["inactive", *["active"] * 3, "inactive"]
    listed = ohlcv("tasks", "list")
    assert listed.code == 0
    assert listed.out.count("paused") == 2
    resumed = ohlcv("tasks", "resume")
    assert resumed.out.count("resumed") == 2
    assert "Each goes on from where it was" in resumed.err
    assert ohlcv("tasks", "resume", "--json").err == ""
    removed = ohlcv("tasks", "remove", "--json").document["tasks"]
    assert [(one["name"], one["deed"]) for one in removed] == [(name, "removed") for name in NAMES]
    assert server.tasks.held == {}


@pytest.mark.parametrize(
    "words", [["1h", "1d"], ["-r", "1h", "-r", "1d"], ["1h", "-r", "1d"], ["1h", "1d", "-r", "1h"]]
)
def test_resolutions_are_named_in_either_form(server: FakeServer, ohlcv: Ohlcv, words: list[str]) -> None:
    """After the command or by the option, or both: each counts once, in every command about tasks."""

    def told(command: str) -> list[tuple[str, str]]:
        done = ohlcv("tasks", command, *words, "--json")
        assert done.code == 0, done.err
        return [(one["resolution"], one.get("deed") or one["state"]) for one in done.document["tasks"]]

    assert ohlcv("tasks", "install").code == 0
    assert told("install") == [("1h", "unchanged"), ("1d", "unchanged")]
    assert told("list") == [("1h", "active"), ("1d", "active")]
    assert told("pause") == [("1h", "paused"), ("1d", "paused")]
    assert told("resume") == [("1h", "resumed"), ("1d", "resumed")]
    server.tasks.pass_time(NOON, NOON + 3_700_000_000_000)
    runs = ohlcv("tasks", "history", *words, "--json").document["runs"]
    assert {one["resolution"] for one in runs} == {"1h", "1d"}
    assert told("remove") == [("1h", "removed"), ("1d", "removed")]


def test_what_has_run(server: FakeServer, ohlcv: Ohlcv) -> None:
    """The latest runs with what they made, for people and for machines; the list says how far each has come."""
    ohlcv("tasks", "install", "-r", "1m", "-r", "5m")
    assert ohlcv("tasks", "history").out == "There has been no run.\n"
    lines = [f"trades,symbol=A price=1,amount=2,side=1i {NOON - at * 60_000_000_000}" for at in range(3)]
    server.held.bucket("trades").shelf.write(parse("\n".join(lines).encode(), 1, NOON))
    server.tasks.pass_time(NOON, NOON + 25_000_000_000)
    found = ohlcv("tasks", "history", "--json")
    assert (found.code, found.err, found.document["url"]) == (0, "", server.url)
    assert found.document["runs"][0] == {
        "resolution": "1m",
        "scheduled_for": "2024-03-01T12:00:00Z",
        "status": "success",
        "seconds": 0.0,
        "kind": "live",
        "start": "2024-03-01T00:00:00Z",
        "stop": "2024-03-01T12:00:00Z",
        "complete_until": "2024-03-01T12:00:00Z",
        "bars": 2,
        "trades": 2,
        "reason": "",
    }
    assert [one["resolution"] for one in found.document["runs"]] == ["1m", "5m"]
    assert [one["bars"] for one in ohlcv("tasks", "history", "-r", "5m", "--json").document["runs"]] == [1]
    shown = ohlcv("tasks", "history", "--limit", "1")
    assert "2024-03-01 12:00:00" in shown.out
    assert "live" in shown.out
    assert shown.err == ""
    listed = ohlcv("tasks", "list", "-r", "1m")
    assert "2024-03-01T12:00:00Z" in listed.out
    assert ohlcv("tasks", "list", "-r", "1m", "--json").document["tasks"][0]["made_until"] == "2024-03-01T12:00:00Z"
    assert ohlcv("tasks", "history", "--limit", "0").code == 2


def test_runs_of_other_scripts_and_failed_ones(server: FakeServer, ohlcv: Ohlcv) -> None:
    """A success that left no record ran another script; a failure comes with its reason."""
    ohlcv("tasks", "install", "-r", "1m")
    (task,) = server.tasks.held.values()
    ours = task["flux"]
    task["flux"] = ours.split("\nbegan")[0] + "\n"
    server.tasks.run(task, NOON)
    told = ohlcv("tasks", "history")
    assert "ran another script than the project's: `ohlcv tasks list`" in told.err
    task["flux"] = ours.replace("ohlcv_1m", "gone")
    server.tasks.run(task, NOON + 60_000_000_000)
    first, second = ohlcv("tasks", "history", "--json").document["runs"]
    assert (first["status"], first["kind"], first["complete_until"]) == ("failed", None, None)
    assert "could not find bucket" in first["reason"]
    assert (second["status"], second["start"], second["stop"], second["bars"]) == ("success", None, None, None)


def test_tasks_that_somebody_keeps_still(server: FakeServer, ohlcv: Ohlcv) -> None:
    """Who does is told; resuming waits for him; a task left by somebody who is gone runs again, and is told once."""
    ohlcv("tasks", "install")
    settings = load_settings(influx_url=server.url)
    project = open_project(settings)
    with project.pausing([RESOLUTIONS["1m"]]):
        listed = ohlcv("tasks", "list", "-r", "1m")
        assert listed.code == 0
        assert "ohlcv trades 1m: paused by process " in listed.err
        resumed = ohlcv("tasks", "resume", "-r", "1m")
        assert resumed.out == "held: ohlcv trades 1m\n"
        assert "resumes its task afterwards" in resumed.err
        assert ohlcv("tasks", "resume", "-r", "1m", "--json").document["tasks"][0]["deed"] == "held"
    connection = Connection(replace(influx_address(settings), token=settings.influx_tasks_token), 2)
    pause = Pausing(connection, influx_layout(settings), Terms())._begin(["1m"])
    assert pause is not None
    pause.leave()
    document = ohlcv("tasks", "list", "-r", "1m", "--json").document["tasks"][0]
    assert document["left_paused_by"].startswith("process ")
    assert (document["state"], document["paused_by"]) == ("active", None)


def test_pausing_needs_the_token(server: FakeServer) -> None:
    """Without the token for tasks nothing is paused, and nothing asked."""
    before = len(server.seen)
    settings = load_settings(influx_url=server.url).model_copy(update={"influx_tasks_token": None})
    project = open_project(settings)
    with project.pausing(STORED_RESOLUTIONS):
        assert len(server.seen) == before


def test_another_dataset_has_tasks_of_its_own(server: FakeServer, ohlcv: Ohlcv) -> None:
    """Its bucket is in their names; without its buckets nothing is installed."""
    refused = ohlcv("--dataset", "btc", "tasks", "install")
    assert refused.code == 2
    assert "'ohlcv btc_trades 1m' was not installed" in refused.err
    assert "`ohlcv influx setup`" in refused.err
    assert server.tasks.held == {}


def test_what_is_refused(ohlcv: Ohlcv) -> None:
    """Another store, no token, a resolution without a task: one sentence each, before any server is asked."""
    other = ohlcv("tasks", "list")
    assert (other.code, other.err.count("\n")) == (2, 1)
    assert "the store in force is duckdb: set OHLCV_STORE=influxdb" in other.err
    tokenless = ohlcv("--set", "influx_url=http://127.0.0.1:1", "tasks", "list")
    assert tokenless.code == 2
    assert tokenless.err.startswith("error: OHLCV_INFLUX_TASKS_TOKEN")
    derived = ohlcv("tasks", "pause", "-r", "4h")
    assert derived.code == 2
    assert "no task of '4h'" in derived.err
