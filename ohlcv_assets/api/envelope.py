"""Around every request: its id, a log line, metrics, security headers, and an answer whatever happens.

What belongs here: what is the same for all replies. What does not: who may ask (``gate``), limits (``limits``).
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Final

import structlog
from starlette.datastructures import Headers

from ohlcv_assets.api.problems import ProblemError, problem_response
from ohlcv_assets.api.timing import metered
from ohlcv_assets.logs import get_logger

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ohlcv_assets.api.telemetry import Telemetry

NO_ROUTE: Final = "(none)"
"""Route of requests that none took, in metrics and log lines."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._\-]{1,64}")
_ERROR: Final = 500

SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Headers of every reply, unless a page has its own."""

_SECURITY: Final = [(name.lower().encode(), value.encode()) for name, value in SECURITY.items()]


class Envelope:
    """The outermost layer.

    Parameters
    ----------
    app
        What is inside.
    telemetry
        Told of every request.
    """

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass on what is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reply = _Reply(send, _request_id(Headers(scope=scope)), bodiless=scope["method"] == "HEAD")
        scope.setdefault("state", {})["request_id"] = reply.request_id
        # Whoever asks for the headers alone is answered like one who asks for all, but for the body.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        structlog.contextvars.bind_contextvars(request_id=reply.request_id)
        self._telemetry.underway.inc()
        began = time.perf_counter()
        try:
            await self._app(asked, receive, reply)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the client is told and so is the log
            get_logger("api").exception("A request met a defect.", exc_info=error)
            if not reply.started:
                problem = ProblemError("defect", "The service has a defect; its log says more under this request's id.")
                await problem_response(problem, reply.request_id)(asked, receive, reply)
        finally:
            self._telemetry.underway.dec()
            self._tell(scope["method"], asked, reply, time.perf_counter() - began)
            structlog.contextvars.unbind_contextvars("request_id")

    def _tell(self, method: str, scope: Scope, reply: _Reply, seconds: float) -> None:
        """Count and log a request that is over."""
        route = route_of(scope)
        counted = method if route != NO_ROUTE else "any"
        self._telemetry.requests.labels(counted, route, str(reply.status)).inc()
        self._telemetry.seconds.labels(counted, route).observe(seconds)
        log = get_logger("api")
        (log.error if reply.status >= _ERROR else log.info)(
            "request",
            method=method,
            route=route,
            status=reply.status,
            bytes=reply.bytes,
            milliseconds=round(1000 * seconds, 2),
            client=client_of(scope),
        )


class _Reply:
    """Sends a reply with the headers that all have, and remembers what was sent."""

    def __init__(self, send: Send, request_id: str, *, bodiless: bool) -> None:
        self._send = send
        self._bodiless = bodiless
        self._began = time.perf_counter()
        self._meter = metered()
        self.request_id = request_id
        self.started = False
        self.status = _ERROR
        self.bytes = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            given = list(message.get("headers", ()))
            names = {name for name, _ in given}
            added = [header for header in _SECURITY if header[0] not in names]
            added.append((b"x-request-id", self.request_id.encode()))
            if self._meter.asked > 0:
                added.append((b"server-timing", self._meter.header(time.perf_counter() - self._began)))
            message["headers"] = [*given, *added]
        elif self._bodiless:
            message = {**message, "body": b""}
        else:
            self.bytes += len(message.get("body", b""))
        await self._send(message)


def route_of(scope: Scope) -> str:
    """Return the template of the route that took a request."""
    found = scope.get("route")
    path: str = getattr(found, "path", None) or scope.get("state", {}).get("route") or NO_ROUTE
    return path


def client_of(scope: Scope) -> str:
    """Return the address that a request comes from."""
    client = scope.get("client")
    return "unknown" if client is None else str(client[0])


def request_id_of(scope: Scope) -> str:
    """Return a request's id."""
    return str(scope["state"]["request_id"])


def _request_id(headers: Headers) -> str:
    """Return the id that a client or proxy gave, or a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
