"""Days that are loaded in bulk, and what a store must hold then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets_tests.stores.influxdb.stores import held
from ohlcv_assets_tests.stores.made import batches, day_number, made_day, promise, rows_of

Open = Callable[..., InfluxTradeStore]
"""Opens a store on the same fresh buckets of a server, in bulk."""


def load(store: InfluxTradeStore, offset: int = 0, seed: int = 0, per_symbol: int = 10, **more: Any) -> Any:
    """Load a day in bulk and return the report; Any: what is given to ``replace_day``, and the report."""
    trades = made_day(day_number(offset), per_symbol, seed=seed)
    report = store.replace_day(promise(day_number(offset), trades, str(seed)), batches(trades), **more)
    assert report.detail["path"] == "bulk"
    return report


def require(store: InfluxTradeStore, days: dict[int, int], per_symbol: int = 10) -> None:
    """Fail unless the store holds exactly the content of those days, by offset and seed, and says so."""
    wanted = [
        row for offset, seed in days.items() for row in rows_of(made_day(day_number(offset), per_symbol, seed=seed))
    ]
    assert sorted(held(store)) == sorted(wanted)
    assert {day: record.state for day, record in store.day_records().items()} == {
        day_number(offset): "clean" for offset in days
    }
