"""A tiny dataset, made once for all tests of a process, and the command line run inside the process."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ohlcv_assets.cli import main
from ohlcv_assets.pipeline.steps import file_day, load_day, roll_up_day
from ohlcv_assets.project import open_project
from ohlcv_assets.settings import PREFIX, load_settings
from ohlcv_assets_tests.commands import TINY, Ohlcv, Outcome

# The guard first: the other imports it.
pytest_plugins = ["ohlcv_assets_tests.secrets_guard", "ohlcv_assets_tests.server_fixtures"]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tiny dataset and return its data folder, which nobody may change."""
    folder = tmp_path_factory.mktemp("tiny")
    names = {name.removeprefix(PREFIX).lower(): value for name, value in TINY.items()}
    project = open_project(load_settings(data_dir=folder, **names))
    for day in project.dataset.days[:-1]:
        file_day(project, day)
        load_day(project, day)
        roll_up_day(project, day)
    return folder


@pytest.fixture
def tiny(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let commands work on the tiny dataset, from an empty folder."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in TINY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OHLCV_DATA_DIR", str(made))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def copied(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let commands work on a copy of the tiny dataset, which they may change."""
    folder = tmp_path / "copy"
    shutil.copytree(tiny, folder)
    monkeypatch.setenv("OHLCV_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def ohlcv(tiny: Path, capsys: pytest.CaptureFixture[str]) -> Ohlcv:
    """Run a command line on the tiny dataset."""
    assert tiny.is_dir()

    def run(*words: str) -> Outcome:
        capsys.readouterr()
        code = main(words)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run
