"""Dagster's home."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from ohlcv_assets.errors import MachineError
from ohlcv_assets.orchestration import home as homes
from ohlcv_assets.orchestration.home import home_of, main, prepare_home, write_env
from ohlcv_assets.orchestration.warm_storage import WarmEventLogStorage, WarmRunStorage, warm_instance
from ohlcv_assets.settings import load_settings
from ohlcv_assets_tests.orchestration.made import ROOT

pytestmark = pytest.mark.integration
TEMPLATE = ROOT / "ohlcv_assets" / "orchestration" / "dagster.yaml"


def test_the_home_is_in_the_data_folder_unless_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$DAGSTER_HOME wins; without it the home lies in the data folder, absolute either way."""
    settings = load_settings(data_dir=Path("data"))
    assert home_of(settings) == tmp_path / "data" / "dagster_home"
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "mine"))
    assert home_of(settings) == tmp_path / "mine"


def test_a_home_is_made_ready_once(tmp_path: Path) -> None:
    """Configuration and databases are there afterwards; a changed configuration stays."""
    home = tmp_path / "my home"
    with ThreadPoolExecutor() as threads:
        assert list(threads.map(prepare_home, [home] * 3)) == [home] * 3
    config = home / "dagster.yaml"
    assert config.read_text() == TEMPLATE.read_text()
    assert (home / "history" / "runs.db").exists()
    config.write_text("telemetry: {enabled: false}\n")
    prepare_home(home)
    assert config.read_text() == "telemetry: {enabled: false}\n"


def test_the_configuration_is_what_was_found_to_work() -> None:
    """Two runs at once, one of a day, telemetry off, dead runs watched for, ticks not kept for ever."""
    config = yaml.safe_load(TEMPLATE.read_text())
    runs = config["concurrency"]["runs"]
    assert runs["max_concurrent_runs"] == 2
    assert runs["tag_concurrency_limits"] == [
        {"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    ]
    assert config["telemetry"] == {"enabled": False}
    assert config["run_monitoring"]["enabled"]
    assert config["retention"]


def test_a_home_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    """A file in the way is named."""
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="make Dagster's home ready"):
        prepare_home(tmp_path / "file" / "home")


def test_the_env_file_gets_one_line(tmp_path: Path) -> None:
    """Other lines stay, an older place is replaced, and a second time changes nothing."""
    env = tmp_path / ".env"
    assert write_env(Path("/a b/home"), env)
    assert env.read_text() == 'DAGSTER_HOME="/a b/home"\n'
    env.write_text("OHLCV_SEED=3\nDAGSTER_HOME=/old\n")
    assert write_env(Path("/new"), env)
    assert env.read_text() == 'OHLCV_SEED=3\nDAGSTER_HOME="/new"\n'
    assert not write_env(Path("/new"), env)


def test_the_command_makes_a_home_and_notes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m ohlcv_assets.orchestration.home FOLDER`, as make calls it."""
    monkeypatch.setattr(sys, "argv", ["home", "data/home"])
    monkeypatch.setattr(homes, "prepare_home", lambda home: home)
    main()
    assert (tmp_path / ".env").read_text() == f'DAGSTER_HOME="{tmp_path / "data" / "home"}"\n'


def test_warm_storages_are_used_for_sqlite_alone(home: Path, tmp_path: Path) -> None:
    """A home with a storage of its own choice keeps it."""
    with warm_instance(home) as instance:
        assert isinstance(instance.event_log_storage, WarmEventLogStorage)
        assert isinstance(instance.run_storage, WarmRunStorage)
    own = tmp_path / "own"
    own.mkdir()
    (own / "dagster.yaml").write_text(
        "storage:\n  custom:\n    module: dagster._core.storage.legacy_storage\n    class: LegacyStorage\n    config:\n"
        "      module_name: dagster._core.storage.sqlite_storage\n"
    )
    (own / "dagster.yaml").write_text(
        "run_storage: {module: dagster._core.storage.runs, class: SqliteRunStorage, config: {base_dir: "
        f"{own}}}}}\nevent_log_storage: {{module: dagster._core.storage.event_log, class: SqliteEventLogStorage, "
        f"config: {{base_dir: {own}}}}}\nschedule_storage: {{module: dagster._core.storage.schedules, class: "
        f"SqliteScheduleStorage, config: {{base_dir: {own}}}}}\n"
    )
    with warm_instance(own) as instance:
        assert not isinstance(instance.event_log_storage, WarmEventLogStorage)
