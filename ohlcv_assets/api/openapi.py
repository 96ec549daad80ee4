"""The OpenAPI document: what FastAPI gathers, made strict.

What belongs here: the whole document. What does not: what single routes say of themselves.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ohlcv_assets.api import health
from ohlcv_assets.api.documented import Problem
from ohlcv_assets.api.native import actions, coverage, jobs, ohlc, operations, posted, status
from ohlcv_assets.api.native import symbols as native_symbols
from ohlcv_assets.api.native import trades as native_trades
from ohlcv_assets.api.udf import history, symbols

MODELS: Final[tuple[type[BaseModel], ...]] = (
    Problem,
    health.Health,
    health.Ready,
    native_symbols.SymbolInfo,
    native_symbols.SymbolList,
    ohlc.Bars,
    native_trades.Trades,
    posted.PostedTrade,
    posted.PostedTrades,
    posted.Posted,
    coverage.Coverage,
    status.Status,
    operations.Operations,
    jobs.JobState,
    jobs.JobList,
    jobs.Cancelled,
    actions.Deeds,
    symbols.Config,
    symbols.UdfSymbol,
    symbols.Found,
    history.History,
    history.Quotes,
    history.Marks,
)
"""Bodies that routes write themselves."""

_FRAMEWORKS: Final = ("HTTPValidationError", "ValidationError")
"""Models of errors that no route of ours answers with."""

DESCRIPTION: Final = """
Trades and OHLCV bars, proved against the files they were loaded from.

- **Bars** are labelled by their open time and cover `[t, t + resolution)`, UTC. Where there was no trade there is no
  bar.
- **Ranges** are half open; a day or a month given as the end is included.
- **Errors** are RFC 9457 problem details; `s` and `errmsg` in them are what TradingView's clients look for.
- **Caching**: all answers carry an `ETag`; those about days whose trades and bars are proved are immutable under the
  `version` of `/api/v1/symbols`.
"""


def openapi_of(app: FastAPI) -> dict[str, Any]:  # Any: a JSON document
    """Return the document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title="OHLCV", version=version("ohlcv-assets"), description=DESCRIPTION, routes=app.routes
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for name in _FRAMEWORKS:
            schemas.pop(name, None)
        made = models_json_schema(
            [(model, "serialization") for model in MODELS], ref_template="#/components/schemas/{model}"
        )
        schemas |= made[1]["$defs"]
        if app.state.service.open_reads:
            _open_reads(document)
        app.openapi_schema = document
    return app.openapi_schema


def _open_reads(document: dict[str, Any]) -> None:  # Any: as above
    """Say of every read that it may come without a key."""
    for item in document["paths"].values():
        security = item.get("get", {}).get("security")
        if security is not None:
            security.insert(0, {})
