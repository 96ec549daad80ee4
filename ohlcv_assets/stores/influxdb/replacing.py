"""Days of trades in InfluxDB that are replaced whole.

What belongs here: the order of events in which days are changed, and what of it goes on at the same time. What does
not: how lines are sent (``writer``), how files are loaded (``bulk``), how questions are asked (``reads``), how
processes keep out of each other's way (``leasing``), what else can be asked of trades (``trades``).

A day is marked dirty before anything of it is touched and clean once its counts are proved. Whoever is interrupted at
any point in between leaves it dirty, and loading it again makes it right.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from typing import Final, cast

import pyarrow as pa

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS
from ohlcv_assets.errors import StoreAccessError, StoreMismatchError, StoreQueryError
from ohlcv_assets.progress import Observer, nobody
from ohlcv_assets.stores.base import DayContent, DayRecord, DayState, GivenDay, LoadReport
from ohlcv_assets.stores.influxdb.bulk.api import BackupApi
from ohlcv_assets.stores.influxdb.bulk.backups import Backups
from ohlcv_assets.stores.influxdb.bulk.choice import Way, way_of
from ohlcv_assets.stores.influxdb.bulk.groups import ABREAST, part_of, together
from ohlcv_assets.stores.influxdb.bulk.loading import BulkLoader
from ohlcv_assets.stores.influxdb.bulk.plan import BulkPlan
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.deleting import delete_range, until_gone
from ohlcv_assets.stores.influxdb.layout import TRADES_MEASUREMENT, Layout
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease
from ohlcv_assets.stores.influxdb.lineprotocol.lines import trade_lines
from ohlcv_assets.stores.influxdb.reads import queries
from ohlcv_assets.stores.influxdb.reads.asking import Asker
from ohlcv_assets.stores.influxdb.reads.points import TRADES
from ohlcv_assets.stores.influxdb.records import Records
from ohlcv_assets.stores.influxdb.retention import Retention
from ohlcv_assets.stores.influxdb.revealing import Revealing
from ohlcv_assets.stores.influxdb.store import InfluxStore
from ohlcv_assets.stores.influxdb.tasks.pausing import Pausing
from ohlcv_assets.stores.influxdb.writer.plan import LoadPlan
from ohlcv_assets.stores.influxdb.writer.story import WriteStory
from ohlcv_assets.stores.tables import Feed, first_of_each
from ohlcv_assets.units import day_bounds, day_start

_OPERATOR_CONNECTIONS: Final = 4

_BESIDE: Final = 2
"""Requests of one load at a time beside those of its order of events."""

UNCOVERING: Final = 3
"""How often a day is deleted whose files still hold trades of it."""

OF_TRADES: Final = [resolution for resolution in STORED_RESOLUTIONS if resolution.source is None]
"""Those whose tasks read trades; they cannot see that a shard is closed."""


class ReplacedDays(InfluxStore):
    """Days in a bucket of trades; see ``InfluxStore`` for what it is made of.

    Parameters
    ----------
    bulk
        Whether whole days are loaded in bulk, and by whose right.
    """

    def __init__(
        self,
        connection: Connection,
        layout: Layout,
        plan: LoadPlan,
        *,
        query_timeout: float,
        patience: float,
        bulk: BulkPlan | None = None,
    ) -> None:
        super().__init__(connection, layout, plan, query_timeout=query_timeout, patience=patience)
        self._unsteady = self._asker
        self._asker = Asker(connection, query_timeout, self._steady)
        self._bucket = layout.trades.name
        self._retention = Retention(connection, self._bucket)
        self._bulk = BulkPlan() if bulk is None else bulk
        new_backups: Callable[[], Backups] | None = None
        self._loader: BulkLoader | None = None
        self._backups: Backups | None = None
        if self._bulk.operator is not None:
            address = dataclasses.replace(connection.address, token=self._bulk.operator)
            operator = Connection(address, _OPERATOR_CONNECTIONS)
            api = BackupApi(operator, plan.deadline)
            pausing = Pausing(operator, layout, Terms(patience=patience))
            self._loader = BulkLoader(
                api, connection, self._leases, self._closings, lambda: pausing.paused(OF_TRADES), self._bucket, plan
            )
            self._backups = Backups(api, self._bucket)
            new_backups = partial(Backups, api, self._bucket)
        self._revealing = Revealing(
            layout.trades, self._asker, self._records, self._writer, plan.batch_lines, new_backups
        )

    def close(self) -> None:
        """Close all connections."""
        super().close()
        if self._loader is not None and self._backups is not None:
            self._loader.close()
            self._backups.forget()

    @property
    def name(self) -> str:
        """Kind and place."""
        return f"influxdb:{self._connection.address.url}/{self._bucket}"

    def replace_day(
        self, content: DayContent, batches: Iterator[pa.RecordBatch], observer: Observer = nobody
    ) -> LoadReport:
        """Make the store hold exactly the given trades; see ``TradeStore.replace_day``.

        Raises
        ------
        StoreRejectedError
            The day lies outside the bucket's retention, or a trade cannot be stored.
        StoreAccessError, StoreUnavailableError
            The server does not let us, or did not answer until the deadline.
        """
        (report,) = self._replaced([GivenDay(content, lambda: batches)], 1, observer)
        return report

    def replace_days(self, given: Sequence[GivenDay], observer: Observer = nobody) -> Iterator[LoadReport]:
        """Do so for many days; see ``ReplacesMany.replace_days``.

        Days of one shard go in together where they go in bulk, and shards side by side; others go one after another.
        Yielded after a day is proved, in the order given.
        """
        groups = together(given, lambda day: self._way(day).loader)
        share = min(ABREAST, len(groups))
        with ExitStack() as stack:
            pool = ThreadPoolExecutor(max(share, 1), "days")
            stack.callback(pool.shutdown, cancel_futures=True)
            # What waits for a group that takes long is no more than reports.
            for reports in pool.map(lambda group: self._replaced(group, share, observer), groups):
                yield from reports

    def part_of(self, day: dt.date) -> int | None:
        """Return the number of the shard that a day is loaded into in bulk; None for days that go by lines."""
        return part_of(day, lambda day: self._way(day).loader)

    def counts(self, day: dt.date) -> Mapping[str, int]:
        """Count a day's trades per symbol."""
        return queries.day_counts(self._asker, self._bucket, day)

    def backed_up(self, day: dt.date, *, afresh: bool) -> Iterator[pa.RecordBatch]:
        """Yield a day's trades from the files of its shard; see ``BacksUp.backed_up``."""
        if self._backups is None:
            raise StoreAccessError(f"{self.name} gives no backups: OHLCV_INFLUX_OPERATOR_TOKEN is not set.")
        return self._backups.trades(*day_bounds(day), afresh=afresh)

    def _records(self, check: Callable[[], None] | None = None) -> Records:
        """Return the records; where they are to be changed, guarded by a lease."""
        connection = self._connection if check is None else self._connection.guarded(check)
        return Records(connection, self._layout, self._plan.deadline)

    def _replaced(self, given: Sequence[GivenDay], share: int, observer: Observer) -> list[LoadReport]:
        """Replace days of one group; ``share`` says among how many groups the memory is divided."""
        began = time.perf_counter()
        done = {each.content.day: LoadReport(each.content.rows, 0, 0, 0.0, 0.0) for each in given}
        waited = 0.0
        left, _ = self._unsettled(given)
        if left:
            days = [each.content.day for each in left]
            with ThreadPoolExecutor(1, "way") as beside:
                # Found out while the lease is taken.
                way = beside.submit(self._way_for, days)
                with self._leases.days(days) as lease:
                    # Whoever held the days before us may have loaded them.
                    left, known = self._unsettled(left)
                    if left:
                        done |= self._replace(lease, way.result(), left, known, share, observer)
                    waited = lease.waited
        seconds = time.perf_counter() - began
        return [dataclasses.replace(report, seconds=seconds, waited=waited) for report in done.values()]

    def _unsettled(self, given: Sequence[GivenDay]) -> tuple[list[GivenDay], Collection[dt.date]]:
        """Return the days whose recorded hash or counts are not those of their content, and which have a record."""
        contents = {each.content.day: each.content for each in given}
        records = self._records().between(min(contents), max(contents))
        named = [
            content
            for day, content in contents.items()
            if records.get(day) == DayRecord(day, "clean", content.content_hash, content.rows)
        ]
        counts = self._counts(named)
        settled = {content.day for content in named if Counter(counts[content.day]) == Counter(content.counts)}
        return [each for each in given if each.content.day not in settled], records

    def _counts(self, contents: Sequence[DayContent]) -> dict[dt.date, Mapping[str, int]]:
        """Count the trades of some days."""
        days = [content.day for content in contents]
        if len(days) <= 1:
            return {day: self.counts(day) for day in days}
        found = queries.days_counts(self._asker, self._bucket, min(days), max(days))
        return {day: found.get(day, {}) for day in days}

    def _way(self, day: dt.date) -> Way:
        return way_of(self._bulk.wish, self._loader, self._plan.rows_per_second, day)

    def _way_for(self, days: Sequence[dt.date]) -> Way:
        """Return how days of one group are loaded, where the bucket would keep them."""
        self._retention.require(day_start(min(days)))
        return self._way(days[0])

    def _replace(
        self,
        lease: DayLease,
        way: Way,
        given: Sequence[GivenDay],
        known: Collection[dt.date],
        share: int,
        observer: Observer,
    ) -> dict[dt.date, LoadReport]:
        """Delete what is there, write, verify and record; ``known`` are days that were recorded before."""
        contents = [each.content for each in given]
        feeds = [Feed(each.content.day, each.batches(), each.content.rows, nobody) for each in given]
        records = self._records(lease.check)
        with ExitStack() as stack:
            # Files are made from the beginning: reading and encoding a day takes as long as all requests before it.
            making = None if way.loader is None else stack.enter_context(way.loader.making(contents, feeds, share))
            beside = stack.enter_context(ThreadPoolExecutor(_BESIDE, "beside"))
            marked = beside.submit(records.mark, *_records_of(contents, "dirty"))
            ready = None if making is None else beside.submit(_loader(way).ready, making, lease.check)
            before = {day: Counter(counts).total() for day, counts in self._counts(contents).items()}
            marked.result()
            self._make_room(lease, way, before, known)
            if ready is not None:
                ready.result()
            with lease.writing():
                if making is None:
                    story = self._send(lease, contents[0], feeds[0], observer)
                    self.note_answers(lease, story)
                    self._require(contents, feeds, self._counts(contents))
                else:
                    with _loader(way).loaded(making, lease, observer) as story:
                        self.note_answers(lease, story)
                        self._require(contents, feeds, self._counts_of_files(contents))
                # Still as a writer: who deletes everything waits until the record is made.
                records.mark(*_records_of(contents, "clean"))
        detail = story.detail() | {"path": way.path, "path_reason": way.reason}
        return {
            each.day: LoadReport(each.rows, feed.rows, before[each.day], 0.0, 0.0, detail)
            for each, feed in zip(contents, feeds, strict=True)
        }

    def _make_room(self, lease: DayLease, way: Way, before: Mapping[dt.date, int], known: Collection[dt.date]) -> None:
        """Delete what is there of days."""
        guarded = self._connection.guarded(lease.check)
        deleted = [day for day, held in before.items() if held > 0]
        if deleted:
            with lease.deleting():
                for day in deleted:
                    self._delete(guarded, day)
            self._revealing.reveal(lease, deleted)
        if way.loader is not None:
            for day in (day for day in before if day in deleted or day in known):
                self._uncover(lease, guarded, day)

    def _counts_of_files(self, contents: Sequence[DayContent]) -> dict[dt.date, Mapping[str, int]]:
        """Count the trades of some days that were empty before they were loaded in bulk.

        By one field: a file is taken whole, with all of its fields, or not at all. And without a look at the marks of
        restores where the counts are as promised: an answer that a restore disturbs lacks trades, it never has more.
        """
        days = [content.day for content in contents]

        def ask(asker: Asker) -> dict[dt.date, Mapping[str, int]]:
            found = queries.days_counts(asker, self._bucket, min(days), max(days), TRADES.counted)
            return {day: found.get(day, {}) for day in days}

        with suppress(StoreQueryError):
            found = ask(self._unsteady)
            if all(Counter(found[content.day]) == Counter(content.counts) for content in contents):
                return found
        return ask(self._asker)

    def _send(self, lease: DayLease, content: DayContent, feed: Feed, observer: Observer) -> WriteStory:
        """Write a day by line protocol."""
        return self._writer.write(
            self._bucket,
            trade_lines(feed, self._plan.batch_lines),
            doing=f"write the trades of {content.day}",
            subject=content.day.isoformat(),
            expected=content.rows,
            observer=observer,
            guard=lease.check,
        )

    def _delete(self, connection: Connection, day: dt.date) -> None:
        """Delete a day's trades and prove that none is left."""
        what = f"the trades of {day}"
        until_gone(
            lambda: self._delete_range(connection, *day_bounds(day), what),
            lambda: Counter(self.counts(day)).total(),
            f"{what} in {self.name}",
        )

    def _uncover(self, lease: DayLease, connection: Connection, day: dt.date) -> None:
        """Delete what the files still hold of a day that seems empty.

        A delete may drop series from the server's index that other files of the shard have (docs/decisions/0008). What
        is left of them is not counted and not deleted until somebody writes the series again, and would come back
        with a load. Files tell; a point that is there already makes the series known again.
        """
        backups = cast("Backups", self._backups)
        for _ in range(UNCOVERING):
            # Nothing of an earlier backup will do.
            backups.forget()
            left = first_of_each(self.backed_up(day, afresh=True))
            if left.num_rows == 0:
                return
            with lease.writing():
                self._writer.write(
                    self._bucket,
                    trade_lines([left], self._plan.batch_lines),
                    doing=f"uncover trades of {day}",
                    subject=day.isoformat(),
                    expected=left.num_rows,
                    stage="uncover",
                    guard=lease.check,
                )
            with lease.deleting():
                self._delete(connection, day)
        raise StoreMismatchError(
            f"{self.name} keeps trades of {day} in its files that cannot be deleted. The day is marked dirty; load it "
            "again."
        )

    def _delete_range(self, connection: Connection, start: int, end: int, what: str) -> None:
        delete_range(
            connection,
            self._bucket,
            TRADES_MEASUREMENT,
            start,
            end,
            doing=f"delete {what}",
            patience=self._plan.deadline,
        )

    def _require(
        self, contents: Sequence[DayContent], feeds: Sequence[Feed], found: Mapping[dt.date, Mapping[str, int]]
    ) -> None:
        """Raise StoreMismatchError unless what was given and what is stored are what was promised."""
        for content, feed in zip(contents, feeds, strict=True):
            self._require_day(content, feed.counts, Counter(found[content.day]))

    def _require_day(self, content: DayContent, given: Counter[str], found: Counter[str]) -> None:
        promised = Counter(content.counts)
        if given == promised == found:
            return
        who, those = ("The trades given for", given) if given != promised else (f"{self.name} holds for", found)
        symbol = min(name for name in promised.keys() | those.keys() if promised[name] != those[name])
        raise StoreMismatchError(
            f"{who} {content.day} {those.total()} trades where {content.rows} were promised; the first symbol that "
            f"differs is {symbol!r} with {those[symbol]} for {promised[symbol]}. The day is marked dirty; make its "
            "day file again, then load it."
        )


def _records_of(contents: Sequence[DayContent], state: DayState) -> list[DayRecord]:
    return [DayRecord(each.day, state, each.content_hash, each.rows) for each in contents]


def _loader(way: Way) -> BulkLoader:
    """Return who loads in bulk, in a way that is in bulk."""
    return cast("BulkLoader", way.loader)
