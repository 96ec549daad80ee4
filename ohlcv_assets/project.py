"""The parts of a project, chosen by settings: dataset, source, lake, stores.

What belongs here: turning settings into parts, the only place that names concrete stores and sources. What does not:
using the parts (``pipeline``). Opening is cheap: it reads a dataset's metadata, opens no store and plans no year.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.lake.dataset import Dataset, FiledSource, imported_dataset, synthetic_dataset
from ohlcv_assets.lake.lake import Lake
from ohlcv_assets.market.universe import load_universe
from ohlcv_assets.progress import Observer, nobody
from ohlcv_assets.settings import DEFAULT_DATASET, Settings
from ohlcv_assets.sources.base import TradeSource
from ohlcv_assets.stores.base import BarStore, TradeStore
from ohlcv_assets.stores.chunks import Chunks, MemoryChunks
from ohlcv_assets.stores.duckdb.bars import DuckDBBarStore
from ohlcv_assets.stores.duckdb.broker import Broker
from ohlcv_assets.stores.duckdb.chunks import DuckDBChunks
from ohlcv_assets.stores.duckdb.keeping import kept_open
from ohlcv_assets.stores.duckdb.trades import DuckDBTradeStore
from ohlcv_assets.stores.memory import MemoryBarStore, MemoryTradeStore
from ohlcv_assets.units import days_between

if TYPE_CHECKING:
    from ohlcv_assets.generate.generator import Generator

STORE_FILE = "store.duckdb"
REPORTS_FOLDER = "reports"


Pauses = Callable[[Sequence[Resolution]], AbstractContextManager[object]]
Held = Callable[[], AbstractContextManager[object]]
Stores = tuple[TradeStore, BarStore, Chunks, tuple[Held, Held, Held], Pauses]

_NO_HOLDS: Final = (nullcontext, nullcontext, nullcontext)


@dataclass(frozen=True)
class Project:
    """The parts that every step works with.

    Attributes
    ----------
    settings
        The settings they were chosen by.
    dataset
        Name, folder, universe and days.
    lake
        The day files.
    trade_store, bar_store
        Where trades and bars are kept; opened by their methods only.
    reports
        Folder of reports.
    build_source
        Makes the source of trades; called once, when the source is first asked for.
    store_session
        Holds the stores open, where opening costs something: what is asked of them meanwhile shares one opening. To be
        held as short as a step, since it may keep other processes out.
    store_kept
        Keeps the stores open for as long as nobody else wants them: for a service that asks many small questions.
    store_lock
        Keeps every other process out of the stores without opening them, be they damaged or not there.
    chunks
        What is recorded of the making of bars, and who may make which.
    pausing
        Keeps whatever else makes bars of some resolutions (tasks of a server) from running for as long as it lasts.
    observer
        Told how far the steps of a run are.
    """

    settings: Settings
    dataset: Dataset
    lake: Lake
    trade_store: TradeStore
    bar_store: BarStore
    reports: Path
    build_source: Callable[[], TradeSource]
    store_session: Callable[[], AbstractContextManager[object]] = nullcontext
    store_kept: Callable[[], AbstractContextManager[object]] = nullcontext
    store_lock: Callable[[], AbstractContextManager[object]] = nullcontext
    chunks: Chunks = field(default_factory=MemoryChunks)
    pausing: Pauses = nullcontext
    observer: Observer = nobody

    @cached_property
    def source(self) -> TradeSource:
        """Where the trades come from; planning a year takes a second, so it is left until somebody asks."""
        return self.build_source()


def open_project(settings: Settings) -> Project:
    """Return the project that settings describe.

    Raises
    ------
    DatasetError
        There is no dataset of that name, or one that cannot be used so.
    UniverseError
        The universe file has a mistake.
    SettingsError
        InfluxDB is in force and there is no address or no token.
    """
    data_dir = settings.data_dir.absolute()
    dataset = open_dataset(settings, data_dir)
    trade_store, bar_store, chunks, (store_session, store_kept, store_lock), pausing = _stores(settings, dataset)
    return Project(
        settings=settings,
        dataset=dataset,
        lake=dataset.lake,
        trade_store=trade_store,
        bar_store=bar_store,
        reports=data_dir / REPORTS_FOLDER,
        build_source=lambda: _source(settings, dataset),
        store_session=store_session,
        store_kept=store_kept,
        store_lock=store_lock,
        chunks=chunks,
        pausing=pausing,
    )


def open_dataset(settings: Settings, data_dir: Path) -> Dataset:
    """Return the dataset that settings name: the default one is generated, all others are imported."""
    if settings.dataset != DEFAULT_DATASET:
        return imported_dataset(data_dir, settings.dataset)
    days = days_between(settings.start, settings.end)
    return synthetic_dataset(data_dir, settings.dataset, load_universe(settings.universe), days)


def make_generator(settings: Settings, dataset: Dataset) -> Generator:
    """Return the generator of a synthetic dataset: its plan, its seed, its strategies.

    Raises
    ------
    PlanError
        The days cannot be planned as asked.
    """
    # Calendars and compiled kernels take seconds to import, and most commands need neither.
    from ohlcv_assets.generate.generator import Generator  # noqa: PLC0415 -- see above
    from ohlcv_assets.generate.strategies import Strategies  # noqa: PLC0415 -- see above
    from ohlcv_assets.market.plan import make_plan  # noqa: PLC0415 -- see above

    plan = make_plan(dataset.universe, dataset.days, settings.total_trades, settings.seed, settings.spread)
    strategies = Strategies(settings.price_model, settings.arrivals, settings.sizes)
    return Generator(plan, settings.seed, strategies)


def _source(settings: Settings, dataset: Dataset) -> TradeSource:
    if dataset.kind == "imported":
        return FiledSource(dataset)
    from ohlcv_assets.sources.synthetic import SyntheticSource  # noqa: PLC0415 -- imports the generator

    generator = make_generator(settings, dataset)
    return SyntheticSource(generator, generator.plan, settings.seed, batch_rows=settings.generate_batch)


def _stores(settings: Settings, dataset: Dataset) -> Stores:
    if settings.store_in_force == "memory":
        return MemoryTradeStore(), MemoryBarStore(), MemoryChunks(), _NO_HOLDS, nullcontext
    if settings.store_in_force == "influxdb":
        # Whoever uses the embedded store needs none of it, and it takes a while to import.
        from ohlcv_assets.influx_stores import (  # noqa: PLC0415 -- see above
            influx_chunks,
            influx_pausing,
            influx_stores,
        )

        trade_store, bar_store = influx_stores(settings)
        pausing = influx_pausing(settings)
        return trade_store, bar_store, influx_chunks(settings), (nullcontext, trade_store.keeping, nullcontext), pausing
    broker = Broker(
        dataset.root / STORE_FILE,
        memory=settings.duckdb_memory,
        threads=settings.duckdb_threads,
        patience=settings.store_patience,
    )
    chunks = DuckDBChunks(broker, settings.store_patience)
    holds = broker.shared, lambda: kept_open(broker), broker.closed_to_others
    return DuckDBTradeStore(broker), DuckDBBarStore(broker), chunks, holds, nullcontext
