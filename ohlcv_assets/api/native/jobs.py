"""``GET /api/v1/jobs``: work that takes longer than a request; watched, and cancelled.

What belongs here: what is told of a job, and to whom. What does not: starting jobs (``native.actions``,
``native.generate``), running them (``jobs``).

Why something failed may name files and addresses of the machine: that is told to whoever may write, and on a service
that only its own machine can reach.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from ohlcv_assets.api.bodies import json_bytes
from ohlcv_assets.api.documented import body, problems
from ohlcv_assets.api.gate import Caller, Documented, Requires, caller_of
from ohlcv_assets.api.jobs import Job, Kind, State
from ohlcv_assets.api.native.status import instant_or_none
from ohlcv_assets.api.parameters import Shared
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.api.service import Service

router = APIRouter(prefix="/api/v1", tags=["jobs"], dependencies=Documented)

WITHHELD: Final = "Why is told to a key of the role write."
_FRESH: Final = {"Cache-Control": "no-store"}

JobId = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-f]{16}$",
        description="Id of the job, as the answer that started it has it.",
        examples=["0123456789abcdef"],
    ),
]
Asked = Annotated[Caller, Depends(caller_of)]


class Progress(BaseModel):
    """How far a job is."""

    stage: str = Field(description="What is going on: heal, check, generate.")
    subject: str = Field(description="What it is going on for.")
    done: int = Field(description="How much is done, in `unit`.", ge=0)
    total: int | None = Field(description="How much there is to do; null where nobody knows.", ge=0)
    unit: str = Field(description="chunks, days or trades.")
    detail: dict[str, Any] = Field(description="Further figures, such as `seconds_left`.")  # Any: JSON


class JobState(BaseModel):
    """How a job stands."""

    id: str = Field(description="Sixteen hexadecimal digits.")
    kind: Kind = Field(description="What it does.")
    state: State = Field(description="The last three are final.")
    about: dict[str, Any] = Field(description="What it was asked to do.")  # Any: JSON
    by: str = Field(description="Id of the key it was asked with.")
    created: str = Field(description="When it was asked for, RFC 3339.")
    started: str | None = Field(description="When it began to run.")
    ended: str | None = Field(description="When it ended.")
    progress: Progress | None = Field(description="The latest step forward.")
    report: dict[str, Any] | None = Field(description="What it did; null before its end.")  # Any: JSON
    error: str | None = Field(description="What is left undone and why; null where nothing is.")


class JobList(BaseModel):
    """The jobs that are remembered."""

    jobs: list[JobState] = Field(description="The newest first.")


class Cancelled(JobState):
    """How a job stands that was cancelled."""

    state: Literal["cancelling", "cancelled", "succeeded", "failed"] = Field(
        description="cancelling until it can end; one that was over stays what it was."
    )


EXAMPLE: Final = {
    "id": "0123456789abcdef",
    "kind": "heal",
    "state": "running",
    "about": {"first_day": "2024-01-01", "last_day": "2024-12-31"},
    "by": "key 0123abcd",
    "created": "2024-12-31T10:00:00Z",
    "started": "2024-12-31T10:00:00.002Z",
    "ended": None,
    "progress": {
        "stage": "heal",
        "subject": "bars",
        "done": 2,
        "total": 12,
        "unit": "chunks",
        "detail": {"days": 8, "bars": 210000, "seconds_left": 40.5},
    },
    "report": None,
    "error": None,
}


@router.get(
    "/jobs",
    summary="Jobs",
    response_class=Response,
    responses=body("The latest jobs.", JobList, {"jobs": [EXAMPLE]}, cached=False) | problems(),
)
async def jobs(service: Shared, caller: Asked) -> Response:
    """Return the jobs that are remembered, the newest first; they are forgotten when the service stops."""
    return _answer({"jobs": jobs_document(service, caller)})


@router.get(
    "/jobs/{job_id}",
    summary="One job",
    response_class=Response,
    responses=body("How it stands.", JobState, EXAMPLE, cached=False) | problems("unknown-job"),
)
async def job(service: Shared, caller: Asked, job_id: JobId) -> Response:
    """Return how far a job is, or what it did."""
    return _answer(job_document(_known(service.jobs.get(job_id)), insider=is_insider(service, caller)))


@router.post(
    "/jobs/{job_id}/cancel",
    summary="Cancel a job",
    response_class=Response,
    responses=body("How it stands.", Cancelled, EXAMPLE | {"state": "cancelling"}, cached=False)
    | problems("unknown-job", "not-allowed"),
)
async def cancel(service: Shared, caller: Annotated[Caller, Depends(Requires("write"))], job_id: JobId) -> Response:
    """Have a job end where it leaves nothing half done: between two days or batches. One that is over stays so.

    A job of bars needs a key of the role admin, one that generates trades a key of the role write.
    """
    if _known(service.jobs.get(job_id)).kind != "generate":
        await Requires("admin")(caller)
    return _answer(job_document(_known(service.jobs.cancel(job_id)), insider=True))


def jobs_document(service: Service, caller: Caller) -> list[dict[str, Any]]:  # Any: JSON
    """Return all jobs as a caller may see them."""
    insider = is_insider(service, caller)
    return [job_document(one, insider=insider) for one in service.jobs.all()]


def job_document(job: Job, *, insider: bool) -> dict[str, Any]:  # Any: JSON
    """Return a job as JSON has it."""
    step = job.progress
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "about": job.about,
        "by": job.by,
        "created": instant_or_none(job.created),
        "started": instant_or_none(job.started),
        "ended": instant_or_none(job.ended),
        "progress": None
        if step is None
        else {
            "stage": step.stage,
            "subject": step.subject,
            "done": step.done,
            "total": step.total,
            "unit": step.unit,
            "detail": dict(step.detail),
        },
        "report": _shown(job.report, insider=insider),
        "error": told(job.error, insider=insider) or None,
    }


def accepted(job: Job) -> Response:
    """Return the reply to a request that started a job."""
    headers = {**_FRESH, "Location": f"/api/v1/jobs/{job.id}"}
    return Response(json_bytes(job_document(job, insider=True)), 202, headers, "application/json")


def is_insider(service: Service, caller: Caller) -> bool:
    """Return whether a caller may know what is wrong on the machine."""
    return service.on_loopback or caller.may("write")


def told(text: str, *, insider: bool) -> str:
    """Return what somebody is told of a failure."""
    return text if insider or not text else WITHHELD


def _shown(report: Any, *, insider: bool) -> dict[str, Any] | None:  # Any: JSON
    """Return a report, without reasons for those who may not know them."""
    if report is None:
        return None
    return {
        name: [{**one, "error": told(one["error"], insider=insider)} for one in value]
        if name in {"failed", "busy"}
        else told(value, insider=insider)
        if name == "stopped"
        else value
        for name, value in report.items()
    }


def _known(job: Job | None) -> Job:
    if job is None:
        raise ProblemError("unknown-job", "There is no job of that id; a service that starts anew remembers none.")
    return job


def _answer(document: object) -> Response:
    return Response(json_bytes(document), media_type="application/json", headers=_FRESH)
