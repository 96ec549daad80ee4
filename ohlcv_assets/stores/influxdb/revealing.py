"""Days that a delete of others has hidden, made visible again.

What belongs here: noticing them after a delete of ours, and making their series known again. What does not: deleting
(``deleting``), days that are to be deleted themselves (``replacing``).

After a delete InfluxDB 2.9.1 takes series out of a shard's index that no file of it has any more. The list of those
that it looks for may name a series several times, once for each time that it went and came back, and it finds a name in
a file no more than three times: what is left over is taken out although other days have it (docs/decisions/0008). Their
trades are in the files and in no answer, until somebody writes the series again: a point that is there already will do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from ohlcv_assets.logs import get_logger
from ohlcv_assets.stores.influxdb.bulk.backups import Backups
from ohlcv_assets.stores.influxdb.bulk.groups import YEAR_ONE
from ohlcv_assets.stores.influxdb.layout import Bucket
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease
from ohlcv_assets.stores.influxdb.lineprotocol.lines import trade_lines
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MAX_NS, MIN_NS
from ohlcv_assets.stores.influxdb.reads import queries
from ohlcv_assets.stores.influxdb.reads.asking import Asker
from ohlcv_assets.stores.influxdb.reads.points import TRADES
from ohlcv_assets.stores.influxdb.records import Records
from ohlcv_assets.stores.influxdb.store import InfluxStore
from ohlcv_assets.stores.influxdb.writer.writer import Writer
from ohlcv_assets.stores.tables import first_of_each
from ohlcv_assets.units import SECOND, Nanos, day_bounds, day_of, day_start

TRIES: Final = 3
"""How often series are made known again."""


@dataclass(frozen=True, slots=True)
class Revealing:
    """Looks after the other days of a shard.

    Attributes
    ----------
    bucket
        Of trades.
    asker
        Asks what can be seen.
    records
        Gives the records of days: what is to be seen.
    writer, batch_lines
        Write points that are there already.
    backups
        Gives backups of the bucket's shards, new ones every time; None where the token for it is not at hand.
    """

    bucket: Bucket
    asker: Asker
    records: Callable[[], Records]
    writer: Writer
    batch_lines: int
    backups: Callable[[], Backups] | None

    def reveal(self, lease: DayLease, deleted: Collection[dt.date]) -> None:
        """Make visible again what a delete of some days has hidden of others; to be called when it is over.

        Where that cannot be done the days are named in the log, with what to do.
        """
        tries = 0 if self.backups is None else TRIES
        while hidden := self._hidden(deleted):
            if tries == 0:
                get_logger("influxdb").warning(
                    "a delete of other days has hidden trades that are stored: load these days again, or any day of "
                    "their week with OHLCV_INFLUX_OPERATOR_TOKEN set",
                    days=[str(day) for day in hidden],
                    bucket=self.bucket.name,
                )
                return
            tries -= 1
            # Nobody deletes meanwhile: what the files hold of these days is what they are to hold.
            with lease.writing():
                self._write(lease, self._first_points(hidden))

    def _hidden(self, deleted: Collection[dt.date]) -> list[dt.date]:
        """Return the days of the same shards that show fewer trades than are recorded of them."""
        span = self.bucket.shard * SECOND
        first = (day_start(min(deleted)) + YEAR_ONE) // span * span - YEAR_ONE
        last = ((day_start(max(deleted)) + YEAR_ONE) // span + 1) * span - YEAR_ONE - 1
        known = self.records().between(day_of(Nanos(max(first, MIN_NS))), day_of(Nanos(min(last, MAX_NS))))
        rows = {day: record.rows for day, record in known.items() if record.state == "clean" and day not in deleted}
        if not any(rows.values()):
            return []
        found = queries.days_counts(self.asker, self.bucket.name, min(rows), max(rows), TRADES.counted)
        return [day for day, number in rows.items() if sum(found.get(day, {}).values()) < number]

    def _first_points(self, days: Sequence[dt.date]) -> pa.Table:
        """Return the first trade of each symbol on each day, from the files."""
        backups = self.backups
        assert backups is not None  # noqa: S101 -- asked for only where there are
        shards = backups()
        points = [first_of_each(shards.trades(*day_bounds(day), afresh=False)) for day in days]
        return pa.concat_tables(points).unify_dictionaries()

    def _write(self, lease: DayLease, points: pa.Table) -> None:
        story = self.writer.write(
            self.bucket.name,
            trade_lines([points], self.batch_lines),
            doing="make trades visible again that a delete of others has hidden",
            subject=self.bucket.name,
            expected=points.num_rows,
            stage="reveal",
            guard=lease.check,
        )
        InfluxStore.note_answers(lease, story)
