"""Services on tiny datasets, and clients that ask them.

What belongs here: opening a service on each kind of store, and asking. What does not: judging what it answers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import SecretStr
from starlette.testclient import TestClient

from ohlcv_assets.api.app import create_app
from ohlcv_assets.api.service import Service, open_service
from ohlcv_assets.influx_parts import influx_layout
from ohlcv_assets.reading import Reader
from ohlcv_assets.settings import Settings, load_settings
from ohlcv_assets.stores.influxdb.admin.setup import Order, set_up
from ohlcv_assets.stores.influxdb.connection import Address
from ohlcv_assets.units import Nanos, day_start
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, make
from ohlcv_assets_tests.secrets_guard import keep_secret
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import fake_influxdb

HOME = "http://127.0.0.1:8000"
"""Where clients believe the service to be."""

ROUTES = (
    "/health",
    "/ready",
    "/metrics",
    "/api/v1/symbols",
    "/api/v1/symbols/{symbol}",
    "/api/v1/ohlc",
    "/api/v1/trades",
    "/api/v1/coverage",
    "/api/v1/status",
    "/api/v1/operations",
    "/api/v1/jobs",
    "/api/v1/jobs/{job_id}",
    "/udf/config",
    "/udf/symbols",
    "/udf/search",
    "/udf/time",
    "/udf/history",
    "/udf/quotes",
    "/udf/marks",
)
"""Every route of the OpenAPI document that is read."""

WRITES = (
    "/api/v1/trades",
    "/api/v1/generate",
    "/api/v1/operations/heal",
    "/api/v1/operations/verify",
    "/api/v1/operations/tasks/{resolution}/run",
    "/api/v1/operations/tasks/{resolution}/pause",
    "/api/v1/operations/tasks/{resolution}/resume",
    "/api/v1/jobs/{job_id}/cancel",
)
"""Every route of the OpenAPI document that takes a POST."""

KINDS = ("memory", "duckdb", "influxdb")


def settings_in(folder: Path, **more: object) -> Settings:
    """Return settings of three days, in memory unless asked for otherwise."""
    given: dict[str, object] = {"start": THURSDAY, "end": SATURDAY, "total_trades": 3_000, "store": "memory"}
    return load_settings(**{"data_dir": folder, **given, **more})


def service_in(folder: Path, days: Sequence[dt.date] = (FRIDAY, SATURDAY), **more: object) -> Service:
    """Return a service of which some days are made."""
    service = open_service(settings_in(folder, **more))
    make(service.project, *days)
    return service


@contextmanager
def on_fake_influxdb() -> Iterator[Mapping[str, object]]:
    """Give the settings of a fake server that is set up."""
    with fake_influxdb() as server:
        yield set_up_on(server)


def set_up_on(server: Server, *, tasks: bool = False) -> Mapping[str, object]:
    """Set a server up for the default dataset and return the settings; with the token for tasks where asked for."""
    secrets: dict[str, SecretStr] = {}
    given = {"store": "influxdb", "influx_url": server.url, "influx_org": server.org, "influx_retention": "0"}
    layout = influx_layout(load_settings(**given))
    order = Order(Address(server.url, server.org), layout, "default", SecretStr(server.operator_token))
    set_up(order, secrets.update)
    wanted = {"influx_token": "OHLCV_INFLUX_TOKEN"} | (
        {"influx_tasks_token": "OHLCV_INFLUX_TASKS_TOKEN"} if tasks else {}
    )
    return given | {name: secrets[variable].get_secret_value() for name, variable in wanted.items()}


def close(service: Service) -> None:
    """Close what a service's stores hold open."""
    for store in (service.project.trade_store, service.project.bar_store):
        closing = getattr(store, "close", None)
        if closing is not None:
            closing()


@contextmanager
def asking(service: Service, headers: Mapping[str, str] | None = None, base_url: str = HOME) -> Iterator[TestClient]:
    """Give a client of a running service."""
    with TestClient(create_app(service), base_url=base_url, headers=dict(headers or {})) as client:
        yield client


def new_key(service: Service, role: str) -> str:
    """Make a key and return it."""
    return keep_secret(service.keys.create(f"a {role}", role)[1])


def columns_of(client: TestClient, **parameters: Any) -> dict[str, list[Any]]:  # Any: query parameters, JSON
    """Return the columns of an answer of /api/v1/ohlc."""
    reply = client.get("/api/v1/ohlc", params=parameters)
    assert reply.status_code == 200, reply.text
    columns: dict[str, list[Any]] = reply.json()["columns"]  # Any: as above
    return columns


def stored_bars(
    service: Service, symbol: str, resolution: str, start: Nanos, end: Nanos
) -> dict[str, list[Any]]:  # Any: as above
    """Return bars as the Python reader has them, in the columns of an answer."""
    bars = Reader(service.project).bars(symbol, resolution, start, end, as_="arrow")
    ts = bars["ts"].cast(pa.int64()).to_numpy()
    names = {
        "o": "open",
        "h": "high",
        "l": "low",
        "c": "close",
        "v": "volume",
        "n": "trades",
        "q": "turnover",
        "i": "imbalance",
    }
    vwap = np.divide(bars["turnover"].to_numpy(), bars["volume"].to_numpy())
    return {"t": (ts // 1_000_000).tolist(), "vw": vwap.tolist()} | {
        key: bars[name].to_pylist() for key, name in names.items()
    }


FRIDAY_START = day_start(FRIDAY)
