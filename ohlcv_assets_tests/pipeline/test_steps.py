"""A day goes from generation to bars, each step refuses what is not ready for it, and nothing is done twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.bars.rollup import bars_of_trades
from ohlcv_assets.errors import (
    DamagedDayFileError,
    MissingDayFileError,
    OutsideDatasetError,
    StaleDayFileError,
    UnprovedDayError,
)
from ohlcv_assets.lake.dataset import dataset_folder
from ohlcv_assets.lake.importing import import_files
from ohlcv_assets.pipeline import parts
from ohlcv_assets.pipeline.steps import file_day, load_day, require_proved, roll_up_day
from ohlcv_assets.pipeline.verify import verify_day
from ohlcv_assets.progress import Progress
from ohlcv_assets.project import Project
from ohlcv_assets.stores.base import DayContent
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.pipeline.made import (
    FRIDAY,
    SATURDAY,
    THURSDAY,
    damage,
    dying,
    make,
    planned,
    project_in,
    rewrite,
    with_values,
)
from ohlcv_assets_tests.stores.made import plain

pytestmark = pytest.mark.integration

Step = Callable[[Project, dt.date], object]


def test_a_day_goes_from_generation_to_bars(embedded: Project) -> None:
    """File, embedded store and bars hold exactly the planned trades, each step says so and what it cost."""
    filed = file_day(embedded, FRIDAY)
    loaded = load_day(embedded, FRIDAY)
    rolled = roll_up_day(embedded, FRIDAY)
    expected = planned(embedded, FRIDAY)
    assert (filed.file.rows, filed.reused) == (expected, False)
    assert (loaded.report.rows, loaded.report.written) == (expected, expected)
    assert rolled.trades == dict.fromkeys((resolution.name for resolution in STORED_RESOLUTIONS), expected)
    assert sum(embedded.trade_store.counts(FRIDAY).values()) == expected
    trades = embedded.lake.read(FRIDAY)
    for resolution in STORED_RESOLUTIONS:
        stored = embedded.bar_store.read(resolution, *day_bounds(FRIDAY))
        assert stored.num_rows == rolled.bars[resolution.name]
        direct = bars_of_trades(trades, resolution)
        for column in ("symbol", "ts", "open", "high", "low", "close", "trades", "imbalance"):
            assert stored.column(column).to_pylist() == direct.column(column).to_pylist()
    assert all(step.usage.seconds > 0 for step in (filed, loaded, rolled))


def test_done_work_is_not_done_again(friday: Project) -> None:
    """A second run reuses the file and leaves the store as it is."""
    before = friday.lake.path(FRIDAY).stat().st_mtime_ns
    assert file_day(friday, FRIDAY).reused
    assert friday.lake.path(FRIDAY).stat().st_mtime_ns == before
    assert load_day(friday, FRIDAY).report.written == 0


def test_a_day_without_trades_is_a_day_like_any_other(tmp_path: Path) -> None:
    """A day on which nothing happens has a file, a clean record, no bars, and passes every check."""
    csv = tmp_path / "trades.csv"
    csv.write_text("1,10.5,2,21,1704445200000,true\n2,10.5,2,21,1704617999000,true\n")
    import_files([csv], dataset_folder(tmp_path, "btc"), name="btc", symbol="BTCUSDT", format="binance")
    project = project_in(tmp_path, dataset="btc")
    assert project.dataset.days == (FRIDAY, SATURDAY, dt.date(2024, 1, 7))
    make(project, *project.dataset.days)
    assert file_day(project, SATURDAY).file.rows == 0
    rolled = roll_up_day(project, SATURDAY)
    assert set(rolled.bars.values()) == set(rolled.trades.values()) == {0}
    assert all(proof.verdict.passed for day in project.dataset.days for proof in verify_day(project, day))


def test_an_imported_day_that_is_lost_can_only_be_imported_again(tmp_path: Path) -> None:
    """The step does not promise what it cannot do."""
    csv = tmp_path / "trades.csv"
    csv.write_text("1,10.5,2,21,1704445200000,true\n")
    import_files([csv], dataset_folder(tmp_path, "btc"), name="btc", symbol="BTCUSDT", format="binance")
    project = project_in(tmp_path, dataset="btc")
    project.lake.delete(FRIDAY)
    with pytest.raises(MissingDayFileError, match="import the dataset 'btc' again"):
        file_day(project, FRIDAY)


def test_a_changed_plan_makes_the_file_stale_and_force_replaces_it(friday: Project, tmp_path: Path) -> None:
    """Another total is another plan: the old file is named, left alone, and replaced on request."""
    changed = project_in(tmp_path / "data", total_trades=4_000)
    content = friday.lake.path(FRIDAY).read_bytes()
    with pytest.raises(StaleDayFileError, match=r"differs in plan, total\): replace it with --force"):
        file_day(changed, FRIDAY)
    assert friday.lake.path(FRIDAY).read_bytes() == content
    replaced = file_day(changed, FRIDAY, force=True)
    assert (replaced.reused, replaced.file.rows) == (False, planned(changed, FRIDAY))


def test_a_damaged_file_stops_the_load_and_force_makes_it_again(project: Project) -> None:
    """Damage is named when the trades are read; the remade file has the same content."""
    first = file_day(project, FRIDAY).file
    damage(first)
    with pytest.raises(DamagedDayFileError, match=r"trades\.parquet is damaged .*--force"):
        load_day(project, FRIDAY)
    assert project.trade_store.counts(FRIDAY) == {}
    assert file_day(project, FRIDAY, force=True).file.content_hash == first.content_hash
    assert load_day(project, FRIDAY).report.written == first.rows


def test_a_new_file_replaces_what_the_store_holds(friday: Project) -> None:
    """Loading again after the file changed deletes the old trades first."""
    trades = friday.lake.read(FRIDAY)
    rewrite(friday, FRIDAY, trades.slice(0, 500))
    report = load_day(friday, FRIDAY).report
    assert (report.deleted, report.written, report.rows) == (trades.num_rows, 500, 500)


@pytest.mark.parametrize("step", [file_day, load_day, roll_up_day, verify_day])
@pytest.mark.parametrize("day", [dt.date(2024, 1, 3), dt.date(2024, 1, 7)])
def test_a_day_outside_the_dataset_is_refused(project: Project, step: Step, day: dt.date) -> None:
    """The message names the days there are, and nothing is written."""
    with pytest.raises(OutsideDatasetError, match=f"{day} is outside .* from 2024-01-04 to 2024-01-06"):
        step(project, day)
    assert not project.dataset.root.exists()


@pytest.mark.parametrize("step", [load_day, roll_up_day])
def test_a_step_without_a_file_says_what_to_make_first(project: Project, step: Step) -> None:
    """Nothing is loaded or rolled up from nowhere."""
    with pytest.raises(MissingDayFileError, match="no day file for 2024-01-05"):
        step(project, FRIDAY)


def _never_loaded(_project: Project) -> None:
    pass


def _interrupted(project: Project) -> None:
    content = DayContent(FRIDAY, "a hash", {"AAPL": 1})
    with pytest.raises(RuntimeError):
        project.trade_store.replace_day(content, dying())


def _other_file(project: Project) -> None:
    load_day(project, FRIDAY)
    trades = project.lake.read(FRIDAY)
    rewrite(project, FRIDAY, with_values(trades, "side", {0: -trades.column("side")[0].as_py()}))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_never_loaded, "they were never loaded"),
        (_interrupted, "a load of them was interrupted"),
        (_other_file, "the store holds the trades of another file"),
    ],
)
def test_bars_refuse_a_day_that_is_not_proved(project: Project, spoil: Callable[[Project], None], reason: str) -> None:
    """The sentence says why, and how to load the day again; no bar is written."""
    file_day(project, FRIDAY)
    spoil(project)
    with pytest.raises(UnprovedDayError, match=f"{reason}: load the day again with `ohlcv backfill --from 2024-01-05"):
        roll_up_day(project, FRIDAY)
    assert project.bar_store.coverage(RESOLUTIONS["1m"]).num_rows == 0
    load_day(project, FRIDAY)
    assert require_proved(project, FRIDAY) == project.lake.inspect(FRIDAY)


def test_bars_refuse_a_store_that_lost_trades_behind_its_record(embedded: Project) -> None:
    """A clean record is not believed: the store's own counts must be the file's."""
    file_day(embedded, FRIDAY)
    load_day(embedded, FRIDAY)
    with embedded.trade_store._broker.session() as session:  # type: ignore[attr-defined]  # what no protocol allows
        session.changed("DELETE FROM store.trades_2024_01 WHERE symbol = 'AAPL'")
    with pytest.raises(UnprovedDayError, match="the store's counts are not the file's"):
        roll_up_day(embedded, FRIDAY)


def test_some_resolutions_are_composed_from_stored_ones(friday: Project) -> None:
    """Rolling up only 1h and 1d changes neither them nor any other."""
    before = {r.name: plain(friday.bar_store.read(r, *day_bounds(FRIDAY))) for r in STORED_RESOLUTIONS}
    friday.bar_store.delete_day(RESOLUTIONS["1h"], FRIDAY)
    friday.bar_store.delete_day(RESOLUTIONS["1d"], FRIDAY)
    rolled = roll_up_day(friday, FRIDAY, [RESOLUTIONS["1d"], RESOLUTIONS["1h"]])
    assert list(rolled.bars) == ["1h", "1d"]
    assert before == {r.name: plain(friday.bar_store.read(r, *day_bounds(FRIDAY))) for r in STORED_RESOLUTIONS}


def test_a_resolution_without_its_source_is_refused(friday: Project) -> None:
    """Hourly bars are not composed from quarter hours that are not there."""
    for name in ("15m", "1h"):
        friday.bar_store.delete_day(RESOLUTIONS[name], FRIDAY)
    with pytest.raises(UnprovedDayError, match=r"stored 15m bars of 2024-01-05 hold 0 trades .*: make them first, 1h"):
        roll_up_day(friday, FRIDAY, [RESOLUTIONS["1h"]])


def test_every_step_tells_how_far_it_is(project: Project) -> None:
    """Progress of each stage ends with all of the day's trades, or bars."""
    seen: dict[str, Progress] = {}

    def watch(progress: Progress) -> None:
        seen[progress.stage] = progress

    file_day(project, THURSDAY, observer=watch)
    load_day(project, THURSDAY, observer=watch)
    rolled = roll_up_day(project, THURSDAY, observer=watch)
    assert list(seen) == ["generate", "write", "load", "roll up", "chunk"]
    for stage in ("generate", "write", "load"):
        assert seen[stage].done == seen[stage].total == planned(project, THURSDAY)
    assert seen["roll up"].done == sum(rolled.bars.values())


def test_a_day_in_parts_comes_to_the_same_bars(friday: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day larger than memory allows is loaded and rolled up by groups of symbols, with the same outcome."""
    before = {r.name: plain(friday.bar_store.read(r, *day_bounds(FRIDAY))) for r in STORED_RESOLUTIONS}
    friday.trade_store.delete_day(FRIDAY)
    monkeypatch.setattr(parts, "PART_ROWS", 300)
    load_day(friday, FRIDAY)
    for resolution in STORED_RESOLUTIONS:
        friday.bar_store.delete_day(resolution, FRIDAY)
    roll_up_day(friday, FRIDAY)
    assert roll_up_day(friday, FRIDAY).left_alone == tuple(resolution.name for resolution in STORED_RESOLUTIONS)
    assert before == {r.name: plain(friday.bar_store.read(r, *day_bounds(FRIDAY))) for r in STORED_RESOLUTIONS}
    assert all(proof.verdict.passed for proof in verify_day(friday, FRIDAY))
