"""Routes that are asked often: their parameters are checked at once, as one value.

What belongs here: calling such an endpoint. What does not: which parameters there are (``parameters``, the routes).

FastAPI gathers and checks parameters one by one, which takes as long as writing a day of one-minute bars as JSON. Here
it goes on documenting them, and pydantic checks all of them in one call. What is wrong is told in the same words. The
framework's way to a route, which looks at one after the other and stacks what such a route needs nothing of, is gone
around as well: it would take another quarter of what a request needs beside its bars.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, get_args

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from ohlcv_assets.api.service import Service

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

Endpoint = Callable[[Request, Service, Any], Awaitable[Response]]
"""Takes a request, what all requests share, and its parameters; Any: a dataclass of the route's own."""


class QuickRoute(APIRoute):
    """A route of an endpoint ``(request, service, asked)`` whose last parameter is ``Annotated[C, gathered(C)]``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers; Any: as FastAPI has it."""
        endpoint: Endpoint = self.endpoint
        annotation = list(inspect.signature(endpoint, eval_str=True).parameters.values())[-1].annotation
        checked = TypeAdapter[Any](get_args(annotation)[0])  # Any: as above

        async def answer(request: Request) -> Response:
            try:
                asked = checked.validate_python(dict(request.query_params))
            except ValidationError as error:
                found = error.errors(include_url=False, include_context=False)
                raise RequestValidationError([{**one, "loc": ("query", *one["loc"])} for one in found]) from None
            return await endpoint(request, request.app.state.service, asked)

        return answer


Explain = Callable[[Request, Any], Awaitable[Response]]
"""Tells an error; Any: of the kind that it is for."""


class Shortcut:
    """A layer that has quick routes answer GET, and leaves everything else to the framework.

    Parameters
    ----------
    app
        What is inside.
    routes
        All routes there are.
    explain
        By kind of error: what tells it, as the framework would use it.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[object], explain: Mapping[Any, Any]) -> None:
        self._app = app
        self._ways = {
            route.path: (route, route.get_route_handler())
            for route in routes
            if isinstance(route, QuickRoute) and "GET" in (route.methods or ())
        }
        self._explain = explain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        way = self._ways.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if way is None:
            await self._app(scope, receive, send)
            return
        scope["route"], answer = way
        request = Request(scope, receive, send)
        try:
            response = await answer(request)
        except Exception as error:
            explain: Explain | None = next(filter(None, map(self._explain.get, type(error).__mro__)), None)
            if explain is None:
                raise
            response = await explain(request, error)
        await response(scope, receive, send)
