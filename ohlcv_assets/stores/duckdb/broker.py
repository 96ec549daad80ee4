"""The one way to the file: sessions that hold it for as long as a step lasts.

What belongs here: attaching and detaching the file, sharing one attachment among the threads of a process, turning
DuckDB's errors into this package's. What does not: statements (``sql``), waiting for other processes (``lock``).

DuckDB lets a writer exclude every other process. So each process keeps one DuckDB instance in memory and attaches the
file to it only while sessions last: attaching and detaching take about a millisecond each, where opening the file anew
takes fifteen. The first session of a process takes the lock and attaches, the last one detaches and lets go.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import duckdb
import pyarrow as pa

from ohlcv_assets.stores.duckdb.attachment import Attachment
from ohlcv_assets.stores.duckdb.failures import breaks_the_connection, explained
from ohlcv_assets.stores.duckdb.lock import StoreLock

Values = Sequence[object]

_attachments: Final[dict[tuple[int, Path], Attachment]] = {}
_attachments_lock: Final = threading.Lock()


class Session:
    """One connection to the attached file.

    Attributes
    ----------
    waited
        Seconds this session waited for the store.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, attachment: Attachment, waited: float) -> None:
        self._connection = connection
        self._attachment = attachment
        self.waited = waited

    def rows(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows; Any: a column's type is the statement's."""
        return self._connection.execute(statement, list(values)).fetchall()

    def changed(self, statement: str, values: Values = ()) -> int:
        """Run an INSERT or DELETE and return how many rows it changed."""
        return int(self.rows(statement, values)[0][0])

    def table(self, statement: str, values: Values = ()) -> pa.Table:
        """Run a query and return its result as an Arrow table."""
        found: pa.Table = self._connection.sql(statement, params=list(values)).to_arrow_table()
        return found

    @contextmanager
    def incoming(self, data: pa.Table | pa.RecordBatchReader) -> Iterator[None]:
        """Let statements read Arrow data by the name ``incoming``."""
        self._connection.register("incoming", data)
        try:
            yield
        finally:
            self._connection.unregister("incoming")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all statements within take effect together, or none; one thread of the process at a time."""
        with self.alone():
            self._connection.begin()
            try:
                yield
            except BaseException:
                self._undo()
                raise
            self._connection.commit()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep all other threads of the process from changing anything; other processes are kept out anyway."""
        with self._attachment.writing():
            yield

    def changing(self, days: Iterable[dt.date]) -> None:
        """Say that trades of some days are about to be changed."""
        self._attachment.changing(days)

    def mark(self, day: dt.date) -> Hashable:
        """Return what stays equal until somebody may have changed a day's trades."""
        return self._attachment.mark(day)

    def changes(self, days: Iterable[dt.date]) -> dict[dt.date, tuple[int, int]]:
        """Return how often others have changed the file, and this process the trades of some days; whole changes."""
        with self.alone():
            return {day: self._attachment.changes(day) for day in days}

    def _undo(self) -> None:
        # A statement that failed for good has ended the transaction itself; what it raised is what counts.
        with suppress(duckdb.Error):
            self._connection.rollback()


class Broker:
    """Sessions with one DuckDB file; brokers of the same file in one process share one attachment.

    The limits of the first of them hold for all.

    Parameters
    ----------
    path
        The file; made by the first session that finds none.
    memory
        DuckDB's memory limit, as in ``"512MB"``.
    threads
        DuckDB's threads.
    patience
        Seconds to wait for a store that another process holds.
    """

    def __init__(self, path: Path, *, memory: str = "512MB", threads: int = 2, patience: float = 120.0) -> None:
        self.path = path.absolute()
        self._memory = memory
        self._threads = threads
        self._patience = patience

    @property
    def exists(self) -> bool:
        """Whether there is a file yet; where there is none, nothing is stored."""
        return self.path.exists()

    def size_bytes(self) -> int:
        """Return the size of the file and its write-ahead log; 0 where there is none."""
        files = (self.path, self.path.with_name(self.path.name + ".wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Hold the store for a step.

        Sessions may nest and may run in several threads at once; they share one attachment, each with a connection of
        its own.

        Raises
        ------
        StoreBusyError
            Naming the holder, once patience is over.
        StoreError
            The file is damaged, or is not one of this project's.
        MachineError
            The disk is full or the folder cannot be written to.
        """
        attachment = self._attachment()
        broken = False
        try:
            waited = attachment.enter()
            try:
                connection = attachment.connection()
                try:
                    yield Session(connection, attachment, waited)
                finally:
                    connection.close()
            except duckdb.Error as error:
                broken = breaks_the_connection(error)
                raise
            finally:
                attachment.leave(broken=broken)
        except duckdb.Error as error:
            raise explained(error, self.path) from error

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the store for several requests, where there is one: asking makes none. Raises what ``session`` does."""
        if not self.exists:
            yield
            return
        with self.session():
            yield

    @contextmanager
    def closed_to_others(self) -> Iterator[None]:
        """Hold the store without opening the file, which need not be whole or there.

        Raises
        ------
        StoreBusyError
            Naming the holder, once patience is over; a session of this process is one as well.
        MachineError
            The lock cannot be written.
        """
        lock = StoreLock(self.path, self._patience)
        lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def wanted(self) -> bool:
        """Return whether another process waits for the store."""
        return self._attachment().wanted()

    def close(self) -> None:
        """Let go of the process's DuckDB instance, unless a session is running; another session makes a new one."""
        self._attachment().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _attachment(self) -> Attachment:
        """Return this process's attachment: a forked child has its own."""
        key = (os.getpid(), self.path)
        with _attachments_lock:
            if key not in _attachments:
                lock = StoreLock(self.path, self._patience)
                _attachments[key] = Attachment(lock, memory=self._memory, threads=self._threads)
            return _attachments[key]
