"""How large a request may be and how long it may take.

What belongs here: refusing what is too long, too large or too slow. What does not: how many requests (``gate``), limits
of rows (the routes have them).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers

from ohlcv_assets.api.envelope import request_id_of
from ohlcv_assets.api.problems import ProblemError, problem_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ohlcv_assets.api.telemetry import Telemetry

LONGEST_ADDRESS: Final = 8_000
"""Bytes of path and query."""

_HEARD_OUT: Final = 10
"""A body that is announced as too large is read where it is at most so many times what may be, and thrown away: most
clients look for an answer only once they have sent it, and would find a broken connection in place of one."""

_HEARD_FOR: Final = 5.0
"""Seconds for that."""


class Limits:
    """A layer that refuses.

    Parameters
    ----------
    app
        What is inside.
    body
        Most bytes of a body.
    timeout
        Seconds until a request without an answer is given up.
    telemetry
        Told of refusals.
    """

    def __init__(self, app: ASGIApp, body: int, timeout: float, telemetry: Telemetry) -> None:
        self._app = app
        self._body = body
        self._timeout = timeout
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass on what is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem = await self._answered(scope, receive, send)
        if problem is not None:
            self._telemetry.refused.labels(problem.kind).inc()
            await problem_response(problem, request_id_of(scope))(scope, receive, send)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> ProblemError | None:
        """Have a request answered; return what is wrong where nothing was sent."""
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_ADDRESS:
            return ProblemError("address-too-long", f"An address has at most {LONGEST_ADDRESS} bytes.")
        length = Headers(scope=scope).get("content-length", "")
        if length.isdigit() and int(length) > self._body:
            if int(length) <= _HEARD_OUT * self._body:
                await _heard_out(receive)
            return self._too_large()
        body = _Body(receive, self._body)
        reply = _Held(send, body)
        try:
            async with asyncio.timeout(self._timeout):
                await self._app(scope, body, reply)
        except TimeoutError:
            if reply.started:
                raise
            return ProblemError(
                "timed-out", f"The answer took longer than {self._timeout:g} s; ask for less at a time."
            )
        except Exception:
            if not body.too_large:
                raise
        return self._too_large() if body.too_large and not reply.started else None

    def _too_large(self) -> ProblemError:
        return ProblemError(
            "body-too-large", f"A body has at most {self._body} bytes.", headers={"Connection": "close"}
        )


async def _heard_out(receive: Receive) -> None:
    """Read a body for nothing, but not for long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_HEARD_FOR):
            while (await receive()).get("more_body", False):
                pass


class _Body:
    """Counts what comes in, and ends it where it is too large."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._left = most

    @property
    def too_large(self) -> bool:
        return self._left < 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.too_large else message


class _Held:
    """Sends a reply unless the body was too large, which is told instead."""

    def __init__(self, send: Send, body: _Body) -> None:
        self._send = send
        self._body = body
        self.started = False

    async def __call__(self, message: Message) -> None:
        if self._body.too_large and not self.started:
            return
        self.started = True
        await self._send(message)
