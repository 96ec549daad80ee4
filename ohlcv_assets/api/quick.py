"""Routes that are asked often: their parameters are checked at once, as one value.

What belongs here: calling such an endpoint. What does not: which parameters there are (``parameters``, the routes).

FastAPI gathers and checks parameters one by one, which takes as long as writing a day of one-minute bars as JSON. Here
it goes on documenting them, and pydantic checks all of them in one call. What is wrong is told in the same words.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, get_args

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from ohlcv_assets.api.service import Service

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
