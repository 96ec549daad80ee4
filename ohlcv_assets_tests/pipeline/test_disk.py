"""What cannot end for want of room is not begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from ohlcv_assets.errors import MachineError
from ohlcv_assets.lake import machine
from ohlcv_assets.pipeline.disk import FILE_BYTES, SPARE_BYTES, STORE_BYTES, bytes_needed, require_disk
from ohlcv_assets.pipeline.steps import file_day, load_day
from ohlcv_assets.project import Project
from ohlcv_assets_tests.pipeline.made import FRIDAY, THURSDAY, planned, project_in

pytestmark = pytest.mark.integration


def test_days_need_room_for_files_and_the_embedded_store(embedded: Project) -> None:
    """What is there already needs none, file and store each for itself."""
    trades = planned(embedded, FRIDAY)
    assert bytes_needed(embedded, [FRIDAY]) == int((FILE_BYTES + STORE_BYTES) * trades)
    file_day(embedded, FRIDAY)
    assert bytes_needed(embedded, [FRIDAY]) == int(STORE_BYTES * trades)
    load_day(embedded, FRIDAY)
    assert bytes_needed(embedded, [FRIDAY]) == 0
    assert bytes_needed(embedded, [THURSDAY, FRIDAY]) == int((FILE_BYTES + STORE_BYTES) * planned(embedded, THURSDAY))


def test_other_stores_take_no_room_here(project: Project) -> None:
    """Only files are counted where the store keeps nothing in the data folder."""
    assert bytes_needed(project, [FRIDAY]) == int(FILE_BYTES * planned(project, FRIDAY))


def test_a_year_is_estimated_as_promised(tmp_path: Path) -> None:
    """The default year takes less than six gigabytes."""
    year = project_in(tmp_path, start=None, end=None, total_trades=None, store="duckdb")
    assert 5.0e9 < bytes_needed(year, year.dataset.days) < 6.0e9


def test_too_little_room_is_refused_before_anything_is_written(
    embedded: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says what was to be done, where, how much it takes and how much is free."""
    monkeypatch.setattr(machine, "free_bytes", lambda _where: 150_000_000)
    with pytest.raises(MachineError, match=r"Could not make 3 days at .*: it takes about 200\.1 MB, and 150\.0 MB are"):
        require_disk(embedded, embedded.dataset.days)
    assert not embedded.dataset.root.exists()


def test_enough_room_is_told_and_nothing_to_make_needs_none(embedded: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk does not stop what has nothing left to write."""
    needed = bytes_needed(embedded, [FRIDAY])
    monkeypatch.setattr(machine, "free_bytes", lambda _where: needed + SPARE_BYTES)
    assert require_disk(embedded, [FRIDAY]) == needed
    file_day(embedded, FRIDAY)
    load_day(embedded, FRIDAY)
    monkeypatch.setattr(machine, "free_bytes", lambda _where: 0)
    assert require_disk(embedded, [FRIDAY]) == 0
