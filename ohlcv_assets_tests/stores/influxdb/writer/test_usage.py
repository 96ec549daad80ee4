"""Processor time and memory, here and of a server on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import psutil
import pytest

from ohlcv_assets.stores.influxdb.writer import usage
from ohlcv_assets.stores.influxdb.writer.usage import ClientUsage, ServerUsage, server_process

pytestmark = pytest.mark.unit

LISTEN = """
import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); sys.stdin.read()
"""


@contextmanager
def listener() -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run a process that listens, and yield its port and itself."""
    command = [sys.executable, "-S", "-c", LISTEN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process
        process.kill()


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "_found", {})


def test_this_process_is_measured() -> None:
    """Processor time grows with work; the peak is what was resident at some sample."""
    client = ClientUsage()
    sum(range(2_000_000))
    client.sample()
    assert client.cpu_seconds() > 0
    assert client.peak > 1_000_000


def test_a_server_on_this_machine_is_found_by_its_port() -> None:
    """The process that listens is found, remembered, and measured while it lives."""
    with listener() as (port, process):
        found = server_process(f"http://localhost:{port}")
        assert found is not None
        assert found.pid == process.pid
        assert server_process(f"http://localhost:{port}") is found
        server = ServerUsage(found)
        assert server.cpu_seconds() is not None
        memory = server.memory()
        assert memory is not None
        assert memory > 1_000_000
        process.kill()
        process.wait()
        assert (server.cpu_seconds(), server.memory()) == (None, None)
        assert server_process(f"http://localhost:{port}") is None


def test_a_server_that_cannot_be_seen_has_no_figures() -> None:
    """Nothing is said, and nothing goes wrong, without a process to look at."""
    server = ServerUsage(None)
    assert (server.cpu_seconds(), server.memory()) == (None, None)


def test_addresses_of_this_machine_are_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own addresses are as good as localhost; others are never looked for."""
    addresses = {"eth0": [SimpleNamespace(family=socket.AF_INET, address="10.9.8.7")]}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: addresses)
    with listener() as (port, process):
        found = server_process(f"http://10.9.8.7:{port}")
        assert found is not None
        assert found.pid == process.pid
        assert server_process(f"http://10.9.8.6:{port}") is None
        assert server_process(f"http://influx.example.com:{port}") is None


def test_neither_this_process_nor_a_forwarder_is_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """What listens in another's name, a container's for instance, is not measured in its place."""
    with socket.socket() as mine:
        mine.bind(("127.0.0.1", 0))
        mine.listen()
        assert server_process(f"http://127.0.0.1:{mine.getsockname()[1]}") is None
    monkeypatch.setattr(psutil.Process, "name", lambda _self: "docker-proxy")
    with listener() as (port, _):
        assert server_process(f"http://127.0.0.1:{port}") is None


def test_a_system_that_shows_no_connections_is_asked_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is no error, and is not provoked with every write."""
    asked: list[str] = []

    def refuse(kind: str) -> list[object]:
        asked.append(kind)
        raise psutil.AccessDenied(os.getpid())

    monkeypatch.setattr(psutil, "net_connections", refuse)
    assert [server_process("http://127.0.0.1"), server_process("http://127.0.0.1")] == [None, None]
    assert len(asked) == 1
    assert server_process("https://127.0.0.1") is None
