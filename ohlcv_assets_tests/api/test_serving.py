"""The service on a socket: started, slow clients cut off, stopped when told to."""

from __future__ import annotations

import http.client
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ohlcv_assets.api import serving
from ohlcv_assets.api.app import app_from_environment
from ohlcv_assets.api.serving import LogLines, Protocol, address_of, listening, server_of
from ohlcv_assets.errors import SettingsError
from ohlcv_assets_tests.api.made import service_in
from ohlcv_assets_tests.api.sockets import running, until

pytestmark = pytest.mark.integration
START = "from ohlcv_assets.cli import main; raise SystemExit(main())"


def test_it_answers_on_one_connection_again_and_again(tmp_path: Path) -> None:
    """Kept alive; what is no HTTP is refused; nothing tells the server's name."""
    with running(service_in(tmp_path, ())) as (host, port):
        connection = http.client.HTTPConnection(host, port, timeout=10)
        for _ in range(3):
            connection.request("GET", "/health")
            reply = connection.getresponse()
            assert (reply.status, reply.getheader("server"), json.loads(reply.read())) == (
                200,
                None,
                {"status": "alive"},
            )
        connection.close()
        with socket.create_connection((host, port), timeout=10) as raw:
            raw.sendall(b"nonsense\r\n\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("begin", [b"", b"GET /health HTTP/1.1\r\nHost: "])
def test_who_dawdles_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: bytes) -> None:
    """A connection that sends nothing, or headers that never end, is closed."""
    monkeypatch.setattr(serving, "HEADERS_IN", 0.5)
    with running(service_in(tmp_path, ())) as (host, port), socket.create_connection((host, port), timeout=10) as raw:
        raw.sendall(begin)
        assert raw.recv(100) == b""


def test_endless_headers_are_cut_off(tmp_path: Path) -> None:
    """However fast they come."""
    with running(service_in(tmp_path, ())) as (host, port), socket.create_connection((host, port), timeout=10) as raw:
        raw.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        until(lambda: is_cut_off(raw))


def is_cut_off(raw: socket.socket) -> bool:
    """Send one more header; return whether the other end does not take it any more."""
    try:
        raw.sendall(b"X-More: " + b"x" * 8_000 + b"\r\n")
        raw.settimeout(0.05)
        return raw.recv(100) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_headers_alone_leave_the_connection_in_order(tmp_path: Path) -> None:
    """After HEAD the next request on the same connection is answered."""
    with running(service_in(tmp_path, ())) as (host, port):
        connection = http.client.HTTPConnection(host, port, timeout=10)
        for method, body in (("HEAD", b""), ("GET", b'{"status":"alive"}'), ("HEAD", b"")):
            connection.request(method, "/health")
            reply = connection.getresponse()
            assert (reply.status, reply.read(), reply.headers["content-length"]) == (200, body, "18")
        connection.close()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """One sentence with what to do."""
    assert tmp_path.is_dir()
    with listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"cannot listen on 127\.0\.0\.1 port {port} .*--host and --port"):
            listening("127.0.0.1", port)
        assert address_of(first) == f"http://127.0.0.1:{port}"
    with pytest.raises(SettingsError, match=r"cannot listen on 256\.1\.1\.1"):
        listening("256.1.1.1", 80)


def test_addresses_of_the_newer_kind_are_written_in_brackets() -> None:
    """As browsers want them."""
    if not socket.has_ipv6:  # pragma: no cover
        pytest.skip("no IPv6 here")
    with listening("::1", 0) as listener:
        assert address_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


def test_the_servers_own_lines_are_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """What uvicorn has to say is in our log, errors with their cause."""
    logger, handler = logging.Logger("uvicorn.error"), LogLines()  # noqa: LOG001 -- one that nobody else has
    logger.addHandler(handler)
    logger.warning("Invalid HTTP request %s.", "received")
    try:
        int("x")
    except ValueError:
        logger.exception("It failed.")
    said = capsys.readouterr().err
    assert "Invalid HTTP request received." in said
    assert "ValueError" in said


def test_signals_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first lets requests end, the second does not wait; handlers are put back."""
    server = server_of(create_app_nowhere())
    before = signal.getsignal(signal.SIGTERM)
    with server.capture_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        until(lambda: server.should_exit)
        assert not server.force_exit
        os.kill(os.getpid(), signal.SIGINT)
        until(lambda: server.force_exit)
    assert signal.getsignal(signal.SIGTERM) == before
    assert monkeypatch is not None


def create_app_nowhere() -> Any:  # Any: an application that nobody asks
    """Return an application."""

    async def nothing(*_: Any) -> None:  # Any: ASGI
        """Answer nothing."""

    return nothing


def test_the_command_serves_and_stops(tmp_path: Path) -> None:
    """`ohlcv serve` in a process of its own: says where it is, answers, logs JSON, ends well on SIGTERM."""
    command = [sys.executable, "-c", START, "--data-dir", str(tmp_path), "--set", "store=memory"]
    command += ["--set", "total_trades=1000", "serve", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert process.stderr is not None
        words = process.stderr.readline()
        assert "http://127.0.0.1:" in words, words
        port = int(words.split("http://127.0.0.1:")[1].split(",")[0])
        until(lambda: answers(port))
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    requests = [json.loads(line) for line in rest.splitlines() if '"request"' in line]
    assert requests[-1]["route"] == "/health"


def test_what_is_done_beside_the_start_ends_before_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is in native code when the interpreter goes would take the process down with it."""
    kinds: list[bool] = []

    class Ended:
        def run(self, sockets: list[socket.socket]) -> None:
            until(lambda: kinds != [])
            assert len(sockets) == 1

    monkeypatch.setattr(serving, "server_of", lambda _: Ended())
    monkeypatch.setattr(serving, "settle", lambda: None)
    with listening("127.0.0.1", 0) as listener:
        serving.run(create_app_nowhere(), listener, lambda: kinds.append(threading.current_thread().daemon))
    assert kinds == [False]


def test_a_body_that_is_too_large_is_answered_when_it_was_sent(tmp_path: Path) -> None:
    """Most clients look for an answer only then: it is 413, not a broken connection."""
    with running(service_in(tmp_path, (), serve_body=100_000)) as (host, port):
        connection = http.client.HTTPConnection(host, port, timeout=20)
        connection.request("POST", "/api/v1/trades", b"x" * 1_000_000, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        assert (reply.status, json.loads(reply.read())["s"]) == (413, "error")
        connection.close()


def answers(port: int) -> bool:
    """Return whether a service is alive."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_the_environment_describes_an_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server that starts anew with each change of code begins with."""
    monkeypatch.setenv("OHLCV_STORE", "memory")
    monkeypatch.setenv("OHLCV_DATA_DIR", str(tmp_path))
    app = app_from_environment()
    assert app.state.service.settings.store_in_force == "memory"
    app.state.service.pool.close()


def test_reloading_passes_settings_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment, which the new process inherits."""
    seen: list[Any] = []  # Any: what a supervisor is given

    class Supervisor:
        def __init__(self, config: Any, target: Any, sockets: Any) -> None:  # Any: uvicorn's
            seen.extend([config, target, sockets])

        def run(self) -> None:
            seen.append(os.environ["OHLCV_SEED"])

    monkeypatch.setenv("OHLCV_SEED", "1")
    monkeypatch.setattr(serving, "ChangeReload", Supervisor)
    with listening("127.0.0.1", 0) as listener:
        serving.run_reloading(listener, {"seed": 7})
        assert seen[2] == [listener]
    assert seen[3] == "7"
    assert seen[0].factory
    assert seen[0].http is Protocol
    assert [Path(folder).name for folder in seen[0].reload_dirs] == ["ohlcv_assets"]
