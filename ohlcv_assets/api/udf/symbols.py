"""``/udf/config``, ``/udf/symbols``, ``/udf/search`` and ``/udf/time``: what front ends ask first.

What belongs here: these endpoints. What does not: names (``naming``), bars (``history``).
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from ohlcv_assets.api.answers import Answer, respond
from ohlcv_assets.api.bodies import json_bytes
from ohlcv_assets.api.documented import body, ok, problems
from ohlcv_assets.api.gate import Documented
from ohlcv_assets.api.parameters import Shared
from ohlcv_assets.api.udf.naming import EXCHANGES, NAMES, TYPES, symbol_info, symbol_named

router = APIRouter(prefix="/udf", tags=["TradingView"], dependencies=Documented)
MOST_FOUND: Final = 100


class Config(BaseModel):
    """What TradingView's clients call the datafeed's configuration."""

    model_config = ConfigDict(extra="allow")

    supported_resolutions: list[str] = Field(description="Names of resolutions.")
    supports_search: bool = Field(description="Always true.")
    supports_group_request: bool = Field(description="Always false.")
    supports_marks: bool = Field(description="Always true: sessions that end early.")
    supports_timescale_marks: bool = Field(description="Always false.")
    supports_time: bool = Field(description="Always true.")
    exchanges: list[dict[str, str]] = Field(description="Exchanges to search in.")
    symbols_types: list[dict[str, str]] = Field(description="Classes to search in.")


class UdfSymbol(BaseModel):
    """What TradingView's clients call a symbol's information."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(description="Its name.")
    ticker: str = Field(description="What it is asked for by.")
    description: str = Field(description="For people.")
    type: str = Field(description="Its class.")
    exchange: str = Field(description="Where it trades.")
    timezone: str = Field(description="Of its sessions.")
    session: str = Field(description="Its regular session, or 24x7.")
    minmov: int = Field(description="Ticks of the smallest move.")
    pricescale: int = Field(description="Ticks of a unit.")
    intraday_multipliers: list[str] = Field(description="Minutes that are to be asked for.")
    supported_resolutions: list[str] = Field(description="Names of resolutions.")


class Found(BaseModel):
    """A symbol that a search found."""

    symbol: str = Field(description="Its name.")
    full_name: str = Field(description="With its exchange.")
    description: str = Field(description="For people.")
    exchange: str = Field(description="Where it trades.")
    ticker: str = Field(description="What it is asked for by.")
    type: str = Field(description="Its class.")


_CONFIG: Final[dict[str, Any]] = {  # Any: JSON
    "supported_resolutions": list(NAMES),
    "supports_search": True,
    "supports_group_request": False,
    "supports_marks": True,
    "supports_timescale_marks": False,
    "supports_time": True,
    "exchanges": [{"value": "", "name": "All exchanges", "desc": ""}, *map(asdict, EXCHANGES.values())],
    "symbols_types": [
        {"name": "All types", "value": ""},
        *({"name": name, "value": key} for key, name in TYPES.items()),
    ],
}
_SYMBOL: Final = {
    "name": "AAPL",
    "ticker": "AAPL",
    "full_name": "XNYS:AAPL",
    "description": "AAPL (stock)",
    "type": "stock",
    "exchange": "XNYS",
    "listed_exchange": "XNYS",
    "timezone": "America/New_York",
    "session": "0930-1600",
    "session_holidays": "20240101",
    "corrections": "0930-1300:20240703",
    "minmov": 1,
    "pricescale": 100,
    "intraday_multipliers": ["1", "5", "15", "30"],
    "supported_resolutions": list(NAMES),
}
_FOUND: Final = {
    "symbol": "AAPL",
    "full_name": "XNYS:AAPL",
    "description": "AAPL (stock)",
    "exchange": "XNYS",
    "ticker": "AAPL",
    "type": "stock",
}


@router.get(
    "/config",
    summary="What the datafeed can do",
    response_class=Response,
    responses=body("The configuration.", Config, _CONFIG) | problems(),
)
async def config(request: Request, service: Shared) -> Response:
    """Return what front ends ask first."""
    return respond(request, service, Answer(json_bytes(_CONFIG)))


@router.get(
    "/symbols",
    summary="Resolve a symbol",
    response_class=Response,
    responses=body("The symbol.", UdfSymbol, _SYMBOL) | problems("unknown-symbol"),
)
async def resolve(
    request: Request,
    service: Shared,
    symbol: Annotated[
        str,
        Query(min_length=1, max_length=120, description="Name, with or without its exchange.", examples=["XNYS:AAPL"]),
    ],
) -> Response:
    """Return what a front end needs to know of a symbol."""
    return respond(request, service, Answer(json_bytes(symbol_info(service, symbol_named(service, symbol)))))


@router.get(
    "/search",
    summary="Search for symbols",
    response_class=Response,
    responses=ok(
        "Symbols, the closest first.",
        {
            "application/json": {
                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Found"}},
                "example": [_FOUND],
            }
        },
    )
    | problems(),
)
async def search(
    request: Request,
    service: Shared,
    query: Annotated[str, Query(max_length=100, description="Part of a name; empty for all.", examples=["BTC"])] = "",
    type_: Annotated[
        str, Query(alias="type", max_length=30, description="A class; empty for all.", examples=["crypto"])
    ] = "",
    exchange: Annotated[str, Query(max_length=30, description="An exchange; empty for all.", examples=["24X7"])] = "",
    limit: Annotated[int, Query(ge=1, le=MOST_FOUND, description="Most symbols of the answer.", examples=[30])] = 30,
) -> Response:
    """Return symbols whose name contains a text: those that begin with it come first."""
    wanted = query.casefold().rpartition(":")[2].strip()
    found = [
        symbol
        for symbol in service.project.dataset.universe.symbols
        if wanted in symbol.name.casefold()
        and type_ in {"", symbol.asset_class}
        and exchange.upper() in {"", EXCHANGES[symbol.calendar].value}
    ]
    found.sort(key=lambda symbol: (not symbol.name.casefold().startswith(wanted), symbol.name))
    shown = [symbol_info(service, symbol) for symbol in found[:limit]]
    names = ("full_name", "description", "exchange", "ticker", "type")
    return respond(
        request,
        service,
        Answer(json_bytes([{"symbol": info["name"]} | {name: info[name] for name in names} for info in shown])),
    )


@router.get(
    "/time",
    summary="The service's clock",
    response_class=Response,
    responses=ok(
        "Seconds since 1970.",
        {"text/plain": {"schema": {"type": "string", "pattern": "^[0-9]+$"}, "example": "1704465000"}},
        cached=False,
    )
    | problems(),
)
async def clock() -> Response:
    """Return the time, in seconds and as plain text."""
    return Response(str(int(time.time())), media_type="text/plain", headers={"Cache-Control": "no-store"})
