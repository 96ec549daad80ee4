"""`ohlcv bars` on an InfluxDB server, in processes of their own: several at once, killed, and without their records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ohlcv_assets.influx_parts import influx_layout
from ohlcv_assets.pipeline.steps import load_day, roll_up_day
from ohlcv_assets.project import Project, open_project
from ohlcv_assets.settings import load_settings
from ohlcv_assets.stores.influxdb.admin.setup import Order, set_up
from ohlcv_assets.stores.influxdb.connection import Address, Connection
from ohlcv_assets_tests.commands import Ohlcv
from ohlcv_assets_tests.organisations import as_variables, close, organisation
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, rewrite
from ohlcv_assets_tests.pipeline.standings import all_of, purge_bars, standings
from ohlcv_assets_tests.servers import Server, drop_bucket

pytestmark = pytest.mark.e2e
OHLCV = Path(sys.executable).parent / "ohlcv"
DAYS = (THURSDAY, FRIDAY, SATURDAY)


@pytest.fixture(name="project")
def _project(
    any_server: Server, copied: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Project]:
    """Let commands work on the first three days of the tiny dataset, on a server and with bars of an engine."""
    assert copied.is_dir()
    engine = getattr(request, "param", "client")
    with organisation(any_server) as given:
        for name, value in as_variables({**given, "bar_engine": engine}).items():
            monkeypatch.setenv(name, value)
        project = open_project(load_settings())
        for day in DAYS:
            load_day(project, day)
            roll_up_day(project, day)
        yield project
        close(project)


def wrong(project: Project) -> dict[object, set[str]]:
    """Return what is missing or stale; the days that are not loaded are only waiting."""
    return {day: found for day, found in standings(project).items() if found != all_of("waiting")}


def started(*words: str) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    pipe = subprocess.PIPE
    return subprocess.Popen([OHLCV, *words], stdout=pipe, stderr=pipe, text=True, env=dict(os.environ))


def ended(process: subprocess.Popen[str]) -> Mapping[str, Any]:  # Any: a JSON document
    """Wait for a command and return what it printed."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    found: Mapping[str, Any] = json.loads(out)
    return found


@pytest.mark.parametrize("project", ["client", "influx-task"], indirect=True)
def test_what_is_wrong_is_told_healed_and_proved(ohlcv: Ohlcv, project: Project) -> None:
    """A corrected day is stale until it is healed; then every bar is proved, and it is said against what."""
    trades = project.lake.read(FRIDAY)
    rewrite(project, FRIDAY, trades.slice(0, trades.num_rows - 3))
    load_day(project, FRIDAY)
    shown = ohlcv("bars", "status")
    assert "1m stale 2024-01-05: made from other trades" in shown.out
    assert "`ohlcv bars heal` makes what is missing or stale." in shown.err
    assert "1 day healed in 1 chunk" in ohlcv("bars", "heal").out
    assert ohlcv("bars", "heal").out == "Nothing is missing or stale.\n"
    assert {one["lag_seconds"] for one in ohlcv("bars", "status", "--json").document["resolutions"]} == {0}
    proved = ohlcv("verify", "--bars", "--from", str(THURSDAY), "--to", str(SATURDAY), "--json").document
    assert proved["passed"]
    checks = [check for day in proved["days"] for check in day["checks"]]
    assert {check["check"] for check in checks} == {"totals", "invariants", "equality", "chain", "direct"}
    of = {check["expected"]["turnover_of"] for check in checks if check["check"] == "totals"}
    assert of == {"day file's trades"}


def test_two_operators_at_once(project: Project) -> None:
    """Two processes that heal the same days share them, both end well, and every day is made."""
    purge_bars(project)
    documents = [ended(process) for process in [started("bars", "heal", "--json") for _ in range(2)]]
    assert all(document["succeeded"] for document in documents)
    assert sum(document["days"] for document in documents) >= len(DAYS)
    assert wrong(project) == {}
    assert {record.state for record in project.chunks.records()} == {"done"}


def test_an_operator_who_is_killed(project: Project) -> None:
    """Whoever is killed in the middle leaves what the next one takes up; nothing stays begun."""
    for _ in range(20):
        purge_bars(project)
        process = started("bars", "heal")
        while process.poll() is None and not any(one.state == "running" for one in project.chunks.records()):
            time.sleep(0.01)
        process.kill()
        process.communicate()
        if wrong(project):
            break
    else:
        pytest.fail("it was always too quick to be killed in the middle")
    assert ended(started("bars", "heal", "--json"))["succeeded"]
    assert wrong(project) == {}
    assert {record.state for record in project.chunks.records()} == {"done"}


def test_the_status_bucket_is_gone(
    ohlcv: Ohlcv, project: Project, any_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands name it; set up anew, they say that days are to be proved, and what does that."""
    settings = project.settings
    place = Address(any_server.url, settings.influx_org, SecretStr(any_server.operator_token))
    layout = influx_layout(settings)
    admin = Connection(place, 1)
    drop_bucket(admin, layout.status.name)
    admin.close()
    for words in (("bars", "status"), ("bars", "heal"), ("verify", "--bars")):
        shown = ohlcv(*words)
        assert (shown.code, shown.out) == (2, ""), words
        assert "ohlcv influx setup" in shown.err, words
    secrets: dict[str, SecretStr] = {}
    order = Order(Address(any_server.url, settings.influx_org), layout, "default", place.token)
    set_up(order, secrets.update)
    monkeypatch.setenv("OHLCV_INFLUX_TOKEN", secrets["OHLCV_INFLUX_TOKEN"].get_secret_value())
    shown = ohlcv("bars", "status")
    assert "1m stale 2024-01-04 to 2024-01-06: their trades are not proved to be stored" in shown.out
    healed = ohlcv("bars", "heal")
    assert healed.code == 0
    assert (
        "3 days with bars but without proved trades: `ohlcv backfill --from 2024-01-04 --to 2024-01-06`" in healed.err
    )
    again = open_project(load_settings())
    for day in DAYS:
        assert load_day(again, day).report.written > 0
    assert ohlcv("bars", "heal", "--json").document["days"] == len(DAYS)
    assert wrong(again) == {}
    close(again)
