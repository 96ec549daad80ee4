"""The stores of a dataset on an InfluxDB server, as settings describe them.

What belongs here: turning settings into stores and plans of loading. What does not: choosing a store (``project``,
which imports this only where InfluxDB is in force), addresses and layouts (``influx_parts``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Final

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.errors import SettingsError
from ohlcv_assets.influx_parts import influx_address, influx_layout
from ohlcv_assets.influx_settings import bytes_of
from ohlcv_assets.settings import Settings, variable
from ohlcv_assets.stores.influxdb.bars import InfluxBarStore
from ohlcv_assets.stores.influxdb.bulk.plan import BulkPlan
from ohlcv_assets.stores.influxdb.chunks import InfluxChunks
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.tasks.pausing import Pausing
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.stores.influxdb.writer.plan import LoadPlan

_CHUNK_CONNECTIONS: Final = 1
_PAUSE_CONNECTIONS: Final = 2
"""One for whoever pauses and one for whoever renews the pause."""


def influx_plan(settings: Settings) -> LoadPlan:
    """Return how loads are sent."""
    return LoadPlan(
        carrier=settings.influx_writer,
        batch_lines=settings.influx_batch_lines,
        connections=settings.influx_connections,
        compression=settings.influx_compression,
        memory=bytes_of(settings.influx_memory),
        timeout=settings.influx_timeout,
        deadline=settings.influx_deadline,
        rows_per_second=settings.max_rows_per_second,
    )


def influx_stores(settings: Settings) -> tuple[InfluxTradeStore, InfluxBarStore]:
    """Return the stores of the dataset in force; nothing is asked of the server yet.

    Raises
    ------
    SettingsError
        There is no address or no token.
    """
    for name in ("influx_url", "influx_token"):
        if getattr(settings, name) is None:
            raise SettingsError(
                f"{variable(name)} is not set, and the store in force is InfluxDB: `ohlcv influx setup` makes buckets "
                "and tokens and says what to set; OHLCV_STORE=duckdb goes without a server."
            )
    connection = Connection(influx_address(settings), settings.influx_connections)
    layout, plan = influx_layout(settings), influx_plan(settings)
    timeout, patience = settings.influx_query_timeout, settings.store_patience
    bulk = BulkPlan(settings.influx_load, settings.influx_operator_token)
    return (
        InfluxTradeStore(connection, layout, plan, query_timeout=timeout, patience=patience, bulk=bulk),
        InfluxBarStore(connection, layout, plan, query_timeout=timeout, patience=patience),
    )


def influx_chunks(settings: Settings) -> InfluxChunks:
    """Return the records and leases of the dataset in force; nothing is asked of the server yet."""
    connection = Connection(influx_address(settings), _CHUNK_CONNECTIONS)
    return InfluxChunks(connection, influx_layout(settings), Terms(patience=settings.store_patience))


def influx_pausing(settings: Settings) -> Callable[[Sequence[Resolution]], AbstractContextManager[object]]:
    """Return what keeps the tasks of the dataset in force still; nothing is kept still without the token for tasks."""
    if settings.influx_tasks_token is None:
        return nullcontext
    address = replace(influx_address(settings), token=settings.influx_tasks_token)
    connection = Connection(address, _PAUSE_CONNECTIONS)
    return Pausing(connection, influx_layout(settings), Terms(patience=settings.store_patience)).paused
