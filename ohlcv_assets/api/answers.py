"""Bytes as replies: tags, caching, compression, and the shelf of answers about proved ranges.

What belongs here: HTTP around a body that is ready. What does not: making bodies (``bodies``).

A range of proved days is answered the same until one of them is made again. So its answer may be kept for ever by who
says in the address of which version of the closed days it is, and for a minute by others. All answers carry a tag, so
that asking again for what has not changed costs no body.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.responses import Response

from ohlcv_assets.api.envelope import route_of
from ohlcv_assets.api.shelf import Kept, Key

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ohlcv_assets.api.service import Service

JSON: Final = "application/json"
_NOT_MODIFIED: Final = 304
_LEAST_GZIPPED: Final = 1_400
"""Bytes that fit into one packet anyway are sent as they are."""

_COMPRESSED: Final = frozenset({"application/vnd.apache.arrow.stream", "image/png"})
"""Media types that are compact already or that readers map into memory."""

_MINUTE: Final = 60
"""Seconds for which an answer about closed days is taken for granted: they may be made again."""

_YEAR: Final = 31_536_000


@dataclass(frozen=True, slots=True)
class Answer:
    """A body that is ready.

    Attributes
    ----------
    body
        Not compressed.
    media_type
        Its type.
    closed
        Whether it will never be another one.
    headers
        Further headers.
    """

    body: bytes
    media_type: str = JSON
    closed: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


def respond(request: Request, service: Service, answer: Answer) -> Response:
    """Return the reply to a GET; an answer that is closed is kept."""
    packed = accepts_gzip(request.headers) and answer.media_type not in _COMPRESSED
    packed = packed and len(answer.body) >= _LEAST_GZIPPED
    body = gzip.compress(answer.body, 1, mtime=0) if packed else answer.body
    # Processors have instructions for it: of all good hashes it takes the least time.
    tag = hashlib.sha256(answer.body).hexdigest()[:24]
    etag = f'"{tag}-gz"' if packed else f'"{tag}"'
    headers = {
        "ETag": etag,
        "Cache-Control": _cache_control(request, service, closed=answer.closed),
        "Vary": "Accept, Accept-Encoding, Authorization, X-API-Key",
        **({"Content-Encoding": "gzip"} if packed else {}),
        **answer.headers,
    }
    response = Response(body, headers=headers, media_type=answer.media_type)
    if answer.closed:
        service.shelf.put(
            _key(request.scope, request.headers), Kept(route_of(request.scope), tuple(response.raw_headers), body, etag)
        )
    if has_already(request.headers, etag):
        kept = {name: headers[name] for name in ("ETag", "Cache-Control", "Vary")}
        return Response(status_code=_NOT_MODIFIED, headers=kept)
    return response


class FromShelf:
    """A layer that answers what is kept.

    Parameters
    ----------
    app
        What is inside.
    service
        Whose shelf.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request from the shelf, or pass it on."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        kept = self._service.shelf.get(_key(scope, headers))
        if kept is None:
            await self._app(scope, receive, send)
            return
        scope["state"]["route"] = kept.route
        self._service.telemetry.cached.labels(kept.route).inc()
        status, body, raw = 200, kept.body, list(kept.headers)
        if has_already(headers, kept.etag):
            status, body = _NOT_MODIFIED, b""
            raw = [(name, value) for name, value in raw if name in {b"etag", b"cache-control", b"vary"}]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})


def accepts_gzip(headers: Headers) -> bool:
    """Return whether a client takes gzip; a weight of zero is a refusal."""
    for part in headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = part.strip().partition(";")
        if name.strip() in {"gzip", "*"}:
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _cache_control(request: Request, service: Service, *, closed: bool) -> str:
    who = "public" if service.open_reads else "private"
    if not closed:
        return f"{who}, no-cache"
    if request.query_params.get("version") == service.version:
        return f"{who}, max-age={_YEAR}, immutable"
    return f"{who}, max-age={_MINUTE}"


def _key(scope: Scope, headers: Headers) -> Key:
    """Return what an answer depends on."""
    packed = b"gzip" if accepts_gzip(headers) else b""
    return scope["path"].encode(), scope["query_string"], headers.get("accept", "").encode(), packed


def has_already(headers: Headers, etag: str) -> bool:
    """Return whether a client has the very answer already."""
    given = headers.get("if-none-match")
    if given is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return etag in tags or "*" in tags
