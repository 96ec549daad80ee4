"""Requests over sockets that are kept: replies however they come, and every way in which one does not."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.stores.influxdb import wire
from ohlcv_assets.stores.influxdb.failures import Reply, failure_of_exception
from ohlcv_assets.stores.influxdb.wire import BrokenReplyError, Peer, Wire

pytestmark = pytest.mark.integration

REQUEST: Final = b"POST /query HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\nab"
HELLO: Final = b"HTTP/1.1 200 OK\r\nX-Name: Value\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
LAST: Final = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"


class Scripted:
    """A server that answers request after request with given bytes; None closes the connection in place of one.

    Attributes
    ----------
    connections
        How many were opened.
    requests
        What came.
    """

    def __init__(self, answers: Sequence[bytes | None], tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.connections = 0
        self.requests: list[bytes] = []
        self._answers = list(answers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    @property
    def peer(self) -> Peer:
        """Where it is."""
        host, port = self._listener.getsockname()
        return Peer(host, port, None, 5.0)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End, whatever was not asked for yet."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection, suppress(ssl.SSLError):  # whoever does not trust us leaves
                if self._tls is None:
                    self._answer(connection)
                else:
                    with self._tls.wrap_socket(connection, server_side=True) as secret:
                        self._answer(secret)

    def _answer(self, connection: socket.socket) -> None:
        while self._answers:
            found = b""
            while not found.endswith(b"\r\n\r\nab"):
                piece = connection.recv(4096)
                if not piece:
                    return
                found += piece
            self.requests.append(found)
            answer = self._answers.pop(0)
            if answer is None:
                return
            connection.sendall(answer)
            if self._answers and self._answers[0] == b"close":
                self._answers.pop(0)
                return
        connection.recv(1)


@contextmanager
def serving(
    *answers: bytes | None, size: int = 1, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[Wire, Scripted, list[socket.socket]]]:
    """Serve answers; give a wire to them, and the sockets that it opens."""
    server, opened = Scripted(answers, tls), list[socket.socket]()
    server.start()
    found = Wire(server.peer, size, opened.append)
    try:
        yield found, server, opened
    finally:
        found.close()
        server.stop()


def test_replies_come_whole_and_sockets_are_kept() -> None:
    """With a length, in chunks or without a body, one request after the other by one socket."""
    empty = b"HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n"
    with serving(HELLO, CHUNKED, empty, HELLO) as (found, server, opened):
        assert found.ask(REQUEST, 5.0) == Reply(200, {"x-name": "Value", "content-length": "5"}, b"hello")
        assert found.ask(REQUEST, 5.0) == Reply(200, {"transfer-encoding": "chunked"}, b"hello")
        assert found.ask(REQUEST, 5.0) == Reply(204, {"date": "now"}, b"")
        assert found.ask(REQUEST, 5.0).passed
        assert server.requests == [REQUEST] * 4
        assert len(opened) == server.connections == 1


@settings(deadline=None, max_examples=20)
@given(piece=st.integers(1, 60), reply=st.sampled_from([HELLO, CHUNKED, LAST]))
def test_a_reply_may_come_in_any_pieces(piece: int, reply: bytes) -> None:
    """What is read at a time changes nothing."""
    with pytest.MonkeyPatch.context() as changing:
        changing.setattr(wire, "PIECE", piece)
        with serving(reply) as (found, _, _):
            assert found.ask(REQUEST, 5.0).body == b"hello"


def test_a_socket_that_was_closed_is_not_used_again() -> None:
    """By the server with a word or without one, or by us."""
    with serving(LAST, b"close", HELLO, b"close", HELLO, HELLO) as (found, server, opened):
        assert found.ask(REQUEST, 5.0).body == b"hello"
        assert found.ask(REQUEST, 5.0).body == b"hello"
        # It ends without a word: the next request finds that out before it is sent.
        assert opened[1].recv(1) == b""
        assert found.ask(REQUEST, 5.0).body == b"hello"
        found.close()
        found.close()
        assert found.ask(REQUEST, 5.0).body == b"hello"
        assert len(opened) == server.connections == 4


@pytest.mark.parametrize("answer", [None, *(HELLO[:end] for end in (1, 20, 40, -1)), CHUNKED[:-2], b"220 ready\r\n"])
def test_a_reply_that_breaks_off_is_none(answer: bytes | None) -> None:
    """Nor is what is no HTTP; the outcome is unknown, and another request opens another socket."""
    with serving(answer, b"close", HELLO) if answer else serving(None, HELLO) as (found, _, opened):
        with pytest.raises(BrokenReplyError) as raised:
            found.ask(REQUEST, 5.0)
        assert failure_of_exception(raised.value).kind == "transient"
        assert found.ask(REQUEST, 5.0).passed
        assert len(opened) == 2


def test_silence_and_absence_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """No byte in time is a question that takes too long; a server that cannot be reached is away."""
    with serving(b"") as (found, _, _):
        with pytest.raises(TimeoutError) as silence:
            found.ask(REQUEST, 0.05)
        assert failure_of_exception(silence.value).message == "no answer in time"

        def unreachable(*_: object) -> socket.socket:
            raise TimeoutError

        monkeypatch.setattr(socket, "create_connection", unreachable)
        with pytest.raises(ConnectionError) as absence:
            found.ask(REQUEST, 5.0)
        failure = failure_of_exception(absence.value)
        assert (failure.kind, failure.message) == ("transient", "connection failed (TimeoutError)")
    away = Wire(found._peer, 1, list[socket.socket]().append)
    monkeypatch.undo()
    with pytest.raises(ConnectionRefusedError):
        away.ask(REQUEST, 5.0)


def test_no_more_sockets_than_there_may_be() -> None:
    """A further request waits for one of them, and gets it even after an error."""
    with serving(None, *[HELLO] * 6) as (found, server, opened):
        with pytest.raises(BrokenReplyError):
            found.ask(REQUEST, 5.0)
        bodies: list[bytes] = []
        ask: Callable[[], None] = lambda: bodies.append(found.ask(REQUEST, 5.0).body)  # noqa: E731 -- as short as that
        threads = [threading.Thread(target=ask) for _ in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert bodies == [b"hello"] * 6
        assert len(opened) == server.connections == 2


def test_tls_is_spoken_where_there_is_a_context() -> None:
    """Under the server's name, before the first byte."""
    wrapped: list[str] = []

    class Context:
        def wrap_socket(self, plain: socket.socket, *, server_hostname: str) -> socket.socket:
            wrapped.append(server_hostname)
            return plain

    with serving(HELLO) as (plain, server, opened):
        context: Any = Context()  # Any: stands for one that would need certificates
        peer = Peer(server.peer.host, server.peer.port, cast("ssl.SSLContext", context), 5.0)
        found = Wire(peer, 1, opened.append)
        assert found.ask(REQUEST, 5.0).body == b"hello"
        assert wrapped == ["127.0.0.1"]
        found.close()
        plain.close()


def test_nothing_is_left_open_by_one_who_forgets_to_close() -> None:
    """A socket that is collected while it is open would be warned of."""
    with serving(HELLO) as (plain, server, opened):
        forgotten = Wire(server.peer, 1, opened.append)
        assert forgotten.ask(REQUEST, 60.0).passed
        assert opened[0].fileno() >= 0
        del forgotten
        assert opened[0].fileno() == -1
        plain.close()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return a certificate of 127.0.0.1 that nobody has signed but itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("NO openssl ON PATH: TLS IS TRIED WITH A STAND-IN ALONE")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run([*made, *names], check=True, capture_output=True, timeout=60)
    return certificate, key


def test_real_certificates(certificate: tuple[Path, Path]) -> None:
    """Requests follow each other on one socket under TLS; a server that nobody vouches for is told no secret."""
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(*certificate)
    known = ssl.create_default_context(cafile=str(certificate[0]))
    with serving(HELLO, CHUNKED, HELLO, tls=served) as (plain, server, opened):
        plain.close()
        known_to = Wire(dataclasses.replace(server.peer, context=known), 1, opened.append)
        assert [known_to.ask(REQUEST, 60.0).body for _ in range(3)] == [b"hello"] * 3
        assert (len(opened), server.connections) == (1, 1)
        known_to.close()
        stranger = Wire(dataclasses.replace(server.peer, context=ssl.create_default_context()), 1, opened.append)
        with pytest.raises(ssl.SSLCertVerificationError):
            stranger.ask(REQUEST, 60.0)
        assert len(server.requests) == 3
