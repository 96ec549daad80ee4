"""Trades in InfluxDB.

What belongs here: the trade protocol. What does not: replacing days whole (``replacing``), how questions are asked
(``queries``, ``scanning``), how processes keep out of each other's way (``leases``).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

import pyarrow as pa

from ohlcv_assets.market.schema import FIGURES
from ohlcv_assets.stores.base import DayRecord
from ohlcv_assets.stores.influxdb.appending import Appending
from ohlcv_assets.stores.influxdb.bulk.choice import against_backups
from ohlcv_assets.stores.influxdb.bulk.plan import BulkPlan
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MAX_NS, MIN_NS
from ohlcv_assets.stores.influxdb.reads import queries, scanning
from ohlcv_assets.stores.influxdb.replacing import ReplacedDays
from ohlcv_assets.stores.influxdb.writer.plan import LoadPlan
from ohlcv_assets.units import Nanos, day_bounds


class InfluxTradeStore(ReplacedDays):
    """Trades in a bucket of an InfluxDB server; see ``ReplacedDays`` for what it is made of."""

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
        super().__init__(connection, layout, plan, query_timeout=query_timeout, patience=patience, bulk=bulk)
        self._appending = Appending(self._leases, self._writer, self._records, self._retention, self._bucket, plan)

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
        with self._leases.day(day) as lease:
            with lease.deleting():
                held = Counter(self.counts(day)).total()
                guarded = self._connection.guarded(lease.check)
                self._records(lease.check).forget([day])
                self._delete(guarded, day)
            self._revealing.reveal(lease, [day])
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
