"""Backfills by real worker processes."""

from __future__ import annotations

import datetime as dt
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster import DagsterRunStatus

from ohlcv_assets.errors import MachineError, OutsideDatasetError
from ohlcv_assets.orchestration import backfill as backfills
from ohlcv_assets.orchestration import done as dones
from ohlcv_assets.orchestration import names
from ohlcv_assets.orchestration.assets import build_assets
from ohlcv_assets.orchestration.backfill import BackfillResult, backfill, report_path
from ohlcv_assets.orchestration.crew import Crew
from ohlcv_assets.orchestration.done import done_days
from ohlcv_assets.orchestration.history import history
from ohlcv_assets.orchestration.outcome import DayOutcome
from ohlcv_assets.orchestration.runs import Runner
from ohlcv_assets.orchestration.warm_storage import warm_instance
from ohlcv_assets.pipeline.status import status_of
from ohlcv_assets.pipeline.steps import file_day, load_day, roll_up_day
from ohlcv_assets.progress import Progress
from ohlcv_assets.project import Project
from ohlcv_assets.units import days_between
from ohlcv_assets_tests.orchestration.made import (
    BIN,
    DAYS,
    FRIDAY,
    SATURDAY,
    THURSDAY,
    contents,
    environment,
    lose_trade,
    project_in,
)

MANY = days_between(dt.date(2024, 1, 1), dt.date(2024, 1, 5))
MANY_SETTINGS = {"start": MANY[0], "end": MANY[-1], "total_trades": 5_000, "store": "duckdb"}


def undisturbed(folder: Path, days: tuple[dt.date, ...], **settings: object) -> list[object]:
    """Return what days hold that were made without Dagster and without trouble."""
    project = project_in(folder, **settings)
    for day in days:
        file_day(project, day)
        load_day(project, day)
        roll_up_day(project, day)
    return contents(project, days)


def start(folder: Path, days: tuple[dt.date, ...], *words: str) -> subprocess.Popen[bytes]:
    """Start `ohlcv backfill` as a user would."""
    env = environment(
        folder, OHLCV_START=str(days[0]), OHLCV_END=str(days[-1]), OHLCV_TOTAL_TRADES=str(MANY_SETTINGS["total_trades"])
    )
    return subprocess.Popen(
        [BIN / "ohlcv", "backfill", *words],
        env=env,
        cwd=folder.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 -- no threads yet
    )


def runs_begun(folder: Path) -> int:
    """Count the runs that history has a database of, its index left out."""
    return len(list((folder / "dagster_home" / "history" / "runs").glob("*.db"))) - 1


def wait_for_runs(folder: Path, runs: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until so many runs have begun."""
    while runs_begun(folder) < runs:
        assert process.poll() is None
        time.sleep(0.05)


@pytest.mark.e2e
def test_a_backfill_makes_proves_reports_and_does_nothing_twice(tmp_path: Path) -> None:
    """Every day is run once by warm workers, watched, reported; the second time nothing is run."""
    project = project_in(tmp_path / "my data", store="duckdb")
    seen: list[Progress] = []
    result = backfill(project, DAYS, workers=2, observer=seen.append)
    assert result.succeeded
    assert [day.day for day in result.days] == list(DAYS)
    assert {day.state for day in result.days} == {"made"}
    assert {day.checks_passed for day in result.days} == {26}
    assert result.trades == sum(project.trade_store.counts_by_day().values()) == 900
    assert 0 < result.orchestration_share < 1
    assert result.orchestration_cpu_seconds > 0
    assert 0 < result.peak_memory < 1.5e9
    stood = [event for event in seen if event.stage == "backfill"]
    assert [event.done for event in stood] == [0, 1, 2, 3]
    assert stood[-1].detail["trades"] == 900
    assert stood[-1].detail["seconds_left"] == 0
    ended = [event for event in seen if event.stage == "day"]
    assert {event.subject for event in ended} == {str(day) for day in DAYS}
    assert {event.detail["state"] for event in ended} == {"made"}
    loaded = [event for event in seen if event.stage == "load" and event.done == event.total]
    assert sum(event.done for event in loaded) == 900
    assert report_path(project).is_file()
    assert contents(project) == undisturbed(tmp_path / "plain", DAYS, store="duckdb")
    again = backfill(project, DAYS)
    assert again.succeeded
    assert {day.state for day in again.days} == {"skipped"}
    assert again.trades == 900
    assert again.orchestration_share == 0
    with history(project) as instance:
        assert instance.get_runs_count(dg.RunsFilter(job_name="day")) == 3


@pytest.mark.e2e
def test_killed_interrupted_and_doubled_it_comes_to_the_same_content(tmp_path: Path) -> None:
    """What a kill at a random moment, an interrupt and two backfills at once leave is what an undisturbed run gives."""
    folder = tmp_path / "data"
    killed = start(folder, MANY, "--workers", "2")
    # Any moment will do that leaves days to those who come after.
    wait_for_runs(folder, random.randint(1, 2), killed)  # noqa: S311 -- see above
    time.sleep(0.4 * random.random())  # noqa: S311 -- as above
    children = psutil.Process(killed.pid).children(recursive=True)
    killed.kill()
    killed.wait()
    _, alive = psutil.wait_procs(children, timeout=120)
    assert alive == []

    begun = runs_begun(folder)
    interrupted = start(folder, MANY, "--workers", "1")
    wait_for_runs(folder, begun + 1, interrupted)
    interrupted.send_signal(signal.SIGINT)
    assert interrupted.wait() == 130
    with warm_instance(folder / "dagster_home") as instance:
        statuses = [run.status for run in instance.get_runs()]
    assert set(statuses) <= {DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE}
    assert statuses.count(DagsterRunStatus.FAILURE) <= 2
    assert begun < len(statuses) < begun + len(MANY)

    both = [start(folder, MANY, "--workers", "1") for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    project = project_in(folder, **MANY_SETTINGS)
    assert contents(project, MANY) == undisturbed(tmp_path / "plain", MANY, **MANY_SETTINGS)
    with warm_instance(folder / "dagster_home") as instance:
        assert len(done_days(project, instance, status_of(project))) == len(MANY)


@pytest.mark.integration
def test_force_runs_what_is_done(project: Project, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Done days are skipped, unless force asks for every day anew."""
    assert home.is_dir()
    asked: list[dt.date] = []

    def outcomes(_crew: Crew, days: Sequence[dt.date], *_others: object) -> list[DayOutcome]:
        asked.extend(days)
        return [DayOutcome(day, "made") for day in days]

    monkeypatch.setattr(Crew, "outcomes", outcomes)
    monkeypatch.setattr(backfills, "skipped_days", lambda *_: {FRIDAY: DayOutcome(FRIDAY, "skipped")})
    backfill(project, DAYS)
    assert asked == [THURSDAY, SATURDAY]
    asked.clear()
    backfill(project, DAYS, force=True)
    assert asked == list(DAYS)


@pytest.mark.unit
def test_only_generated_days_need_warm_kernels(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """An imported dataset has its trades in files already."""
    warmed: list[bool] = []
    monkeypatch.setattr("ohlcv_assets.generate.generator.warm_up", lambda: warmed.append(True))
    backfills._warm_up(project)
    backfills._warm_up(replace(project, dataset=replace(project.dataset, kind="imported")))
    assert warmed == [True]


@pytest.mark.integration
def test_a_failed_day_stops_no_other(tmp_path: Path) -> None:
    """A file that is not ours fails its day with the reason; the others are made, and the whole has not succeeded."""
    project = project_in(tmp_path / "data", store="duckdb")
    path = project.lake.path(THURSDAY)
    path.parent.mkdir(parents=True)
    path.write_text("not a Parquet file")
    seen: list[Progress] = []
    result = backfill(project, (THURSDAY, SATURDAY), workers=1, observer=seen.append)
    assert [day.state for day in result.days] == ["failed", "made"]
    assert not result.succeeded
    assert str(path) in result.days[0].error
    stood = [event for event in seen if event.stage == "backfill"]
    assert stood[1].detail["last_failure"] == f"{THURSDAY}: {result.days[0].error}"
    assert result.trades == result.days[1].trades


@pytest.mark.integration
def test_a_day_outside_begins_nothing(project: Project) -> None:
    """One wrong day among many is refused before anything is written."""
    with pytest.raises(OutsideDatasetError):
        backfill(project, (THURSDAY, dt.date(2025, 1, 1)))
    assert not project.settings.data_dir.exists()


@pytest.mark.integration
def test_without_room_nothing_begins(project: Project, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is told before the first run, and no run is recorded."""
    assert home.is_dir()
    monkeypatch.setattr("ohlcv_assets.lake.machine.free_bytes", lambda _where: 1000)
    with pytest.raises(MachineError, match="free"):
        backfill(project, DAYS)
    with history(project) as instance:
        assert instance.get_runs_count() == 0


@pytest.mark.integration
def test_interrupts_are_counted_by_the_main_thread_alone() -> None:
    """Handlers are put back; another thread, which may not set any, does without."""
    before = signal.getsignal(signal.SIGTERM)
    with backfills._stop_requests() as requests:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert requests() == 2
    assert signal.getsignal(signal.SIGTERM) is before
    counts: list[int] = []

    def elsewhere() -> None:
        with backfills._stop_requests() as requests:
            counts.append(requests())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert counts == [0]


@pytest.mark.integration
def test_a_day_is_done_only_if_everything_holds(project: Project, instance: dg.DagsterInstance, runner: Runner) -> None:
    """Unmade days, other settings, other code, failed checks, lost trades and replaced files all need a run."""

    def done() -> set[dt.date]:
        return set(done_days(project, instance, status_of(project)))

    assert done() == set()
    for day in DAYS:
        runner.day(day)
    assert done() == set(DAYS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dones, "_PAGE", 1)
        assert done() == set(DAYS)
        patch.setitem(names.CODE_VERSIONS, "ohlcv_1h", "2")
        assert done() == set()
    lose_trade(project, SATURDAY)
    assert done() == {THURSDAY, FRIDAY}
    runner.day(SATURDAY)
    assert done() == set(DAYS)
    shutil.rmtree(project.lake.path(FRIDAY).parent)
    assert done() == {THURSDAY, SATURDAY}
    runner.day(FRIDAY)
    assert done() == set(DAYS)
    for run in instance.get_runs():
        instance.delete_run(run.run_id)
    assert done() == set()


@pytest.mark.integration
def test_days_whose_checks_were_never_run_are_not_done(
    project: Project, instance: dg.DagsterInstance, runner: Runner
) -> None:
    """Materialised without checks, as somebody may do by hand, a day is not proved."""
    runner.day(FRIDAY)
    materialize_without_checks(project, instance)
    assert set(done_days(project, instance, status_of(project))) == set()


def materialize_without_checks(project: Project, instance: dg.DagsterInstance) -> None:
    """Materialise the bars of Friday anew, and no check."""
    assert dg.materialize(
        build_assets(project),
        selection=dg.AssetSelection.groups("bars"),
        partition_key=str(FRIDAY),
        instance=instance,
        resources={"project": project},
    ).success


@pytest.mark.unit
def test_a_result_adds_up() -> None:
    """Shares and totals of days that were made, skipped or failed; an interrupted backfill has not succeeded."""
    days = (
        DayOutcome(THURSDAY, "made", trades=5, cpu_seconds=2.0, body_cpu_seconds=1.5, seconds=4.0, body_seconds=3.0),
        DayOutcome(FRIDAY, "skipped", trades=7),
    )
    result = BackfillResult("b", days, 2, (), 1, 5.0, interrupted=False, report_error="")
    assert result.succeeded
    assert (result.trades, result.orchestration_share) == (12, 0.25)
    assert (result.orchestration_seconds, result.orchestration_cpu_seconds) == (1.0, 0.5)
    assert not BackfillResult("b", days, 3, (), 1, 5.0, interrupted=True, report_error="").succeeded
