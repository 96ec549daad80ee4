"""An HTTP server whose misbehaviour is scripted: what the fake server and the proxy have in common.

What belongs here: sockets, threads, and every way in which an exchange can go wrong. What does not: what a request
means (``fake``) or where it goes (``proxy``).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import parse_qs, urlsplit

What = Literal["answer", "refuse", "reset", "swallow", "truncate", "close", "twice", "pass"]
"""What becomes of an exchange.

``answer``: the script's own reply instead of the server's; nothing is carried out. ``refuse``: the connection is reset
after half the body was read; nothing is carried out. ``reset``: carried out, then the connection is reset instead of a
reply. ``swallow``: carried out, and no reply ever comes. ``truncate``: carried out, and only a part of the reply
arrives. ``close``: carried out and answered, then the kept-alive connection is closed without a word. ``twice``:
carried out twice. ``pass``: carried out and answered, for the sake of the delay.
"""

LONGEST: Final = 60.0
"""Seconds that a swallowed reply holds its connection at most."""


@dataclass
class Fault:
    """One entry of a script.

    Attributes
    ----------
    what
        What becomes of the exchange.
    path
        How the path of the requests concerned begins.
    times
        How many exchanges are concerned; None for all from then on.
    skip
        How many matching exchanges go well first.
    method
        Only requests of this method; None for any.
    status, headers, body
        The reply of ``answer``.
    delay
        Seconds before the request is looked at.
    part
        Of the bytes of a reply, headers included, those that ``truncate`` lets arrive.
    """

    what: What
    path: str = "/api/v2/write"
    times: int | None = 1
    skip: int = 0
    method: str | None = None
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    part: float = 0.5


@dataclass(frozen=True)
class Request:
    """A request as it came in; headers by lower-case name."""

    method: str
    path: str
    target: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """A reply as it goes out."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class FaultyServer:
    """A threaded HTTP server on a free port of the loopback interface; a context manager.

    Subclasses say what a request is answered with in ``carry_out``.

    Attributes
    ----------
    script
        Faults still to come, first match first; tests add to it at any time.
    seen
        (method, path, status) of every exchange, 0 where no status was sent.
    """

    def __init__(self) -> None:
        self.script: list[Fault] = []
        self.seen: list[tuple[str, str, int]] = []
        self.most_at_once = 0
        self.stopping = threading.Event()
        self._at_once = 0
        self._lock = threading.Lock()
        self._server = _Threads(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name=type(self).__name__)

    @property
    def url(self) -> str:
        """Address, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def carry_out(self, request: Request) -> Answer:
        """Do what a request asks for."""
        raise NotImplementedError

    def add(self, what: What, **more: Any) -> Fault:
        """Add to the script and return the entry; Any: fields of Fault."""
        fault = Fault(what, **more)
        with self._lock:
            self.script.append(fault)
        return fault

    def heal(self) -> None:
        """Forget what is still in the script."""
        with self._lock:
            self.script.clear()

    def count(self, path: str, status: int | None = None) -> int:
        """Count the exchanges so far with a path that begins so, and with a status where one is given."""
        with self._lock:
            return sum(seen.startswith(path) and status in {None, code} for _, seen, code in self.seen)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    def next_fault(self, method: str, path: str) -> Fault | None:
        """Return the fault that the next exchange meets, and use it up."""
        with self._lock:
            for fault in self.script:
                if not path.startswith(fault.path) or fault.method not in {None, method}:
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    return None
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self.script.remove(fault)
                return fault
        return None

    def note(self, method: str, path: str, status: int) -> None:
        """Keep an exchange in mind."""
        with self._lock:
            self.seen.append((method, path, status))

    def under_way(self, step: int) -> None:
        """Count requests that are being carried out."""
        with self._lock:
            self._at_once += step
            self.most_at_once = max(self.most_at_once, self._at_once)


class _Threads(ThreadingHTTPServer):
    """A thread for each connection; all of them end with the server."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, owner: FaultyServer) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection; Any: as declared by the base."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection; Any: as declared by the base."""
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close all connections, so that their threads end."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away; Any: as declared by the base."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Threads

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- named so by the base
        """Print nothing; Any: as declared by the base."""

    def handle_any(self) -> None:
        """Answer one request, well or badly."""
        owner = self.server.owner
        parts = urlsplit(self.path)
        fault = owner.next_fault(self.command, parts.path) or Fault("pass")
        length = int(self.headers.get("Content-Length") or 0)
        if fault.what == "refuse":
            self.rfile.read(length // 2)
            self._reset(parts.path)
            return
        body = self.rfile.read(length)
        if fault.delay > 0:
            owner.stopping.wait(fault.delay)
        if fault.what == "answer":
            self._reply(parts.path, Answer(fault.status, fault.headers, fault.body))
            return
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, parts.path, self.path, query, headers, body)
        owner.under_way(1)
        try:
            answer = owner.carry_out(request)
            if fault.what == "twice":
                answer = owner.carry_out(request)
        finally:
            owner.under_way(-1)
        self._finish(fault, parts.path, answer)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = handle_any  # noqa: N815 -- named so by the base

    def _finish(self, fault: Fault, path: str, answer: Answer) -> None:
        if fault.what == "reset":
            self._reset(path)
        elif fault.what == "swallow":
            self.server.owner.note(self.command, path, 0)
            self._hold()
        elif fault.what == "truncate":
            self._reply(path, answer, part=fault.part)
        else:
            self._reply(path, answer)
            if fault.what == "close":
                self.close_connection = True

    def _reply(self, path: str, answer: Answer, part: float = 1.0) -> None:
        """Send a reply, or the first part of its bytes, headers included."""
        lines = [f"HTTP/1.1 {answer.status} ."]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        if "Date" not in answer.headers:
            lines.append(f"Date: {self.date_time_string()}")
        if answer.status != 204:
            lines.append(f"Content-Length: {len(answer.body)}")
        whole = "\r\n".join([*lines, "", ""]).encode() + (b"" if self.command == "HEAD" else answer.body)
        self.server.owner.note(self.command, path, answer.status if part == 1 else 0)
        self.wfile.write(whole[: int(len(whole) * part)])
        self.wfile.flush()
        self.close_connection = self.close_connection or part < 1

    def _reset(self, path: str) -> None:
        self.server.owner.note(self.command, path, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A plain close with lingering switched off sends a reset; a shutdown first would end the stream in order.
        self.connection.close()
        self.close_connection = True

    def _hold(self) -> None:
        """Keep the connection open without a word until the client gives up or the server stops."""
        waited = 0.0
        self.connection.settimeout(0.05)
        while waited < LONGEST and not self.server.owner.stopping.is_set():
            try:
                if self.connection.recv(1) == b"":
                    break
            except TimeoutError:
                waited += 0.05
            except OSError:
                break
        self.close_connection = True
