"""`ohlcv tasks`: what is found and done is told by text, JSON and exit code; errors are one sentence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS
from ohlcv_assets_tests.commands import Ohlcv
from ohlcv_assets_tests.stores.influxdb.fake.server import FakeServer
from ohlcv_assets_tests.stores.influxdb.fresh import fresh_fake

pytestmark = pytest.mark.integration
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
    assert "`ohlcv bars heal` makes the bars of those that are there already" in done.err
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
    assert "not made up for: `ohlcv bars heal`" in resumed.err
    assert ohlcv("tasks", "resume", "--json").err == ""
    removed = ohlcv("tasks", "remove", "--json").document["tasks"]
    assert [(one["name"], one["deed"]) for one in removed] == [(name, "removed") for name in NAMES]
    assert server.tasks.held == {}


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
