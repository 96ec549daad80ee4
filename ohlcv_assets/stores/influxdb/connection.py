"""Kept-alive connections to one server.

What belongs here: one request and its reply, and management calls that are repeated while it helps. What does not:
what a failure means (``failures``), writing trades (``writer``), query texts.

The token is a header of every request and appears nowhere else: not in a repr, an error or a log line.
"""

from __future__ import annotations

import copy
import email.utils
import json
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlencode, urlsplit

import urllib3
from pydantic import SecretStr

from ohlcv_assets.errors import StoreAccessError
from ohlcv_assets.stores.influxdb.failures import Failure, Reply, error_of, failure_of_exception, failure_of_reply
from ohlcv_assets.stores.influxdb.sockets import Sockets
from ohlcv_assets.stores.influxdb.wire import Peer, Wire

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
CALL_PATIENCE: Final = 15.0
"""Seconds that a management call is repeated while the server is away or overloaded."""

CONNECTING: Final = 10.0
"""Most seconds for opening a connection, which nothing can break off."""

_HTTP: Final = 80
_HTTPS: Final = 443

HELPED_BY_REPEATING: Final = frozenset({"transient", "overload"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and how to be let in.

    Attributes
    ----------
    url
        Without a slash at the end; a path, such as that of a proxy, comes before the path of every request.
    org
        Name of the organisation.
    token
        Sent with every request; None for those that need none.
    timeout
        Seconds without a byte until a request counts as unanswered.
    ca_file
        Certificates to trust beside the system's.
    patience
        Seconds that management calls are repeated.
    """

    url: str
    org: str
    token: SecretStr | None = field(default=None, repr=False)
    timeout: float = 60.0
    ca_file: Path | None = None
    patience: float = CALL_PATIENCE


class Connection:
    """Connections to one server, at most ``size`` of them at a time; safe to use from several threads.

    Parameters
    ----------
    address
        Where and how.
    size
        Connections kept open; a further request waits for one of them.
    sleep
        How to wait; tests pass one that does not.
    """

    def __init__(self, address: Address, size: int = 4, sleep: Callable[[float], None] = time.sleep) -> None:
        self.address = address
        self._size = size
        parts = urlsplit(address.url)
        self._prefix, self._host = parts.path.rstrip("/"), parts.netloc.rpartition("@")[2]
        self._sleep = sleep
        self._random = random.Random()  # noqa: S311 -- jitter, not secrets
        self._org_id: str | None = None
        self._check: Callable[[], None] = _let_pass
        self._sockets = Sockets()
        self._context = tls_context(address)
        self._pool = self._open()
        self._wire = self._wired()

    def __repr__(self) -> str:
        return f"Connection({self.address.url!r}, org={self.address.org!r})"

    def close(self) -> None:
        """Close all connections; a later request opens them again."""
        self._pool.close()
        self._pool = self._open()
        self._wire.close()

    def abort(self) -> None:
        """Break off requests under way, from another thread; their outcome is unknown."""
        self._sockets.shut()

    def check(self) -> None:
        """Call what guards these connections, if anything does."""
        self._check()

    def guarded(self, check: Callable[[], None]) -> Connection:
        """Return these connections with something called before every request.

        Parameters
        ----------
        check
            What it raises comes through in place of a reply; an OSError counts as a request without one.
        """
        twin = copy.copy(self)
        twin._check = check  # noqa: SLF001 -- a copy of this one
        return twin

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | Sequence[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """Send one request once and return the reply, whatever its status; a body may come in pieces.

        Raises
        ------
        urllib3.exceptions.HTTPError, OSError
            There was no reply; whether the server acted is unknown.
        """
        response = self._request(method, path, query, body, headers, timeout, preload=True)
        return Reply(response.status, _lower(response.headers), response.data)

    def ask(
        self, path: str, *, query: Mapping[str, str], body: bytes, headers: Mapping[str, str], timeout: float
    ) -> Reply:
        """Post one request once and return the reply, as ``send`` does and sooner: by sockets of its own.

        Raises
        ------
        OSError
            There was no reply; whether the server acted is unknown.
        """
        self._check()
        given = {"Host": self._host, "Content-Length": str(len(body)), **_authorization(self.address.token), **headers}
        head = f"POST {self._prefix}{path}?{urlencode(query)} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in given.items())
        return self._wire.ask(f"{head}\r\n".encode() + body, timeout)

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Send one request and hand out the response before its body is read; see ``send`` for what it raises."""
        response = self._request(method, path, query, body, headers, timeout, preload=False)
        try:
            yield response
        finally:
            # Whoever stops early leaves a body behind, and the connection cannot be used for anything else.
            response.close()
            response.release_conn()

    def call(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        query: Mapping[str, str] | None = None,
        document: object = None,
        body: bytes | None = None,
        accept: frozenset[int] = frozenset(),
        token: SecretStr | None = None,
        timeout: float | None = None,
        patience: float | None = None,
    ) -> Reply:
        """Make a management call, repeated while the server is away or overloaded.

        Parameters
        ----------
        method, path, query
            The request; it must be one that may be repeated.
        doing
            What it is for, to follow "could not" in an error.
        document
            What is sent as JSON; None for nothing.
        body
            What is sent as it is, in place of a document.
        accept
            Statuses beside 2xx that are an answer for the caller and no failure.
        token
            Another token than the address's, for this call alone.
        timeout, patience
            Seconds in place of the address's: of one request without a byte, of repeating.

        Raises
        ------
        StoreAccessError, StoreRejectedError, StoreUnavailableError
            It did not work, and repeating does not help or did not in time.
        """
        headers = {"Content-Type": "application/json"} if document is not None else {}
        sent = json.dumps(document).encode() if document is not None else body
        if token is not None:
            headers["Authorization"] = f"Token {token.get_secret_value()}"
        until = time.monotonic() + (self.address.patience if patience is None else patience)
        pause = FIRST_PAUSE
        while True:
            outcome = self._attempt(method, path, query, sent, headers, timeout)
            if isinstance(outcome, Reply) and (outcome.passed or outcome.status in accept):
                return outcome
            failure = failure_of_reply(outcome, time.time()) if isinstance(outcome, Reply) else outcome
            remaining = until - time.monotonic()
            if failure.kind not in HELPED_BY_REPEATING or remaining <= 0:
                raise error_of(failure, doing, self.address.url)
            wished = self._random.uniform(0, pause) if failure.retry_after is None else failure.retry_after
            # However long the server asks for, the last attempt is made when patience ends.
            self._sleep(min(wished, remaining))
            pause = min(2 * pause, LONGEST_PAUSE)

    def org_id(self) -> str:
        """Return the organisation's id, asked for once.

        Raises
        ------
        StoreAccessError
            The server does not know the organisation, or the token may not see it.
        """
        if self._org_id is None:
            doing = f"find the organisation {self.address.org!r}"
            found = self.call("GET", "/api/v2/orgs", doing=doing, query={"org": self.address.org}).document()
            orgs = cast("list[dict[str, str]]", found.get("orgs") or [])
            if not orgs:
                raise StoreAccessError(
                    f"InfluxDB at {self.address.url} shows no organisation {self.address.org!r}: set OHLCV_INFLUX_ORG, "
                    "or make it with `ohlcv influx setup`."
                )
            self._org_id = orgs[0]["id"]
        return self._org_id

    def server_time(self) -> float:
        """Return the server's clock in seconds since 1970, to the second, from a reply's ``Date``."""
        reply = self.call("GET", "/ping", doing="tell the time")
        return email.utils.parsedate_to_datetime(reply.headers["date"]).timestamp()

    def _attempt(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str],
        timeout: float | None,
    ) -> Reply | Failure:
        try:
            return self.send(method, path, query=query, body=body, headers=headers, timeout=timeout)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return failure_of_exception(error)

    def _open(self) -> urllib3.HTTPConnectionPool:
        pool = _pool(self.address, self._size, self._context)
        self._sockets.watch(pool)
        return pool

    def _wired(self) -> Wire:
        parts = urlsplit(self.address.url)
        port = parts.port or (_HTTP if self._context is None else _HTTPS)
        peer = Peer(parts.hostname or "", port, self._context, min(self.address.timeout, CONNECTING))
        return Wire(peer, self._size, self._sockets.add)

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | Sequence[bytes] | None,
        headers: Mapping[str, str] | None,
        timeout: float | None,
        *,
        preload: bool,
    ) -> urllib3.BaseHTTPResponse:
        self._check()
        target = self._prefix + (path if not query else f"{path}?{urlencode(query)}")
        seconds = timeout if timeout is not None else self.address.timeout
        response = self._pool.urlopen(
            method,
            target,
            body=body,
            headers={**_authorization(self.address.token), **(headers or {})},
            timeout=urllib3.Timeout(seconds, connect=min(seconds, CONNECTING)),
            retries=False,
            redirect=False,
            preload_content=preload,
        )
        return _require_headers(response)


def _require_headers(response: urllib3.BaseHTTPResponse) -> urllib3.BaseHTTPResponse:
    """Return a response, or raise where the connection ended within its headers.

    The standard library takes such an end for the end of the headers, and a body of unknown length for an empty one: a
    count would be none. InfluxDB sends the date and how long the body is last.
    """
    headers = response.headers
    sized = headers.get("Content-Length", "").isdigit() or headers.get("Transfer-Encoding") == "chunked"
    # A date that was cut off may read as another one.
    if headers.get("Date", "").endswith("GMT") and (sized or response.status == HTTPStatus.NO_CONTENT):
        return response
    response.close()
    raise urllib3.exceptions.ProtocolError("the reply was cut off within its headers")


def _let_pass() -> None:
    """Check nothing."""


def _authorization(token: SecretStr | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Token {token.get_secret_value()}"}


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _pool(address: Address, size: int, context: ssl.SSLContext | None) -> urllib3.HTTPConnectionPool:
    """Return a pool whose connections are kept alive and never more than ``size``."""
    if context is None:
        return urllib3.PoolManager(num_pools=1, maxsize=size, block=True).connection_from_url(address.url)
    secure = urllib3.PoolManager(num_pools=1, maxsize=size, block=True, ssl_context=context)
    return secure.connection_from_url(address.url)


def tls_context(address: Address) -> ssl.SSLContext | None:
    """Return what certificates are trusted: the system's and the address's own; None without TLS."""
    if not address.url.startswith("https:"):
        return None
    context = ssl.create_default_context()
    if address.ca_file is not None:
        context.load_verify_locations(address.ca_file)
    return context
