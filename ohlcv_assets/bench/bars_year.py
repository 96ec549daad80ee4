"""A year of bars: made again from the day files, and looked at, in the embedded store and in InfluxDB.

What belongs here: many days through the roll-up into a store, the state of all of them. What does not: one day
(``cases``, ``influx_bars``), trades in a store: bars are made from files here.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS
from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.influx import connect
from ohlcv_assets.bench.influx_scratch import Scratch
from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.generate.generator import warm_up
from ohlcv_assets.influx_stores import influx_plan
from ohlcv_assets.pipeline.bar_status import bar_status
from ohlcv_assets.pipeline.engines.choice import ENGINES
from ohlcv_assets.pipeline.parts import forget
from ohlcv_assets.pipeline.steps import file_day
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.project import Project, open_project
from ohlcv_assets.settings import Settings
from ohlcv_assets.stores.influxdb.bars import InfluxBarStore
from ohlcv_assets.stores.influxdb.chunks import InfluxChunks
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore

T = TypeVar("T")

CASE: Final = "a year of bars"
YEAR_DAYS: Final = 366
ABREAST: Final = 2
"""Days at a time: one is read and rolled up while the other is written."""

REBUILD_SECONDS: Final = {"DuckDB": 60.0, "InfluxDB": 240.0}
STATUS_SECONDS: Final = 1.0
LOOKS: Final = 3


def measure_year_of_bars(
    settings: Settings, folder: Path, *, days: int = YEAR_DAYS, total: int = 300_000_000, observer: Observer = nobody
) -> list[Figure]:
    """Make the first ``days`` days of 2024 below ``folder``, then their bars in each store that there is.

    Parameters
    ----------
    settings
        Name the InfluxDB server; without an address, the embedded store alone is measured.
    folder
        Where the day files and the embedded store are made.
    days
        Targets are told of the whole year alone.
    total
        Trades of the whole year.
    observer
        Told of every day, stages ``"file"`` and ``"bars"``.

    Raises
    ------
    SettingsError
        A server is named, but no token that may make buckets.
    StoreError
        A store cannot be used, or the bars do not hold the trades.
    """
    warm_up()
    project = open_project(Settings(data_dir=folder, total_trades=total, store="duckdb"))
    chosen = project.dataset.days[:days]
    _each(chosen, lambda day: file_day(project, day), "file", observer)
    figures = _figures("DuckDB", project, chosen, observer)
    if settings.influx_url is not None:
        with _on_server(settings, project) as there:
            figures += _figures("InfluxDB", there, chosen, observer)
    return figures


@contextmanager
def _on_server(settings: Settings, project: Project) -> Iterator[Project]:
    """Give a project whose stores are empty buckets of a server."""
    plan = replace(influx_plan(settings), rows_per_second=None)
    with closing(connect(settings)) as connection, Scratch(connection) as scratch:
        layout, limits = scratch.layout(), {"query_timeout": 60.0, "patience": 60.0}
        address = connection.address
        trades_there = Connection(address, plan.connections)
        with (
            closing(InfluxTradeStore(trades_there, layout, plan, **limits, bulk=None)) as trades,
            closing(InfluxBarStore(Connection(address, plan.connections), layout, plan, **limits)) as bars,
            closing(InfluxChunks(Connection(address), layout, Terms())) as chunks,
        ):
            yield replace(project, trade_store=trades, bar_store=bars, chunks=chunks)


def _figures(store: str, project: Project, days: Sequence[dt.date], observer: Observer) -> list[Figure]:
    """Make all bars of some days, then look at them; return what each took."""
    expected = sum(project.lake.inspect(day).rows for day in days)
    began = time.perf_counter()
    held = _each(days, lambda day: _rolled(project, day), "bars", observer)
    seconds = time.perf_counter() - began
    forget()
    if sum(held) != expected:
        raise StoreMismatchError(f"The benchmark's bars in {store} hold {sum(held):,} trades of {expected:,}.")
    looks = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        found = bar_status(project, days)
        looks.append(time.perf_counter() - began)
    bars = sum(status.bars for status in found)
    whole = len(days) == YEAR_DAYS
    method = (
        f"{len(days)} days, {expected:,} trades in day files, {bars:,} bars at {len(found)} resolutions, "
        f"{ABREAST} days at a time"
    )
    return [
        Figure(
            CASE, f"made from the day files in {store}", seconds, "s", REBUILD_SECONDS[store] if whole else None,
            "", None, f"{method}, once",
        ),
        Figure(
            CASE, f"state of every day, symbol and resolution in {store}", min(looks), "s",
            STATUS_SECONDS if whole else None, "", None, f"{method}, fastest of {LOOKS}",
        ),
    ]  # fmt: skip


def _rolled(project: Project, day: dt.date) -> int:
    """Make a day's bars and return the trades in them."""
    made = ENGINES["client"].make(project, project.lake.inspect(day), STORED_RESOLUTIONS, nobody)
    return min(one.trades for one in made.values())


def _each(days: Sequence[dt.date], work: Callable[[dt.date], T], stage: str, observer: Observer) -> list[T]:
    """Do something with every day, some of them at a time, and return what came of it."""
    found = []
    with ThreadPoolExecutor(ABREAST, "bench") as pool:
        for number, one in enumerate(pool.map(work, days), 1):
            found.append(one)
            observer(Progress(stage, days[number - 1].isoformat(), number, len(days), "days"))
    return found
