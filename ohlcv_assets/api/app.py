"""The application: routes, layers around them, and how errors are told.

What belongs here: assembly. What does not: any route. Layers, from the outside: ``envelope`` (every request has an id,
a log line, an answer), cross-origin headers where set, ``limits``, ``gate`` (who may), the shelf of proved answers, the
shortcut to routes that are asked often (``quick``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, cast

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from ohlcv_assets.api import built, health, pages
from ohlcv_assets.api.answers import FromShelf
from ohlcv_assets.api.envelope import Envelope, request_id_of
from ohlcv_assets.api.gate import KEY_HEADER, Gate
from ohlcv_assets.api.limits import Limits
from ohlcv_assets.api.native import (
    actions,
    coverage,
    generate,
    jobs,
    ohlc,
    operations,
    posting,
    status,
    symbols,
    trades,
)
from ohlcv_assets.api.openapi import openapi_of
from ohlcv_assets.api.pool import OverloadedError
from ohlcv_assets.api.problems import ProblemError, problem_of, problem_response
from ohlcv_assets.api.quick import Shortcut
from ohlcv_assets.api.service import Service, open_service
from ohlcv_assets.api.stream import route as stream
from ohlcv_assets.api.stream.hub import Hub
from ohlcv_assets.api.udf import history
from ohlcv_assets.api.udf import symbols as udf_symbols
from ohlcv_assets.errors import OhlcvError, UserError
from ohlcv_assets.logs import configure_logs, get_logger
from ohlcv_assets.serve_settings import listed
from ohlcv_assets.settings import load_settings

ROUTERS: Final = (
    health.router,
    symbols.router,
    ohlc.router,
    trades.router,
    posting.router,
    coverage.router,
    status.router,
    operations.router,
    actions.router,
    generate.router,
    jobs.router,
    udf_symbols.router,
    history.router,
    pages.router,
    stream.router,
    built.router,
)
_EXPOSED: Final = (
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "RateLimit-Limit",
    "Retry-After",
    "X-Request-Id",
    "X-Ohlcv-Fallback",
    "X-Ohlcv-Next-Cursor",
    "X-Ohlcv-Reason",
    "X-Ohlcv-Resolution",
)
_KIND_OF_STATUS: Final = {
    HTTPStatus.NOT_FOUND: ("not-found", "There is nothing at this address; /docs shows what there is."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method", "The address does not take this method."),
}


def create_app(service: Service, routers: Iterable[APIRouter] = (), *, live_pages: bool = False) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    service
        What all requests share; it runs as long as the application does.
    routers
        Further routes.
    live_pages
        Whether pages that are built meanwhile are shown at once.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running(), app.state.hub.running():
            yield

    app = FastAPI(title="OHLCV", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.routers = (*ROUTERS, *routers)
    app.state.service = service
    app.state.hub = Hub(service)
    app.state.files = built.Files(built.FOLDER, live=live_pages)
    app.state.status_desk = status.StatusDesk("status", status.look)
    app.state.operations_desks = operations.Desks()
    for router in app.state.routers:
        app.include_router(router)
    app.openapi = lambda: openapi_of(app)  # type: ignore[method-assign]  # as FastAPI's documentation says to
    for kind, handler in ((ProblemError, _told), (OhlcvError, _explained), (RequestValidationError, _invalid)):
        app.add_exception_handler(kind, cast("Any", handler))  # Any: handlers of narrower errors than Exception
    app.add_exception_handler(HTTPException, cast("Any", _plain))  # Any: as above
    _wrap(app, service)
    return app


def app_from_environment() -> FastAPI:
    """Return the application that the environment describes: for a server that starts it anew when code changes."""
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    return create_app(open_service(settings), live_pages=True)


def _wrap(app: FastAPI, service: Service) -> None:
    """Put the layers around, from the inside."""
    settings, telemetry = service.settings, service.telemetry
    routes = [route for router in app.state.routers for route in router.routes]
    app.add_middleware(Shortcut, routes=routes, explain=app.exception_handlers)
    app.add_middleware(FromShelf, service=service)
    app.add_middleware(Gate, service=service)
    app.add_middleware(Limits, body=settings.serve_body, timeout=settings.serve_timeout, telemetry=telemetry)
    origins = listed(settings.serve_cors)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=[
                KEY_HEADER,
                "Authorization",
                "Content-Type",
                "If-None-Match",
                "Idempotency-Key",
                "X-Request-Id",
            ],
            expose_headers=_EXPOSED,
        )
    app.add_middleware(Envelope, telemetry=telemetry)


async def _told(request: Request, error: ProblemError) -> Response:
    return problem_response(error, request_id_of(request.scope))


async def _explained(request: Request, error: OhlcvError) -> Response:
    if isinstance(error, OverloadedError):
        return await _told(request, ProblemError("busy", "The service is busy; ask again in a moment."))
    if not isinstance(error, UserError):
        get_logger("api").warning("The store did not answer.", error=str(error))
    return await _told(request, problem_of(error))


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    """Tell what is wrong with parameters, all of it in one sentence."""
    found = [dict(one) for one in error.errors()]
    if any(one["type"] == "json_invalid" for one in found):
        return await _told(request, ProblemError("malformed", "The body is no JSON document."))
    said = [f"{'.'.join(str(part) for part in one['loc'][1:]) or 'body'}: {_lower(one['msg'])}" for one in found]
    problems = [{"parameter": ".".join(map(str, one["loc"][1:])), "problem": one["msg"]} for one in found]
    return await _told(request, ProblemError("invalid", "; ".join(said) + ".", {"problems": problems}))


async def _plain(request: Request, error: HTTPException) -> Response:
    kind, detail = _KIND_OF_STATUS.get(HTTPStatus(error.status_code), ("malformed", "The request cannot be read."))
    headers = {"Allow": _methods(request)} if kind == "method" else dict(error.headers or {})
    return await _told(request, ProblemError(kind, detail, headers=headers))


def _methods(request: Request) -> str:
    """Return what an address takes; several routes may share it, and the framework names the first one's alone."""
    routes = (route for router in request.app.state.routers for route in router.routes)
    at = [route for route in routes if isinstance(route, APIRoute) and route.path_regex.match(request.scope["path"])]
    methods = {method for route in at for method in route.methods or ()}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
