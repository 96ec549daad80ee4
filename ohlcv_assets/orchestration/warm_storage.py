"""Dagster's own SQLite storages with connections kept open: for a process that records many runs.

What belongs here: keeping engines and connections. What does not: tables, files and statements, which stay Dagster's;
any other process reads and writes the same files at the same time. Dagster opens each database anew for every event and
compiles every statement again; that was two thirds of a run's processor time. Private API of Dagster is overridden here
and in ``runs`` only; the tests of this room hold what a run must leave behind.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, StaticPool, create_engine, event

_RUNS_HELD: Final = 2
"""Databases of runs that stay open; a worker executes one run at a time."""


class WarmEventLogStorage(SqliteEventLogStorage):
    """The event log, with the index and the latest runs kept open."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._held: OrderedDict[str, Engine] = OrderedDict()
        self._empty: bytes | None = None
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Any,  # Any: validated by Dagster
    ) -> WarmEventLogStorage:
        """Make one of its configuration."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def _engine(self, shard: str) -> Engine:
        engine = self._held.get(shard)
        if engine is None:
            self._prepare(shard)
            engine = self._held[shard] = _warm_engine(self.conn_string_for_shard(shard))
        self._held.move_to_end(shard)
        while len(self._held) > _RUNS_HELD + 1:
            oldest = next(name for name in self._held if name != INDEX_SHARD_NAME)
            self._held.pop(oldest).dispose()
        return engine

    def _prepare(self, shard: str) -> None:
        """Make a database with its tables; those of runs are copies of the first one made: migrations are slow."""
        path = Path(self.path_for_shard(shard))
        if shard != INDEX_SHARD_NAME and self._empty is not None and not path.exists():
            path.write_bytes(self._empty)
            return
        new = not path.exists()
        engine = _warm_engine(self.conn_string_for_shard(shard))
        self._initdb(engine)
        engine.dispose()
        if new and shard != INDEX_SHARD_NAME:
            self._empty = path.read_bytes()

    def dispose(self) -> None:
        """Close every connection."""
        while self._held:
            self._held.popitem()[1].dispose()
        super().dispose()


class WarmRunStorage(SqliteRunStorage):
    """The table of runs, kept open."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._warm = _warm_engine(conn_string)
        super().__init__(conn_string, inst_data)

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Any,  # Any: validated by Dagster
    ) -> WarmRunStorage:
        """Make one of its configuration; its tables are there already."""
        return cls(create_db_conn_string(config_value["base_dir"], "runs"), inst_data)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Give the connection, in a transaction."""
        with self._warm.connect() as connection, connection.begin():
            yield connection

    def dispose(self) -> None:
        """Close the connection."""
        self._warm.dispose()
        super().dispose()


def warm_instance(home: Path) -> DagsterInstance:
    """Return the instance of a prepared home with warm storages where it keeps its history in SQLite files."""
    ref = InstanceRef.from_dir(str(home))
    if ref.storage_data is None or ref.storage_data.class_name != "DagsterSqliteStorage":
        return DagsterInstance.from_ref(ref)
    history = home / "history"
    overrides = {
        "python_logs": {"python_log_level": "CRITICAL"},  # of lines on the console; every event is still recorded
        "compute_logs": {
            "module": "dagster._core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        },
        "run_storage": _storage(WarmRunStorage, history),
        "event_log_storage": _storage(WarmEventLogStorage, history / "runs"),
        "schedule_storage": {
            "module": "dagster._core.storage.schedules",
            "class": "SqliteScheduleStorage",
            "config": {"base_dir": str(home / "schedules")},
        },
    }
    return DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=overrides))


def _storage(kind: type, folder: Path) -> dict[str, Any]:  # Any: as Dagster's configuration is
    return {"module": kind.__module__, "class": kind.__name__, "config": {"base_dir": str(folder)}}


def _warm_engine(conn_string: str) -> Engine:
    engine = create_engine(
        conn_string,
        poolclass=StaticPool,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _settle(connection: Any, _record: object) -> None:  # Any: a connection of sqlite3
        # In write-ahead mode a commit need not wait for the disk to be safe from a killed process.
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine
