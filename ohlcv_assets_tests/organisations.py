"""An organisation of an InfluxDB server, set up as `ohlcv influx setup` does it, for tests of whole projects.

What belongs here: making one, and the settings that lead to it. What does not: servers (``servers``), projects.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from ohlcv_assets.influx_parts import influx_layout
from ohlcv_assets.project import Project
from ohlcv_assets.settings import PREFIX, load_settings
from ohlcv_assets.stores.influxdb.admin.setup import Order, set_up
from ohlcv_assets.stores.influxdb.connection import Address
from ohlcv_assets_tests.servers import Server


@contextmanager
def organisation(server: Server, **settings: object) -> Iterator[Mapping[str, object]]:
    """Give the settings of an organisation set up for the default dataset, with a token that may load and no more."""
    connection, made = server.connect(), ""
    name = server.org
    if server.kind != "fake":  # which is fresh, and has one organisation
        name = f"t{uuid.uuid4().hex[:12]}"
        document = connection.call("POST", "/api/v2/orgs", doing="make one", document={"name": name}).document()
        made = str(document["id"])
    secrets: dict[str, SecretStr] = {}
    given = {"store": "influxdb", "influx_url": server.url, "influx_org": name, "influx_retention": "0"} | settings
    layout = influx_layout(load_settings(**given))
    set_up(Order(Address(server.url, name), layout, "default", SecretStr(server.operator_token)), secrets.update)
    yield given | {"influx_token": secrets["OHLCV_INFLUX_TOKEN"].get_secret_value()}
    if made:
        connection.call("DELETE", f"/api/v2/orgs/{made}", doing="remove it")
    connection.close()


def as_variables(settings: Mapping[str, object]) -> dict[str, str]:
    """Return settings as variables of the environment."""
    return {f"{PREFIX}{name.upper()}": str(value) for name, value in settings.items()}


def close(project: Project) -> None:
    """Close a project's connections."""
    parts: tuple[Any, ...] = project.trade_store, project.bar_store, project.chunks  # Any: no protocol asks for closing
    for part in parts:
        part.close()
