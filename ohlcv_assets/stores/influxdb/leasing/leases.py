"""The leases of a bucket: days, shards, and whoever deletes.

What belongs here: what there are leases of, and how their labels are called. What does not: one lease (``lease``).
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.leasing.holders import Terms, Watch, has_ended
from ohlcv_assets.stores.influxdb.leasing.labels import Labels, ServerClock
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease


class Leases:
    """The leases of one bucket.

    Parameters
    ----------
    connection
        The way to the server; best not the one that trades are written by, whose connections may all be busy.
    scope
        What the leases are about: the bucket's name.
    terms
        How long they last.
    sleep, clock
        How to wait, and the clock that is kept by the server's; tests pass their own.
    """

    def __init__(
        self,
        connection: Connection,
        scope: str,
        terms: Terms | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: ServerClock | None = None,
    ) -> None:
        self.scope = scope
        self.terms = terms or Terms()
        self.clock = clock or ServerClock()
        self.labels = Labels(connection, self.clock)
        self.sleep = sleep

    @property
    def prefix(self) -> str:
        """What the names of all its labels begin with."""
        return f"ohlcv/{self.scope}/"

    @property
    def delete_name(self) -> str:
        """Name of the label of the one who deletes."""
        return f"{self.prefix}delete"

    @contextmanager
    def day(self, day: dt.date) -> Iterator[DayLease]:
        """Hold a day; see ``days``."""
        with self.days([day]) as lease:
            yield lease

    @contextmanager
    def days(self, days: Sequence[dt.date], *, kept: bool = False) -> Iterator[DayLease]:
        """Hold several days for as long as the context lasts; whoever only deletes may hold none.

        Parameters
        ----------
        days
            UTC.
        kept
            Whether whoever waits is to say so, and the holder will look for that: see ``DayLease.wanted``.

        Raises
        ------
        StoreBusyError
            Somebody else held one of them for longer than our patience.
        StoreAccessError, StoreUnavailableError
            The server does not let us, or does not answer.
        """
        # Everybody takes them in the same order, so that no two wait for each other.
        names = [f"{self.prefix}day/{day}" for day in sorted(set(days))]
        with self._holding(DayLease(self, names, kept=kept)) as lease:
            yield lease

    def held(self, but: DayLease | None) -> set[str]:
        """Return the days, as text, that anybody holds now, but for one lease."""
        found, now = self.labels.all(f"{self.prefix}day/")
        others = (label for label in found if but is None or not but.is_ours(label))
        return {label.name.rpartition("/")[2] for label in others if not has_ended(label, now)}

    @contextmanager
    def shard(self, shard: int) -> Iterator[DayLease]:
        """Hold a shard for as long as the context lasts, as one who writes; to be taken after days, never before.

        Raises
        ------
        StoreBusyError
            Somebody else held it for longer than our patience.
        """
        with self._holding(DayLease(self, [f"{self.prefix}shard/{shard}"], "writing")) as lease:
            yield lease

    @contextmanager
    def _holding(self, lease: DayLease) -> Iterator[DayLease]:
        try:
            lease.take()
            yield lease
        finally:
            lease.release()

    def named(self, name: str) -> str:
        """Return what a label of ours stands for."""
        kind, _, what = name.removeprefix(self.prefix).partition("/")
        place = f"the bucket {self.scope!r}"
        return {"day": f"{what} in {place}", "shard": f"the shard {what} of {place}"}.get(kind, place)

    def watch(self) -> Watch:
        """Begin to wait for somebody else."""
        return Watch(self.labels, self.clock, self.terms)
