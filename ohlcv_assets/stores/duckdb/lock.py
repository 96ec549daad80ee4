"""The lock beside the file: one process at a time, in turn, with patience.

What belongs here: two lock files and the note about who holds the store. What does not: DuckDB.

A process first takes the *turn* and gives it back once it holds the *store*; whoever waits holds the turn, so a process
that lets go and comes back at once stands behind it. Both are locks of the operating system: they end with the process,
however it ends.
"""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from ohlcv_assets.errors import StoreBusyError
from ohlcv_assets.lake.machine import machine_errors

_SHORTEST: Final = 0.0005
_LONGEST: Final = 0.02


def delays() -> Iterator[float]:
    """Yield growing, jittered seconds to sleep between attempts."""
    delay = _SHORTEST
    while True:
        yield delay * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter, not a secret
        delay = min(delay * 1.5, _LONGEST)


class StoreLock:
    """Exclusive use of one store among processes.

    Parameters
    ----------
    path
        The store's file; the lock files lie beside it.
    patience
        Seconds to wait before giving up.
    """

    def __init__(self, path: Path, patience: float) -> None:
        self.path = path
        self.patience = patience
        self._turn = FileLock(_beside(path, ".turn"), thread_local=False)
        self._probe = FileLock(_beside(path, ".turn"), thread_local=False)
        self._probing = threading.Lock()
        self._store = FileLock(_beside(path, ".lock"), thread_local=False)
        self._note = _beside(path, ".holder")

    def acquire(self) -> float:
        """Wait for the store and return the seconds that took.

        Raises
        ------
        StoreBusyError
            Naming the holder, once patience is over.
        MachineError
            The lock files cannot be written.
        """
        began = time.monotonic()
        with machine_errors("lock the store", self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._wait(self._turn, began + self.patience)
            try:
                self._wait(self._store, began + self.patience)
            finally:
                self._turn.release()
        with suppress(OSError):
            self._note.write_text(json.dumps(_me()))
        return time.monotonic() - began

    def release(self) -> None:
        """Let the next one in."""
        self._store.release()

    def wanted(self) -> bool:
        """Return whether another process waits for the store: who waits holds the turn.

        To be asked by who holds the store, and of one lock of a process only: two that look at the same moment see each
        other.
        """
        with self._probing:
            try:
                self._probe.acquire(blocking=False)
            except Timeout:
                return True
            self._probe.release()
            return False

    def busy(self, holder: str | None = None) -> StoreBusyError:
        """Return the error that names who holds the store."""
        return StoreBusyError(
            f"The store {self.path} is in use by {holder or self._holder()} and did not become free within "
            f"{self.patience:g} s; wait for that process or stop it, then run again."
        )

    def _wait(self, lock: FileLock, deadline: float) -> None:
        pauses = delays()
        while True:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                if time.monotonic() >= deadline:
                    raise self.busy() from None
                time.sleep(next(pauses))
            else:
                return

    def _holder(self) -> str:
        try:
            note = json.loads(self._note.read_text())
            return f"process {note['pid']} on {note['host']} (since {note['since']})"
        except (OSError, ValueError, LookupError, TypeError):
            return "another process"


def _me() -> dict[str, str | int]:
    """Describe this process."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat(timespec="seconds")}


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
