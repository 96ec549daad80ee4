"""Deleting deletes what is named, and nothing else."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS
from ohlcv_assets.errors import MachineError, StoreBusyError
from ohlcv_assets.pipeline.purge import Purged, purge_dataset, purge_days
from ohlcv_assets.pipeline.status import status_of
from ohlcv_assets.pipeline.steps import file_day
from ohlcv_assets.pipeline.verify import verify_day
from ohlcv_assets.project import STORE_FILE, Project
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, make, planned, project_in

pytestmark = pytest.mark.integration


HOLDER = """
import sys
from pathlib import Path
from ohlcv_assets.stores.duckdb.lock import StoreLock

lock = StoreLock(Path(sys.argv[1]), 5)
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked_elsewhere(store: Path) -> Iterator[None]:
    """Let another process hold a store."""
    command = [sys.executable, "-c", HOLDER, str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield
        holder.communicate()


def bars_of(project: Project, day: dt.date) -> int:
    """Count a day's bars of every resolution."""
    return sum(project.bar_store.read(resolution, *day_bounds(day)).num_rows for resolution in STORED_RESOLUTIONS)


@pytest.mark.parametrize("store", ["memory", "duckdb"])
def test_a_day_is_deleted_and_its_neighbours_stay(tmp_path: Path, store: str) -> None:
    """File, trades, record and bars of the day go, and the figures say how much; the other days stay proved."""
    project = project_in(tmp_path, store=store)
    make(project, THURSDAY, FRIDAY, SATURDAY)
    bars = bars_of(project, FRIDAY)
    assert purge_days(project, [FRIDAY]) == Purged(1, planned(project, FRIDAY), bars)
    assert project.lake.days() == (THURSDAY, SATURDAY)
    assert list(project.trade_store.day_records()) == [THURSDAY, SATURDAY]
    assert bars_of(project, FRIDAY) == 0
    for day in (THURSDAY, SATURDAY):
        assert all(proof.verdict.passed for proof in verify_day(project, day))


def test_a_range_is_deleted(project: Project) -> None:
    """Every day of it, none beside it."""
    make(project, THURSDAY, FRIDAY, SATURDAY)
    assert purge_days(project, [FRIDAY, SATURDAY]).files == 2
    assert [status.complete for status in status_of(project)] == [True, False, False]


def test_files_alone_or_the_store_alone(project: Project) -> None:
    """Either can be kept: the one is made of the other again, or compared with it."""
    make(project, THURSDAY, FRIDAY)
    gone = purge_days(project, [THURSDAY], store=False)
    assert (gone.files, gone.trades, gone.bars) == (1, 0, 0)
    assert sum(project.trade_store.counts(THURSDAY).values()) == planned(project, THURSDAY)
    gone = purge_days(project, [FRIDAY], files=False)
    assert (gone.files, gone.trades) == (0, planned(project, FRIDAY))
    assert project.lake.days() == (FRIDAY,)


def test_nothing_there_is_nothing_deleted(embedded: Project) -> None:
    """Purging twice, or what was never made, is no error and makes no store."""
    assert purge_days(embedded, embedded.dataset.days) == Purged()
    assert not embedded.dataset.root.exists()


def test_a_dataset_goes_with_all_it_has_and_no_other_does(tmp_path: Path) -> None:
    """The folder goes, once; what lies beside it stays."""
    project = project_in(tmp_path, store="duckdb")
    make(project, FRIDAY)
    beside = project.dataset.root.parent / "other" / "dataset.json"
    beside.parent.mkdir()
    beside.write_text("{}")
    assert purge_dataset(project)
    assert not project.dataset.root.exists()
    assert beside.exists()
    assert not purge_dataset(project)
    again = project_in(tmp_path, store="duckdb")
    make(again, FRIDAY)
    assert all(proof.verdict.passed for proof in verify_day(again, FRIDAY))


def test_a_dataset_that_somebody_works_on_is_left_alone(tmp_path: Path) -> None:
    """As long as a process holds the store nothing is deleted; a store that is damaged is no obstacle."""
    project = project_in(tmp_path, store="duckdb", store_patience=0.1)
    make(project, FRIDAY)
    store = project.dataset.root / STORE_FILE
    with locked_elsewhere(store), pytest.raises(StoreBusyError, match=r"in use by process \d+"):
        purge_dataset(project)
    with project.store_session(), pytest.raises(StoreBusyError, match=rf"in use by process {os.getpid()}\b"):
        purge_dataset(project)
    assert all(proof.verdict.passed for proof in verify_day(project, FRIDAY))
    store.write_bytes(b"not a store")
    assert purge_dataset(project)
    assert not project.dataset.root.exists()


class Outside:
    """A store that is not in the dataset's folder, as far as purging asks."""

    def __init__(self, name: str, told: list[str], *, held: bool = True) -> None:
        self.name, self.told, self.held = name, told, held

    def clear(self) -> None:
        """Note that everything went."""
        self.told.append(self.name)

    def day_records(self) -> dict[dt.date, object]:
        """Return no record."""
        return {}

    def counts_by_day(self) -> dict[dt.date, int]:
        """Return trades of a day, or none."""
        return {FRIDAY: 1} if self.held else {}


def test_a_store_outside_the_folder_is_emptied_too(project: Project) -> None:
    """Bars go before trades, with or without a folder; a dataset of which nothing is anywhere was not there."""
    told: list[str] = []
    stores: Any = Outside("trades", told), Outside("bars", told)  # Any: only what purging asks
    outside = replace(project, trade_store=stores[0], bar_store=stores[1])
    assert purge_dataset(outside)
    assert told == ["bars", "trades"]
    file_day(outside, FRIDAY)
    stores[0].held = False
    assert purge_dataset(outside)
    assert not purge_dataset(outside)


def test_a_folder_that_cannot_be_deleted_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's refusal is one sentence with the folder."""

    def refused(path: Path) -> None:
        raise PermissionError(13, "no", str(path))

    file_day(project, FRIDAY)
    monkeypatch.setattr(shutil, "rmtree", refused)
    with pytest.raises(MachineError, match=r"Could not delete the dataset default at .*permission denied"):
        purge_dataset(project)
    assert project.lake.days() == (FRIDAY,)
