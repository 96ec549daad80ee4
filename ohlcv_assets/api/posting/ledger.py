"""What was posted before: ids of trades, and the outcomes of requests with an idempotency key.

What belongs here: remembering so many and forgetting the oldest; across restarts where there is a file. What does not:
what follows from it (``commit``).

The store itself tells whether a trade is there. The ledger tells whether an id was used for another trade, and what a
request was answered, neither of which the store knows. So nothing is lost with it but these two refusals.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ohlcv_assets.errors import MachineError
from ohlcv_assets.lake.machine import machine_errors

FILE: Final = "posted.sqlite"
_VERSION: Final = 1
_PATIENCE: Final = 5.0
"""Seconds to wait for another process that writes into the same ledger."""

_CREATE: Final = (
    "CREATE TABLE IF NOT EXISTS trades (seq INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, record BLOB NOT NULL)",
    (
        "CREATE TABLE IF NOT EXISTS requests "
        "(seq INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, body BLOB NOT NULL, outcome BLOB NOT NULL)"
    ),
    f"PRAGMA user_version = {_VERSION}",
)
_TRADES: Final = "SELECT name, record FROM trades WHERE name IN (SELECT value FROM json_each(?))"
_REQUESTS: Final = "SELECT name, body, outcome FROM requests WHERE name IN (SELECT value FROM json_each(?))"
_ADD_TRADE: Final = "INSERT OR IGNORE INTO trades (name, record) VALUES (?, ?)"
_ADD_REQUEST: Final = "INSERT OR IGNORE INTO requests (name, body, outcome) VALUES (?, ?, ?)"
_FORGET: Final = (
    "DELETE FROM trades WHERE seq <= (SELECT max(seq) FROM trades) - ?",
    "DELETE FROM requests WHERE seq <= (SELECT max(seq) FROM requests) - ?",
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """A request that was carried out.

    Attributes
    ----------
    body
        Fingerprint of its body.
    outcome
        What became of its trades, packed by whoever remembers it.
    """

    body: bytes
    outcome: bytes


class Ledger:
    """A ledger; one thread at a time.

    Parameters
    ----------
    path
        Its file; None for one that ends with the process.
    size
        Ids of trades that are remembered, and as many requests.
    """

    def __init__(self, path: Path | None, size: int) -> None:
        self._path = path
        self._size = size
        self._opened: sqlite3.Connection | None = None

    def trades(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the records of those trades that are remembered, by name.

        Raises
        ------
        MachineError
            The file cannot be used.
        """
        with self._connection() as connection:
            return dict(connection.execute(_TRADES, [json.dumps(list(names))]).fetchall())

    def requests(self, names: Iterable[str]) -> dict[str, Remembered]:
        """Return those requests that are remembered, by name; raises what ``trades`` does."""
        with self._connection() as connection:
            found = connection.execute(_REQUESTS, [json.dumps(list(names))]).fetchall()
        return {name: Remembered(body, outcome) for name, body, outcome in found}

    def remember(self, trades: Mapping[str, bytes], requests: Mapping[str, Remembered]) -> None:
        """Remember trades and requests by name; those known stay as they are. Raises what ``trades`` does."""
        if not trades and not requests:
            return
        with self._connection() as connection, connection:
            connection.executemany(_ADD_TRADE, trades.items())
            rows = ((name, one.body, one.outcome) for name, one in requests.items())
            connection.executemany(_ADD_REQUEST, rows)
            for statement in _FORGET:
                connection.execute(statement, [self._size])

    def close(self) -> None:
        """Close the file; asking again opens it."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._opened is None:
                self._opened = self._open()
            yield self._opened
        except sqlite3.Error as error:
            self.close()
            raise MachineError(
                f"The ledger of posted trades {self._path} cannot be used ({error}): make room or correct its "
                "permissions; a damaged one may be removed while the service is stopped."
            ) from error

    def _open(self) -> sqlite3.Connection:
        if self._path is not None:
            with machine_errors("keep the ledger of posted trades", self._path):
                self._path.parent.mkdir(parents=True, exist_ok=True)
        # Commits come from changing threads, one after the other.
        where = ":memory:" if self._path is None else str(self._path)
        connection = sqlite3.connect(where, timeout=_PATIENCE, check_same_thread=False)
        try:
            # After a loss of power the last commits may be missing, and no more than that.
            for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", *_CREATE):
                connection.execute(statement)
        except sqlite3.Error:
            connection.close()
            raise
        return connection
