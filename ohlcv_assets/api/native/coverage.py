"""``GET /api/v1/coverage``: how many bars and trades each day has.

What belongs here: the request and the answer. What does not: judging days (``status``).
"""

from __future__ import annotations

from typing import Annotated, Final

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from ohlcv_assets.api.answers import Answer, respond
from ohlcv_assets.api.bodies import json_bytes, numbers
from ohlcv_assets.api.documented import body, problems
from ohlcv_assets.api.gate import Documented
from ohlcv_assets.api.parameters import Shared, StoredName
from ohlcv_assets.bars.resolutions import RESOLUTIONS

router = APIRouter(prefix="/api/v1", tags=["state"], dependencies=Documented)


class CoverageColumns(BaseModel):
    """Days, column by column; all columns are equally long."""

    day: list[str] = Field(description="UTC day, YYYY-MM-DD, in order.")
    bars: list[int] = Field(description="Stored bars.")
    trades: list[int] = Field(description="Trades that they hold.")


class Coverage(BaseModel):
    """What is stored of a resolution."""

    resolution: StoredName = Field(description="Which one.")
    symbol: str | None = Field(description="Of which symbol; null for all together.")
    count: int = Field(description="How many days have bars.", ge=0)
    columns: CoverageColumns = Field(description="The days.")


_EXAMPLE: Final = {
    "resolution": "1d",
    "symbol": None,
    "count": 1,
    "columns": {"day": ["2024-01-05"], "bars": [28], "trades": [819672]},
}


@router.get(
    "/coverage",
    summary="Bars and trades by day",
    response_class=Response,
    responses=body("Days that have bars.", Coverage, _EXAMPLE) | problems("unknown-symbol", "busy", "timed-out"),
)
async def coverage(
    request: Request,
    service: Shared,
    resolution: Annotated[StoredName, Query(description="A stored resolution.", examples=["1d"])] = "1d",
    symbol: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=100,
            description="Of one symbol; of all together if absent.",
            examples=["BTC-USD"],
        ),
    ] = None,
) -> Response:
    """Return how many bars of a resolution are stored of each day, and how many trades they hold."""
    name = None if symbol is None else service.symbol(symbol).name

    def read() -> pa.Table:
        found = service.project.bar_store.coverage(RESOLUTIONS[resolution])
        if name is not None:
            found = found.filter(pc.equal(found["symbol"], pa.scalar(name)))
        by_day = found.group_by("day").aggregate([("bars", "sum"), ("trades", "sum")])
        return by_day.sort_by("day")

    # All of a year is counted, which is worth more patience than a chart's question.
    days = await service.pool.ask("coverage", read, service.settings.serve_timeout)
    document = {
        "resolution": resolution,
        "symbol": name,
        "count": days.num_rows,
        "columns": {
            "day": [str(day) for day in days["day"].to_pylist()],
            "bars": numbers(days["bars_sum"]),
            "trades": numbers(days["trades_sum"]),
        },
    }
    return respond(request, service, Answer(json_bytes(document)))
