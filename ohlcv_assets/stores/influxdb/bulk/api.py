"""The API of backup and restore, as far as it is used here.

What belongs here: its requests, with the operator's token. What does not: what they are for (``loading``,
``backups``).

This is what ``influx backup`` and ``influx restore`` ask of a server (influxdata/influxdb:http/backup_service.go,
restore_service.go); nothing but an operator token may.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, Final, TypeVar

import urllib3

from ohlcv_assets.errors import MachineError
from ohlcv_assets.stores.influxdb.bulk.listing import IncompleteError, names_in
from ohlcv_assets.stores.influxdb.bulk.shards import Shards, shards_in
from ohlcv_assets.stores.influxdb.connection import (
    FIRST_PAUSE,
    HELPED_BY_REPEATING,
    LONGEST_PAUSE,
    Connection,
)
from ohlcv_assets.stores.influxdb.failures import Failure, Reply, error_of, failure_of_exception, failure_of_reply

Answer = TypeVar("Answer")

_PIECE: Final = 1 << 20
_PLAIN: Final = {"Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Listing:
    """Files of a shard.

    Attributes
    ----------
    names
        Paths; what was in the cache is in a file by then.
    date
        Seconds since 1970 by the server's clock, cut to the second, no later than the listing was made.
    """

    names: tuple[str, ...]
    date: float


class BackupApi:
    """Backup and restore of one server.

    Parameters
    ----------
    connection
        The way to the server, with the operator's token.
    patience
        Seconds that a request is repeated while the server is away, overloaded, or has the shard closed.
    sleep
        How to wait; tests pass one that does not.
    """

    def __init__(self, connection: Connection, patience: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self.connection = connection
        self.patience = patience
        self.sleep = sleep

    def guarded(self, check: Callable[[], None]) -> BackupApi:
        """Return the same with something called before every request; see ``Connection.guarded``."""
        return BackupApi(self.connection.guarded(check), self.patience, self.sleep)

    def version(self) -> str:
        """Return what the server calls its version, such as ``2.9.1``; empty where it does not tell."""
        reply = self.connection.call("GET", "/ping", doing="tell its version")
        return reply.headers.get("x-influxdb-version", "").removeprefix("v")

    def shards(self, bucket: str) -> Shards | None:
        """Return the shards of a bucket; None where there is no such bucket.

        Raises
        ------
        StoreAccessError
            The token is no operator's.
        StoreError
            The server did not answer, or not as a known version does.
        """
        reply = self.connection.call("GET", "/api/v2/backup/metadata", doing="list its shards", patience=self.patience)
        return shards_in(reply.headers.get("content-type", ""), reply.body, self.connection.address.org, bucket)

    def files(self, shard: int, since: float | None = None) -> Listing | None:
        """Return the files of a shard, or those that changed since; None where there is no such shard.

        Parameters
        ----------
        shard
            Its id.
        since
            Seconds since 1970 by the server's clock.
        """

        def read(response: urllib3.BaseHTTPResponse) -> Listing:
            date = email.utils.parsedate_to_datetime(response.headers["date"]).timestamp()
            return Listing(tuple(names_in(response.stream(_PIECE))), date)

        return self._backup(shard, _since(since), read)

    def download(self, shard: int, into: IO[bytes], since: float | None = None) -> bool:
        """Write a tar of a shard's files, or of those that changed since; return False where there is no such shard.

        Raises
        ------
        MachineError
            There is no room for it.
        """

        def read(response: urllib3.BaseHTTPResponse) -> bool:
            # A server that fails on the way ends its reply in good order.
            names_in(_put(into, response.stream(_PIECE)))
            return True

        return bool(self._backup(shard, _since(since), read))

    def restore(self, shard: int, body: Sequence[bytes], timeout: float) -> Reply | Failure:
        """Send a tar of files once, in pieces; a reply that passed does not mean that they were loaded."""
        # Pieces of a known length come as one body.
        size = {"Content-Length": str(sum(map(len, body)))}
        try:
            return self.connection.send(
                "POST",
                f"/api/v2/restore/shards/{shard}",
                body=body,
                headers={"Content-Type": "application/octet-stream", **size},
                timeout=timeout,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return failure_of_exception(error)

    def _backup(
        self, shard: int, query: dict[str, str], read: Callable[[urllib3.BaseHTTPResponse], Answer]
    ) -> Answer | None:
        """Ask for a shard's files until they have come whole."""
        until = time.monotonic() + self.patience
        pause = FIRST_PAUSE
        while True:
            outcome = self._attempt(f"/api/v2/backup/shards/{shard}", query, read)
            if not isinstance(outcome, Failure):
                return outcome
            if outcome.status == HTTPStatus.NOT_FOUND:
                return None
            if outcome.kind not in HELPED_BY_REPEATING or time.monotonic() >= until:
                raise error_of(outcome, f"back up the shard {shard}", self.connection.address.url)
            self.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _attempt(
        self, path: str, query: dict[str, str], read: Callable[[urllib3.BaseHTTPResponse], Answer]
    ) -> Answer | Failure:
        try:
            with self.connection.stream("GET", path, query=query, headers=_PLAIN) as response:
                if response.status == HTTPStatus.OK:
                    return read(response)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return failure_of_reply(Reply(response.status, headers, response.data), time.time())
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return failure_of_exception(error)
        except IncompleteError as error:
            return Failure("transient", None, str(error))


def _since(date: float | None) -> dict[str, str]:
    """Return the part of a query that leaves out what is older; a date by the server's clock."""
    return {} if date is None else {"since": dt.datetime.fromtimestamp(date, dt.UTC).isoformat()}


def _put(into: IO[bytes], pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pieces that were written to a file, from its beginning."""
    into.seek(0)
    into.truncate()
    for piece in pieces:
        try:
            into.write(piece)
            into.flush()
        except OSError as error:
            raise MachineError(f"A backup of a shard could not be kept in a temporary file: {error}.") from error
        yield piece
