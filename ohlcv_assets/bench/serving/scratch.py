"""An empty dataset to post into, of the same kind of store, that is gone when the benchmark ends.

What belongs here: the settings of such a dataset. What does not: posting (``live``).

In InfluxDB it has an organisation of its own: buckets have the names they always have, and nobody else's are touched.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from ohlcv_assets.errors import StoreAccessError
from ohlcv_assets.influx_parts import influx_layout
from ohlcv_assets.settings import Settings
from ohlcv_assets.stores.influxdb.admin.setup import Order, set_up
from ohlcv_assets.stores.influxdb.connection import Address, Connection

DAY: Final = dt.date(2024, 1, 5)
_GONE: Final = frozenset({404})


@contextmanager
def empty_dataset(settings: Settings, folder: Path) -> Iterator[Mapping[str, object]]:
    """Give settings, by name, of a dataset of one day that holds nothing.

    Raises
    ------
    StoreAccessError
        The store is InfluxDB, and there is no operator token to make an organisation with.
    """
    given: dict[str, object] = {"data_dir": folder, "start": DAY, "end": DAY, "total_trades": 1_000}
    if settings.store_in_force != "influxdb":
        yield {**given, "store": "duckdb"}
        return
    if settings.influx_operator_token is None or settings.influx_url is None:
        raise StoreAccessError(
            "Posting is measured in an organisation of its own: set OHLCV_INFLUX_OPERATOR_TOKEN or use --store duckdb."
        )
    name = f"ohlcv_bench_{secrets.token_hex(4)}"
    address = Address(settings.influx_url, name, settings.influx_operator_token)
    made: dict[str, SecretStr] = {}
    # A day of 2024 is to be kept, whatever day it is today.
    layout = influx_layout(settings.model_copy(update={"dataset": "default", "influx_retention": "0"}))
    try:
        set_up(Order(address, layout, "default", settings.influx_operator_token), made.update)
        token = made["OHLCV_INFLUX_TOKEN"].get_secret_value()
        yield {**given, "store": "influxdb", "influx_org": name, "influx_token": token, "influx_retention": "0"}
    finally:
        _remove(address)


def _remove(address: Address) -> None:
    """Remove an organisation with all it holds."""
    connection = Connection(address, 1)
    doing = f"remove the organisation {address.org} of the benchmark"
    found: Any = connection.call(  # Any: JSON
        "GET", "/api/v2/orgs", doing=doing, query={"org": address.org}, accept=_GONE
    ).document()
    for one in found.get("orgs") or ():
        connection.call("DELETE", f"/api/v2/orgs/{one['id']}", doing=doing, accept=_GONE)
    connection.close()
