"""Imports that fail, are killed or meet another: the old dataset or the new one is there, never part of one."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ohlcv_assets.errors import (
    DatasetError,
    MachineError,
)
from ohlcv_assets.lake import atomic, importing
from ohlcv_assets.lake.dataset import (
    imported_dataset,
    list_datasets,
)
from ohlcv_assets.progress import Progress
from ohlcv_assets_tests.lake.made_files import run

pytestmark = pytest.mark.integration


def test_failure_at_the_end_keeps_the_old(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error after everything is written leaves the old dataset and no trace of the new one."""
    run(files, tmp_path)

    def fail(*_arguments: object) -> str:
        raise RuntimeError("broken")

    monkeypatch.setattr(importing, "record_text", fail)
    with pytest.raises(RuntimeError, match="broken"):
        run(files[1:], tmp_path, force=True)
    assert imported_dataset(tmp_path, "mine").universe.names == ("ADAUSD", "BTCUSDT")
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == ["mine"]


KILLED = """
import os, signal, sys
from pathlib import Path
from ohlcv_assets.lake.dataset import dataset_folder
from ohlcv_assets.lake.importing import import_files

def watch(event):
    if event.stage == "write" and event.done == 2:
        os.kill(os.getpid(), signal.SIGKILL)

import_files([Path(sys.argv[1])], dataset_folder(Path(sys.argv[2]), "mine"), name="mine", observer=watch)
"""


def test_killed_import(files: list[Path], tmp_path: Path) -> None:
    """A killed import leaves no dataset that anybody sees, and the next one removes what it left."""
    # A killed process would leave broken coverage data behind.
    unmeasured = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(files[0]), str(tmp_path)], check=False, timeout=60, env=unmeasured
    )
    assert ended.returncode == -signal.SIGKILL
    (left,) = (tmp_path / "datasets").iterdir()
    assert left.name.startswith(".mine.")
    assert list_datasets(tmp_path) == ()
    run(files, tmp_path)
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == ["mine"]


REPLACEMENT_KILLED = """
import os, signal, sys
from pathlib import Path
from ohlcv_assets.lake.dataset import dataset_folder
from ohlcv_assets.lake.importing import import_files

rename = Path.rename

def dying(path, target):
    if rename(path, target).name.endswith(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

Path.rename = dying
import_files([Path(sys.argv[1])], dataset_folder(Path(sys.argv[2]), "mine"), name="mine", force=True)
"""


@pytest.mark.parametrize(("moment", "kept"), [(".old", ("ADAUSD", "BTCUSDT")), ("mine", ("BTCUSDT",))])
def test_killed_replacement(files: list[Path], tmp_path: Path, moment: str, kept: tuple[str, ...]) -> None:
    """Killed after either rename, a forced import leaves the old dataset or the new one, and nothing else for long."""
    run(files, tmp_path)
    unmeasured = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    ended = subprocess.run(
        [sys.executable, "-c", REPLACEMENT_KILLED, str(files[0]), str(tmp_path), moment],
        check=False,
        timeout=60,
        env=unmeasured,
    )
    assert ended.returncode == -signal.SIGKILL
    assert imported_dataset(tmp_path, "mine").universe.names == kept
    with pytest.raises(DatasetError, match="already"):
        run(files, tmp_path)
    run(files, tmp_path, name="other")
    assert sorted(path.name for path in (tmp_path / "datasets").iterdir()) == ["mine", "other"]


def test_replacement_that_fails_keeps_the_old(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the new folder cannot be renamed the old one is put back; what a live process set aside is left alone."""
    run(files, tmp_path)
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if path.name.endswith(".tmp"):
            atomic.restore_folder(tmp_path / "datasets" / "mine")
            assert list_datasets(tmp_path) == ()
            raise OSError(errno.EIO, "broken")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(MachineError, match="import the dataset mine"):
        run(files[1:], tmp_path, force=True)
    assert imported_dataset(tmp_path, "mine").universe.names == ("ADAUSD", "BTCUSDT")
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == ["mine"]


def test_slower_of_two_imports_replaces_nothing(files: list[Path], tmp_path: Path) -> None:
    """Of two imports of one name at once the first to end stays; the other is refused as if it had come later."""

    def interfere(event: Progress) -> None:
        if event.stage == "write" and event.done == 1:
            run(files[:1], tmp_path)

    with pytest.raises(DatasetError, match="already"):
        run(files, tmp_path, observer=interfere)
    assert imported_dataset(tmp_path, "mine").universe.names == ("BTCUSDT",)
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == ["mine"]
