"""What history says, and what is put right in it."""

from __future__ import annotations

import datetime as dt
import socket
import subprocess
import sys
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster import DagsterRunStatus

from ohlcv_assets.orchestration.assembly import build_definitions
from ohlcv_assets.orchestration.history import (
    PARTITION_TAG,
    _delete,
    fail_dead_runs,
    failed_days,
    history,
    prune_runs,
    repair_dead_runs,
)
from ohlcv_assets.orchestration.names import DAY_JOB, HOST_TAG, PID_TAG, STARTED_TAG
from ohlcv_assets.orchestration.run_context import process_tags
from ohlcv_assets.orchestration.runs import Runner
from ohlcv_assets.project import Project
from ohlcv_assets_tests.orchestration.made import FRIDAY, SATURDAY, THURSDAY, lose_trade, project_in

pytestmark = pytest.mark.integration

HERE = {**process_tags()}


def gone() -> dict[str, str]:
    """Return the tags of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = psutil.Process(process.pid).create_time()
        process.communicate(b"\n")
    return HERE | {PID_TAG: str(process.pid), STARTED_TAG: f"{started:.2f}"}


def left_started(project: Project, instance: dg.DagsterInstance, tags: dict[str, str]) -> str:
    """Record a run as started, as a kill leaves it."""
    job = build_definitions(project).resolve_job_def(DAY_JOB)
    run = instance.create_run_for_job(job, tags={**job.run_tags, PARTITION_TAG: str(FRIDAY), **tags}, status="STARTED")
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> DagsterRunStatus:
    """Return how a run stands."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_runs_of_dead_processes_are_reported_failed(project: Project, instance: dg.DagsterInstance) -> None:
    """A process that is gone, or whose id was given to another, cannot be executing a run any more."""
    dead = left_started(project, instance, gone())
    recycled = left_started(project, instance, HERE | {STARTED_TAG: "12.00"})
    alive = left_started(project, instance, HERE)
    elsewhere = left_started(project, instance, gone() | {HOST_TAG: "another-host"})
    unmarked = left_started(project, instance, {})
    assert set(fail_dead_runs(instance)) == {dead, recycled}
    assert status(instance, dead) is DagsterRunStatus.FAILURE
    assert status(instance, recycled) is DagsterRunStatus.FAILURE
    assert {status(instance, run) for run in (alive, elsewhere, unmarked)} == {DagsterRunStatus.STARTED}
    assert fail_dead_runs(instance) == ()


def test_a_zombie_executes_nothing(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead process that nobody has waited for yet is dead."""
    left_started(project, instance, HERE)
    monkeypatch.setattr(psutil.Process, "status", lambda _self: psutil.STATUS_ZOMBIE)
    assert len(fail_dead_runs(instance)) == 1


def test_repair_opens_the_history_itself(project: Project, home: Path) -> None:
    """The command's own entry repairs what is in the project's home."""
    assert home.is_dir()
    with history(project) as instance:
        run_id = left_started(project, instance, gone())
    assert repair_dead_runs(project) == (run_id,)
    assert failed_days(project)[FRIDAY].startswith("The process ")


def test_failed_days_say_why(project: Project, home: Path) -> None:
    """A failed run gives its sentence, a failing check its name, a later success nothing, other datasets too."""
    assert home.is_dir()
    with history(project) as instance:
        runner = Runner(project, instance, "test")
        runner.day(THURSDAY)
        Runner(project_in(project.settings.data_dir, seed=3), instance, "test").day(THURSDAY)
        runner.day(FRIDAY)
        lose_trade(project, FRIDAY)
        job = build_definitions(project).resolve_job_def("checks_only")
        job.execute_in_process(tags={PARTITION_TAG: str(FRIDAY)}, instance=instance, raise_on_error=False)
        Runner(project_in(project.settings.data_dir, seed=3), instance, "test").day(SATURDAY)
        runner.day(SATURDAY, force=True)
        tags = {PARTITION_TAG: str(SATURDAY), "ohlcv/dataset": "other"}
        left = left_started(project, instance, tags)
        instance.report_run_failed(instance.get_run_by_id(left))  # type: ignore[arg-type]  # it is there
        found = failed_days(project)
    assert list(found) == [THURSDAY, FRIDAY]
    assert "--force" in found[THURSDAY]
    assert "count_per_symbol" in found[FRIDAY]


def test_a_run_that_failed_without_a_word_is_named(project: Project, home: Path) -> None:
    """Where nothing recorded says why a run failed, its id does."""
    assert home.is_dir()
    with history(project) as instance:
        run_id = left_started(project, instance, {})
        instance.run_storage.handle_run_event(
            run_id,
            dg.DagsterEvent("PIPELINE_FAILURE", DAY_JOB),
            dt.datetime.now(tz=dt.UTC),
        )
        assert failed_days(project) == {FRIDAY: f"Run {run_id} failed."}


def test_without_a_history_nothing_failed_and_nothing_is_made(project: Project) -> None:
    """Asking leaves no trace."""
    assert failed_days(project) == {}
    assert not (project.settings.data_dir / "dagster_home").exists()


def test_pruning_keeps_the_latest_of_each_day(project: Project, home: Path) -> None:
    """Only runs that newer ones have replaced are deleted, with their files, and only old ones."""
    with history(project) as instance:
        runner = Runner(project, instance, "test")
        failed = left_started(project, instance, gone())
        fail_dead_runs(instance)
        first = runner.day(FRIDAY).run_id
        second = runner.day(FRIDAY).run_id
    assert prune_runs(project) == 0
    assert prune_runs(project, keep_days=-1) == 2
    shards = {path.stem for path in (home / "history" / "runs").glob("*.db")}
    assert not {failed, first} & shards
    assert second in shards
    with history(project) as instance:
        assert [run.run_id for run in instance.get_runs()] == [second]


def test_deleting_needs_no_files() -> None:
    """A history that is not kept in files of runs is pruned all the same."""

    @dg.job
    def nothing() -> None:
        pass

    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(nothing)
        assert _delete(instance, run.run_id)
        assert instance.get_runs_count() == 0


def test_the_process_is_told_by_host_id_and_start() -> None:
    """A process id alone could be anybody's."""
    assert HERE[HOST_TAG] == socket.gethostname()
    assert float(HERE[STARTED_TAG]) > 0
