"""``GET /api/v1/operations``: all that an operator looks at, in one answer that a page may ask for every few seconds.

What belongs here: the answer, put together. What does not: looking (``pipeline``, ``stores.influxdb.tasks``), sparing
the store (``desk``), doing something about it (``native.actions``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from ohlcv_assets.api.answers import Answer, respond
from ohlcv_assets.api.bodies import json_bytes
from ohlcv_assets.api.desk import Desk
from ohlcv_assets.api.documented import body, problems
from ohlcv_assets.api.gate import Documented
from ohlcv_assets.api.keys import Role
from ohlcv_assets.api.native import jobs, status
from ohlcv_assets.api.native.jobs import Asked, JobState, is_insider, jobs_document, told
from ohlcv_assets.api.native.status import (
    Days,
    ResolutionState,
    Standing,
    days_document,
    instant_or_none,
    status_document,
)
from ohlcv_assets.api.parameters import Shared
from ohlcv_assets.api.service import Service
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.errors import OhlcvError, UserError
from ohlcv_assets.logs import get_logger
from ohlcv_assets.pipeline.bar_status import ResolutionStatus
from ohlcv_assets.pipeline.findings import Finding, State, findings_of
from ohlcv_assets.pipeline.status import status_of
from ohlcv_assets.settings import DEFAULT_DATASET
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.units import day_of

router = APIRouter(prefix="/api/v1", tags=["operation"], dependencies=Documented)

_RUNS: Final = 20
"""Runs of tasks that are told."""

_FAILURES: Final = 20
"""Days that were given up, by resolution, that are told."""

_UNHURRIED: Final = 600.0
"""Seconds that looking at every file may take: nobody waits for it longer than a moment."""

_MOMENT: Final = 2.0
"""Seconds that are waited for it: what was found before is told then."""

_WITHOUT_TASKS: Final = (
    "This store has no tasks. Bars are made when a day is loaded, by the pipeline that Dagster or `ohlcv backfill` "
    "runs; healing makes what is missing or stale."
)


class BarRun(BaseModel):
    """The latest making of one day's bars."""

    day: str = Field(description="Which day.")
    state: str = Field(description="pending, running, done, stale or failed.")
    at: str = Field(description="When that was recorded, RFC 3339.")
    seconds: float = Field(description="How long it took.")
    rows_in: int = Field(description="Trades or bars that it was made from.", ge=0)
    rows_out: int = Field(description="Bars that it gave.", ge=0)
    attempts: int = Field(description="How often it was tried.", ge=0)
    error: str = Field(description="Why it failed; empty where it did not.")


class TaskState(BaseModel):
    """A task of InfluxDB that keeps one resolution up to date."""

    name: str = Field(description="As InfluxDB has it.")
    state: Literal["active", "paused", "missing"] = Field(description="Whether it runs.")
    every_seconds: int = Field(description="How often it runs.", ge=1)
    last_run: str | None = Field(description="How its last run ended; null before the first.")
    completed: str | None = Field(description="Up to which run it has come, RFC 3339.")
    made_until: str | None = Field(description="Up to when it has made bars, RFC 3339.")
    running_seconds: int | None = Field(description="For how long a run has been under way; null where none is.")
    paused_by: str | None = Field(description="Who keeps it still while making its bars.")
    faults: list[str] = Field(description="What is not as it should be.")


class TaskRun(BaseModel):
    """One run of a task."""

    resolution: str = Field(description="Whose.")
    scheduled_for: str = Field(description="When, RFC 3339.")
    status: str = Field(description="success, failed, started and others of InfluxDB's words.")
    seconds: float | None = Field(description="How long it took; null while it is under way.")
    kind: str | None = Field(description="catch-up, live, correction, idle or skipped; null where it came to none.")
    bars: int | None = Field(description="Bars that it made.")
    trades: int | None = Field(description="Trades that they hold.")
    reason: str = Field(description="What was logged of a run that did not succeed.")


class Tasks(BaseModel):
    """The tasks of the store."""

    there: bool = Field(description="Whether the store has tasks and they could be looked at.")
    text: str = Field(description="What there is instead, or why they could not be looked at; empty otherwise.")
    runs: list[TaskRun] = Field(description="Their latest runs, newest first.")


class ResolutionOperation(ResolutionState):
    """How the bars of one resolution stand, and how they were made."""

    failures: list[BarRun] = Field(description="Days that were given up; at most 20.")
    last_runs: list[BarRun] = Field(description="The latest days that were made or tried, newest first.")
    seconds_a_day: float = Field(description="What making a day took on average; 0 where nothing is recorded.", ge=0)
    task: TaskState | None = Field(description="Its task; null where there are none.")
    dagster: str | None = Field(description="Its asset in Dagster; null where OHLCV_SERVE_DAGSTER_URL is not set.")


class DataCheck(BaseModel):
    """What a look at all days found of one kind of data."""

    name: str = Field(description="files, stored trades or bars.")
    holds: str = Field(description="What holds of a day that is sound.")
    state: State = Field(description="incomplete where days are not made yet, wrong where something is amiss.")
    sound: int = Field(description="Days that are sound.", ge=0)
    incomplete: list[Days] = Field(description="Days that are not made yet.")
    wrong: list[Days] = Field(description="Days on which something is not as it should be.")


class Operations(Standing):
    """All that an operator looks at."""

    role: Role | None = Field(description="What the caller may do: admin for all that changes something.")
    most_generated: int | None = Field(
        description="Trades that POST /generate makes at most; null where the dataset was imported.", ge=1
    )
    dagster: str | None = Field(description="Where Dagster's pages are; null where OHLCV_SERVE_DAGSTER_URL is not set.")
    resolutions: list[ResolutionOperation] = Field(description="From fine to coarse.")
    tasks: Tasks = Field(description="The tasks of the store.")
    checks: list[DataCheck] = Field(
        description="What a look at files, stored trades and bars found; empty until the first one is made."
    )
    jobs: list[JobState] = Field(description="The latest jobs, the newest first.")


_RUN_EXAMPLE: Final = {
    "day": "2024-12-31",
    "state": "done",
    "at": "2025-01-01T00:01:00Z",
    "seconds": 0.11,
    "rows_in": 812345,
    "rows_out": 19320,
    "attempts": 1,
    "error": "",
}
_EXAMPLE: Final = {
    **status.EXAMPLE,
    "role": "admin",
    "most_generated": 1_000_000,
    "dagster": "http://127.0.0.1:3000",
    "resolutions": [
        {
            **one,
            "failures": [],
            "last_runs": [_RUN_EXAMPLE],
            "seconds_a_day": 0.11,
            "task": None,
            "dagster": "http://127.0.0.1:3000/assets/ohlcv_1d",
        }
        for one in status.RESOLUTION_EXAMPLES
    ],
    "tasks": {"there": False, "text": _WITHOUT_TASKS, "runs": []},
    "checks": [
        {
            "name": "stored trades",
            "holds": "The store provably holds the trades of the day's file.",
            "state": "sound",
            "sound": 366,
            "incomplete": [],
            "wrong": [],
        }
    ],
    "jobs": [jobs.EXAMPLE],
}


@dataclass(frozen=True, slots=True)
class TaskLook:
    """What was found of tasks: by resolution, their latest runs, or why there is nothing to see."""

    there: bool
    text: str = ""
    is_failure: bool = False
    states: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    runs: Sequence[Mapping[str, object]] = ()


def look_at_tasks(service: Service) -> TaskLook:
    """Look at the store's tasks and their runs; blocking. That they cannot be looked at is an answer as well."""
    settings = service.project.settings
    if settings.store_in_force != "influxdb":
        return TaskLook(there=False, text=_WITHOUT_TASKS)
    # Whoever has no server has none of it in memory.
    from ohlcv_assets.influx_parts import influx_layout  # noqa: PLC0415 -- see above
    from ohlcv_assets.influx_tasks import (  # noqa: PLC0415 -- see above
        managed_tasks,
        run_document,
        standing_document,
        tasks_connection,
    )
    from ohlcv_assets.stores.influxdb.tasks.history import past_runs  # noqa: PLC0415 -- see above

    try:
        with managed_tasks(settings) as manager:
            states = {one.wanted.resolution.name: standing_document(one) for one in manager.look()}
        with tasks_connection(settings) as connection:
            runs = past_runs(connection, influx_layout(settings), STORED_RESOLUTIONS, _RUNS)
    except UserError as error:
        return TaskLook(there=False, text=str(error))
    except OhlcvError as error:
        get_logger("api").warning("Tasks cannot be looked at.", error=str(error))
        return TaskLook(there=False, text=str(error), is_failure=True)
    return TaskLook(there=True, states=states, runs=[run_document(run) for run in runs])


def look_at_days(service: Service) -> Sequence[Finding]:
    """Look at the files, stored trades and bars of every day; blocking."""
    return findings_of(status_of(service.project))


@dataclass(frozen=True, slots=True)
class Desks:
    """What is looked at once for all who ask."""

    tasks: Desk[TaskLook] = field(default_factory=lambda: Desk("tasks", look_at_tasks))
    days: Desk[Sequence[Finding]] = field(default_factory=lambda: Desk("days", look_at_days, _UNHURRIED))


@router.get(
    "/operations",
    summary="What an operator looks at",
    response_class=Response,
    responses=body("How bars, tasks, data and jobs stand.", Operations, _EXAMPLE) | problems("busy", "timed-out"),
)
async def operations(request: Request, service: Shared, caller: Asked) -> Response:
    """Return watermarks, gaps, runs and failures by resolution, tasks, what was found of the data, and jobs.

    It is put together for all who ask within a refresh. Why something failed is told on loopback, and to keys of the
    role write elsewhere.
    """
    desks: Desks = request.app.state.operations_desks
    found = await request.app.state.status_desk.ask(service)
    tasks = await desks.tasks.ask(service)
    insider = is_insider(service, caller)
    document = {
        **status_document(service, found),
        "role": caller.role,
        "most_generated": service.settings.serve_generate if service.project.dataset.kind == "synthetic" else None,
        "dagster": service.settings.serve_dagster_url or None,
        "tasks": _tasks(tasks, insider=insider),
        "checks": [_check(one) for one in await desks.days.ask_briefly(service, _MOMENT) or ()],
        "jobs": jobs_document(service, caller),
    }
    for one, shown in zip(found, document["resolutions"], strict=True):
        task = _task(tasks.states.get(one.resolution), insider=insider)
        shown.update(_making(service, one, insider=insider), task=task)
    return respond(request, service, Answer(json_bytes(document)))


def _making(service: Service, one: ResolutionStatus, *, insider: bool) -> dict[str, Any]:  # Any: JSON
    return {
        "failures": [_run(run, insider=insider) for run in one.failed[:_FAILURES]],
        "last_runs": [_run(run, insider=insider) for run in one.last_runs],
        "seconds_a_day": one.seconds,
        "dagster": _asset(service, RESOLUTIONS[one.resolution].kept.bucket),
    }


def _run(run: ChunkRecord, *, insider: bool) -> dict[str, Any]:  # Any: JSON
    return {
        "day": str(day_of(run.start)),
        "state": run.state,
        "at": instant_or_none(run.at),
        "seconds": run.seconds,
        "rows_in": run.rows_in,
        "rows_out": run.rows_out,
        "attempts": run.attempts,
        "error": told(run.error, insider=insider),
    }


def _asset(service: Service, name: str) -> str | None:
    """Return where Dagster shows an asset; one of another dataset than the default has a prefix."""
    place, dataset = service.settings.serve_dagster_url, service.project.dataset.name
    prefix = "" if dataset == DEFAULT_DATASET else f"{dataset}/"
    return f"{place}/assets/{prefix}{name}" if place else None


_TASK: Final = tuple(TaskState.model_fields)
_TASK_RUN: Final = tuple(TaskRun.model_fields)


def _task(found: Mapping[str, object] | None, *, insider: bool) -> dict[str, Any] | None:  # Any: JSON
    if found is None:
        return None
    shown: dict[str, Any] = {name: found[name] for name in _TASK}  # Any: as above
    return shown | {"faults": [told(fault, insider=insider) for fault in shown["faults"]]}


def _tasks(found: TaskLook, *, insider: bool) -> dict[str, Any]:  # Any: JSON
    runs = [{name: run[name] for name in _TASK_RUN} for run in found.runs]
    return {
        "there": found.there,
        "text": told(found.text, insider=insider or not found.is_failure),
        "runs": [run | {"reason": told(str(run["reason"]), insider=insider)} for run in runs],
    }


def _check(one: Finding) -> dict[str, Any]:  # Any: JSON
    return {
        "name": one.name,
        "holds": one.holds,
        "state": one.state,
        "sound": one.sound,
        "incomplete": days_document(one.incomplete),
        "wrong": days_document(one.wrong),
    }
