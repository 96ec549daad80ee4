"""Who asks, whether they may, and whether they ask too often.

What belongs here: keys, roles, the name that a request was sent to, the rate of a client. What does not: keeping keys
(``keys``), buckets of tokens (``limiter``).

Reads are open where only this machine can reach the service. A page of any site can be made to send requests to
127.0.0.1 under its own name, so such a service answers to its own names alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.datastructures import Headers

from ohlcv_assets.api.envelope import client_of, request_id_of
from ohlcv_assets.api.keys import ROLES, Role
from ohlcv_assets.api.problems import ProblemError, problem_response
from ohlcv_assets.serve_settings import listed

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ohlcv_assets.api.service import Service

KEY_HEADER: Final = "X-API-Key"
GUARDED: Final = ("/api/", "/udf/", "/metrics")
"""Where data are; what is elsewhere (health, documentation) everybody may read."""

_OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes
    ----------
    name
        What tells them from others: the id of a key, or an address.
    role
        What they may do; None for nothing that is guarded.
    """

    name: str
    role: Role | None

    def may(self, role: Role) -> bool:
        """Return whether they may do what a role may."""
        return self.role is not None and ROLES.index(self.role) >= ROLES.index(role)


class Gate:
    """A layer that lets in.

    Parameters
    ----------
    app
        What is inside.
    service
        Whose keys and limits.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._origins = set(listed(service.settings.serve_cors))
        # Where names are set they hold everywhere: behind a port of loopback the service may itself listen on all.
        self._named = service.on_loopback or bool(service.settings.serve_names)
        self._names = _OWN_NAMES | {name.lower().strip("[]") for name in listed(service.settings.serve_names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in with its caller in ``state``, or answer it.

        A WebSocket under a wrong name or from a foreign page is refused. A wrong key is left in ``state`` as
        ``problem`` for its route, which can say so where a refused handshake cannot. The lack of one is left to the
        route as well, for a page can send a key only once it is connected.
        """
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        try:
            state["caller"] = self._caller(scope)
        except ProblemError as problem:
            if scope["type"] == "websocket":
                if problem.kind == "key-required":
                    state |= {"caller": Caller(client_of(scope), None), "problem": problem}
                    await self._app(scope, receive, send)
                    return
                await send({"type": "websocket.close", "code": 1008, "reason": problem.detail})
                return
            self._service.telemetry.refused.labels(problem.kind).inc()
            await problem_response(problem, request_id_of(scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _caller(self, scope: Scope) -> Caller:
        headers = Headers(scope=scope)
        self._require_name(headers)
        caller = self._known(headers, client_of(scope))
        wait = self._service.limiter.take(caller.name)
        if wait > 0:
            raise ProblemError(
                "too-many-requests",
                f"At most {self._service.limiter.rate:g} requests a second are answered; wait a moment.",
                headers={"Retry-After": str(math.ceil(wait)), "RateLimit-Limit": f"{self._service.limiter.rate:g}"},
            )
        if scope["type"] == "websocket":
            self._require_origin(headers)
        elif scope["path"].startswith(GUARDED) and not caller.may("read"):
            raise _key_required("This needs a key: send it as X-API-Key, or as Authorization: Bearer.")
        return caller

    def _known(self, headers: Headers, address: str) -> Caller:
        text = key_of(headers)
        if text is None:
            return Caller(address, "read" if self._service.open_reads else None)
        key = self._service.keys.find(text)
        if key is not None:
            return Caller(f"key {key.id}", key.role)
        # Whoever guesses keys is slowed down as well.
        if self._service.limiter.take(address) > 0:
            return Caller(address, None)
        raise _key_required("There is no such key, or it was revoked.")

    def _require_origin(self, headers: Headers) -> None:
        """Refuse pages of other sites: what guards answers to requests from them does not guard sockets."""
        origin = headers.get("origin")
        if origin is None or origin in self._origins:
            return
        if origin.partition("://")[2].lower() != headers.get("host", "").lower():
            raise ProblemError(
                "wrong-host", "Pages of this origin may not listen; OHLCV_SERVE_CORS names those that may."
            )

    def _require_name(self, headers: Headers) -> None:
        if self._named and _bare(headers.get("host", "")) not in self._names:
            raise ProblemError(
                "wrong-host",
                "The service does not go by the name that it was called by; OHLCV_SERVE_NAMES adds some.",
            )


def key_of(headers: Headers) -> str | None:
    """Return the key that a request came with."""
    text = headers.get(KEY_HEADER)
    bearer = headers.get("authorization", "")
    if text is None and bearer.lower().startswith(_BEARER):
        text = bearer[len(_BEARER) :].strip()
    return text


def _bare(host: str) -> str:
    """Return a host without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _key_required(detail: str) -> ProblemError:
    return ProblemError("key-required", detail, headers={"WWW-Authenticate": 'Bearer realm="ohlcv"'})


_header = APIKeyHeader(
    name=KEY_HEADER, scheme_name="Key", description="A key of `ohlcv keys create`.", auto_error=False
)
_bearer = HTTPBearer(scheme_name="Bearer", description="The same key as a bearer token.", auto_error=False)

Documented = [Security(_header), Security(_bearer)]
"""Dependencies of guarded routes: they document how keys are sent; the gate has judged them by then."""


async def caller_of(request: Request) -> Caller:
    """Return who sent a request."""
    caller: Caller = request.state.caller
    return caller


class Requires:
    """A dependency that refuses callers without a role.

    Parameters
    ----------
    role
        What they need.
    """

    def __init__(self, role: Role) -> None:
        self._role: Role = role

    async def __call__(self, caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        """Return the caller, or refuse."""
        if caller.may(self._role):
            return caller
        if caller.name.startswith("key "):
            raise ProblemError("not-allowed", f"This needs a key of the role {self._role}; yours allows less.")
        raise _key_required(f"This needs a key of the role {self._role}: send it as X-API-Key.")
