"""Stores that load in bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.bulk.loads import Open
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.stores import in_bulk, plan, trade_store


@pytest.fixture
def open_on(fresh_layout: Callable[..., Layout]) -> Iterator[Callable[[Server], Open]]:
    """Return what opens stores on the same fresh buckets of a server, in bulk."""
    stores: list[InfluxTradeStore] = []

    def on(server: Server, retention: int = 0) -> Open:
        layout = fresh_layout(server, retention)

        def opened(**figures: Any) -> InfluxTradeStore:
            stores.append(trade_store(server, layout, plan(**{"deadline": 5.0, **figures}), bulk=in_bulk(server)))
            return stores[-1]

        return opened

    yield on
    for store in stores:
        store.close()


@pytest.fixture
def store(fake_server: Fake, open_on: Callable[[Server], Open]) -> InfluxTradeStore:
    """Return an empty store on the fake server."""
    return open_on(fake_server)()
