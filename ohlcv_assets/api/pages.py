"""``/docs`` and ``/redoc``: the OpenAPI document for people, from files on this machine.

What belongs here: the two pages and the libraries they need, which come with the package ``fastapi-offline``. What does
not: pages of charts. The libraries write styles into the page, which its policy allows; scripts come from us alone.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Request
from fastapi import Path as PathParameter
from starlette.responses import HTMLResponse, Response

from ohlcv_assets.api.answers import accepts_gzip
from ohlcv_assets.api.bodies import json_bytes
from ohlcv_assets.api.openapi import openapi_of

router = APIRouter(include_in_schema=False)

Asset = Literal["swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js", "start.js", "favicon.png"]
_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".png": "image/png"}
_OWN: Final = Path(__file__).with_name("static")
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src blob:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
_FOREIGN_LOGO: Final = b"https://cdn.redoc.ly/redoc/logo-mini.svg", b"/docs/assets/favicon.png"
"""The one picture that ReDoc would fetch from elsewhere, and ours in its place."""

_CACHED: Final = {"Cache-Control": "public, max-age=3600", "Vary": "Accept-Encoding"}

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>OHLCV {title}</title>
<link rel="icon" href="/docs/assets/favicon.png">
{style}</head>
<body>
<div id="page" data-kind="{kind}"></div>
<script src="/docs/assets/{script}"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
"""


@router.get("/docs")
async def docs() -> Response:
    """Return Swagger UI."""
    style = '<link rel="stylesheet" href="/docs/assets/swagger-ui.css">\n'
    return _page(title="API", kind="swagger", script="swagger-ui-bundle.js", style=style)


@router.get("/redoc")
async def redoc() -> Response:
    """Return ReDoc."""
    return _page(title="API reference", kind="redoc", script="redoc.standalone.js", style="")


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """Return the OpenAPI document."""
    return _packed(request, json_bytes(openapi_of(request.app)), "application/json")


@router.get("/docs/assets/{name}")
async def asset(request: Request, name: Annotated[Asset, PathParameter()]) -> Response:
    """Return a file that the pages need."""
    content, packed = asset_bytes(name)
    media_type = _TYPES[Path(name).suffix]
    if accepts_gzip(request.headers):
        return Response(packed, headers={**_CACHED, "Content-Encoding": "gzip"}, media_type=media_type)
    return Response(content, headers=_CACHED, media_type=media_type)


@cache
def asset_bytes(name: str) -> tuple[bytes, bytes]:
    """Return a file as it is and compressed, read once."""
    own = _OWN / name
    content = (own if own.is_file() else _libraries() / name).read_bytes().replace(*_FOREIGN_LOGO)
    return content, gzip.compress(content, 6, mtime=0)


def _libraries() -> Path:
    # The package is found, not imported: its files are all that is wanted.
    found = find_spec("fastapi_offline")
    assert found is not None and found.origin is not None  # noqa: S101, PT018 -- a dependency of this package
    return Path(found.origin).with_name("static")


def _page(*, title: str, kind: str, script: str, style: str) -> Response:
    text = _PAGE.format(title=title, kind=kind, script=script, style=style)
    return HTMLResponse(text, headers={"Content-Security-Policy": _POLICY, **_CACHED})


def _packed(request: Request, content: bytes, media_type: str) -> Response:
    if accepts_gzip(request.headers):
        headers = {**_CACHED, "Content-Encoding": "gzip"}
        return Response(gzip.compress(content, 1, mtime=0), headers=headers, media_type=media_type)
    return Response(content, headers=_CACHED, media_type=media_type)
