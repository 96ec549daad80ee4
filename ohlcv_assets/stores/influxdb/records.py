"""What is recorded of days: which content they hold, and whether that is proved.

What belongs here: reading and writing records. What does not: deciding what a day's state is (``trades``).

A record is a point of the status bucket at the start of its day; tag ``bucket``, fields ``state``, ``hash`` and
``rows``. It is overwritten and never deleted, since deletes are slow and must not meet writes: a day without a record
has the state ``none``.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Final, cast

from ohlcv_assets.stores.base import DayRecord, DayState
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.failures import query_error
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.lineprotocol.literals import escaped_tag, influxql_string
from ohlcv_assets.units import Nanos, day_of, day_start

MEASUREMENT: Final = "days"
NONE: Final = "none"
_STATES: Final[Mapping[object, DayState]] = {"clean": "clean", "dirty": "dirty"}


class Records:
    """The records of one dataset.

    Parameters
    ----------
    connection
        The way to the server.
    layout
        Names the bucket of trades that the records are about, and the bucket they are kept in.
    patience
        Seconds that a request is repeated while the server is away or overloaded.
    """

    def __init__(self, connection: Connection, layout: Layout, patience: float | None = None) -> None:
        self._connection = connection
        self._layout = layout
        self._patience = patience

    def get(self, day: dt.date) -> DayRecord | None:
        """Return what is recorded of a day."""
        return self._find(f" AND time = {day_start(day)}").get(day)

    def all(self) -> dict[dt.date, DayRecord]:
        """Return the record of every day that has one, in order."""
        return self._find("")

    def mark(self, record: DayRecord) -> None:
        """Record a day, in place of what was recorded before."""
        self._write([self._line(record.day, record.state, record.content_hash, record.rows)])

    def forget(self, days: Iterable[dt.date]) -> None:
        """Leave days without a record."""
        lines = [self._line(day, NONE, "", 0) for day in days]
        if lines:
            self._write(lines)

    def _line(self, day: dt.date, state: str, content_hash: str, rows: int) -> bytes:
        tag = escaped_tag(self._layout.trades.name)
        fields = f'state="{state}",hash="{_escaped(content_hash)}",rows={rows}i'
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
        whose = influxql_string(self._layout.trades.name)
        text = f'SELECT "state", "hash", "rows" FROM "{MEASUREMENT}" WHERE "bucket" = {whose}{condition}'  # noqa: S608 -- quoted
        query = {"db": self._layout.status.name, "epoch": "ns", "q": text}
        reply = self._connection.call(
            "GET", "/query", doing="read the records of days", query=query, patience=self._patience
        )
        result = cast("list[dict[str, object]]", reply.document().get("results") or [{"error": "no result"}])[0]
        if "error" in result:
            raise query_error(str(result["error"]), "records", self._connection.address.url)
        series = cast("list[dict[str, list[list[object]]]]", result.get("series") or [])
        rows = series[0]["values"] if series else []
        found = {day_of(Nanos(cast("int", ts))): (state, hash_, number) for ts, state, hash_, number in rows}
        return {
            day: DayRecord(day, _STATES[state], str(hash_), cast("int", number))
            for day, (state, hash_, number) in found.items()
            if state in _STATES
        }


def _escaped(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)
