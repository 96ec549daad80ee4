"""One file attached to one DuckDB instance of this process, shared by all its sessions.

What belongs here: who is first in and last out, attaching, making and recognising the file. What does not: statements
of the stores.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import duckdb

from ohlcv_assets.errors import StoreError
from ohlcv_assets.stores.duckdb import sql
from ohlcv_assets.stores.duckdb.failures import is_locked, lock_holder
from ohlcv_assets.stores.duckdb.lock import StoreLock, delays

_TENURE: Final = 1.0
"""Seconds after which further threads wait for the running sessions to end, if another process waits for its turn."""


_HEADERS: Final = 3 * 4096
"""Bytes of a file's three headers; https://duckdb.org/docs/stable/internals/storage has them."""

_LOOK: Final = 0.05
"""Seconds until a thread that waits looks again whether it may enter."""


class Attachment:
    """First in takes the lock and attaches; last out detaches and lets go.

    Parameters
    ----------
    lock
        The lock among processes; it knows path and patience.
    memory, threads
        DuckDB's limits.
    """

    def __init__(self, lock: StoreLock, *, memory: str, threads: int) -> None:
        self._lock = lock
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "threads": threads,
            "temp_directory": f"{lock.path}.tmp",
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        self._changed = threading.Condition()
        self._writer = threading.RLock()
        self._inside: dict[int, int] = {}
        self._turning = False
        self._broken = False
        self._since = 0.0
        self._openings = 0
        self._changes = Counter[dt.date]()
        self._left: Hashable = None
        self._others = 0
        self._instance: duckdb.DuckDBPyConnection | None = None

    def enter(self) -> float:
        """Join the running sessions, or be the first; return the seconds waited.

        Raises
        ------
        StoreBusyError, StoreError, MachineError, duckdb.Error
            The file cannot be had.
        """
        began = time.monotonic()
        if self._joined(began + self._lock.patience):
            return time.monotonic() - began
        try:
            waited = self._lock.acquire()
            try:
                waited += self._attach()
            except BaseException:
                self._drop_instance()
                self._lock.release()
                raise
        except BaseException:
            self._turned(inside=False)
            raise
        self._turned(inside=True)
        return waited

    def leave(self, *, broken: bool) -> None:
        """End a session; the last one detaches and lets go.

        Parameters
        ----------
        broken
            An error has made the attachment unusable: it is thrown away rather than detached.
        """
        me = threading.get_ident()
        with self._changed:
            self._broken = self._broken or broken
            self._inside[me] -= 1
            if self._inside[me] == 0:
                del self._inside[me]
            if self._inside:
                return
            self._turning = True
        try:
            self._detach()
        finally:
            self._lock.release()
            self._turned(inside=False)

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return a further connection to the instance that the file is attached to."""
        return self._running().cursor()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let one thread at a time write: DuckDB refuses the second of two that change the same table's rows."""
        if not self._writer.acquire(timeout=self._lock.patience):
            raise self._lock.busy("another thread of this process")
        try:
            yield
        finally:
            self._writer.release()

    def changing(self, days: Iterable[dt.date]) -> None:
        """Take notice that trades of some days may be others from now on."""
        self._changes.update(days)

    def mark(self, day: dt.date) -> Hashable:
        """Return what stays equal until a day's trades may be others: nobody else writes while the file is attached."""
        return self._openings, self._changes[day]

    def changes(self, day: dt.date) -> tuple[int, int]:
        """Return how often other processes have changed the file, and this one a day's trades."""
        return self._others, self._changes[day]

    def wanted(self) -> bool:
        """Return whether another process waits for the store."""
        return self._lock.wanted()

    def close(self) -> None:
        """Throw the idle instance away."""
        with self._changed:
            if not self._inside and not self._turning:
                self._drop_instance()

    def _joined(self, deadline: float) -> bool:
        """Join what runs and return True, or return False with the door held: the caller opens it."""
        me = threading.get_ident()
        with self._changed:
            while not self._may_enter(me):
                left = deadline - time.monotonic()
                # Who waited in another process may have given up, which nobody here is told of.
                if not self._changed.wait(min(left, _LOOK)) and left <= 0:
                    raise self._lock.busy("another thread of this process")
            if self._inside:
                self._inside[me] = self._inside.get(me, 0) + 1
                return True
            self._turning = True
            return False

    def _may_enter(self, me: int) -> bool:
        if me in self._inside:
            return True
        overdue = bool(self._inside) and time.monotonic() - self._since > _TENURE
        return not self._turning and not (overdue and self._lock.wanted())

    def _turned(self, *, inside: bool) -> None:
        """Say that attaching or detaching is over."""
        with self._changed:
            self._turning = False
            if inside:
                self._since = time.monotonic()
                self._inside[threading.get_ident()] = 1
            self._changed.notify_all()

    def _running(self) -> duckdb.DuckDBPyConnection:
        if self._instance is None:
            self._instance = duckdb.connect(":memory:", config=self._config)
        return self._instance

    def _attach(self) -> float:
        """Attach the file, made where there is none; return the seconds waited for others who do not use the lock."""
        path = self._lock.path
        if not path.exists():
            self._make(path)
        # Nobody else has it by now, and attaching it may change it.
        found = _state(path)
        began, pauses = time.monotonic(), delays()
        while True:
            waited = time.monotonic() - began
            try:
                _attach(self._running(), path)
                break
            except duckdb.Error as error:
                if not is_locked(error):
                    raise
                if waited >= self._lock.patience:
                    raise self._lock.busy(lock_holder(error)) from error
            time.sleep(next(pauses))
        self._recognise(path)
        self._openings += 1
        self._others += found != self._left
        return waited

    def _make(self, path: Path) -> None:
        """Make an empty store under another name and rename it, so that no kill leaves half a file."""
        fresh = path.with_name(path.name + ".new")
        for leftover in (fresh, fresh.with_name(fresh.name + ".wal"), path.with_name(path.name + ".wal")):
            leftover.unlink(missing_ok=True)
        instance = self._running()
        _attach(instance, fresh)
        for statement in sql.CREATE:
            instance.execute(statement)
        instance.execute(f"DETACH {sql.ALIAS}")
        fresh.rename(path)

    def _recognise(self, path: Path) -> None:
        try:
            found = self._running().execute(sql.VERSION).fetchall()
        except duckdb.CatalogException:
            found = []
        if found != [(sql.LAYOUT_VERSION,)]:
            raise StoreError(
                f"The file {path} is a DuckDB file, but not a store of layout {sql.LAYOUT_VERSION} made by this "
                "project: move it away or choose another data folder."
            )

    def _detach(self) -> None:
        try:
            if not self._broken:
                self._running().execute(f"DETACH {sql.ALIAS}")
        except duckdb.Error:
            self._broken = True
            raise
        finally:
            if self._broken:
                self._drop_instance()
            self._left = _state(self._lock.path)

    def _drop_instance(self) -> None:
        instance, self._instance, self._broken = self._instance, None, False
        if instance is not None:
            with suppress(duckdb.Error):
                instance.close()


def _state(path: Path) -> Hashable:
    """Return what is another one after anybody has changed a file, however soon: its headers count checkpoints."""
    try:
        with path.open("rb") as file:
            headers = file.read(_HEADERS)
    except OSError:
        return object()
    return headers, *(_stamp(each) for each in (path, path.with_name(path.name + ".wal")))


def _stamp(path: Path) -> Hashable:
    """Return size and time of a file; None where there is none."""
    with suppress(FileNotFoundError):
        stat = path.stat()
        return stat.st_ino, stat.st_size, stat.st_mtime_ns
    return None


def _attach(instance: duckdb.DuckDBPyConnection, path: Path) -> None:
    quoted = str(path).replace("'", "''")
    instance.execute(f"ATTACH '{quoted}' AS {sql.ALIAS} (TYPE duckdb)")
