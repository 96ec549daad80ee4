"""``/``, ``/operator`` and ``/datafeed.js``: what ``make web`` built for browsers, from files of this package.

What belongs here: sending these files, with the policy that holds for our own pages. What does not: pages of the API's
documentation (``pages``), which libraries write. Names of assets change with their content, so they are kept for ever;
pages are asked for anew each time.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Request
from fastapi import Path as PathParameter
from starlette.responses import HTMLResponse, Response

from ohlcv_assets.api.answers import accepts_gzip, has_already
from ohlcv_assets.api.problems import ProblemError

router = APIRouter(include_in_schema=False)

FOLDER: Final = Path(__file__).parents[1] / "web"
"""Where ``make web`` puts what it builds."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ANEW: Final = "no-cache"
_NOT_BUILT: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>OHLCV</title></head>
<body>
<h1>The pages are not built yet</h1>
<p>Run <code>make web</code> and load this page again. The API is at <a href="/docs">/docs</a>.</p>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Built:
    """A file as it is sent.

    Attributes
    ----------
    content, packed
        As it is, and compressed.
    tag
        What tells this content from any other.
    """

    content: bytes
    packed: bytes
    tag: str


@router.get("/")
async def chart(request: Request) -> Response:
    """Return the chart page."""
    return _page(request, "index.html")


@router.get("/operator")
async def operator(request: Request) -> Response:
    """Return the operator's page."""
    return _page(request, "operator.html")


@router.get("/assets/{name}")
async def asset(
    request: Request, name: Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
) -> Response:
    """Return a script, a style or a picture of a page."""
    return _sent(request, FOLDER / "assets" / name, _FOR_EVER)


@router.get("/datafeed.js")
async def datafeed(request: Request) -> Response:
    """Return the datafeed for TradingView's Charting Library."""
    return _sent(request, FOLDER / "datafeed.js", _ANEW)


@router.get("/licenses.txt")
async def licenses(request: Request) -> Response:
    """Return the licences of what is built into the pages."""
    return _sent(request, FOLDER / "licenses.txt", _ANEW)


def _page(request: Request, name: str) -> Response:
    if not (FOLDER / name).is_file():
        return HTMLResponse(_NOT_BUILT, status_code=404, headers={"Cache-Control": _ANEW})
    return _sent(request, FOLDER / name, _ANEW)


def _sent(request: Request, file: Path, cached: str) -> Response:
    try:
        stat = file.stat()
        built = _read(file, stat.st_mtime_ns)
    except OSError:
        raise ProblemError("not-found", "There is no such file; `make web` builds the pages.") from None
    packed = accepts_gzip(request.headers)
    etag = f'"{built.tag}-gz"' if packed else f'"{built.tag}"'
    headers = {"ETag": etag, "Cache-Control": cached, "Vary": "Accept-Encoding", "Content-Security-Policy": POLICY}
    if has_already(request.headers, etag):
        return Response(status_code=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(built.packed if packed else built.content, headers=headers, media_type=_TYPES[file.suffix])


@lru_cache(maxsize=32)
def _read(file: Path, changed: int) -> Built:
    """Read a file once, and again when it has changed: ``web`` may be built while the service runs."""
    del changed
    content = file.read_bytes()
    return Built(content, gzip.compress(content, 6, mtime=0), hashlib.blake2b(content, digest_size=12).hexdigest())
