"""What is done beside the start of a service: it changes nothing, and nobody waits for it."""

from __future__ import annotations

import gc
import socket
import sys
import threading
from pathlib import Path

import pytest

from ohlcv_assets.api import serving, warming
from ohlcv_assets.api.warming import kernels, warm_up
from ohlcv_assets.bars.running_kernels import compose, fold
from ohlcv_assets.errors import StoreUnavailableError
from ohlcv_assets.stores.influxdb.lineprotocol import lines
from ohlcv_assets_tests.pipeline.made import project_in

pytestmark = pytest.mark.unit


def test_the_kernels_of_running_bars_are_there_afterwards() -> None:
    """For arrays that nobody may write to, as Arrow gives them, and for others."""
    kernels()
    given = {tuple(kind.mutable for kind in found[3:7]) for found in fold.signatures}  # type: ignore[attr-defined]  # a dispatcher
    assert {(False,) * 4, (True,) * 4} <= given
    assert len(compose.signatures) > 0  # type: ignore[attr-defined]  # as above


@pytest.mark.parametrize("kind", ["memory", "duckdb"])
def test_a_store_is_asked_and_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """One that is not there is not made; one that is away is no error."""
    settled: list[bool] = []
    monkeypatch.setattr(warming, "settle", lambda: settled.append(True))
    project = project_in(tmp_path, store=kind)
    warm_up(project)
    assert settled == [True]
    assert [path.name for path in tmp_path.rglob("*.duckdb")] == []
    assert "pandas" in sys.modules or kind == "memory"

    def away(*_: object) -> None:
        raise StoreUnavailableError("away")

    monkeypatch.setattr(type(project.trade_store), "last_instants", away)
    warm_up(project)
    assert settled == [True, True]


def test_lines_are_warmed_up_for_influxdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which has a kernel of its own for writing."""
    called: list[str] = []
    monkeypatch.setattr(warming, "settle", lambda: called.append("settled"))
    monkeypatch.setattr(lines, "warm_up", lambda: called.append("lines"))
    given = {"influx_url": "http://127.0.0.1:1", "influx_token": "t", "influx_timeout": 0.2}
    project = project_in(tmp_path, store="influxdb", **given)
    monkeypatch.setattr(type(project.trade_store), "last_instants", _away)
    warm_up(project)
    assert called == ["lines", "settled"]


def _away(*_: object) -> None:
    raise StoreUnavailableError("away")


def test_what_is_there_is_left_alone_by_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Collected once, then frozen."""
    called: list[str] = []
    monkeypatch.setattr(gc, "collect", lambda: called.append("collect"))
    monkeypatch.setattr(gc, "freeze", lambda: called.append("freeze"))
    warming.settle()
    assert called == ["collect", "freeze"]


def test_the_service_does_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It serves while that goes on in a thread."""
    go, served = threading.Event(), threading.Event()
    monkeypatch.setattr(serving, "settle", lambda: None)

    class Server:
        def run(self, _: list[socket.socket]) -> None:
            """Note that it serves."""
            served.set()

    monkeypatch.setattr(serving, "server_of", lambda _: Server())
    ended = threading.Event()

    def beside() -> None:
        go.wait(120)
        ended.set()

    with socket.socket() as listener:
        serving.run(lambda: None, listener, beside)  # type: ignore[arg-type, misc]  # no application is needed
    assert served.is_set()
    assert not ended.is_set()
    go.set()
    assert ended.wait(120)
