"""Services that tests may ask but not change, made once, and what keeps settings of the environment away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from websockets.sync.client import ClientConnection

from ohlcv_assets.api.service import Service, open_service
from ohlcv_assets.settings import PREFIX, load_settings
from ohlcv_assets_tests.api.listening import Running, heard, served
from ohlcv_assets_tests.api.made import KINDS, asking, close, on_fake_influxdb, service_in
from ohlcv_assets_tests.commands import TINY


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep settings of the environment away."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", params=KINDS)
def any_service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service on each kind of store, Friday and Saturday made; nobody may change it."""
    folder = tmp_path_factory.mktemp("served")
    with ExitStack() as stack:
        given = stack.enter_context(on_fake_influxdb()) if request.param == "influxdb" else {}
        service = service_in(folder, **{"store": request.param, **given})
        stack.callback(close, service)
        yield service


@pytest.fixture(scope="session")
def any_client(any_service: Service) -> Iterator[TestClient]:
    """Return a client of each kind of service."""
    with asking(any_service) as client:
        yield client


@pytest.fixture(scope="session")
def tiny_service(made: Path) -> Iterator[Service]:
    """Return a service on the tiny dataset: Thursday to Tuesday, the last day unmade, in the embedded store."""
    names = {name.removeprefix(PREFIX).lower(): value for name, value in TINY.items()}
    service = open_service(load_settings(data_dir=made, **names))
    yield service
    close(service)


@pytest.fixture(scope="session")
def client(tiny_service: Service) -> Iterator[TestClient]:
    """Return a client of the tiny dataset."""
    with asking(tiny_service) as asked:
        yield asked


@pytest.fixture
def memory(tmp_path: Path) -> Service:
    """Return a service in memory that a test may change; Friday and Saturday are made."""
    return service_in(tmp_path / "data")


@pytest.fixture(name="running")
def _running(memory: Service) -> Iterator[Running]:
    """Return a service that runs; Friday and Saturday are made, Thursday is open."""
    with served(memory) as found:
        yield found


@pytest.fixture(name="connection")
def _connection(running: Running) -> Iterator[ClientConnection]:
    """Return a connection that was greeted."""
    with running.connect() as found:
        assert heard(found)["type"] == "hello"
        yield found
