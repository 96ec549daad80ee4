"""``/health``, ``/ready`` and ``/metrics``: for whoever runs the service.

What belongs here: these three. What does not: what is counted (``telemetry``), how bars stand (``native.status``).
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from ohlcv_assets.api import telemetry
from ohlcv_assets.api.bodies import json_bytes
from ohlcv_assets.api.closed import complete_until
from ohlcv_assets.api.documented import body, ok, problems
from ohlcv_assets.api.gate import Documented
from ohlcv_assets.api.parameters import Shared
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS

router = APIRouter(tags=["operation"])
_FRESH: Final = {"Cache-Control": "no-store"}


class Health(BaseModel):
    """That the service is alive."""

    status: str = Field(description="Always alive.")


class Ready(BaseModel):
    """That the service can answer."""

    status: str = Field(description="Always ready.")
    proved_days: int = Field(description="Days whose trades are proved to be stored.", ge=0)
    complete_until: dict[str, str | None] = Field(
        description="By resolution: the last day up to which bars are complete without a gap; null where none is."
    )


_READY: Final = {"status": "ready", "proved_days": 366, "complete_until": {"1m": "2024-12-31", "1d": "2024-12-31"}}


@router.get(
    "/health",
    summary="Is it alive?",
    response_class=Response,
    responses=body("It is.", Health, {"status": "alive"}, cached=False) | problems(guarded=False),
)
async def health() -> Response:
    """Return that the service is alive; the store is not asked."""
    return Response(json_bytes({"status": "alive"}), media_type="application/json", headers=_FRESH)


@router.get(
    "/ready",
    summary="Can it answer?",
    response_class=Response,
    responses=body("It can: the store was read a moment ago.", Ready, _READY, cached=False) | problems(guarded=False),
)
async def ready(service: Shared) -> Response:
    """Return that the store can be read, and how far its bars are complete."""
    if not service.fresh or service.trouble:
        await service.look()
    if service.trouble:
        raise ProblemError("store", "The store cannot be read at the moment; the service's log says why.")
    until = {one.name: complete_until(service.closed, service.project, one.name) for one in STORED_RESOLUTIONS}
    document = {
        "status": "ready",
        "proved_days": len(service.closed.trades),
        "complete_until": {name: None if day is None else str(day) for name, day in until.items()},
    }
    return Response(json_bytes(document), media_type="application/json", headers=_FRESH)


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    dependencies=Documented,
    responses=ok(
        "Prometheus' text format.",
        {
            "text/plain": {
                "schema": {"type": "string"},
                "example": "# HELP ohlcv_http_requests_total Requests answered.\n",
            }
        },
        cached=False,
    )
    | problems(),
)
async def metrics(service: Shared) -> Response:
    """Return the service's metrics."""
    return Response(service.telemetry.page(), media_type=telemetry.MEDIA_TYPE, headers=_FRESH)
