"""`ohlcv tasks run` on a fake server: bars made by InfluxDB now, and told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.pipeline.steps import file_day, load_day
from ohlcv_assets.project import Project, open_project
from ohlcv_assets.settings import load_settings
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.commands import Ohlcv
from ohlcv_assets_tests.stores.influxdb.fake.server import FakeServer
from ohlcv_assets_tests.stores.influxdb.fresh import fresh_fake

pytestmark = pytest.mark.integration
DAY = dt.date(2024, 1, 6)
"""A Saturday, which has few trades."""


@pytest.fixture(name="server")
def _server(ohlcv: Ohlcv) -> Iterator[FakeServer]:
    """Return a server that was set up, with tasks."""
    with fresh_fake() as server:
        assert ohlcv("--set", f"influx_url={server.url}", "influx", "setup").code == 0
        assert ohlcv("tasks", "install").code == 0
        yield server


@pytest.fixture(name="project")
def _project(server: FakeServer) -> Iterator[Project]:
    """Return the project on that server, with a day whose trades are loaded."""
    project = open_project(load_settings(influx_url=server.url))
    file_day(project, DAY)
    load_day(project, DAY)
    yield project
    opened: list[Any] = [project.trade_store, project.bar_store, project.chunks]  # Any: protocols ask for no closing
    for one in opened:
        one.close()


def test_bars_of_a_day_by_hand(server: FakeServer, project: Project, ohlcv: Ohlcv) -> None:
    """The server makes them, each resolution of the one below; they are recorded, and the tasks run on."""
    words = ("--from", str(DAY), "--to", str(DAY))
    made = ohlcv("tasks", "run", "1h", "1m", "5m", "15m", *words)
    assert made.code == 0, made.err
    assert "4 days healed in 4 chunks" in made.out
    assert project.bar_store.read(RESOLUTIONS["1h"], *day_bounds(DAY)).num_rows > 0
    records = [found for found in project.chunks.records() if found.source_hash]
    assert {(one.resolution, one.state) for one in records} == {(name, "done") for name in ("1m", "5m", "15m", "1h")}
    again = ohlcv("tasks", "run", "-r", "1d", *words, "--json")
    assert again.code == 0
    assert (again.document["resolutions"], again.document["days"], again.document["succeeded"]) == (["1d"], 1, True)
    assert {task["status"] for task in server.tasks.held.values()} == {"active"}


def test_what_it_is_made_of_comes_first(project: Project, ohlcv: Ohlcv) -> None:
    """Without the bars below a day fails, with the reason."""
    assert project.bar_store.read(RESOLUTIONS["5m"], *day_bounds(DAY)).num_rows == 0
    failed = ohlcv("tasks", "run", "15m", "--from", str(DAY), "--to", str(DAY))
    assert failed.code == 1
    assert "make them first, 15m bars are composed from them" in failed.out


def test_what_is_refused(ohlcv: Ohlcv) -> None:
    """Another store, and a resolution without a task."""
    assert "the store in force is duckdb" in ohlcv("tasks", "run").err
    assert "no task of '4h'" in ohlcv("tasks", "run", "4h").err
