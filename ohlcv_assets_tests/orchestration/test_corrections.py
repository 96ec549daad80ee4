"""A day that is loaded again: with what it held nothing is touched, with other trades all that is made of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import dagster as dg
import pyarrow as pa
import pytest

from ohlcv_assets.bars.derive import derive
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.orchestration.assembly import build_definitions
from ohlcv_assets.orchestration.names import BARS, DAY_ASSETS, DAY_JOB, STORED_TRADES, TRADES, key_of, op_of
from ohlcv_assets.orchestration.runs import Runner
from ohlcv_assets.pipeline.recording import day_records
from ohlcv_assets.project import Project
from ohlcv_assets.units import day_bounds, day_start
from ohlcv_assets_tests.orchestration.made import DAYS, FRIDAY, SATURDAY, project_in

pytestmark = pytest.mark.integration


@pytest.fixture(name="project")
def _project(project: Project, runner: Runner) -> Project:
    """Return a project whose three days are made."""
    for day in DAYS:
        assert runner.day(day).state == "made"
    return project


@pytest.fixture(name="corrected")
def _corrected(project: Project) -> Project:
    """Return the same stores under a project whose plan has other trades for every day."""
    other = project_in(project.settings.data_dir, seed=7)
    return replace(other, trade_store=project.trade_store, bar_store=project.bar_store, chunks=project.chunks)


def latest(project: Project, instance: dg.DagsterInstance) -> Mapping[str, Mapping[str, object]]:
    """Return what the latest materialisation of each asset says: its metadata, and its data version as ``version``."""
    found = {}
    for name in DAY_ASSETS:
        (record,) = instance.fetch_materializations(key_of(project.dataset, name), limit=1).records
        event = record.asset_materialization
        assert event is not None
        assert event.tags is not None
        values = {key: value.value for key, value in event.metadata.items()}
        found[name] = values | {"version": event.tags["dagster/data_version"]}
    return found


def bars_of(project: Project, day: dt.date) -> dict[str, pa.Table]:
    """Return a day's bars by resolution."""
    return {one.name: project.bar_store.read(one, *day_bounds(day)) for one in STORED_RESOLUTIONS}


def views_of(project: Project) -> dict[str, object]:
    """Return the weeks and months of the dataset, derived as they are read."""
    span = day_start(dt.date(2024, 1, 1)), day_start(dt.date(2024, 2, 1))
    return {name: derive(RESOLUTIONS[name], project.bar_store.read, *span).to_pylist() for name in ("1W", "1M")}


def test_equal_content_touches_nothing(
    project: Project, instance: dg.DagsterInstance, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run over what is there writes no trade, no bar and no record; it says so, and every check passes."""
    before, records, bars = latest(project, instance), list(project.chunks.records()), bars_of(project, SATURDAY)
    for store, names in ((project.bar_store, ("write", "write_many", "delete_day")), (project.chunks, ("mark",))):
        for name in names:
            monkeypatch.setattr(store, name, None)
    outcome = runner.day(SATURDAY)
    assert (outcome.state, outcome.checks_failed) == ("made", 0)
    after = latest(project, instance)
    assert (after[STORED_TRADES]["written"], after[STORED_TRADES]["bars_outdated"]) == (0, 0)
    for name in BARS:
        assert (before[name]["made"], after[name]["made"]) == (True, False)
        kept = ("version", "content_hash", "chunk_state", "chunk_attempts", "dagster/partition_row_count", "trades")
        assert [after[name][key] for key in kept] == [before[name][key] for key in kept]
    assert list(project.chunks.records()) == records
    assert bars_of(project, SATURDAY) == bars


def test_other_content_makes_all_of_it_follow(
    project: Project, corrected: Project, instance: dg.DagsterInstance
) -> None:
    """Loading other trades makes every resolution stale; a run makes them anew, of that day alone; the views follow."""
    before, views, friday = latest(project, instance), views_of(project), bars_of(project, FRIDAY)
    saturday = day_records(project, SATURDAY), bars_of(project, SATURDAY)
    job = build_definitions(corrected).resolve_job_def(DAY_JOB)

    def run(*names: str) -> bool:
        config = {"ops": {op_of(corrected.dataset, TRADES): {"config": {"force": True}}}} if TRADES in names else {}
        keys = [key_of(corrected.dataset, name) for name in names]
        return job.execute_in_process(
            run_config=config, partition_key=str(FRIDAY), instance=instance, asset_selection=keys
        ).success

    assert run(TRADES, STORED_TRADES)
    loaded = latest(corrected, instance)
    content = corrected.lake.inspect(FRIDAY).content_hash
    assert loaded[STORED_TRADES]["version"] == content != before["ohlcv_1m"]["version"]
    assert loaded[STORED_TRADES]["bars_outdated"] == len(STORED_RESOLUTIONS)
    assert {record.state for record in day_records(corrected, FRIDAY).values()} == {"stale"}
    assert bars_of(corrected, FRIDAY) == friday

    assert run(*BARS)
    made = latest(corrected, instance)
    for name, resolution in BARS.items():
        record = day_records(corrected, FRIDAY)[resolution.name]
        assert (record.state, record.source_hash) == ("done", content)
        assert (made[name]["version"], made[name]["content_hash"], made[name]["chunk_state"]) == (
            content,
            content,
            "done",
        )
        assert (
            made[name]["dagster/partition_row_count"]
            == record.rows_out
            == bars_of(corrected, FRIDAY)[resolution.name].num_rows
        )
        assert made[name]["made"] is True
    assert all(bars_of(corrected, FRIDAY)[name] != table for name, table in friday.items())
    assert all(views_of(corrected)[name] != rows for name, rows in views.items())
    assert (day_records(corrected, SATURDAY), bars_of(corrected, SATURDAY)) == saturday


def test_the_record_and_the_history_say_the_same(project: Project, instance: dg.DagsterInstance) -> None:
    """Rows, hash and state of each chunk are those that Dagster recorded with the asset."""
    recorded = latest(project, instance)
    for name, resolution in BARS.items():
        record = day_records(project, SATURDAY)[resolution.name]
        shown = recorded[name]
        assert (shown["version"], shown["content_hash"]) == (record.source_hash, record.source_hash)
        assert (shown["chunk_state"], shown["chunk_attempts"]) == (record.state, record.attempts)
        assert (shown["dagster/partition_row_count"], shown["trades"]) == (record.rows_out, record.rows_in)
        assert shown["engine"] == "client"
