"""The stores that the contract suite runs over: a further store is one more entry here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ohlcv_assets.stores.base import BarStore, TradeStore
from ohlcv_assets.stores.duckdb.bars import DuckDBBarStore
from ohlcv_assets.stores.duckdb.broker import Broker
from ohlcv_assets.stores.duckdb.trades import DuckDBTradeStore
from ohlcv_assets.stores.memory import MemoryBarStore, MemoryTradeStore

StorePair = tuple[TradeStore, BarStore]


def _memory(_folder: Path) -> StorePair:
    return MemoryTradeStore(), MemoryBarStore()


def _duckdb(folder: Path) -> StorePair:
    broker = Broker(folder / "it's a store.duckdb", patience=10)
    return DuckDBTradeStore(broker), DuckDBBarStore(broker)


STORES: dict[str, Callable[[Path], StorePair]] = {"memory": _memory, "duckdb": _duckdb}


@pytest.fixture(params=sorted(STORES))
def store_pair(request: pytest.FixtureRequest, tmp_path: Path) -> StorePair:
    """Make a fresh, empty store of each kind."""
    return STORES[str(request.param)](tmp_path)


@pytest.fixture(params=sorted(STORES))
def make_pair(request: pytest.FixtureRequest) -> Callable[[Path], StorePair]:
    """Return what makes an empty store of each kind in a folder."""
    return STORES[str(request.param)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """Return the way to a DuckDB file that is not there yet, with little patience."""
    with Broker(tmp_path / "store.duckdb", patience=0.3) as opened:
        yield opened
