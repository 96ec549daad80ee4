"""A day's trades are read as seldom as possible, in bounded memory, and never out of date."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from ohlcv_assets.lake.lake import Lake
from ohlcv_assets.pipeline import parts
from ohlcv_assets.pipeline.steps import file_day
from ohlcv_assets.project import Project
from ohlcv_assets_tests.pipeline.made import FRIDAY, THURSDAY, project_in, rewrite

pytestmark = pytest.mark.integration


@pytest.fixture(name="reads")
def _reads(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list of the reads of whole days to come."""
    made: list[object] = []
    read = Lake.read

    def counted(lake: Lake, *arguments: object) -> pa.Table:
        made.append(arguments)
        return read(lake, *arguments)  # type: ignore[arg-type]  # handed on as they are

    monkeypatch.setattr(Lake, "read", counted)
    return made


def test_a_day_is_read_once_for_all_steps(project: Project, reads: list[object]) -> None:
    """Tables and batches of the same day come from one reading."""
    file_day(project, FRIDAY)
    (table,) = parts.parts(project, FRIDAY)
    assert pa.Table.from_batches(parts.batches(project, FRIDAY)).equals(table)
    assert next(parts.parts(project, FRIDAY)) is table
    assert len(reads) == 1
    parts.forget()
    assert next(parts.parts(project, FRIDAY)).equals(table)
    assert len(reads) == 2


def test_only_one_day_is_kept(project: Project, reads: list[object]) -> None:
    """The day before is let go before the next is read."""
    for day in (THURSDAY, FRIDAY, THURSDAY):
        file_day(project, day)
        next(parts.parts(project, day))
        assert len(parts._kept) == 1
    assert len(reads) == 3


def test_threads_that_need_a_day_at_once_wait_for_one_reading(project: Project, reads: list[object]) -> None:
    """Two at the same day get the same table, and the file is read once."""
    file_day(project, FRIDAY)
    together = threading.Barrier(2)

    def read() -> pa.Table:
        together.wait()
        return next(parts.parts(project, FRIDAY))

    with ThreadPoolExecutor(2) as pool:
        one, other = [each.result() for each in [pool.submit(read) for _ in range(2)]]
    assert one is other
    assert len(reads) == 1


def test_a_replaced_file_is_read_anew(project: Project) -> None:
    """What is kept is given up with the file it came from."""
    file_day(project, FRIDAY)
    (table,) = parts.parts(project, FRIDAY)
    rewrite(project, FRIDAY, table.slice(0, 10))
    assert next(parts.parts(project, FRIDAY)).num_rows == 10


def test_a_large_day_comes_by_groups_of_symbols(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """No part exceeds the limit unless one symbol does, parts hold whole symbols, and together they are the day."""
    file = file_day(project, FRIDAY).file
    whole = project.lake.read(FRIDAY)
    monkeypatch.setattr(parts, "PART_ROWS", 300)
    tables = list(parts.parts(project, FRIDAY))
    assert len(tables) > 1
    held = [table.column("symbol").unique().to_pylist() for table in tables]
    assert [name for names in held for name in names] == list(file.counts)
    assert all(table.num_rows <= 300 or len(names) == 1 for table, names in zip(tables, held, strict=True))
    assert pa.concat_tables(tables).unify_dictionaries().equals(whole)
    assert pa.Table.from_batches(parts.batches(project, FRIDAY)).num_rows == file.rows
    assert parts._kept == {}


def test_high_memory_keeps_any_day_whole(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting lifts the limit."""
    monkeypatch.setattr(parts, "PART_ROWS", 300)
    generous = project_in(project.settings.data_dir, high_memory=True)
    file = file_day(generous, FRIDAY).file
    assert not parts.fits(project, file)
    assert [table.num_rows for table in parts.parts(generous, FRIDAY)] == [file.rows]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, [[]]),
        ({"A": 5}, [["A"]]),
        ({"A": 3, "B": 2, "C": 1}, [["A", "B"], ["C"]]),
        ({"A": 9, "B": 9}, [["A"], ["B"]]),
    ],
)
def test_groups_hold_whole_symbols_in_order(counts: dict[str, int], expected: list[list[str]]) -> None:
    """A group is closed before the symbol that would exceed the limit; a symbol alone may."""
    assert [list(group) for group in parts.groups(counts, 5)] == expected
