"""Runs of this project's jobs in this very process, recorded as if Dagster had launched them.

What belongs here: the private part of Dagster that makes such runs full citizens of its user interface: origin,
repository tag, partition set. What does not: which days are run, and how many at once (``backfill``).
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import PARTITION_NAME_TAG, PARTITION_SET_TAG, REPOSITORY_LABEL_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from ohlcv_assets.orchestration.assembly import build_definitions
from ohlcv_assets.orchestration.events import read_error, read_outcome
from ohlcv_assets.orchestration.names import BACKFILL_TAG, DAY_JOB, REPORT_JOB, TRADES, op_of
from ohlcv_assets.orchestration.outcome import DayOutcome
from ohlcv_assets.orchestration.partitions import key_of
from ohlcv_assets.orchestration.run_context import process_tags
from ohlcv_assets.pipeline.parts import forget
from ohlcv_assets.project import Project

MODULE: Final = "ohlcv_assets.definitions"
LOCATION: Final = "ohlcv_assets"
"""As ``workspace.yaml`` has them; a test holds that."""

_REPOSITORY: Final = "__repository__"


class Runner:
    """Executes runs one after the other in this process.

    Parameters
    ----------
    project
        Whose jobs.
    instance
        Where they are recorded.
    backfill
        Identifies the backfill that the runs belong to.
    """

    def __init__(self, project: Project, instance: dg.DagsterInstance, backfill: str) -> None:
        self._project = project
        self._instance = instance
        self._backfill = backfill
        definitions = build_definitions(project)
        self._jobs = {name: definitions.resolve_job_def(name) for name in (DAY_JOB, REPORT_JOB)}

    def day(self, day: dt.date, *, force: bool = False) -> DayOutcome:
        """Run the job of a day and return what became of it; nothing that goes wrong in a step is raised."""
        tags = {PARTITION_NAME_TAG: key_of(day), PARTITION_SET_TAG: f"{DAY_JOB}_partition_set"}
        config = {"ops": {op_of(self._project.dataset, TRADES): {"config": {"force": True}}}} if force else {}
        wall, cpu = time.perf_counter(), time.process_time()
        result = self._run(DAY_JOB, tags, config)
        forget()
        return read_outcome(
            day,
            result.run_id,
            result.all_events,
            seconds=time.perf_counter() - wall,
            cpu_seconds=time.process_time() - cpu,
        )

    def report(self) -> str:
        """Run the job of the report and return why it failed, or nothing."""
        return read_error(self._run(REPORT_JOB, {}, {}).all_events)

    def _run(self, job_name: str, tags: Mapping[str, str], config: Mapping[str, Any]) -> dg.JobExecutionResult:
        """Create and execute one run; Any: run config is whatever the ops ask for."""
        job = self._jobs[job_name]
        run = self._instance.create_run_for_job(
            job,
            run_config=config,
            tags={
                **job.run_tags,
                **tags,
                **process_tags(),
                BACKFILL_TAG: self._backfill,
                REPOSITORY_LABEL_TAG: f"{_REPOSITORY}@{LOCATION}",
            },
            remote_job_origin=remote_origin(job_name),
            job_code_origin=code_origin(job_name),
        )
        return execute_run(InMemoryJob(job), run, self._instance)


def remote_origin(job_name: str) -> RemoteJobOrigin:
    """Return where the user interface finds a job: the code location of ``workspace.yaml``."""
    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name=MODULE), LOCATION)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, _REPOSITORY), job_name)


def code_origin(job_name: str) -> JobPythonOrigin:
    """Return where a process finds a job's code."""
    repository = RepositoryPythonOrigin(
        executable_path=sys.executable,
        code_pointer=ModuleCodePointer(MODULE, "defs"),
        entry_point=DEFAULT_DAGSTER_ENTRY_POINT,
    )
    return repository.get_job_origin(job_name)
