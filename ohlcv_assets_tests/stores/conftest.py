"""The stores that the contract suite runs over: a further store is one more entry here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from ohlcv_assets.stores.base import BarStore, TradeStore
from ohlcv_assets.stores.duckdb.bars import DuckDBBarStore
from ohlcv_assets.stores.duckdb.broker import Broker
from ohlcv_assets.stores.duckdb.trades import DuckDBTradeStore
from ohlcv_assets.stores.memory import MemoryBarStore, MemoryTradeStore
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.pairs import InfluxPair, PairMaker

StorePair = tuple[TradeStore, BarStore]
Make = Callable[[Path], StorePair]


def _memory(_folder: Path) -> StorePair:
    return MemoryTradeStore(), MemoryBarStore()


def _duckdb(folder: Path) -> StorePair:
    broker = Broker(folder / "it's a store.duckdb", patience=10)
    return DuckDBTradeStore(broker), DuckDBBarStore(broker)


STORES: Final[dict[str, Make]] = {"memory": _memory, "duckdb": _duckdb}

SERVERS: Final = {
    "influxdb": ("fake_server", "native"),
    "influxdb-real": ("real_server", "native"),
    "influxdb-real-client": ("real_server", "client"),
    "influxdb-bulk": ("fake_server", "bulk"),
    "influxdb-real-bulk": ("real_server", "bulk"),
}
"""Stores that need a server: the fixture that gives it, and who carries lines to it; days in bulk by files."""


@pytest.fixture(params=sorted([*STORES, *SERVERS]))
def make_pair(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Return what makes an empty store of each kind; the one made before it may be gone then."""
    name = str(request.param)
    if name in STORES:
        yield STORES[name]
        return
    fixture, carrier = SERVERS[name]
    server: Server = request.getfixturevalue(fixture)
    with ExitStack() as stack:
        bulk = carrier == "bulk"
        maker = stack.enter_context(PairMaker(server, "native" if bulk else carrier, bulk=bulk))

        def make(_folder: Path) -> InfluxPair:
            return maker.empty_pair()

        yield make


@pytest.fixture
def store_pair(make_pair: Make, tmp_path: Path) -> StorePair:
    """Make a fresh, empty store of each kind."""
    return make_pair(tmp_path)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """Return the way to a DuckDB file that is not there yet, with little patience."""
    with Broker(tmp_path / "store.duckdb", patience=0.3) as opened:
        yield opened
