"""The operator's page on a real InfluxDB: its tasks, their runs and failures, and what the buttons do to them."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.influx_parts import influx_layout
from ohlcv_assets.influx_tasks import managed_tasks, tasks_connection
from ohlcv_assets.pipeline.verify import verify_day
from ohlcv_assets.stores.influxdb.tasks.calls import TaskCalls
from ohlcv_assets.stores.influxdb.tasks.definitions import task_name
from ohlcv_assets_tests.api.made import close, new_key, set_up_on
from ohlcv_assets_tests.pipeline.made import change_bars, make
from ohlcv_assets_tests.servers import OwnServer
from ohlcv_assets_tests.web.conftest import OpenerOf
from ohlcv_assets_tests.web.served import Served, write_universe
from ohlcv_assets_tests.web.test_operator_page import give_key, row, service_of

pytestmark = pytest.mark.integration
FIRST = dt.date(2024, 3, 14)
MADE = dt.date(2024, 3, 15)


@pytest.fixture(name="on_influxdb")
def _on_influxdb(pages: Path, own_server: OwnServer, tmp_path: Path) -> Iterator[Served]:
    """Run the service on a real server with tasks; the bars of the second of three days are made."""
    assert pages.is_dir()
    write_universe(tmp_path)
    given = set_up_on(own_server, tasks=True)
    served = Served(
        tmp_path, more={**given, "start": FIRST, "end": FIRST + dt.timedelta(days=2), "total_trades": 6_000}
    )
    served.start()
    make(service_of(served).project, MADE)
    with managed_tasks(service_of(served).settings) as manager:
        manager.install()
    yield served
    served.stop()
    close(service_of(served))


@pytest.fixture(name="page")
def _page(open_on: OpenerOf, on_influxdb: Served) -> Page:
    """Open the operator's page with a key that may do everything."""
    page = open_on(lambda: on_influxdb.url)("operator")
    page.locator("#key-open").click()
    give_key(page, new_key(service_of(on_influxdb), "admin"))
    expect(page.locator("#key-role")).to_have_text("Key: admin")
    return page


def run_now(served: Served, resolution: str, edit: tuple[str, str] = ("", "")) -> None:
    """Have a task run at once, its script changed by somebody where that is said."""
    settings = service_of(served).settings
    name = task_name(influx_layout(settings), resolution)
    with tasks_connection(settings) as connection:
        (task,) = TaskCalls(connection).named(name)[name]
        as_json = {"Content-Type": "application/json"}
        if edit != ("", ""):
            flux = json.dumps({"flux": task.script.replace(*edit)}).encode()
            assert connection.send("PATCH", f"/api/v2/tasks/{task.id}", body=flux, headers=as_json).passed
        assert connection.send("POST", f"/api/v2/tasks/{task.id}/runs", body=b"{}", headers=as_json).passed


def task_cell(page: Page, resolution: str) -> Locator:
    """Return what a row says of its task."""
    found: Locator = row(page, resolution).locator("td[data-label=Task]")
    return found


def state_on_server(served: Served, resolution: str) -> str:
    """Return the state of a task, asked of the server."""
    with managed_tasks(service_of(served).settings, [resolution]) as manager:
        (standing,) = manager.look()
    return standing.state


def test_tasks_are_seen_paused_and_resumed(page: Page, on_influxdb: Served, complaints: list[str]) -> None:
    """Each row has its task's state; the button changes it on the server, and says so."""
    expect(page.locator("#dataset")).to_have_text("default in influxdb")
    for resolution in ("1m", "1d"):
        expect(task_cell(page, resolution)).to_have_text("active")
    row(page, "1h").get_by_role("button", name="Pause").click()
    expect(page.locator("#notice")).to_have_text("The task of 1h was paused.")
    expect(task_cell(page, "1h")).to_have_text("paused")
    assert [state_on_server(on_influxdb, name) for name in ("15m", "1h")] == ["active", "paused"]
    row(page, "1h").get_by_role("button", name="Resume").click()
    expect(task_cell(page, "1h")).to_have_text("active")
    assert state_on_server(on_influxdb, "1h") == "active"
    row(page, "1h").locator(".opener").click()
    expect(row(page, "1h").locator(".more")).to_contain_text("ohlcv trades 1h: every 1 h")
    assert complaints == []


def test_runs_and_failed_ones(page: Page, on_influxdb: Served) -> None:
    """A run is listed with what it made; a failed one stands out with the server's reason, until it is mended."""
    run_now(on_influxdb, "5m")
    runs = page.locator("#runs > li")
    expect(runs.first).to_contain_text(re.compile("5m.*success.*live.* bars"))
    run_now(on_influxdb, "5m", ("ohlcv_5m", "gone"))
    expect(runs.first).to_contain_text(re.compile('5m.*failed.*could not find bucket "gone"'))
    expect(task_cell(page, "5m")).to_have_text("faulty")
    expect(page.locator("#tiles")).to_contain_text("2 faults of tasks")
    row(page, "5m").locator(".opener").click()
    more = row(page, "5m").locator(".more")
    expect(more).to_contain_text("its script was edited on the server")
    expect(more).to_contain_text(re.compile('its last run failed: .*could not find bucket "gone"'))
    with managed_tasks(service_of(on_influxdb).settings, ["5m"]) as manager:
        manager.install(repair=True)
    run_now(on_influxdb, "5m")
    expect(task_cell(page, "5m")).to_have_text("active")
    expect(runs.first).to_contain_text("success")
    expect(page.locator("#tiles")).to_contain_text("runs, tasks and data are sound")


def test_bars_are_made_by_the_script_of_a_task(page: Page, on_influxdb: Served) -> None:
    """`Run` has InfluxDB make the bars of a day again: what was changed is right, and the task runs on."""
    project = service_of(on_influxdb).project
    change_bars(project, RESOLUTIONS["1h"], MADE, "high", 0, 2)
    row(page, "1h").get_by_role("button", name="Run…").click()
    expect(page.locator("#action-text")).to_contain_text("InfluxDB makes them by the task's script")
    assert page.locator("#action-first").input_value() == str(MADE)
    page.locator("#action-start").click()
    expect(page.locator("#jobs .job")).to_contain_text(re.compile("Make bars again of 1h.*succeeded.*1 day,"))
    assert all(proof.verdict.passed for proof in verify_day(project, MADE))
    assert state_on_server(on_influxdb, "1h") == "active"


def test_missing_bars_are_healed_while_tasks_rest(page: Page, on_influxdb: Served) -> None:
    """The call to heal goes when the bars are there; the tasks run on."""
    project = service_of(on_influxdb).project
    project.bar_store.delete_day(RESOLUTIONS["15m"], MADE)
    expect(page.locator("#call")).to_contain_text("Bars of 1 day are missing or stale.")
    page.locator("#call-heal").click()
    page.locator("#action-start").click()
    expect(page.locator("#jobs .job")).to_contain_text("succeeded")
    expect(page.locator("#call")).to_be_hidden()
    assert all(proof.verdict.passed for proof in verify_day(project, MADE))
    assert state_on_server(on_influxdb, "15m") == "active"
