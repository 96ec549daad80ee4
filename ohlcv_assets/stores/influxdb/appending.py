"""Adding trades to days, again and again.

What belongs here: single trades on their way into the bucket, and the lease that is kept between them. What does not:
whole days (``trades``), the lease itself (``leasing.kept``).
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Sequence

import numpy as np
import pyarrow as pa

from ohlcv_assets.stores.influxdb.leasing.kept import KeptLease
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease
from ohlcv_assets.stores.influxdb.leasing.leases import Leases
from ohlcv_assets.stores.influxdb.lineprotocol.lines import trade_lines
from ohlcv_assets.stores.influxdb.records import Records
from ohlcv_assets.stores.influxdb.retention import Retention
from ohlcv_assets.stores.influxdb.writer.plan import LoadPlan
from ohlcv_assets.stores.influxdb.writer.writer import Writer
from ohlcv_assets.stores.tables import accepted, in_order, latest, nanos
from ohlcv_assets.units import DAY, Nanos, day_of


class Appending:
    """Adds trades to a bucket.

    Parameters
    ----------
    leases
        The bucket's.
    writer
        Sends lines.
    records
        Gives the records of days, guarded by a lease.
    retention
        The bucket's.
    bucket
        Its name.
    plan
        How lines are sent.

    Attributes
    ----------
    kept
        The lease of days that are held.
    """

    def __init__(
        self,
        leases: Leases,
        writer: Writer,
        records: Callable[[Callable[[], None]], Records],
        retention: Retention,
        bucket: str,
        plan: LoadPlan,
    ) -> None:
        self.kept = KeptLease(leases)
        self._leases = leases
        self._writer = writer
        self._records = records
        self._retention = retention
        self._bucket = bucket
        self._plan = plan
        self._unrecorded: dict[dt.date, Hashable] = {}
        self._named: dict[dt.date, str] = {}
        self._others = Counter[dt.date]()
        self._looks = itertools.count()

    def append(self, trades: pa.Table, *, free: bool) -> int:
        """Add or overwrite single trades; see ``TradeStore.append``."""
        given = accepted(trades)
        fresh = in_order(given) if free else latest(given)
        if fresh.num_rows == 0:
            return 0
        instants = nanos(fresh.column("ts"))
        self._retention.require(int(instants.min()))
        days = [day_of(Nanos(number * DAY)) for number in np.unique(instants // DAY).tolist()]
        held = self.kept.held(days)
        if held is None:
            with self._leases.days(days) as lease, lease.writing():
                self._write(lease, days, fresh)
            return fresh.num_rows
        try:
            self._write(held, days, fresh)
        except BaseException:
            # As a writer does that is left by an error: requests may still arrive.
            held.unanswered()
            raise
        return fresh.num_rows

    def changes(self, days: Collection[dt.date]) -> dict[dt.date, Hashable]:
        """Return what stays equal until somebody else may have changed a day; see ``TradeStore.changes``."""
        ours = dict(self._named)
        found = self._records(_unguarded).changes(days)
        # Whoever holds a day may be adding to it. Asked after the records, so that who has just given it back shows.
        held = self._leases.held(self.kept.now)
        told: dict[dt.date, Hashable] = {}
        for day in days:
            name = found.get(day)
            looked = next(self._looks) if str(day) in held else None
            told[day] = self._others[day], None if name == ours.get(day) else name, looked
        return told

    def _write(self, lease: DayLease, days: Sequence[dt.date], fresh: pa.Table) -> None:
        # As long as a lease is ours nobody else makes a record.
        known = {day: mark for day, mark in self._unrecorded.items() if mark == lease.mark(day)}
        self._begin(self._records(lease.check), [day for day in days if day not in known])
        self._unrecorded = known | {day: lease.mark(day) for day in days}
        story = self._writer.write(
            self._bucket,
            trade_lines([fresh], self._plan.batch_lines),
            doing=f"append trades of {days[0]}",
            subject=days[0].isoformat(),
            expected=fresh.num_rows,
            stage="append",
            guard=lease.check,
        )
        if story.retries > 0:
            lease.unanswered()

    def _begin(self, records: Records, days: Sequence[dt.date]) -> None:
        """Leave days without a record; where somebody else has changed them since we did last, that is counted."""
        if not days:
            return
        found = records.changes(days)
        self._others.update(day for day in days if found.get(day) != self._named.pop(day, None))
        records.forget(days)
        self._named.update(dict.fromkeys(days, records.forgotten))


def _unguarded() -> None:
    """Whoever only asks needs no lease."""
