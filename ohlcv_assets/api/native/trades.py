"""``GET /api/v1/trades``: single trades of a symbol.

What belongs here: the request and the answer. What does not: taking trades in, which is another route's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

import pyarrow as pa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from ohlcv_assets.api import bodies
from ohlcv_assets.api.answers import Answer, respond
from ohlcv_assets.api.closed import trades_closed
from ohlcv_assets.api.cursors import Place, cursor_of, place_of
from ohlcv_assets.api.documented import problems, rows
from ohlcv_assets.api.gate import Documented
from ohlcv_assets.api.parameters import (
    Cursor,
    End,
    Formatted,
    Order,
    Ordered,
    Shared,
    Start,
    SymbolName,
    Versioned,
    clipped,
    gathered,
    parse_range,
)
from ohlcv_assets.api.quick import QuickRoute
from ohlcv_assets.api.reading import trades_page
from ohlcv_assets.instants import format_instant
from ohlcv_assets.units import Nanos

router = APIRouter(prefix="/api/v1", tags=["trades"], dependencies=Documented, route_class=QuickRoute)
MOST_A_PAGE: Final = 10_000
ROUTE: Final = "/api/v1/trades"


class TradeColumns(BaseModel):
    """Trades, column by column; all columns are equally long."""

    ts: list[str] = Field(description="Instant, RFC 3339 with nine digits of a second, UTC.")
    price: list[float] = Field(description="Price.")
    amount: list[float] = Field(description="Amount in units.")
    side: list[int] = Field(description="1: buyer-initiated; -1: seller-initiated.")


class Trades(BaseModel):
    """Trades of a symbol."""

    symbol: str = Field(description="Name of the symbol.")
    start: str = Field(description="Beginning of the range, RFC 3339.")
    end: str = Field(description="End of the range, excluded.")
    order: Order = Field(description="Oldest first, or newest first.")
    count: int = Field(description="How many trades there are.", ge=0)
    truncated: bool = Field(description="Whether the range has more than limit.")
    next_cursor: str | None = Field(description="Where the next page begins.")
    columns: TradeColumns = Field(description="The trades.")


_EXAMPLE: Final = {
    "symbol": "BTC-USD",
    "start": "2024-01-05T14:30:00Z",
    "end": "2024-01-05T14:31:00Z",
    "order": "asc",
    "count": 1,
    "truncated": False,
    "next_cursor": None,
    "columns": {"ts": ["2024-01-05T14:30:00.123456789Z"], "price": [44001.5], "amount": [0.25], "side": [1]},
}
_CSV: Final = "symbol,ts,price,amount,side\nBTC-USD,2024-01-05T14:30:00.123456789Z,44001.5,0.25,1\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for trades."""

    symbol: SymbolName
    start: Start = None
    end: End = None
    limit: Annotated[int, Query(ge=1, le=MOST_A_PAGE, description="Most trades of the answer.", examples=[1000])] = (
        1_000
    )
    order: Ordered = "asc"
    cursor: Cursor = None
    form: Formatted = None
    version: Versioned = None


@router.get(
    "/trades",
    summary="Trades of a symbol",
    response_class=Response,
    responses=rows("Trades in order of time.", Trades, _EXAMPLE, _CSV)
    | problems("unknown-symbol", "busy", "timed-out"),
)
async def trades(request: Request, service: Shared, asked: Annotated[Asked, gathered(Asked)]) -> Response:
    """Return trades of a symbol, page by page."""
    symbol, version = service.symbol(asked.symbol), service.version
    start, end = parse_range(service, asked.start, asked.end)
    first, last = clipped(service, start, end)
    named = f"{asked.symbol} trades {asked.start} {asked.end} {asked.order}"
    if asked.cursor is not None:
        at = place_of(asked.cursor, named).at
        first, last = (Nanos(max(first, at + 1)), last) if asked.order == "asc" else (first, Nanos(min(last, at)))
    backwards = asked.order == "desc"
    found = await trades_page(service, symbol, first, Nanos(max(first, last)), asked.limit + 1, backwards=backwards)
    more = found.num_rows > asked.limit
    kept = found.slice(1 if backwards and more else 0, asked.limit)
    if backwards:
        kept = bodies.reversed_rows(kept)
    about: dict[str, Any] = {  # Any: JSON
        "symbol": symbol.name,
        "start": format_instant(start),
        "end": format_instant(end),
        "order": asked.order,
        "count": kept.num_rows,
        "truncated": more,
        "next_cursor": cursor_of(Place(named, Nanos(int(bodies.nanos(kept["ts"])[-1])))) if more else None,
    }
    service.telemetry.rows.labels(ROUTE).inc(kept.num_rows)
    closed = service.is_still(version) and trades_closed(service.closed, service.project, first, last)
    return respond(request, service, _answer(request, asked, kept, about, closed=closed))


def _answer(
    request: Request, asked: Asked, kept: pa.Table, about: dict[str, Any], *, closed: bool
) -> Answer:  # Any: JSON
    form = bodies.media_type_of(asked.form, request.headers.get("accept", ""))
    media_type, cursor = bodies.MEDIA_TYPES[form], about["next_cursor"]
    headers = {"X-Ohlcv-Next-Cursor": cursor} if cursor is not None and form != "json" else {}
    if form == "csv":
        return Answer(bodies.trades_csv(kept), media_type, closed, headers)
    if form == "arrow":
        return Answer(bodies.trades_arrow(kept, about), media_type, closed, headers)
    return Answer(bodies.trades_json(kept, about), media_type, closed, headers)
