"""Trades in InfluxDB.

What belongs here: the trade protocol, the order of events in which a day is changed. What does not: how lines are sent
(``writer``), how questions are asked (``queries``), how processes keep out of each other's way (``leases``).

A day is marked dirty before anything of it is touched and clean once its counts are proved. Whoever is interrupted at
any point in between leaves it dirty, and loading it again makes it right.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Final, cast

import pyarrow as pa

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS
from ohlcv_assets.errors import StoreAccessError, StoreMismatchError
from ohlcv_assets.market.schema import FIGURES
from ohlcv_assets.progress import Observer, nobody
from ohlcv_assets.stores.base import DayContent, DayRecord, GivenDay, LoadReport
from ohlcv_assets.stores.influxdb.appending import Appending
from ohlcv_assets.stores.influxdb.bulk.api import BackupApi
from ohlcv_assets.stores.influxdb.bulk.backups import Backups
from ohlcv_assets.stores.influxdb.bulk.choice import Way, against_backups, way_of
from ohlcv_assets.stores.influxdb.bulk.groups import ABREAST, part_of, together
from ohlcv_assets.stores.influxdb.bulk.loading import BulkLoader, Going
from ohlcv_assets.stores.influxdb.bulk.plan import BulkPlan
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.deleting import delete_range, until_gone
from ohlcv_assets.stores.influxdb.layout import TRADES_MEASUREMENT, Layout
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease
from ohlcv_assets.stores.influxdb.lineprotocol.lines import trade_lines
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MAX_NS, MIN_NS
from ohlcv_assets.stores.influxdb.reads import queries, scanning
from ohlcv_assets.stores.influxdb.reads.asking import Asker
from ohlcv_assets.stores.influxdb.reads.points import TRADES
from ohlcv_assets.stores.influxdb.records import Records
from ohlcv_assets.stores.influxdb.retention import Retention
from ohlcv_assets.stores.influxdb.store import InfluxStore
from ohlcv_assets.stores.influxdb.tasks.pausing import Pausing
from ohlcv_assets.stores.influxdb.writer.plan import LoadPlan
from ohlcv_assets.stores.influxdb.writer.story import WriteStory
from ohlcv_assets.stores.tables import Feed, first_of_each
from ohlcv_assets.units import Nanos, day_bounds, day_start

_OPERATOR_CONNECTIONS: Final = 4

UNCOVERING: Final = 3
"""How often a day is deleted whose files still hold trades of it."""

OF_TRADES: Final = [resolution for resolution in STORED_RESOLUTIONS if resolution.source is None]
"""Those whose tasks read trades; they cannot see that a shard is closed."""


class InfluxTradeStore(InfluxStore):
    """Trades in a bucket of an InfluxDB server; see ``InfluxStore`` for what it is made of.

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
        self._asker = Asker(connection, query_timeout, self._steady)
        self._bucket = layout.trades.name
        self._retention = Retention(connection, self._bucket)
        self._appending = Appending(self._leases, self._writer, self._records, self._retention, self._bucket, plan)
        self._bulk = BulkPlan() if bulk is None else bulk
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

    def append(self, trades: pa.Table, *, free: bool = False) -> int:
        """Add or overwrite single trades; see ``TradeStore.append``."""
        return self._appending.append(trades, free=free)

    @contextmanager
    def holding(self, days: Sequence[dt.date]) -> Iterator[DayLease]:
        """Keep everybody else from changing trades of some days; see ``TradeStore.holding``."""
        with self._appending.kept.holding(days) as lease:
            yield lease

    def keeping(self) -> AbstractContextManager[None]:
        """Keep the lease of days that are held again and again, for as long as the context lasts."""
        return self._appending.kept.keeping()

    def changes(self, days: Collection[dt.date]) -> Mapping[dt.date, Hashable]:
        """Return what stays equal until somebody else may have changed a day's trades."""
        return self._appending.changes(days)

    def last_instants(self, day: dt.date) -> Mapping[str, Nanos]:
        """Return the instant of each symbol's last trade on a day."""
        return scanning.last_instants(self._asker, self._bucket, *day_bounds(day))

    def delete_day(self, day: dt.date) -> int:
        """Delete a day's trades and its record."""
        if self._records().get(day) is None and not self.counts(day):
            return 0
        with self._leases.day(day) as lease, lease.deleting():
            held = Counter(self.counts(day)).total()
            guarded = self._connection.guarded(lease.check)
            self._records(lease.check).forget([day])
            self._delete(guarded, day)
        return held

    def clear(self) -> None:
        """Delete all trades of the dataset and all records of its days; everybody else waits meanwhile."""
        with self._leases.days([]) as lease, lease.deleting():
            guarded = self._connection.guarded(lease.check)
            records = self._records(lease.check)
            records.forget(records.all())
            self._delete_range(guarded, MIN_NS, MAX_NS, "all trades")

    def first_kept_day(self) -> dt.date | None:
        """Return the first day that the bucket keeps whole as of now; None where it keeps all for ever."""
        return self._retention.first_kept_day()

    def day_records(self) -> Mapping[dt.date, DayRecord]:
        """Return the record of every day that has one."""
        return self._records().all()

    def counts(self, day: dt.date) -> Mapping[str, int]:
        """Count a day's trades per symbol."""
        return queries.day_counts(self._asker, self._bucket, day)

    def counts_by_day(self) -> Mapping[dt.date, int]:
        """Count the trades of every day."""
        return queries.counts_by_day(self._asker, self._bucket)

    def content(self, day: dt.date, figures: Collection[str] = FIGURES) -> pa.Table:
        """Return a day's ``market.schema.CONTENT``; the server reads the trades once for each figure."""
        return queries.content(self._asker, self._bucket, day, figures)

    def fetch(self, keys: pa.Table) -> pa.Table:
        """Return the trades at exactly these (symbol, ts)."""
        return scanning.fetch(self._asker, self._bucket, keys)

    def scan(self, start: Nanos, end: Nanos, symbols: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the trades with ``start <= ts < end``, sorted by (symbol, ts)."""
        return scanning.scan(self._asker, self._bucket, start, end, symbols)

    @property
    def backs_up(self) -> bool:
        """Whether there is an operator token."""
        return self._loader is not None

    def no_backup(self) -> str | None:
        """Return why the API of backups cannot be used; None where it can."""
        return against_backups(self._loader)

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
        left = self._unsettled(given)
        if left:
            with self._leases.days([each.content.day for each in left]) as lease:
                # Whoever held the days before us may have loaded them.
                left = self._unsettled(left)
                done |= self._replace(lease, left, share, observer) if left else {}
                waited = lease.waited
        seconds = time.perf_counter() - began
        return [dataclasses.replace(report, seconds=seconds, waited=waited) for report in done.values()]

    def _unsettled(self, given: Sequence[GivenDay]) -> list[GivenDay]:
        """Return the days whose recorded hash or counts are not those of their content."""
        contents = {each.content.day: each.content for each in given}
        records = self._records().between(min(contents), max(contents))
        named = [
            content
            for day, content in contents.items()
            if records.get(day) == DayRecord(day, "clean", content.content_hash, content.rows)
        ]
        counts = self._counts(named)
        settled = {content.day for content in named if Counter(counts[content.day]) == Counter(content.counts)}
        return [each for each in given if each.content.day not in settled]

    def _counts(self, contents: Sequence[DayContent], field: str | None = None) -> dict[dt.date, Mapping[str, int]]:
        """Count the trades of some days, perhaps by one field."""
        days = [content.day for content in contents]
        if not days or (len(days) == 1 and field is None):
            return {day: self.counts(day) for day in days}
        found = queries.days_counts(self._asker, self._bucket, min(days), max(days), field)
        return {day: found.get(day, {}) for day in days}

    def _way(self, day: dt.date) -> Way:
        return way_of(self._bulk.wish, self._loader, self._plan.rows_per_second, day)

    def _replace(
        self, lease: DayLease, given: Sequence[GivenDay], share: int, observer: Observer
    ) -> dict[dt.date, LoadReport]:
        """Delete what is there, write, verify and record."""
        contents = [each.content for each in given]
        self._retention.require(day_start(min(content.day for content in contents)))
        way = self._way(contents[0].day)
        records = self._records(lease.check)
        guarded = self._connection.guarded(lease.check)
        known = records.between(min(each.day for each in contents), max(each.day for each in contents))
        records.mark(*(DayRecord(each.day, "dirty", each.content_hash, each.rows) for each in contents))
        before = {day: Counter(counts).total() for day, counts in self._counts(contents).items()}
        if any(before.values()):
            with lease.deleting():
                for day, held in before.items():
                    if held > 0:
                        self._delete(guarded, day)
        if way.loader is not None:
            for day in (day for day, held in before.items() if held > 0 or day in known):
                self._uncover(lease, guarded, day)
        with lease.writing():
            feeds = [Feed(each.content.day, each.batches(), each.content.rows, nobody) for each in given]
            story = self._load(way, lease, contents, feeds, share, observer)
            self._note_answers(lease, story)
            # A file is taken whole, with all of its fields, or not at all, and no field was there before.
            found = self._counts(contents, None if way.loader is None else TRADES.counted)
            for content, feed in zip(contents, feeds, strict=True):
                self._require(content, feed.counts, Counter(found[content.day]))
            # Still as a writer: who deletes everything waits until the record is made.
            records.mark(*(DayRecord(each.day, "clean", each.content_hash, each.rows) for each in contents))
        detail = story.detail() | {"path": way.path, "path_reason": way.reason}
        return {
            each.day: LoadReport(each.rows, feed.rows, before[each.day], 0.0, 0.0, detail)
            for each, feed in zip(contents, feeds, strict=True)
        }

    def _load(
        self,
        way: Way,
        lease: DayLease,
        contents: Sequence[DayContent],
        feeds: Sequence[Feed],
        share: int,
        observer: Observer,
    ) -> WriteStory:
        """Write days in the way chosen for them."""
        if way.loader is None:
            (content,), (feed,) = contents, feeds
            return self._send(lease, content, feed, observer)
        days = [Going(content.day, feed, content.rows) for content, feed in zip(contents, feeds, strict=True)]
        return way.loader.load(days, lease, share, observer)

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

    def _require(self, content: DayContent, given: Counter[str], found: Counter[str]) -> None:
        """Raise StoreMismatchError unless what was given and what is stored are what was promised."""
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
