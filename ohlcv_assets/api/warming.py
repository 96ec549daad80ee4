"""What the first requests would otherwise wait for, done beside the start of the service.

What belongs here: loading compiled kernels and late imports, and what the garbage collector need not look at. What does
not: what a request itself does. The service is ready without it.
"""

from __future__ import annotations

import atexit
import gc
import importlib
from contextlib import suppress

import numpy as np
import pyarrow as pa

from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.bars.running import RunningDay
from ohlcv_assets.bars.split import by_symbol
from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.live.seeding import TRADE
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.project import Project
from ohlcv_assets.settings import StoreName
from ohlcv_assets.units import MINUTE, Nanos, day_start


def warm_up(project: Project) -> None:
    """Load kernels and what is imported late, and ask the stores one small question; a store that is away is left."""
    kernels()
    _load_late(project.settings.store_in_force)
    start = day_start(project.dataset.days[-1])
    with suppress(OhlcvError):
        project.trade_store.last_instants(project.dataset.days[-1])
        project.bar_store.read(RESOLUTIONS["1m"], start, Nanos(start + MINUTE))
    settle()


def kernels() -> None:
    """Load the kernels of running bars, for arrays as they come from Arrow and for others."""
    row = {"symbol": "A", "ts": 0, "price": 1.0, "amount": 1.0, "side": 1}
    ((_, columns),) = by_symbol(pa.Table.from_pylist([row], schema=STORED), TRADE)
    RunningDay(Nanos(0)).merge(columns)
    RunningDay(Nanos(0)).merge({name: np.array(column) for name, column in columns.items()})


def settle() -> None:
    """Have the collector leave alone what is there by now: looking at it again took 50 to 100 ms now and then."""
    gc.collect()
    gc.freeze()
    # Modules that are never collected are told of as leaked, at length, when the process ends.
    atexit.register(gc.unfreeze)


def _load_late(store: StoreName) -> None:
    """Load what a store otherwise loads with the first trades that go in."""
    if store == "duckdb":
        # DuckDB imports it when the first table goes in or out, which takes a second.
        importlib.import_module("pandas")
    elif store == "influxdb":
        from ohlcv_assets.stores.influxdb.lineprotocol import lines  # noqa: PLC0415 -- no other store needs it
        from ohlcv_assets.stores.influxdb.reads import packed  # noqa: PLC0415 -- as above

        lines.warm_up()
        packed.warm_up()
