"""``POST /api/v1/operations/...``: what an operator does: heal and check, run, pause and resume.

What belongs here: what may be asked for, and answers. What does not: doing it (``work``, ``stores.influxdb.tasks``).
All of it needs a key of the role admin, on loopback as well: a page of any site can be made to send requests there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Body, Depends, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from ohlcv_assets.api import work
from ohlcv_assets.api.bodies import json_bytes
from ohlcv_assets.api.documented import accepted, body, problems
from ohlcv_assets.api.gate import Caller, Documented, Requires
from ohlcv_assets.api.native import jobs
from ohlcv_assets.api.native.jobs import JobState
from ohlcv_assets.api.parameters import Shared, StoredName
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.api.service import Service
from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.errors import OutsideDatasetError, SettingsError
from ohlcv_assets.instants import parse_day
from ohlcv_assets.logs import get_logger

if TYPE_CHECKING:
    from ohlcv_assets.stores.influxdb.tasks.manager import Done

router = APIRouter(prefix="/api/v1/operations", tags=["operation"], dependencies=Documented)

Admin = Annotated[Caller, Depends(Requires("admin"))]
Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
_BODIES: Final = ("malformed", "not-allowed", "body-too-large")


class DaysAsked(BaseModel):
    """Some days of the dataset."""

    model_config = ConfigDict(extra="forbid", strict=True)

    first_day: Day | None = Field(default=None, description="First day; that of the dataset where absent.")
    last_day: Day | None = Field(default=None, description="Last day, included; that of the dataset where absent.")


class Deed(BaseModel):
    """What became of one task."""

    name: str = Field(description="As InfluxDB has it.")
    resolution: StoredName = Field(description="Whose bars it makes.")
    deed: str = Field(description="paused, resumed, unchanged, missing, or held: somebody makes its bars just now.")
    faults: list[str] = Field(description="What is not as it should be.")


class Deeds(BaseModel):
    """What became of tasks."""

    tasks: list[Deed] = Field(description="Those that were meant.")


Asked = Annotated[
    DaysAsked,
    Body(
        openapi_examples={
            "month": {"summary": "A month", "value": {"first_day": "2024-01-01", "last_day": "2024-01-31"}},
            "all": {"summary": "All days", "value": {}},
        },
    ),
]
_DAYS: Final = {"requestBody": {"description": "Which days; all of the dataset where there is no body."}}
Which = Annotated[StoredName, Path(description="Whose bars, or task.", examples=["1h"])]
_PAUSED: Final = {"tasks": [{"name": "ohlcv trades 1h", "resolution": "1h", "deed": "paused", "faults": []}]}


@router.post(
    "/heal",
    summary="Make bars that are missing or stale",
    status_code=202,
    response_class=Response,
    responses=accepted("The job.", JobState, jobs.EXAMPLE) | problems(*_BODIES, "under-way", "busy"),
    openapi_extra=_DAYS,
)
async def heal(service: Shared, caller: Admin, asked: Asked = DaysAsked()) -> Response:  # noqa: B008 -- it is never changed
    """Start what `ohlcv bars heal` does: make exactly the bars that are missing or stale, with tasks at rest.

    It can be cancelled between two days, and started again.
    """
    days = days_asked(service, asked)
    return jobs.accepted(service.jobs.start("heal", _about(days), caller.name, work.healing(service, days)))


@router.post(
    "/verify",
    summary="Check files, stored trades and bars",
    status_code=202,
    response_class=Response,
    responses=accepted("The job.", JobState, jobs.EXAMPLE | {"kind": "verify"})
    | problems(*_BODIES, "under-way", "busy"),
    openapi_extra=_DAYS,
)
async def verify(service: Shared, caller: Admin, asked: Asked = DaysAsked()) -> Response:  # noqa: B008 -- as above
    """Start what `ohlcv verify` does: run every check of some days on what is there. It changes nothing."""
    days = days_asked(service, asked)
    return jobs.accepted(service.jobs.start("verify", _about(days), caller.name, work.verifying(service, days)))


@router.post(
    "/tasks/{resolution}/run",
    summary="Make the bars of one resolution again",
    status_code=202,
    response_class=Response,
    responses=accepted("The job.", JobState, jobs.EXAMPLE | {"kind": "run"}) | problems(*_BODIES, "under-way", "busy"),
    openapi_extra=_DAYS,
)
async def run(service: Shared, caller: Admin, resolution: Which, asked: Asked = DaysAsked()) -> Response:  # noqa: B008 -- as above
    """Start what `ohlcv tasks run` does: make the bars of proved days again, whatever is recorded of them.

    InfluxDB makes them itself, by its task's script, while the task rests; other stores have them made by the pipeline.
    """
    days = days_asked(service, asked)
    about = {"resolution": resolution, **_about(days)}
    what = work.remaking(service, days, [RESOLUTIONS[resolution]])
    return jobs.accepted(service.jobs.start("run", about, caller.name, what))


@router.post(
    "/tasks/{resolution}/pause",
    summary="Pause a task",
    response_class=Response,
    responses=body("What became of it.", Deeds, _PAUSED, cached=False) | problems("not-allowed", "no-tasks", "busy"),
)
async def pause(service: Shared, caller: Admin, resolution: Which) -> Response:
    """Do what `ohlcv tasks pause` does: let a task rest; a run that is under way goes on. InfluxDB only."""
    return await _set_active(service, caller, resolution, active=False)


@router.post(
    "/tasks/{resolution}/resume",
    summary="Resume a task",
    response_class=Response,
    responses=body("What became of it.", Deeds, _PAUSED, cached=False) | problems("not-allowed", "no-tasks", "busy"),
)
async def resume(service: Shared, caller: Admin, resolution: Which) -> Response:
    """Do what `ohlcv tasks resume` does: let a paused task run again, from where it was. InfluxDB only."""
    return await _set_active(service, caller, resolution, active=True)


def days_asked(service: Service, asked: DaysAsked) -> Sequence[dt.date]:
    """Return the days that are meant.

    Raises
    ------
    InvalidDateError, OutsideDatasetError
        There is no such day.
    ProblemError
        The last one comes before the first.
    """
    dataset = service.project.dataset
    first = dataset.days[0] if asked.first_day is None else parse_day(asked.first_day)
    last = dataset.days[-1] if asked.last_day is None else parse_day(asked.last_day)
    for day in (first, last):
        if not dataset.days[0] <= day <= dataset.days[-1]:
            raise OutsideDatasetError(
                f"{day} is outside the dataset; its days run from {dataset.days[0]} to {dataset.days[-1]}."
            )
    if last < first:
        raise ProblemError("invalid", f"The last day {last} comes before the first day {first}; swap the two.")
    return [day for day in dataset.days if first <= day <= last]


def _about(days: Sequence[dt.date]) -> dict[str, object]:
    return {"first_day": str(days[0]), "last_day": str(days[-1])}


async def _set_active(service: Service, caller: Caller, resolution: str, *, active: bool) -> Response:
    done = await service.pool.ask("tasks", _setting(service, resolution, active=active), service.settings.serve_timeout)
    service.changes += 1
    deeds = [one.deed for one in done]
    get_logger("api").info("tasks", resolution=resolution, active=active, deeds=deeds, by=caller.name)
    document = {"tasks": [asdict(one) for one in done]}
    return Response(json_bytes(document), media_type="application/json", headers={"Cache-Control": "no-store"})


def _setting(service: Service, resolution: str, *, active: bool) -> Callable[[], Sequence[Done]]:
    def call() -> Sequence[Done]:
        # Whoever has no server has none of it in memory.
        from ohlcv_assets.influx_tasks import managed_tasks  # noqa: PLC0415 -- see above

        try:
            with managed_tasks(service.project.settings, [resolution]) as manager:
                return manager.set_active(active=active)
        except SettingsError as error:
            raise ProblemError("no-tasks", str(error)) from None

    return call
