"""What is recorded of days: which content they hold, and whether that is proved.

What belongs here: reading and writing records. What does not: deciding what a day's state is (``trades``).

A record is a point of the status bucket at the start of its day; tag ``bucket``, fields ``attempt``, ``proved``,
``hash``, ``rows`` and ``change``, which is another one after every attempt. It is overwritten and never deleted, since
deletes are slow and must not meet writes: a day without a record has an empty ``attempt``.

A request that was given up and sent again may still reach the server, long after. Hence no state is written but two
names: whoever begins to change a day writes the name of the attempt, whoever has proved it writes the same name as
proved. The day is clean where both are one, whichever request came last; a late request of an earlier attempt can make
a clean day dirty, but never a dirty one clean.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterable, Sequence
from typing import Final, cast

from ohlcv_assets.stores.base import DayRecord
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import DAYS_MEASUREMENT, Layout
from ohlcv_assets.stores.influxdb.lineprotocol.literals import escaped_tag, influxql_string
from ohlcv_assets.stores.influxdb.status import series_of
from ohlcv_assets.units import Nanos, day_of, day_start

MEASUREMENT: Final = DAYS_MEASUREMENT


class Records:
    """The records of one dataset, as one attempt to change days sees and writes them.

    Parameters
    ----------
    connection
        The way to the server.
    layout
        Names the bucket of trades that the records are about, and the bucket they are kept in.
    patience
        Seconds that a request is repeated while the server is away or overloaded.

    Attributes
    ----------
    attempt
        Name of this attempt.
    """

    def __init__(self, connection: Connection, layout: Layout, patience: float | None = None) -> None:
        self._connection = connection
        self._layout = layout
        self._patience = patience
        self.attempt: Final = uuid.uuid4().hex

    def get(self, day: dt.date) -> DayRecord | None:
        """Return what is recorded of a day."""
        return self._find(f" AND time = {day_start(day)}").get(day)

    def all(self) -> dict[dt.date, DayRecord]:
        """Return the record of every day that has one, in order."""
        return self._find("")

    def between(self, first: dt.date, last: dt.date) -> dict[dt.date, DayRecord]:
        """Return the record of every day from one to another that has one, in order."""
        return self._find(f" AND time >= {day_start(first)} AND time <= {day_start(last)}")

    def changes(self, days: Iterable[dt.date]) -> dict[dt.date, str]:
        """Return, of those of some days that anybody has begun to change, what names the last who did."""
        wanted = set(days)
        if not wanted:
            return {}
        condition = f" AND time >= {day_start(min(wanted))} AND time <= {day_start(max(wanted))}"
        found = self._rows(("attempt", "change"), condition)
        named = ((day_of(Nanos(cast("int", ts))), _name(attempt, change)) for ts, attempt, change in found)
        return {day: name for day, name in named if day in wanted}

    @property
    def forgotten(self) -> str:
        """What ``changes`` names a day that this attempt has left without a record."""
        return _name("", self.attempt)

    def mark(self, *records: DayRecord) -> None:
        """Record days, in place of what was recorded before; clean only after dirty, with the same object."""
        names = {"dirty": "attempt", "clean": "proved"}
        lines = [
            self._line(each.day, names[each.state], self.attempt, each.content_hash, each.rows) for each in records
        ]
        self._write(lines)

    def forget(self, days: Iterable[dt.date]) -> None:
        """Leave days without a record."""
        lines = [self._line(day, "attempt", "", "", 0) for day in days]
        if lines:
            self._write(lines)

    def _line(self, day: dt.date, name: str, attempt: str, content_hash: str, rows: int) -> bytes:
        tag = escaped_tag(self._layout.trades.name)
        fields = f'{name}="{attempt}",hash="{_escaped(content_hash)}",rows={rows}i,change="{self.attempt}"'
        return b"%s,bucket=%s %s %d\n" % (MEASUREMENT.encode(), tag, fields.encode(), day_start(day))

    def _write(self, lines: list[bytes]) -> None:
        query = {"org": self._connection.address.org, "bucket": self._layout.status.name, "precision": "ns"}
        self._connection.call(
            "POST",
            "/api/v2/write",
            doing="record the state of a day",
            query=query,
            body=b"".join(lines),
            patience=self._patience,
        )

    def _find(self, condition: str) -> dict[dt.date, DayRecord]:
        rows = self._rows(("attempt", "proved", "hash", "rows"), condition)
        return dict(_record(*row) for row in rows if row[1])

    def _rows(self, fields: Sequence[str], condition: str) -> list[list[object]]:
        """Return the time and some fields of every record."""
        whose, names = influxql_string(self._layout.trades.name), ", ".join(f'"{field}"' for field in fields)
        text = f'SELECT {names} FROM "{MEASUREMENT}" WHERE "bucket" = {whose}{condition}'  # noqa: S608 -- quoted
        found = series_of(self._connection, self._layout, text, of="days", name="records", patience=self._patience)
        return [row for series in found for row in series.rows]


def _record(
    ts: object, attempt: object, proved: object, content_hash: object, rows: object
) -> tuple[dt.date, DayRecord]:
    day = day_of(Nanos(cast("int", ts)))
    return day, DayRecord(day, "clean" if proved == attempt else "dirty", str(content_hash), cast("int", rows))


def _name(attempt: object, change: object) -> str:
    return f"{attempt or ''} {change or ''}"


def _escaped(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)
