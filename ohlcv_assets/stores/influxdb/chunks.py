"""Records of chunks of bars in InfluxDB, and leases of them.

What belongs here: the protocol ``stores.chunks.Chunks`` over the status bucket and labels. What does not: how leases
work (``leasing``), bars.

A record is a point of the status bucket at the start of its chunk; measurement ``chunks``, tags ``bucket`` (of the
trades) and ``resolution``. Like records of days it is overwritten and never deleted: forgotten means state ``none``.
Days that a task follows while their trades come in have no such record: what is told of them is what the task's last
run recorded (``tasks.runs``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, cast

from ohlcv_assets.bars.chunks import MOVES, ChunkState, Span
from ohlcv_assets.stores.chunks import EVER, Check, ChunkRecord, days_held, shortened
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import CHUNKS_MEASUREMENT, Layout
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease
from ohlcv_assets.stores.influxdb.leasing.leases import Leases
from ohlcv_assets.stores.influxdb.lineprotocol.literals import escaped_tag, influxql_string
from ohlcv_assets.stores.influxdb.status import series_of
from ohlcv_assets.stores.influxdb.tasks.runs import followed, recorded_runs
from ohlcv_assets.units import SECOND, Nanos

MEASUREMENT: Final = CHUNKS_MEASUREMENT
NONE: Final = "none"

_LEASE_CONNECTIONS: Final = 2
"""One for whoever takes leases and one for whoever renews them."""

_FIELDS: Final = ("stop", "state", "rows_in", "rows_out", "seconds", "attempts", "error", "source_hash", "at")
_SELECT: Final = ", ".join(f'"{name}"' for name in _FIELDS)


class ChunkLeases(Leases):
    """Leases of (day, resolution), in a scope of their own."""

    def label_of(self, key: tuple[str, str]) -> str:
        """Return the name of a label."""
        return f"{self.prefix}{key[0]}/{key[1]}"

    def named(self, name: str) -> str:
        """Return what a label stands for, to follow "holds"."""
        day, _, resolution = name.removeprefix(self.prefix).partition("/")
        return f"the {resolution} bars of {day} in the scope {self.scope!r}"


class InfluxChunks:
    """Records and leases of one dataset on an InfluxDB server.

    Parameters
    ----------
    connection
        The way to the server.
    layout
        Names the bucket of trades that the records are about, and the bucket they are kept in.
    terms
        How long leases last, and how long to wait for somebody else's.
    """

    def __init__(self, connection: Connection, layout: Layout, terms: Terms) -> None:
        self._connection = connection
        self._layout = layout
        self._apart = Connection(connection.address, _LEASE_CONNECTIONS)
        # No bucket of ours has a dot in its name, so nobody else's leases begin like these.
        self._leases = ChunkLeases(self._apart, f"{layout.trades.name}.chunks", terms)

    def close(self) -> None:
        """Close all connections."""
        self._apart.close()
        self._connection.close()

    def records(self, span: Span = EVER) -> Sequence[ChunkRecord]:
        """Return the records of the chunks that start in a span."""
        whose = influxql_string(self._layout.trades.name)
        text = (
            f'SELECT {_SELECT} FROM "{MEASUREMENT}" WHERE "bucket" = {whose} '  # noqa: S608 -- quoted
            f'AND time >= {span.start} AND time < {span.stop} GROUP BY "resolution"'
        )
        found = [
            _record(series.tags["resolution"], values)
            for series in series_of(self._connection, self._layout, text, of="chunks", name="chunks")
            for values in series.rows
        ]
        records = {(record.start, record.resolution): record for record in filter(None, found)}
        for run in recorded_runs(self._connection, self._layout, 1):
            for record in followed(run, span):
                records.setdefault((record.start, record.resolution), record)
        return [records[key] for key in sorted(records)]

    def mark(self, records: Iterable[ChunkRecord]) -> None:
        """Record chunks; the time is the server's."""
        rows = list(records)
        if rows:
            at = self._now()
            self._write([self._line(row, row.state, at) for row in rows])

    def forget(self, span: Span) -> None:
        """Leave nothing recorded of the chunks that start in a span."""
        rows = self.records(span)
        if rows:
            at = self._now()
            self._write([self._line(row, NONE, at) for row in rows])

    @contextmanager
    def lease(self, resolutions: Iterable[str], span: Span) -> Iterator[Check]:
        """Hold a range at some resolutions among all who use the server."""
        names = [self._leases.label_of(key) for key in days_held(resolutions, span)]
        lease = DayLease(self._leases, names)
        try:
            lease.take()
            yield lease.check
        finally:
            lease.release()

    def _now(self) -> Nanos:
        """Return the server's clock, to the second."""
        if not self._leases.clock.known:
            self._leases.labels.ask_the_time()
        return Nanos(int(self._leases.clock.latest()) * SECOND)

    def _line(self, record: ChunkRecord, state: str, at: Nanos) -> bytes:
        tags = (self._layout.trades.name, record.resolution)
        bucket, resolution = (escaped_tag(text).decode() for text in tags)
        fields = (
            f'stop={record.stop}i,state="{state}",rows_in={record.rows_in}i,rows_out={record.rows_out}i,'
            f"seconds={record.seconds!r},attempts={record.attempts}i,"
            f'error="{_escaped(shortened(record.error))}",source_hash="{_escaped(record.source_hash)}",at={at}i'
        )
        return f"{MEASUREMENT},bucket={bucket},resolution={resolution} {fields} {record.start}\n".encode()

    def _write(self, lines: list[bytes]) -> None:
        query = {"org": self._connection.address.org, "bucket": self._layout.status.name, "precision": "ns"}
        doing = "record the state of chunks"
        self._connection.call("POST", "/api/v2/write", doing=doing, query=query, body=b"".join(lines))


def _record(resolution: str, values: Sequence[object]) -> ChunkRecord | None:
    """Return a record, or None where it was forgotten."""
    start, stop, state, rows_in, rows_out, seconds, attempts, error, source_hash, at = values
    if state not in MOVES:
        return None
    return ChunkRecord(
        resolution,
        Nanos(cast("int", start)),
        Nanos(cast("int", stop)),
        cast("ChunkState", state),
        cast("int", rows_in),
        cast("int", rows_out),
        float(cast("float", seconds)),
        cast("int", attempts),
        str(error),
        str(source_hash),
        Nanos(cast("int", at)),
    )


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"")
