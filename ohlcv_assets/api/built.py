"""``/``, ``/operator`` and ``/datafeed.js``: what ``make web`` built for browsers, from files of this package.

What belongs here: sending these files, with the policy that holds for our own pages. What does not: pages of the API's
documentation (``pages``), which libraries write. Names of assets change with their content, so they are kept for ever;
pages are asked for anew each time.

A page and the service it asks belong together, and so do a page and its scripts. So files are those that were there
when the service began: what is built or installed meanwhile may want what this service does not have, and waits for
the next start. A browser that got its page from an earlier run, and its script from this one, is told to load anew.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Request
from fastapi import Path as PathParameter
from starlette.responses import HTMLResponse, Response

from ohlcv_assets.api.answers import accepts_gzip, has_already
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.logs import get_logger

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
_INDEX: Final = "index.html"
_ASSET: Final = re.compile(rb"assets/[A-Za-z0-9._-]+")
_SCRIPT: Final = re.compile(r"(page|operator)-[A-Z0-9]{8}\.js")
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

_ANEW_SCRIPT: Final = (Path(__file__).with_name("static") / "anew.js").read_bytes()
"""In place of a script that this service does not have: loads the page anew, once."""


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


class Files:
    """The files of the pages.

    Parameters
    ----------
    folder
        Where they are.
    live
        Whether they are read anew each time: for working on pages, with a service that is of the same moment.
    """

    def __init__(self, folder: Path, *, live: bool = False) -> None:
        self._folder = folder
        self._live = live
        self._kept: dict[str, bytes] = {}
        self._told = False
        self._keep()

    def read(self, name: str) -> Built | None:
        """Return a file by its path within the folder; None where there is none."""
        if self._live:
            return _built_of(self._folder / name)
        if not self._kept:
            self._keep()
        content = self._kept.get(name)
        return None if content is None else _built(content)

    def tell_of_others(self) -> None:
        """Say once in the log that other pages were built since."""
        if self._kept and not self._told and _content(self._folder / _INDEX) not in {None, self._kept[_INDEX]}:
            self._told = True
            get_logger("api").warning(
                "Other pages were built since the service began; they are shown when it is restarted."
            )

    def _keep(self) -> None:
        """Keep all files, where the pages are whole: not in the middle of being built."""
        if self._live:
            return
        files = (path for path in sorted(self._folder.rglob("*")) if path.suffix in _TYPES)
        found = {path.relative_to(self._folder).as_posix(): _content(path) for path in files}
        whole = {name: content for name, content in found.items() if content is not None}
        wanted = {name.decode() for name in _ASSET.findall(whole.get(_INDEX, b""))}
        self._kept = whole if _INDEX in whole and wanted <= whole.keys() else {}


@router.get("/")
async def chart(request: Request) -> Response:
    """Return the chart page."""
    return _page(request, _INDEX)


@router.get("/operator")
async def operator(request: Request) -> Response:
    """Return the operator's page."""
    return _page(request, "operator.html")


@router.get("/assets/{name}")
async def asset(
    request: Request, name: Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
) -> Response:
    """Return a script, a style or a picture of a page."""
    if _files(request).read(f"assets/{name}") is None and _SCRIPT.fullmatch(name):
        # The page is of another run.
        return Response(_ANEW_SCRIPT, headers={"Cache-Control": "no-store"}, media_type=_TYPES[".js"])
    return _sent(request, f"assets/{name}", _FOR_EVER)


@router.get("/datafeed.js")
async def datafeed(request: Request) -> Response:
    """Return the datafeed for TradingView's Charting Library."""
    return _sent(request, "datafeed.js", _ANEW)


@router.get("/licenses.txt")
async def licenses(request: Request) -> Response:
    """Return the licences of what is built into the pages."""
    return _sent(request, "licenses.txt", _ANEW)


def _files(request: Request) -> Files:
    files: Files = request.app.state.files
    return files


def _page(request: Request, name: str) -> Response:
    _files(request).tell_of_others()
    if _files(request).read(name) is None:
        return HTMLResponse(_NOT_BUILT, status_code=404, headers={"Cache-Control": _ANEW})
    return _sent(request, name, _ANEW)


def _sent(request: Request, name: str, cached: str) -> Response:
    built = _files(request).read(name)
    if built is None:
        raise ProblemError("not-found", "There is no such file; `make web` builds the pages.")
    packed = accepts_gzip(request.headers)
    etag = f'"{built.tag}-gz"' if packed else f'"{built.tag}"'
    headers = {"ETag": etag, "Cache-Control": cached, "Vary": "Accept-Encoding", "Content-Security-Policy": POLICY}
    if has_already(request.headers, etag):
        return Response(status_code=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(built.packed if packed else built.content, headers=headers, media_type=_TYPES[Path(name).suffix])


def _built_of(file: Path) -> Built | None:
    content = _content(file)
    return None if content is None else _built(content)


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


@lru_cache(maxsize=32)
def _built(content: bytes) -> Built:
    """Compress a content once."""
    return Built(content, gzip.compress(content, 6, mtime=0), hashlib.blake2b(content, digest_size=12).hexdigest())
