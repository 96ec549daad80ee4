"""A store that is kept open for questions keeps no load out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import Timeout

from ohlcv_assets.stores.duckdb import attachment
from ohlcv_assets.stores.duckdb.broker import Broker
from ohlcv_assets.stores.duckdb.keeping import kept_open
from ohlcv_assets.stores.duckdb.lock import StoreLock
from ohlcv_assets.stores.duckdb.trades import DuckDBTradeStore
from ohlcv_assets.units import day_start
from ohlcv_assets_tests.stores.made import FIRST, stored

pytestmark = pytest.mark.integration


def until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def held(path: Path) -> bool:
    """Return whether somebody holds the store, as another process sees it."""
    lock = StoreLock(path, 0)._store
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False


@pytest.fixture(name="filled")
def _filled(broker: Broker) -> Broker:
    DuckDBTradeStore(broker).append(stored([("A", day_start(FIRST), 1.0, 1.0, 1)]))
    return broker


def test_it_is_held_until_somebody_else_wants_it(filled: Broker) -> None:
    """Another process gets the store soon, as often as it wants, and what it holds is held from us meanwhile."""
    other = StoreLock(filled.path, 60)
    with kept_open(filled):
        for _ in range(3):
            until(lambda: held(filled.path))
            other.acquire()
            assert not filled.wanted()
            other.release()
        until(lambda: held(filled.path))
        assert DuckDBTradeStore(filled).counts(FIRST) == {"A": 1}
    assert not held(filled.path)


def test_a_store_that_is_not_there_is_not_made(broker: Broker) -> None:
    """It is kept open from when somebody makes it."""
    with kept_open(broker):
        assert not broker.exists
        DuckDBTradeStore(broker).append(stored([("A", day_start(FIRST), 1.0, 1.0, 1)]))
        until(lambda: held(broker.path))


def test_threads_share_it_however_long_it_is_held(filled: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tenure matters only where another process waits."""
    monkeypatch.setattr(attachment, "_TENURE", -1.0)
    with kept_open(filled):
        until(lambda: held(filled.path))
        assert DuckDBTradeStore(filled).counts(FIRST) == {"A": 1}


def test_who_waits_is_seen(filled: Broker) -> None:
    """The turn is what a waiting process holds."""
    waiting = StoreLock(filled.path, 1)
    assert not filled.wanted()
    waiting._turn.acquire()
    assert filled.wanted()
    waiting._turn.release()
    assert not filled.wanted()
