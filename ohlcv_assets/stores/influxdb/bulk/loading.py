"""Days' trades into the shards of their weeks, as files.

What belongs here: what goes together, finding the shard or making it exist. What does not: sending files
(``sending``), whether to (``choice``), and everything that comes before and after: records, deleting, counting
(``trades``).

A restore closes the shard and opens it again, and what a file must be called depends on the files that are there. So
one load at a time goes into a shard, agreed on by a lease of its own; docs/decisions/0005 says why no name that is
chosen so can be the server's. Whether a restore worked its reply does not say: counting does.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Final

from ohlcv_assets.errors import StoreAccessError, StoreUnavailableError
from ohlcv_assets.progress import Observer, Progress
from ohlcv_assets.stores.base import DayContent
from ohlcv_assets.stores.influxdb.bulk.api import BackupApi
from ohlcv_assets.stores.influxdb.bulk.making import Going, Making
from ohlcv_assets.stores.influxdb.bulk.names import KnownNames
from ohlcv_assets.stores.influxdb.bulk.sending import Errand, send
from ohlcv_assets.stores.influxdb.bulk.settling import Settling
from ohlcv_assets.stores.influxdb.bulk.shards import Shard, Shards
from ohlcv_assets.stores.influxdb.bulk.telling import Teller
from ohlcv_assets.stores.influxdb.connection import LONGEST_PAUSE, Connection
from ohlcv_assets.stores.influxdb.deleting import delete_range
from ohlcv_assets.stores.influxdb.leasing.closings import Closings
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease
from ohlcv_assets.stores.influxdb.leasing.leases import Leases
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MIN_NS
from ohlcv_assets.stores.influxdb.tsm.encoding import TsmFile
from ohlcv_assets.stores.influxdb.writer.plan import LoadPlan
from ohlcv_assets.stores.influxdb.writer.story import WriteStory
from ohlcv_assets.stores.tables import Feed
from ohlcv_assets.units import day_start

MARKER: Final = "bulk_shard"
"""Measurement of the points that make shards exist; each is deleted as soon as it is written."""


_THREADS: Final = 2
"""Pieces that a load alone encodes at a time, while it reads the next."""


class _Cargo:
    """Files that go into one shard together, of up to so many bytes; a single one may have more."""

    def __init__(self, most: int) -> None:
        self.files: list[tuple[Going, TsmFile]] = []
        self._most = most
        self._bytes = 0
        self._shard: Shard | None = None

    def takes(self, shard: Shard, file: TsmFile) -> bool:
        """Return whether a file may come along."""
        return not self.files or (self._shard == shard and self._bytes + file.size <= self._most)

    def add(self, shard: Shard, going: Going, file: TsmFile) -> None:
        """Take a file along."""
        self._shard = shard
        self._bytes += file.size
        self.files.append((going, file))

    def empty(self) -> None:
        """Begin anew."""
        self.files, self._bytes = [], 0


class BulkLoader:
    """Loads whole days into one bucket.

    Parameters
    ----------
    api
        Backup and restore, with the operator's token.
    connection
        The way to the server with the loader's token.
    leases, closings
        The bucket's.
    still
        Keeps the server's own readers of the bucket still.
    bucket
        Its name.
    plan
        Memory, time-outs, deadline.
    """

    def __init__(
        self,
        api: BackupApi,
        connection: Connection,
        leases: Leases,
        closings: Closings,
        still: Callable[[], AbstractContextManager[None]],
        bucket: str,
        plan: LoadPlan,
    ) -> None:
        self._api = api
        self._connection = connection
        self._leases = leases
        self._closings = closings
        self._still = still
        self._bucket = bucket
        self._plan = plan
        self._shards: Shards | None = None
        self._known = KnownNames()

    def close(self) -> None:
        """Close the operator's connections."""
        self._api.connection.close()

    def version(self) -> str:
        """Return the server's version."""
        return self._api.version()

    def shards(self, *, afresh: bool = False) -> Shards:
        """Return the shards that the bucket had when they were last asked for.

        Raises
        ------
        StoreAccessError
            The token is no operator's, or there is no such bucket.
        """
        if self._shards is None or afresh:
            self._shards = self._api.shards(self._bucket)
        if self._shards is None:
            raise StoreAccessError(
                f"InfluxDB at {self._connection.address.url} has no bucket {self._bucket!r}: run `ohlcv influx setup`, "
                "which makes what is missing."
            )
        return self._shards

    def making(self, contents: Sequence[DayContent], feeds: Sequence[Feed], share: int) -> Making:
        """Return the files of days, to be made from now on.

        Parameters
        ----------
        contents, feeds
            In order; each day lies in one shard. Those of the same shard that fit into the memory go together: a
            shard is closed and opened once for them.
        share
            Among how many loads the memory is divided.
        """
        days = [Going(content.day, feed, content.rows) for content, feed in zip(contents, feeds, strict=True)]
        # Of several loads others are at work while one waits.
        return Making(days, self._plan.memory // share, _THREADS if share == 1 else 1)

    def ready(self, making: Making, check: Callable[[], None]) -> None:
        """Make what loading needs exist, while files are made: the marks for readers, and the first day's shard."""
        day = next((going.day for going in making.days if going.expected > 0), None)
        if day is not None:
            self._closings.ready()
            self._shard_of(day, check)

    @contextmanager
    def loaded(self, making: Making, lease: DayLease, observer: Observer) -> Iterator[WriteStory]:
        """Load days of which nothing is there, and yield what happened.

        While the context lasts the mark of the last restore is taken back and the lease of its shard given back; at
        its end both are.

        Parameters
        ----------
        making
            Their files.
        lease
            Of the days, shown as writing.
        observer
            Told of every file that is there.

        Raises
        ------
        StoreUnavailableError
            The server did not take them until the deadline.
        StoreRejectedError, StoreAccessError
            It will not take them.
        """
        teller = Teller(self._connection.address.url)
        cargo = _Cargo(making.room)
        with self._still(), Settling() as settling:
            for going, file in making:
                shard = self._shard_of(going.day, lease.check)
                if not cargo.takes(shard, file):
                    self._unload(cargo, making, lease, teller, settling, observer)
                cargo.add(shard, going, file)
            self._unload(cargo, making, lease, teller, settling, observer)
            yield teller.story()
            settling.wait()

    def _unload(
        self,
        cargo: _Cargo,
        making: Making,
        lease: DayLease,
        teller: Teller,
        settling: Settling,
        observer: Observer,
    ) -> None:
        """Load what was gathered, and tell of it."""
        if cargo.files:
            # The lease of the same shard may not be given back yet.
            settling.wait()
            self._put(cargo.files[0][0].day, [file for _, file in cargo.files], lease, teller, settling)
        for going, file in cargo.files:
            teller.loaded(file)
            going.loaded += file.rows
            detail = teller.story().detail()
            observer(Progress("load", going.day.isoformat(), going.loaded, going.expected, "trades", detail))
            making.sent(file.size)
        cargo.empty()

    def _put(self, day: dt.date, files: Sequence[TsmFile], lease: DayLease, teller: Teller, settling: Settling) -> None:
        """Load files into the shard of a day, wherever that is."""
        until = time.monotonic() + self._plan.deadline
        shard = self._shard_of(day, lease.check)
        while True:
            with ExitStack() as stack:
                held = stack.enter_context(self._leases.shard(shard.id))
                errand = self._errand(day, shard, (lease, held), teller)
                there = send(errand, files)
                lease.waited += held.waited
                if there:
                    settling.begin(errand.closing, stack.pop_all())
                    return
            # The shard has gone since we heard of it: its bucket was made anew, or retention took it.
            if time.monotonic() >= until:
                raise StoreUnavailableError(
                    f"InfluxDB at {self._connection.address.url} does not keep the shard of {day}: run the same again."
                )
            self._api.sleep(LONGEST_PAUSE / 10)
            shard = self._shard_of(day, lease.check, afresh=True)

    def _errand(self, day: dt.date, shard: Shard, leases: Sequence[DayLease], teller: Teller) -> Errand:
        closing = self._closings.of_shard(shard.id, (shard.start, shard.end))

        def unanswered() -> None:
            closing.unanswered()
            for lease in leases:
                lease.unanswered()

        return Errand(
            api=self._api.guarded(_all_of(*(lease.check for lease in leases))),
            known=self._known,
            closing=closing,
            shard=shard.id,
            doing=f"load the trades of {day}",
            timeout=self._plan.timeout,
            deadline=self._plan.deadline,
            unanswered=unanswered,
            teller=teller,
        )

    def _shard_of(self, day: dt.date, check: Callable[[], None], *, afresh: bool = False) -> Shard:
        """Return the shard of a day, made where there is none."""
        start = max(day_start(day), MIN_NS)
        shard = self.shards(afresh=afresh).holding(start)
        if shard is None:
            # Or it is there since we heard of shards, and stays as it is.
            shard = self._made(start, check).holding(start)
        if shard is None:
            raise StoreUnavailableError(
                f"InfluxDB at {self._connection.address.url} has made no shard for {day}: run the same again."
            )
        return shard

    def _made(self, instant: int, check: Callable[[], None]) -> Shards:
        """Make the shard of an instant exist, and return the shards.

        A point does that, and is deleted at once. It is of a measurement of its own, so that it is no trade for
        anybody, and the server's clean-up after the delete meets no series that somebody writes. It is deleted under
        the lease of the shard: another who knew of it sooner may be restoring into it, and in 2.9.1 a delete that
        drops a series and a restore of the same shard wait for each other for ever (docs/decisions/0008).
        """
        guarded = self._connection.guarded(check)
        doing, patience = "make a shard", self._plan.deadline
        guarded.call(
            "POST",
            "/api/v2/write",
            doing=doing,
            query={"org": guarded.address.org, "bucket": self._bucket, "precision": "ns"},
            body=b"%s made=1i %d\n" % (MARKER.encode(), instant),
            patience=patience,
        )
        shards = self.shards(afresh=True)
        shard = shards.holding(instant)
        if shard is not None:
            with self._leases.shard(shard.id) as held:
                alone = self._connection.guarded(_all_of(check, held.check))
                delete_range(alone, self._bucket, MARKER, instant, instant + 1, doing=doing, patience=patience)
        return shards


def _all_of(*checks: Callable[[], None]) -> Callable[[], None]:
    """Return a check of several leases."""

    def check() -> None:
        for each in checks:
            each()

    return check
