"""What Dagster's history says, and putting right what a kill left in it.

What belongs here: questions to the instance, failing dead runs, pruning old ones. What does not: starting runs.
"""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import dagster as dg
import psutil
from dagster import DagsterRunStatus

from ohlcv_assets.orchestration.done import check_keys, check_states
from ohlcv_assets.orchestration.events import failure_of
from ohlcv_assets.orchestration.home import home_of, prepare_home
from ohlcv_assets.orchestration.names import DATASET_TAG, DAY_JOB, HOST_TAG, PID_TAG, STARTED_TAG
from ohlcv_assets.orchestration.partitions import day_of
from ohlcv_assets.orchestration.warm_storage import warm_instance
from ohlcv_assets.project import Project
from ohlcv_assets.settings import DEFAULT_DATASET

PARTITION_TAG: Final = "dagster/partition"
_UNFINISHED: Final = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
_FINISHED: Final = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_CLOCK_SLACK: Final = 2.0
"""Seconds by which one process's start may be told differently when the machine's clock is set."""


@contextmanager
def history(project: Project) -> Iterator[dg.DagsterInstance]:
    """Open the project's history, made ready if there is none.

    Raises
    ------
    MachineError
        The machine does not let us.
    """
    with warm_instance(prepare_home(home_of(project.settings))) as instance:
        yield instance


def repair_dead_runs(project: Project) -> tuple[str, ...]:
    """Report runs failed whose process is gone, and return their ids; they would block the queue for ever."""
    with history(project) as instance:
        return fail_dead_runs(instance)


def fail_dead_runs(instance: dg.DagsterInstance) -> tuple[str, ...]:
    """Do what ``repair_dead_runs`` does to an open instance. Runs of other hosts are left alone."""
    dead = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNFINISHED)):
        if _is_dead(run):
            instance.report_run_failed(
                run, f"The process {run.tags[PID_TAG]} that executed this run is gone: it was killed or crashed."
            )
            dead.append(run.run_id)
    return tuple(dead)


def _is_dead(run: dg.DagsterRun) -> bool:
    if run.tags.get(HOST_TAG) != socket.gethostname() or PID_TAG not in run.tags:
        return False
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(int(run.tags[PID_TAG]))
        same = abs(process.create_time() - float(run.tags[STARTED_TAG])) <= _CLOCK_SLACK
        return not same or process.status() == psutil.STATUS_ZOMBIE
    return True


def failed_days(project: Project) -> Mapping[dt.date, str]:
    """Return the days whose latest run of the job ``day`` failed or recorded a failing check, each with the reason.

    Nothing is made where there is no history yet.
    """
    if not home_of(project.settings).is_dir():
        return {}
    with history(project) as instance:
        reasons = _failed_checks(project, instance)
        for day, run in _latest_runs(project, instance).items():
            if run.status is DagsterRunStatus.FAILURE and day not in reasons:
                reasons[day] = _reason(instance, run)
    return dict(sorted(reasons.items()))


def _latest_runs(project: Project, instance: dg.DagsterInstance) -> dict[dt.date, dg.DagsterRun]:
    latest: dict[dt.date, dg.DagsterRun] = {}
    for run in instance.get_runs(filters=dg.RunsFilter(job_name=DAY_JOB)):  # newest first
        key = run.tags.get(PARTITION_TAG)
        if key is not None and _is_of(project, run):
            latest.setdefault(day_of(key), run)
    return latest


def _is_of(project: Project, run: dg.DagsterRun) -> bool:
    """Return whether a run is of this dataset; a home may hold the history of several."""
    return run.tags.get(DATASET_TAG, DEFAULT_DATASET) == project.dataset.name


def _reason(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Return the first failed step's reason, or what was said when the run was reported failed."""
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    events = [entry.dagster_event for entry in instance.all_logs(run.run_id, of_type=kinds)]
    steps = [failure_of(event) for event in events if event is not None and event.is_step_failure]
    words = [event.message for event in events if event is not None and event.message]
    return next(iter([*steps, *words]), f"Run {run.run_id} failed.")


def _failed_checks(project: Project, instance: dg.DagsterInstance) -> dict[dt.date, str]:
    failed: dict[dt.date, str] = {}
    for key in check_keys(project):
        for partition, passed in check_states(instance, key).items():
            if not passed:
                name = f"{key.asset_key.path[-1]}.{key.name}"
                failed.setdefault(day_of(partition), f"Check {name} failed; the UI shows what it found.")
    return failed


def prune_runs(project: Project, keep_days: int | None = None) -> int:
    """Delete runs older than some days that newer ones have replaced; return how many.

    The latest run of each job and day stays whatever its age: it holds what is known of the day.
    """
    days = project.settings.keep_runs if keep_days is None else keep_days
    before = dt.datetime.now(tz=dt.UTC) - dt.timedelta(days=days)
    with history(project) as instance:
        return sum(_delete(instance, run_id) for run_id in _replaced(instance, before))


def _replaced(instance: dg.DagsterInstance, before: dt.datetime) -> Sequence[str]:
    seen: set[tuple[str, ...]] = set()
    old: list[str] = []
    for record in instance.get_run_records(filters=dg.RunsFilter(statuses=_FINISHED)):  # newest first
        run = record.dagster_run
        slot = run.job_name, run.tags.get(DATASET_TAG, ""), run.tags.get(PARTITION_TAG, "")
        if slot in seen and record.create_timestamp < before:
            old.append(run.run_id)
        if run.status is DagsterRunStatus.SUCCESS:
            seen.add(slot)
    return old


def _delete(instance: dg.DagsterInstance, run_id: str) -> bool:
    instance.delete_run(run_id)
    path_for_shard = getattr(instance.event_log_storage, "path_for_shard", None)
    if path_for_shard is not None:
        shard = Path(path_for_shard(run_id))
        for leftover in (shard, *shard.parent.glob(f"{shard.name}-*")):
            leftover.unlink(missing_ok=True)
    return True
