"""Days through Dagster into InfluxDB: made, proved, not made twice, and found out where somebody changed them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from ohlcv_assets.errors import StoreAccessError, StoreRejectedError
from ohlcv_assets.orchestration.backfill import backfill
from ohlcv_assets.orchestration.done import check_keys
from ohlcv_assets.orchestration.history import history
from ohlcv_assets.orchestration.names import STORED_TRADES, key_of
from ohlcv_assets.orchestration.runs import Runner
from ohlcv_assets.pipeline.purge import purge_dataset, purge_days
from ohlcv_assets.pipeline.status import status_of
from ohlcv_assets.pipeline.steps import file_day, load_day, roll_up_day
from ohlcv_assets.pipeline.verify import verify_day
from ohlcv_assets.progress import Progress
from ohlcv_assets.project import Project
from ohlcv_assets.stores.influxdb.records import Records
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.orchestration.made import DAYS, FRIDAY, SATURDAY, THURSDAY, contents, project_in
from ohlcv_assets_tests.organisations import close, organisation
from ohlcv_assets_tests.servers import Server

pytestmark = pytest.mark.e2e
PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")


@pytest.fixture(name="influx")
def _influx(any_server: Server) -> Iterator[Mapping[str, object]]:
    """Return settings that put the stores on a server."""
    with organisation(any_server) as given:
        yield given


@pytest.fixture(name="project")
def _project(tmp_path: Path, influx: Mapping[str, object]) -> Iterator[Project]:
    """Return a project on a server."""
    project = project_in(tmp_path / "data", **influx)
    yield project
    close(project)


def change_a_trade(project: Project) -> None:
    """Double one stored price behind everybody's back, the day's record left as it was."""
    record = project.trade_store.day_records()[FRIDAY]
    first = next(iter(project.trade_store.scan(*day_bounds(FRIDAY)))).slice(0, 1)
    table = pa.Table.from_batches([first])
    at = table.schema.get_field_index("price")
    project.trade_store.append(
        table.set_column(at, table.schema.field("price"), pa.array([table["price"][0].as_py() * 2]))
    )
    records: Records = project.trade_store._records()  # type: ignore[attr-defined]  # as if nobody had noticed
    records.mark(replace(record, state="dirty"))
    records.mark(record)


def stored_metadata(project: Project, instance: dg.DagsterInstance) -> dict[str, object]:
    """Return the figures of the latest load."""
    records = instance.fetch_materializations(key_of(project.dataset, STORED_TRADES), limit=1).records
    event = records[0].asset_materialization
    assert event is not None
    return {name: value.value for name, value in event.metadata.items()}


def test_a_day_is_made_proved_told_and_not_made_twice(project: Project, instance: dg.DagsterInstance) -> None:
    """Every check passes, the load's story is recorded, the second run writes nothing; a changed trade is found."""
    runner = Runner(project, instance, "test")
    outcome = runner.day(FRIDAY)
    assert (outcome.state, outcome.error) == ("made", "")
    assert outcome.checks_passed == len(check_keys(project))
    assert status_of(project, [FRIDAY])[0].complete
    told = stored_metadata(project, instance)
    assert told["written"] == outcome.trades > 0
    assert (told["retries"], told["breaker_openings"]) == (0, 0)
    assert str(told["store"]).startswith("influxdb:http://")
    section = next(text for text in PAGE.split("\n## ") if text.startswith("Loading into InfluxDB\n"))
    documented = set(re.findall(r"^\| `([^`]+)`", section, flags=re.MULTILINE))
    own = {"server_cpu_seconds", "server_memory"}  # where the server runs on this machine
    assert documented - own <= set(told) <= documented | set(re.findall(r"`([a-z_/]+)`", PAGE))

    assert runner.day(FRIDAY).load_rate == 0
    assert stored_metadata(project, instance)["written"] == 0

    change_a_trade(project)
    failed = runner.day(FRIDAY)
    assert failed.state == "failed"
    assert "stored_trades.content: The store's content is not the file's: " in failed.error
    wrong = {proof.verdict.check for proof in verify_day(project, FRIDAY, exhaustive=True) if not proof.verdict.passed}
    assert {"content", "every_trade"} <= wrong


def test_a_backfill_by_two_workers_and_the_same_files_in_another_store(
    influx: Mapping[str, object], tmp_path: Path
) -> None:
    """Three days go into DuckDB and from the same files into InfluxDB, both hold the same; again nothing is done."""
    embedded = project_in(tmp_path / "data", store="duckdb")
    for day in DAYS:
        file_day(embedded, day)
        load_day(embedded, day)
        roll_up_day(embedded, day)
    before = {day: embedded.lake.path(day).stat().st_mtime_ns for day in DAYS}
    project = project_in(tmp_path / "data", **influx)
    seen: list[Progress] = []
    result = backfill(project, DAYS, workers=2, observer=seen.append)
    assert result.succeeded, result
    assert {(day.state, day.checks_passed) for day in result.days} == {("made", len(check_keys(project)))}
    assert {day: project.lake.path(day).stat().st_mtime_ns for day in DAYS} == before
    assert contents(project) == contents(embedded)
    loads = {event.subject: event.detail for event in seen if event.stage == "load" and event.done == event.total}
    assert loads.keys() == {str(day) for day in DAYS}
    assert all(detail["retries"] == 0 for detail in loads.values())
    again = backfill(project, DAYS, workers=2)
    assert {day.state for day in again.days} == {"skipped"}
    close(project)
    embedded.trade_store.close()  # type: ignore[attr-defined]  # as above


def test_days_outside_the_retention_are_refused_before_anything(any_server: Server, tmp_path: Path) -> None:
    """A bucket that keeps a day refuses a backfill of 2024 in one sentence; no file, no run, nothing stored."""
    with organisation(any_server, influx_retention="48h", influx_shard="1h") as given:
        project = project_in(tmp_path / "data", **given)
        with pytest.raises(StoreRejectedError, match=r"3 of 3 days cannot be loaded .*nothing was written"):
            backfill(project, DAYS)
        with history(project) as instance:
            assert instance.get_runs_count() == 0
        assert project.lake.days() == ()
        assert not project.trade_store.day_records()
        close(project)


def test_purging_takes_it_from_the_server(project: Project, home: Path) -> None:
    """Days go alone, a dataset goes with everything on the server."""
    assert home.is_dir()
    for day in DAYS:
        file_day(project, day)
        load_day(project, day)
        roll_up_day(project, day)
    assert purge_days(project, [THURSDAY]).trades == sum(project.source.counts(THURSDAY).values())
    assert [status.complete for status in status_of(project)] == [False, True, True]
    assert purge_dataset(project)
    assert not project.trade_store.counts_by_day()
    assert not project.trade_store.day_records()
    assert all(not status.stored and status.bar_state != "complete" for status in status_of(project, [SATURDAY]))
    assert not purge_dataset(project)


def test_a_wrong_token_is_one_sentence(
    influx: Mapping[str, object], instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """A run says in one sentence what the server refused and what helps, and no token."""
    token = "not-a-token-of-anybody"  # noqa: S105 -- that is the point
    wrong = project_in(tmp_path / "data", **{**influx, "influx_token": token})
    outcome = Runner(wrong, instance, "test").day(FRIDAY)
    assert outcome.state == "failed"
    assert "OHLCV_INFLUX_TOKEN" in outcome.error
    assert "Traceback" not in outcome.error
    assert token not in outcome.error
    with pytest.raises(StoreAccessError):
        backfill(wrong, DAYS)
    close(wrong)
