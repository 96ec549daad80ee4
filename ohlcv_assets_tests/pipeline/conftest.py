"""Projects that tests may do anything with, on settings of nobody else's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ohlcv_assets.pipeline.parts import forget
from ohlcv_assets.project import Project
from ohlcv_assets.settings import PREFIX
from ohlcv_assets_tests.pipeline.made import FRIDAY, make, project_in
from ohlcv_assets_tests.pipeline.standings import DAYS


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep settings of the environment and days of other tests away."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    forget()
    yield
    forget()


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Project:
    """Return a project with an empty store in memory."""
    return project_in(tmp_path / "data")


@pytest.fixture(name="friday")
def _friday(project: Project) -> Project:
    """Return a project whose Friday is made."""
    make(project, FRIDAY)
    return project


@pytest.fixture(name="full")
def _full(project: Project) -> Project:
    """Return a project whose three days are made."""
    make(project, *DAYS)
    return project


@pytest.fixture(name="embedded")
def _embedded(tmp_path: Path) -> Iterator[Project]:
    """Return a project on a DuckDB file in a folder with a space."""
    made = project_in(tmp_path / "my data", store="duckdb", store_patience=1)
    yield made
    made.trade_store.close()  # type: ignore[attr-defined]  # the protocol asks for no closing
