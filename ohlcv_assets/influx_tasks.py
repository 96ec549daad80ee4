"""The tasks of a dataset on an InfluxDB server, as settings describe them.

What belongs here: turning settings into a connection with the right token, and into what manages tasks; what documents
say of tasks and runs. What does not: managing them (``stores.influxdb.tasks``), answering (``cli``, ``api``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from ohlcv_assets.errors import SettingsError
from ohlcv_assets.influx_parts import influx_address, influx_layout
from ohlcv_assets.instants import format_instant
from ohlcv_assets.settings import Settings
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.tasks.definitions import require_names
from ohlcv_assets.stores.influxdb.tasks.history import PastRun
from ohlcv_assets.stores.influxdb.tasks.manager import Standing, TaskManager
from ohlcv_assets.units import SECOND

_BRISK: Final = 10.0
"""Seconds until a call without an answer is given up."""


def require_influxdb(settings: Settings) -> None:
    """Refuse a store that has no tasks.

    Raises
    ------
    SettingsError
        The store in force is another.
    """
    if settings.store_in_force != "influxdb":
        raise SettingsError(
            f"Tasks are InfluxDB's, and the store in force is {settings.store_in_force}: set OHLCV_STORE=influxdb; "
            "`ohlcv influx setup` makes a server ready."
        )


@contextmanager
def tasks_connection(settings: Settings) -> Iterator[Connection]:
    """Give a connection with the token for tasks.

    Raises
    ------
    SettingsError
        The store in force is another, or there is no such token.
    """
    require_influxdb(settings)
    if settings.influx_tasks_token is None:
        raise SettingsError(
            "OHLCV_INFLUX_TASKS_TOKEN, the token that may make tasks, is not set: `ohlcv influx setup` makes it."
        )
    # Whoever holds a label needs one connection to renew it by.
    connection = Connection(
        replace(influx_address(settings), token=settings.influx_tasks_token, timeout=_BRISK), size=2
    )
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def managed_tasks(settings: Settings, names: Sequence[str] | None = None) -> Iterator[TaskManager]:
    """Give what manages the tasks of some resolutions, all of them where none is named.

    Raises
    ------
    UserError
        One of the resolutions has no task.
    SettingsError
        As for ``tasks_connection``.
    """
    chosen = require_names(names or ())
    with tasks_connection(settings) as connection:
        yield TaskManager(connection, influx_layout(settings), chosen, Terms(patience=settings.store_patience))


def standing_document(standing: Standing) -> dict[str, object]:
    """Return what a document says of a task."""
    task, kept, last = standing.task, standing.wanted.resolution.kept, standing.last
    return {
        "name": standing.wanted.name,
        "resolution": standing.wanted.resolution.name,
        "id": None if task is None else task.id,
        "state": standing.state,
        "drift": standing.drift,
        "every_seconds": kept.every // SECOND,
        "offset_seconds": kept.offset // SECOND,
        "completed": task.completed or None if task is not None else None,
        "last_run": task.last_run or None if task is not None else None,
        "made_until": None if last is None or last.watermark == 0 else format_instant(last.watermark),
        "running_seconds": None if standing.running is None else standing.running_for // SECOND,
        "paused_by": standing.paused_by,
        "left_paused_by": standing.left_by,
        "faults": list(standing.faults),
    }


def run_document(run: PastRun) -> dict[str, object]:
    """Return what a document says of a run of a task."""
    record = run.record
    return {
        "resolution": run.resolution,
        "scheduled_for": format_instant(run.at),
        "status": run.status,
        "seconds": run.seconds,
        "kind": None if record is None else record.kind,
        "start": None if record is None else format_instant(record.start),
        "stop": None if record is None else format_instant(record.stop),
        "complete_until": None if record is None else format_instant(record.watermark),
        "bars": None if record is None else record.bars,
        "trades": None if record is None else record.trades,
        "reason": run.reason,
    }
