"""Projects and histories that tests may do anything with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ohlcv_assets.orchestration.home import HOME_VARIABLE, prepare_home
from ohlcv_assets.orchestration.runs import Runner
from ohlcv_assets.orchestration.warm_storage import warm_instance
from ohlcv_assets.pipeline.parts import forget
from ohlcv_assets.project import Project
from ohlcv_assets.settings import PREFIX
from ohlcv_assets_tests.orchestration.made import project_in


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home that nobody has recorded anything in; making one takes a second, copying it does not."""
    return prepare_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep settings of the environment and days of other tests away."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
    monkeypatch.chdir(tmp_path)
    forget()
    yield
    forget()


@pytest.fixture(name="home")
def _home(tmp_path: Path, prepared: Path) -> Path:
    """Return an empty home in the data folder."""
    home = tmp_path / "data" / "dagster_home"
    shutil.copytree(prepared, home)
    return home


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Project:
    """Return a project with an empty store in memory."""
    return project_in(tmp_path / "data")


@pytest.fixture(name="instance")
def _instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """Return an empty history."""
    with warm_instance(home) as instance:
        yield instance


@pytest.fixture(name="runner")
def _runner(project: Project, instance: dg.DagsterInstance) -> Runner:
    """Return a runner of the project's jobs."""
    return Runner(project, instance, "test")
