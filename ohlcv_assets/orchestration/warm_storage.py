"""Dagster's own SQLite storages with connections kept open: for a process that records many runs.

What belongs here: keeping engines, connections and what does not change. What does not: tables, files and statements,
which stay Dagster's; any other process reads and writes the same files at the same time. Dagster opens each database
anew for every event and compiles every statement again; that was two thirds of a run's processor time. With every
check it asks whether the table of checks is there, over one more connection, and which materialization the check is
about. Private API of Dagster is overridden here and in ``runs`` only; the tests of this room hold what a run must leave
behind.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from dagster import (
    AssetKey,
    AssetRecordsFilter,
    DagsterEventType,
    DagsterInstance,
    EventLogEntry,
    EventRecordsResult,
)
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, StaticPool, create_engine, event, inspect

_RUNS_HELD: Final = 2
"""Databases of runs that stay open; a worker executes one run at a time."""

_FOUND_FOR: Final = 1.0
"""Seconds for which the latest materialization of a day serves the checks that follow each other in one step."""


class WarmEventLogStorage(SqliteEventLogStorage):
    """The event log, with the index and the latest runs kept open."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._held: OrderedDict[str, Engine] = OrderedDict()
        self._empty: bytes | None = None
        self._there: set[str] = set()
        self._found: dict[tuple[object, ...], tuple[float, EventRecordsResult]] = {}
        self._batch: dict[str, Connection] | None = None
        self._batched = ExitStack()
        super().__init__(base_dir, inst_data)
        # Whoever stores a batch holds the lock while each event of it is stored.
        self._db_lock = threading.RLock()  # type: ignore[assignment]  # used as a context alone

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Any,  # Any: validated by Dagster
    ) -> WarmEventLogStorage:
        """Make one of its configuration."""
        return cls(inst_data=inst_data, **config_value)

    def has_table(self, table_name: str) -> bool:
        """Return whether a table is there; one that is stays."""
        if table_name not in self._there:
            with self.index_connection() as connection:
                if inspect(connection).has_table(table_name):
                    self._there.add(table_name)
        return table_name in self._there

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        """Return whether the table of assets has a column; one that is there stays."""
        if column_name not in self._there and super()._has_asset_key_col_on_connection(conn, column_name):
            self._there.add(column_name)
        return column_name in self._there

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event."""
        if event.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION:
            self._found.clear()
        super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in one transaction of each database: all of them, or none where one fails."""
        with self._db_lock, ExitStack() as self._batched:
            self._batch = {}
            try:
                super().store_event_batch(events)
            finally:
                self._batch = None

    def fetch_materializations(
        self,
        records_filter: AssetKey | AssetRecordsFilter,
        limit: int,
        cursor: str | None = None,
        ascending: bool = False,
    ) -> EventRecordsResult:
        """Return materializations.

        The latest one that was found a moment ago serves again, unless this process stored one since: every check of a
        step asks for it.
        """
        key = (repr(records_filter), cursor, ascending)
        since, found = self._found.get(key, (0.0, None))
        if limit == 1 and found is not None and time.monotonic() - since < _FOUND_FOR:
            return found
        found = super().fetch_materializations(records_filter, limit, cursor, ascending)
        if limit == 1:
            self._found[key] = (time.monotonic(), found)
        return found

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if self._batch is None:
                with self._begun(shard) as connection:
                    yield connection
                return
            if shard not in self._batch:
                self._batch[shard] = self._batched.enter_context(self._begun(shard))
            yield self._batch[shard]

    @contextmanager
    def _begun(self, shard: str) -> Iterator[Connection]:
        with self._engine(shard).connect() as connection, connection.begin():
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
