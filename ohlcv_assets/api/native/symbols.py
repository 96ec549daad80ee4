"""``/api/v1/symbols``: what can be asked for.

What belongs here: describing symbols. What does not: how TradingView wants them described (``udf.symbols``).
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from ohlcv_assets.api.answers import Answer, respond
from ohlcv_assets.api.bodies import json_bytes
from ohlcv_assets.api.documented import body, problems
from ohlcv_assets.api.gate import Documented
from ohlcv_assets.api.parameters import Shared
from ohlcv_assets.market.symbols import AssetClass, Symbol

router = APIRouter(prefix="/api/v1", tags=["symbols"], dependencies=Documented)

TIME_ZONES: Final = {"XNYS": "America/New_York", "24/7": "Etc/UTC"}


class SymbolInfo(BaseModel):
    """A symbol."""

    symbol: str = Field(description="Its name.")
    asset_class: AssetClass = Field(description="What it is.")
    calendar: str = Field(description="When it trades: XNYS (New York) or 24/7.")
    time_zone: str = Field(description="Of its sessions.")
    tick_size: float = Field(description="Prices are multiples of it.")
    lot_size: float = Field(description="Amounts are multiples of it.")


class SymbolList(BaseModel):
    """Symbols of the dataset."""

    dataset: str = Field(description="Name of the dataset.")
    first_day: str = Field(description="First day of the dataset, UTC.")
    last_day: str = Field(description="Last day of the dataset, included.")
    symbols: list[SymbolInfo] = Field(description="In order of their names.")
    count: int = Field(description="How many there are.", ge=0)
    version: str = Field(
        description="Of the closed days, for `version` of /api/v1/ohlc and /api/v1/trades; another one as soon as one "
        "of them is made again, or one more is closed."
    )


_EXAMPLE: Final = {
    "symbol": "BTC-USD",
    "asset_class": "crypto",
    "calendar": "24/7",
    "time_zone": "Etc/UTC",
    "tick_size": 0.01,
    "lot_size": 1e-08,
}
_LIST: Final = {
    "dataset": "default",
    "first_day": "2024-01-01",
    "last_day": "2024-12-31",
    "symbols": [_EXAMPLE],
    "count": 1,
    "version": "0123456789abcdef",
}


def described(symbol: Symbol) -> dict[str, Any]:  # Any: JSON
    """Return a symbol as ``SymbolInfo``."""
    return {
        "symbol": symbol.name,
        "asset_class": symbol.asset_class,
        "calendar": symbol.calendar,
        "time_zone": TIME_ZONES[symbol.calendar],
        "tick_size": 1 / symbol.ticks_per_unit,
        "lot_size": 1 / symbol.lots_per_unit,
    }


@router.get(
    "/symbols",
    summary="List symbols",
    response_class=Response,
    responses=body("Symbols in order of their names.", SymbolList, _LIST) | problems(),
)
async def list_symbols(
    request: Request,
    service: Shared,
    query: Annotated[
        str,
        Query(max_length=100, description="Only those whose name contains this, whatever its case.", examples=["BTC"]),
    ] = "",
    asset_class: Annotated[
        AssetClass | None, Query(description="Only those of this class.", examples=["crypto"])
    ] = None,
) -> Response:
    """Return the symbols of the dataset, all of them or those asked for."""
    dataset = service.project.dataset
    found = [
        described(symbol)
        for symbol in dataset.universe.symbols
        if query.casefold() in symbol.name.casefold() and asset_class in {None, symbol.asset_class}
    ]
    document = {
        "dataset": dataset.name,
        "first_day": str(dataset.days[0]),
        "last_day": str(dataset.days[-1]),
        "symbols": found,
        "count": len(found),
        "version": service.version,
    }
    return respond(request, service, Answer(json_bytes(document)))


@router.get(
    "/symbols/{symbol}",
    summary="Describe a symbol",
    response_class=Response,
    responses=body("The symbol.", SymbolInfo, _EXAMPLE) | problems("unknown-symbol"),
)
async def one_symbol(
    request: Request,
    service: Shared,
    symbol: Annotated[str, Path(min_length=1, max_length=100, description="Its name.", examples=["BTC-USD"])],
) -> Response:
    """Return one symbol."""
    return respond(request, service, Answer(json_bytes(described(service.symbol(symbol)))))
