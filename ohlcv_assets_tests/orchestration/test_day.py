"""What a run of the job ``day`` makes, proves and records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import dagster as dg
import pyarrow as pa
import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.market.universe import universe_from_symbols
from ohlcv_assets.orchestration.assembly import build_definitions
from ohlcv_assets.orchestration.done import check_keys, check_states
from ohlcv_assets.orchestration.history import PARTITION_TAG
from ohlcv_assets.orchestration.names import BARS, CHECKS_JOB, DAY_ASSETS, DAY_JOB, HOST_TAG, IDENTITY_TAG, key_of
from ohlcv_assets.orchestration.runs import Runner
from ohlcv_assets.pipeline.status import status_of
from ohlcv_assets.progress import Observer
from ohlcv_assets.project import Project
from ohlcv_assets.stores.base import DayContent, LoadReport
from ohlcv_assets_tests.orchestration.made import (
    FRIDAY,
    SATURDAY,
    THURSDAY,
    lose_trade,
    metadata_of,
    project_in,
    spoil_bars,
    spoil_price,
)

pytestmark = pytest.mark.integration


def checks_only(project: Project, instance: dg.DagsterInstance, day: dt.date) -> dict[str, dg.AssetCheckEvaluation]:
    """Run the checks of a day alone and return those that failed, by asset and name."""
    job = build_definitions(project).resolve_job_def(CHECKS_JOB)
    result = job.execute_in_process(tags={PARTITION_TAG: str(day)}, instance=instance, raise_on_error=False)
    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) == len(check_keys(project))
    return {f"{one.asset_key.path[-1]}.{one.check_name}": one for one in evaluations if not one.passed}


def test_a_day_is_made_proved_and_recorded(project: Project, instance: dg.DagsterInstance, runner: Runner) -> None:
    """Every asset materialises with its figures, every check passes and is recorded for the partition."""
    outcome = runner.day(FRIDAY)
    assert (outcome.state, outcome.error) == ("made", "")
    assert outcome.checks_passed == len(check_keys(project))
    assert outcome.trades == sum(project.source.counts(FRIDAY).values())
    assert outcome.load_rate > 0
    assert 0 < outcome.body_seconds < outcome.seconds
    assert outcome.peak_memory > 0
    assert status_of(project, [FRIDAY])[0].complete
    for name in DAY_ASSETS:
        (record,) = instance.fetch_materializations(key_of(project.dataset, name), limit=5).records
        event = record.asset_materialization
        assert event is not None
        assert event.partition == str(FRIDAY)
        assert event.tags is not None
        assert event.tags["dagster/data_version"] == project.lake.inspect(FRIDAY).content_hash
        assert event.tags[IDENTITY_TAG]
        figures = set(event.metadata)
        assert {"dagster/partition_row_count", "seconds", "cpu_seconds", "peak_memory_mb", "bytes_in"} <= figures
        assert "trades_per_second" in figures
    for key in check_keys(project):
        assert check_states(instance, key) == {str(FRIDAY): True}


def test_a_day_made_again_reuses_everything(project: Project, runner: Runner) -> None:
    """The second run finds file and store as they should be and writes neither."""
    runner.day(SATURDAY)
    before = project.lake.path(SATURDAY).stat().st_mtime_ns
    again = runner.day(SATURDAY)
    assert again.state == "made"
    assert again.load_rate == 0
    assert project.lake.path(SATURDAY).stat().st_mtime_ns == before


def test_a_day_without_trades_is_a_day(instance: dg.DagsterInstance, project: Project) -> None:
    """A closed day materialises with zero rows and passes every check."""
    stocks = [symbol for symbol in project.dataset.universe.symbols if symbol.asset_class == "stock"]
    closed = project_in(project.settings.data_dir)
    object.__setattr__(closed.dataset, "universe", universe_from_symbols(stocks))
    outcome = Runner(closed, instance, "test").day(SATURDAY)
    assert (outcome.state, outcome.trades, outcome.checks_failed) == ("made", 0, 0)


@pytest.mark.parametrize(
    ("spoil", "failed"),
    [
        (lose_trade, {"stored_trades.count_per_symbol", "stored_trades.content", "ohlcv_1m.totals"}),
        (spoil_price, {"stored_trades.content"}),
        (lambda project, day: spoil_bars(project, RESOLUTIONS["5m"], day), {"ohlcv_5m.equality", "ohlcv_5m.totals"}),
    ],
)
def test_what_was_tampered_with_is_found_and_explained(
    project: Project,
    instance: dg.DagsterInstance,
    runner: Runner,
    spoil: Callable[[Project, dt.date], None],
    failed: set[str],
) -> None:
    """The right checks fail, and their metadata alone says what was expected, what was found and where."""
    runner.day(FRIDAY)
    spoil(project, FRIDAY)
    found = checks_only(project, instance, FRIDAY)
    assert failed <= set(found)
    for name in failed:
        shown = metadata_of(found[name])
        assert shown["summary"]
        assert shown["expected"]
        assert shown["found"]
        assert shown["different"] > 0
        assert shown["differences"].records[0].data


def test_a_file_changed_after_it_was_written_is_found(
    project: Project, instance: dg.DagsterInstance, runner: Runner
) -> None:
    """A flipped byte fails the steps that read the file, each with one sentence naming file and remedy."""
    runner.day(FRIDAY)
    path = project.lake.path(FRIDAY)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    job = build_definitions(project).resolve_job_def(CHECKS_JOB)
    tags = {PARTITION_TAG: str(FRIDAY)}
    result = job.execute_in_process(tags=tags, instance=instance, raise_on_error=False)
    failures = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    assert failures
    assert all(failure is not None and str(path) in (failure.description or "") for failure in failures)


def test_a_failing_count_stops_the_bars_of_its_day_alone(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocking check keeps bars of its own day from being made, and no other day's."""
    replace_day = project.trade_store.replace_day

    def lossy(content: DayContent, batches: Iterator[pa.RecordBatch], observer: Observer) -> LoadReport:
        report = replace_day(content, batches, observer)
        if content.day == FRIDAY:
            lose_trade(project, FRIDAY)
        return report

    monkeypatch.setattr(project.trade_store, "replace_day", lossy)
    runner = Runner(project, instance, "test")
    states = {day: runner.day(day) for day in (THURSDAY, FRIDAY, SATURDAY)}
    assert [states[day].state for day in states] == ["made", "failed", "made"]
    assert states[FRIDAY].error.startswith("stored_trades.count_per_symbol: ")
    assert states[FRIDAY].checks_failed == 3
    for name in BARS:
        made = instance.get_materialized_partitions(key_of(project.dataset, name))
        assert made == {str(THURSDAY), str(SATURDAY)}


def test_a_stale_file_is_one_sentence_and_force_replaces_it(
    project: Project, instance: dg.DagsterInstance, runner: Runner
) -> None:
    """A file of other settings fails the day with what to do; with force the day is made."""
    runner.day(FRIDAY)
    other = Runner(project_in(project.settings.data_dir, seed=7), instance, "test")
    refused = other.day(FRIDAY)
    assert refused.state == "failed"
    assert "--force" in refused.error
    assert "Traceback" not in refused.error
    assert other.day(FRIDAY, force=True).state == "made"


def test_one_resolution_alone_is_made_from_the_stored_one_below(
    project: Project, instance: dg.DagsterInstance, runner: Runner
) -> None:
    """Materialising 15m bars alone reads the stored 5m bars, checks included."""
    runner.day(FRIDAY)
    definitions = build_definitions(project)
    job = definitions.resolve_job_def(DAY_JOB)
    result = job.execute_in_process(
        partition_key=str(FRIDAY), instance=instance, asset_selection=[key_of(project.dataset, "ohlcv_15m")]
    )
    assert [event.asset_key.path[-1] for event in result.get_asset_materialization_events() if event.asset_key] == [
        "ohlcv_15m"
    ]
    assert {one.asset_key.path[-1] for one in result.get_asset_check_evaluations()} == {"ohlcv_15m"}


def test_bars_of_unproved_trades_are_refused(project: Project, instance: dg.DagsterInstance, runner: Runner) -> None:
    """A bar asset looks for itself whether the day's trades are proved."""
    runner.day(FRIDAY)
    project.trade_store.delete_day(FRIDAY)
    job = build_definitions(project).resolve_job_def(DAY_JOB)
    result = job.execute_in_process(
        partition_key=str(FRIDAY),
        instance=instance,
        asset_selection=[key_of(project.dataset, "ohlcv_1m")],
        raise_on_error=False,
    )
    assert not result.success
    (failure,) = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    assert failure is not None
    assert "not proved" in (failure.description or "")


def test_a_run_without_a_partition_fails_with_what_to_do(project: Project, instance: dg.DagsterInstance) -> None:
    """A job started without a day records nothing and says how to name one; its process is on record all the same."""
    job = build_definitions(project).resolve_job_def(DAY_JOB)
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    (failure,) = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    assert failure is not None
    assert "dagster/partition" in (failure.description or "")
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert HOST_TAG in run.tags


def test_the_report_is_made(project: Project, instance: dg.DagsterInstance, runner: Runner) -> None:
    """The unpartitioned report materialises with totals and links to its files."""
    runner.day(FRIDAY)
    assert runner.report() == ""
    (record,) = instance.fetch_materializations(key_of(project.dataset, "dataset_report"), limit=2).records
    event = record.asset_materialization
    assert event is not None
    assert event.metadata["days_stored"].value == 1
    assert (project.reports / "default.html").is_file()
