"""Sockets to one server that are kept open: a request is sent at once, its reply is read in large pieces.

What belongs here: HTTP/1.1 for requests that are one piece of bytes. What does not: what is asked and how often
(``connection``), what a failure means (``failures``).

InfluxDB sends a long reply in chunks of two to four kilobytes. ``http.client``, and urllib3 upon it, take several calls
of Python for each of them. Here a compiled parser, that of Node, is given whatever has come by then.
https://llhttp.org
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import httptools

from ohlcv_assets.stores.influxdb.failures import Reply

PIECE: Final = 1 << 18
"""Most bytes that are read at a time."""


class BrokenReplyError(ConnectionError):
    """A connection ended within a reply, or what came is none."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server as sockets reach it.

    Attributes
    ----------
    host, port
        Where it is.
    context
        For TLS; None without.
    connecting
        Most seconds for opening a socket.
    """

    host: str
    port: int
    context: ssl.SSLContext | None
    connecting: float


class Wire:
    """Sockets to one server, at most ``size`` of them at a time; safe to use from several threads.

    Parameters
    ----------
    peer
        The server.
    size
        A further request waits for one of them.
    opened
        Called with every socket that is opened.
    """

    def __init__(self, peer: Peer, size: int, opened: Callable[[socket.socket], None]) -> None:
        self._peer = peer
        self._opened = opened
        self._free = threading.BoundedSemaphore(size)
        self._idle: deque[_Line] = deque()
        # Whoever lets go of us without a word leaves no socket open.
        weakref.finalize(self, _close_all, self._idle)

    def ask(self, request: bytes, timeout: float) -> Reply:
        """Send a request and return the reply, whatever its status.

        Parameters
        ----------
        request
            Its line, headers and body.
        timeout
            Seconds without a byte.

        Raises
        ------
        TimeoutError
            There were so many.
        OSError
            There was no reply; whether the server acted is unknown.
        """
        with self._free:
            line = self._kept() or self._new()
            try:
                reply = line.ask(request, timeout)
            except BaseException:
                line.close()
                raise
            if line.lasts:
                # The one that was used last is the least likely to be closed by the server.
                self._idle.append(line)
            else:
                line.close()
            return reply

    def close(self) -> None:
        """Close what is not in use; a later request opens sockets again."""
        _close_all(self._idle)

    def _kept(self) -> _Line | None:
        """Return a socket that is open still; None where there is none."""
        with suppress(IndexError):
            while True:
                line = self._idle.pop()
                if not line.dropped:
                    return line
                line.close()
        return None

    def _new(self) -> _Line:
        peer = self._peer
        try:
            opened = socket.create_connection((peer.host, peer.port), peer.connecting)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if peer.context is not None:
                opened = peer.context.wrap_socket(opened, server_hostname=peer.host)
        except TimeoutError as error:
            # A server that cannot be reached is away, which is not the same as one that takes long to answer.
            raise ConnectionError("the server could not be reached in time") from error
        self._opened(opened)
        return _Line(opened)


class _Line:
    """One socket, a request at a time; it is also what the parser tells.

    Attributes
    ----------
    lasts
        Whether another request may follow the last one.
    """

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._room = memoryview(bytearray(PIECE))
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._complete = False
        self.lasts = False

    @property
    def dropped(self) -> bool:
        """Whether the server has closed the socket, or sent what nobody asked for."""
        looks = select.poll()
        looks.register(self._socket, select.POLLIN)
        return bool(looks.poll(0))

    def ask(self, request: bytes, timeout: float) -> Reply:
        """Send a request and return its reply; see ``Wire.ask``."""
        self._headers, self._pieces, self._complete = {}, [], False
        self._socket.settimeout(timeout)
        self._socket.sendall(request)
        while not self._complete:
            count = self._socket.recv_into(self._room)
            if count == 0:
                raise BrokenReplyError("the connection ended within a reply")
            try:
                self._parser.feed_data(self._room[:count])
            except httptools.HttpParserError as error:
                raise BrokenReplyError("what came is no reply") from error
        return Reply(self._parser.get_status_code(), self._headers, b"".join(self._pieces))

    def close(self) -> None:
        self._socket.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Note a piece of the body."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Note the end of a reply."""
        self._complete = True
        # The parser knows it until this returns.
        self.lasts = self._parser.should_keep_alive()


def _close_all(idle: deque[_Line]) -> None:
    """Close sockets that are not in use."""
    with suppress(IndexError):
        while True:
            idle.pop().close()
