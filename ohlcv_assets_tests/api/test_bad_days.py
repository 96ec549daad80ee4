"""The service on a socket when something goes wrong: its store, its clients, what they ask."""

from __future__ import annotations

import http.client
import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ohlcv_assets.api.service import Service
from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets_tests.api.made import close, service_in, set_up_on
from ohlcv_assets_tests.api.sockets import running, until
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY
from ohlcv_assets_tests.servers import OwnServer, Server
from ohlcv_assets_tests.stores.influxdb.fake.server import fake_influxdb
from ohlcv_assets_tests.stores.influxdb.faulty import Fault

pytestmark = pytest.mark.integration

BARS = "/api/v1/ohlc?symbol=BTC-USD&resolution=1m&start=2024-01-05&end=2024-01-05"
UNCLOSED = f"{BARS}&order=desc&limit="
"""Each limit is a question of its own, which no cache knows."""


def get(host: str, port: int, path: str) -> tuple[int, dict[str, str], Any]:  # Any: JSON
    """Ask over a connection of its own."""
    connection = http.client.HTTPConnection(host, port, timeout=60)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, json.loads(reply.read())
    finally:
        connection.close()


@contextmanager
def served_from(server: Server, folder: Path, **more: object) -> Iterator[tuple[str, int, Service]]:
    """Serve two days from a server, on a socket."""
    given = set_up_on(server)
    # With patience: an impatient service would give up on making them where the machine is busy.
    close(service_in(folder, (FRIDAY, SATURDAY), **given))
    with ExitStack() as stack:
        service = service_in(folder, (), **{**given, "serve_query_timeout": 1.0, **more})
        stack.callback(close, service)
        host, port = stack.enter_context(running(service))
        yield host, port, service


def is_told(reply: tuple[int, dict[str, str], Any]) -> bool:  # Any: as above
    """Return whether a reply says that the store is away, and when to come back."""
    status, headers, document = reply
    told = status == 503 and document["s"] == "error" and "127.0.0.1" not in str(document)
    return told and headers["retry-after"] == "2"


def test_a_server_that_is_killed_and_comes_back(own_server: OwnServer, tmp_path: Path) -> None:
    """503 with when to come back while it is gone; what is kept is handed out all the same; then as before."""
    with served_from(own_server, tmp_path, serve_refresh=0.2) as (host, port, service):
        kept = get(host, port, BARS)
        assert kept[0] == 200
        own_server.kill()
        assert is_told(get(host, port, f"{UNCLOSED}3"))
        assert get(host, port, BARS)[2] == kept[2]
        until(lambda: service.trouble != "")
        assert is_told(get(host, port, "/ready"))
        own_server.start()
        until(lambda: get(host, port, "/ready")[0] == 200)
        assert get(host, port, f"{UNCLOSED}4")[0] == 200


FAULTS = {
    "breaks the connection": Fault("reset", "/query", times=None),
    "cuts its reply": Fault("truncate", "/query", times=None),
    "is overloaded": Fault("answer", "/query", times=None, body=b"{}"),
    "says nothing": Fault("swallow", "/query", times=None),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_server_that_goes_in_the_middle_of_a_question(fault: Fault, tmp_path: Path) -> None:
    """It is told, before long, and over with the fault."""
    with fake_influxdb() as server, served_from(server, tmp_path) as (host, port, _):
        assert server.http is not None
        server.http.script.append(fault)
        assert is_told(get(host, port, f"{UNCLOSED}3&adaptive=false"))
        server.http.heal()
        assert get(host, port, f"{UNCLOSED}3&adaptive=false")[0] == 200


WIDE = ("start=1678-01-01&end=2261-12-31", "start=1970-01-01", "start=-9000000000000&end=9000000000000")


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_ranges_as_wide_as_there_are(any_client: TestClient, resolution: str) -> None:
    """What is outside the dataset costs nothing: all that there is comes, in any order, filled or not, and by pages."""
    expected = any_client.get(f"/api/v1/ohlc?symbol=BTC-USD&resolution={resolution}&adaptive=false").json()["columns"]
    for wide in WIDE:
        path = f"/api/v1/ohlc?symbol=BTC-USD&resolution={resolution}&{wide}&adaptive=false"
        assert any_client.get(path).json()["columns"] == expected
        assert any_client.get(f"{path}&fill=previous&limit=5").status_code == 200
        assert any_client.get(f"{path}&order=desc&limit=1").json()["count"] == min(1, len(expected["t"]))
    for name in ("1", "60", "1D"):
        udf = f"/udf/history?symbol=BTC-USD&resolution={name}&from={-(10**11)}&to={10**11}&countback=100000"
        assert any_client.get(udf).json()["s"] == "ok"


@pytest.mark.parametrize(
    "headers", [b"Content-Length: 10000000000\r\n", b"Transfer-Encoding: chunked\r\n"], ids=["announced", "endless"]
)
def test_a_body_without_end_is_not_waited_for(tmp_path: Path, headers: bytes) -> None:
    """It is refused as soon as it is too large, or as soon as nobody wants it; the connection is closed."""
    with (
        running(service_in(tmp_path, (), serve_body=10_000)) as (host, port),
        socket.create_connection((host, port), timeout=20) as raw,
    ):
        raw.sendall(b"POST /api/v1/ohlc HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers + b"\r\n")
        said = b""
        with suppress(OSError):  # cut off, as it should be
            for _ in range(1_000):
                raw.sendall(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
        with suppress(OSError):
            said = raw.recv(1_000)
        assert said[:12] in {b"", b"HTTP/1.1 413", b"HTTP/1.1 405"}
        assert get(host, port, "/health")[0] == 200


def test_a_thousand_connections_keep_nobody_out(tmp_path: Path) -> None:
    """Half of them silent, half in the middle of a request: the next one is answered as ever, and so are they."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else max(soft, 4_096), hard))
    try:
        with running(service_in(tmp_path)) as (host, port), ExitStack() as stack:
            raws = [stack.enter_context(socket.create_connection((host, port), timeout=20)) for _ in range(1_000)]
            for raw in raws[::2]:
                raw.sendall(b"GET /health HTTP/1.1\r\n")
            assert get(host, port, BARS)[0] == 200
            for raw in raws[::2]:
                raw.sendall(b"Host: 127.0.0.1\r\n\r\n")
            assert all(raw.recv(100).startswith(b"HTTP/1.1 200") for raw in raws[::2])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
