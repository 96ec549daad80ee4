"""The writer of a store: bodies in, acknowledgements out.

What belongs here: what is kept between writes: connections, and the limit that the server was found to bear. What
does not: the course of one write (``load``).
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from ohlcv_assets.progress import Observer, nobody
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import STATUS_BUCKET
from ohlcv_assets.stores.influxdb.lineprotocol.lines import Lines
from ohlcv_assets.stores.influxdb.writer.carriers import Carrier, carrier_of
from ohlcv_assets.stores.influxdb.writer.clock import Clock
from ohlcv_assets.stores.influxdb.writer.concurrency import Limit
from ohlcv_assets.stores.influxdb.writer.load import Load, Subject
from ohlcv_assets.stores.influxdb.writer.plan import LoadPlan
from ohlcv_assets.stores.influxdb.writer.sender import Target
from ohlcv_assets.stores.influxdb.writer.story import WriteStory
from ohlcv_assets.stores.influxdb.writer.usage import ServerUsage, server_process
from ohlcv_assets.units import Nanos, day_start


def _allow() -> None:
    """Guard nothing."""


class Writer:
    """Sends line protocol to one server; cheap to make, threads only while writing, safe to use again after an error.

    Parameters
    ----------
    connection
        Where the server is, and what guards requests; they go over connections of the writer's own.
    plan
        How they go.
    status
        Bucket that takes the canary.
    carrier, clock
        For tests; the plan's carrier and real time otherwise.
    """

    def __init__(
        self,
        connection: Connection,
        plan: LoadPlan,
        *,
        status: str = STATUS_BUCKET,
        carrier: Carrier | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._address = connection.address
        self._check = connection.check
        self._plan = plan
        self._status = status
        self._clock = Clock() if clock is None else clock
        self._carrier = carrier
        self._connections = plan.connections
        self._story: WriteStory | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Writer({self._address.url!r}, {self._plan})"

    @property
    def story(self) -> WriteStory | None:
        """What happened during the latest write, whether it succeeded or not; None before there was one."""
        return self._story

    def close(self) -> None:
        """Close kept-alive connections; a later write opens new ones."""
        if self._carrier is not None:
            self._carrier.close()

    def write(
        self,
        bucket: str,
        lines: Iterable[Lines],
        *,
        doing: str,
        subject: str,
        expected: int,
        observer: Observer = nobody,
        unit: str = "trades",
        stage: str = "load",
        guard: Callable[[], None] = _allow,
    ) -> WriteStory:
        """Send all lines and return once the server has acknowledged every one of them.

        Parameters
        ----------
        bucket
            Name of the bucket.
        lines
            Bodies with nanosecond timestamps, iterated over in the calling thread while others send.
        doing
            What this is, to follow "could not" in errors: ``"write the trades of 2024-03-15"``.
        subject, expected, unit, stage
            See ``Progress``.
        observer
            Told after every acknowledged body, from other threads but never from two at a time; ``story`` explains the
            figures in ``detail``.
        guard
            Called before every request, as the connection's own guard is: what it raises stops the write and comes
            through, but an OSError stands for a request that failed and is sent again later.

        Raises
        ------
        StoreRejectedError
            The server refused data; its words name what was dropped, the rest of that body is stored.
        StoreAccessError
            Token, right, organisation or bucket; nothing but the user helps.
        StoreUnavailableError
            No acknowledgement for ``plan.deadline`` seconds of trying.
        BaseException
            Whatever ``lines`` or the observer raises, unchanged.

        Notes
        -----
        After an error some bodies are stored, and one that was under way may still be on its way into the store for
        as long as the server needs for it.
        """
        gzipped, guards = self._plan.compression == "gzip", (self._check, guard)
        limit = Limit(self._plan.connections, self._connections)
        load = Load(
            self._plan,
            Target(self._address.url, bucket, self._status, doing, gzipped, guards, _beginning(subject)),
            Subject(stage, subject, expected, unit),
            observer,
            carrier=self._carrying(),
            limit=limit,
            server=ServerUsage(server_process(self._address.url)),
            clock=self._clock,
        )
        try:
            load.run(lines)
        finally:
            # What the server was found to bear holds for the next write too.
            self._connections = limit.value
            self._story = load.story()
        return load.story()

    def _carrying(self) -> Carrier:
        with self._lock:
            if self._carrier is None:
                self._carrier = carrier_of(self._address, self._plan)
            return self._carrier


def _beginning(subject: str) -> Nanos | None:
    """Return when the day begins that a write is about, of which the status bucket has a record; None for others."""
    with suppress(ValueError):
        return day_start(dt.date.fromisoformat(subject))
    return None
