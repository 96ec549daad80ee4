"""``GET /api/v1/status``: how far the bars of each resolution are complete.

What belongs here: the answer. What does not: looking (``pipeline.bar_status``), sparing the store (``desk``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from ohlcv_assets.api.answers import Answer, respond
from ohlcv_assets.api.bodies import json_bytes
from ohlcv_assets.api.desk import Desk
from ohlcv_assets.api.documented import body, problems
from ohlcv_assets.api.gate import Documented
from ohlcv_assets.api.parameters import Shared, StoredName
from ohlcv_assets.api.service import Service
from ohlcv_assets.instants import format_instant
from ohlcv_assets.pipeline.bar_status import DayRange, Reach, ResolutionStatus, bar_status
from ohlcv_assets.units import SECOND, Nanos

router = APIRouter(prefix="/api/v1", tags=["state"], dependencies=Documented)


class Days(BaseModel):
    """Consecutive days that stand alike."""

    first: str = Field(description="First day, YYYY-MM-DD.")
    last: str = Field(description="Last day, included.")
    reason: str = Field(description="Why they stand so.")


class ResolutionState(BaseModel):
    """How the bars of one resolution stand."""

    resolution: StoredName = Field(description="Which one.")
    bars: int = Field(description="Stored bars.", ge=0)
    trades: int = Field(description="Trades that they hold.", ge=0)
    complete_until: str | None = Field(description="Watermark: the end of what is complete without a gap, RFC 3339.")
    last_bar: str | None = Field(description="Open time of the last bar before it.")
    lag_seconds: float = Field(description="From the watermark to the end of the trades.")
    missing: list[Days] = Field(description="Days whose bars are to be made.")
    stale: list[Days] = Field(description="Days whose bars are to be made again.")
    waiting: list[Days] = Field(description="Days without proved trades.")
    failed: int = Field(description="Runs that were given up.", ge=0)


class Standing(BaseModel):
    """What is said of the dataset as a whole."""

    dataset: str = Field(description="Name of the dataset.")
    store: str = Field(description="Kind of store: duckdb, influxdb or memory.")
    first_day: str = Field(description="First day of the dataset.")
    last_day: str = Field(description="Last day of the dataset, included.")
    proved_days: int = Field(description="Days whose trades are proved to be stored.", ge=0)
    days: int = Field(description="Days of the dataset.", ge=1)
    complete: bool = Field(description="Whether no bar is missing, stale or waiting for trades.")


class Status(Standing):
    """How the dataset stands."""

    resolutions: list[ResolutionState] = Field(description="From fine to coarse.")


StatusDesk = Desk[Sequence[ResolutionStatus]]

RESOLUTION_EXAMPLES: Final = [
    {
        "resolution": "1d",
        "bars": 7968,
        "trades": 300000000,
        "complete_until": "2025-01-01T00:00:00Z",
        "last_bar": "2024-12-31T00:00:00Z",
        "lag_seconds": 0.0,
        "missing": [],
        "stale": [],
        "waiting": [],
        "failed": 0,
    }
]
EXAMPLE: Final = {
    "dataset": "default",
    "store": "duckdb",
    "first_day": "2024-01-01",
    "last_day": "2024-12-31",
    "proved_days": 366,
    "days": 366,
    "complete": True,
    "resolutions": RESOLUTION_EXAMPLES,
}


def look(service: Service) -> Sequence[ResolutionStatus]:
    """Look how the bars stand; blocking."""
    return bar_status(service.project)


@router.get(
    "/status",
    summary="How far bars are complete",
    response_class=Response,
    responses=body("Watermarks, gaps and lag by resolution.", Status, EXAMPLE) | problems("busy", "timed-out"),
)
async def status(request: Request, service: Shared) -> Response:
    """Return how far the bars of each resolution are complete, and what is missing, stale or waiting."""
    desk: StatusDesk = request.app.state.status_desk
    return respond(request, service, Answer(json_bytes(status_document(service, await desk.ask(service)))))


def status_document(service: Service, found: Sequence[ResolutionStatus]) -> dict[str, Any]:  # Any: JSON
    """Return what is said of the dataset and of each resolution."""
    dataset = service.project.dataset
    return {
        "dataset": dataset.name,
        "store": service.settings.store_in_force,
        "first_day": str(dataset.days[0]),
        "last_day": str(dataset.days[-1]),
        "proved_days": len(service.closed.trades),
        "days": len(dataset.days),
        "complete": not any(one.reach.missing or one.reach.stale or one.waiting for one in found),
        "resolutions": [_resolution(one) for one in found],
    }


def _resolution(one: ResolutionStatus) -> dict[str, Any]:  # Any: JSON
    return {
        "resolution": one.resolution,
        "bars": one.bars,
        "trades": one.trades,
        **_reach(one.reach),
        "waiting": days_document(one.waiting),
        "failed": len(one.failed),
    }


def _reach(reach: Reach) -> dict[str, Any]:  # Any: JSON
    return {
        "complete_until": instant_or_none(reach.complete_until),
        "last_bar": instant_or_none(reach.last_bar),
        "lag_seconds": reach.lag / SECOND,
        "missing": days_document(reach.missing),
        "stale": days_document(reach.stale),
    }


def days_document(ranges: Sequence[DayRange]) -> list[dict[str, str]]:
    """Return ranges of days as JSON has them."""
    return [{"first": str(one.first), "last": str(one.last), "reason": one.reason} for one in ranges]


def instant_or_none(instant: Nanos | None) -> str | None:
    """Return an instant as JSON has it."""
    return None if instant is None else format_instant(instant)
