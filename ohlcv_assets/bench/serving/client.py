"""A lean HTTP client: kept-alive connections whose own time is small beside what they measure.

What belongs here: sending a request and timing its reply. What does not: which requests.

Clients for programs spend a tenth of a millisecond and more on a request, which at thousands a second would be the
figure. This one has ``httptools`` parse replies, as the service has it parse requests.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httptools

from ohlcv_assets.errors import UserError

PATIENCE: Final = 120.0
"""Seconds until a request without a reply ends the benchmark."""

_WELL: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply and how long it took, from the request's first byte to the reply's last."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    def document(self) -> Any:  # Any: JSON
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass
class Connection(asyncio.Protocol):
    """One connection; a request at a time.

    Attributes
    ----------
    host
        What the service is called in requests.
    key
        An API key; None where none is needed.
    """

    host: str
    key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._began = 0.0
        self._status = 0
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._awaited: asyncio.Future[Reply] | None = None
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to the service."""
        self._transport: Any = transport  # Any: uvloop's has a type of its own

    def data_received(self, data: bytes) -> None:
        """Read what comes."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- as asyncio calls it
        """Tell whoever waits that nothing will come."""
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_exception(UserError("The service closed the connection in the middle of a request."))

    def on_message_begin(self) -> None:
        """Begin a reply."""
        self._headers, self._pieces = {}, []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Note a piece of the body."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Hand the reply out."""
        seconds = time.perf_counter() - self._began
        awaited, self._awaited = self._awaited, None
        if awaited is not None and not awaited.done():
            status = self._parser.get_status_code()
            awaited.set_result(Reply(status, self._headers, b"".join(self._pieces), seconds))

    async def ask(
        self, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None, gzip: bool = False
    ) -> Reply:
        """Send a request, a POST where it has a body, and return the reply, whatever its status.

        Raises
        ------
        UserError
            There was no reply.
        """
        request = self.request(path, body=body, headers=headers, gzip=gzip)
        awaited: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._awaited = awaited
        self._began = time.perf_counter()
        self._transport.write(request)
        try:
            async with asyncio.timeout(PATIENCE):
                return await awaited
        except TimeoutError:
            raise UserError(f"The service did not answer {path} within {PATIENCE:g} s.") from None

    async def get(self, path: str, *, gzip: bool = False) -> Reply:
        """Ask and return the reply.

        Raises
        ------
        UserError
            It is none of success: what the service says is in the error.
        """
        return passed(await self.ask(path, gzip=gzip), path)

    def request(
        self, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None, gzip: bool = False
    ) -> bytes:
        """Return a request as it is sent."""
        lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", f"Host: {self.host}"]
        lines += ["Accept-Encoding: gzip"] if gzip else []
        lines += [f"X-API-Key: {self.key}"] if self.key is not None else []
        lines += [f"Content-Length: {len(body)}"] if body is not None else []
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return "\r\n".join([*lines, "", ""]).encode() + (body or b"")

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


def passed(reply: Reply, path: str) -> Reply:
    """Return a reply of success.

    Raises
    ------
    UserError
        It is another one.
    """
    if reply.status in _WELL:
        return reply
    try:
        said = str(reply.document()["detail"])
    except (ValueError, LookupError, TypeError):
        said = "no reason given"
    raise UserError(f"The service answered {path} with {reply.status}: {said}")


@asynccontextmanager
async def connected(url: str, count: int = 1, key: str | None = None) -> AsyncIterator[list[Connection]]:
    """Give connections to a service.

    Raises
    ------
    UserError
        Nobody is there.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise UserError(f"{url!r} is no address of a service; write http://127.0.0.1:8000.")
    loop, made = asyncio.get_running_loop(), list[Connection]()
    try:
        for _ in range(count):
            _, one = await loop.create_connection(
                lambda: Connection(parts.netloc, key), parts.hostname, parts.port or 80
            )
            made.append(one)
        yield made
    except OSError as error:
        raise UserError(f"There is no service at {url} ({error.strerror or error}).") from None
    finally:
        for one in made:
            one.close()
        # Closing takes the loop a turn, and it may be the last one.
        await asyncio.sleep(0)
