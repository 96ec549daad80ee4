"""What runs of tasks recorded of themselves, in the status bucket, where it outlives the server's own three days.

What belongs here: reading these records. What does not: writing them, which the Flux of a task does
(``downsampling.following``), and what the server itself tells of runs (``calls``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import RUNS_MEASUREMENT, Layout
from ohlcv_assets.stores.influxdb.lineprotocol.literals import influxql_string
from ohlcv_assets.stores.influxdb.status import series_of
from ohlcv_assets.units import Nanos, day_bounds, day_of, days_between

_FIELDS: Final = ("kind", "start", "stop", "since", "watermark", "bars", "trades", "seconds")
_SELECT: Final = ", ".join(f'"{name}"' for name in _FIELDS)


@dataclass(frozen=True, slots=True)
class TaskRun:
    """What a run recorded when it had done its work.

    Attributes
    ----------
    resolution
        Whose.
    at
        The time that it was scheduled for, nanoseconds.
    kind
        ``"catch-up"``, ``"live"``, ``"correction"``, ``"idle"`` or ``"skipped"``, see ``downsampling.following``.
    start, stop
        What it made; equal where there was nothing to make.
    since, watermark
        From where to where the task has made its resolution without a gap; 0 before the first trade.
    bars, trades
        Bars it made, and the trades they hold.
    seconds
        How long it took.
    """

    resolution: str
    at: Nanos
    kind: str
    start: Nanos
    stop: Nanos
    since: Nanos
    watermark: Nanos
    bars: int
    trades: int
    seconds: float


def recorded_runs(
    connection: Connection, layout: Layout, limit: int, resolutions: Iterable[str] = ()
) -> Sequence[TaskRun]:
    """Return the latest records of each resolution, newest first.

    Parameters
    ----------
    connection
        The way to the server, with a token that may read the status bucket.
    layout
        Names the bucket of trades that the records are about, and the bucket they are kept in.
    limit
        How many of each resolution.
    resolutions
        Only theirs; all where there is none.

    Raises
    ------
    StoreQueryError, StoreAccessError, StoreUnavailableError
        It could not be found out.
    """
    whose = influxql_string(layout.trades.name)
    wanted = " OR ".join(f'"resolution" = {influxql_string(name)}' for name in resolutions)
    text = (
        f'SELECT {_SELECT} FROM "{RUNS_MEASUREMENT}" WHERE "bucket" = {whose}'  # noqa: S608 -- quoted
        f'{f" AND ({wanted})" if wanted else ""} GROUP BY "resolution" ORDER BY time DESC LIMIT {limit + 1}'
    )
    missing = (
        f"At {connection.address.url} the token may not read the bucket {layout.status.name!r}, or there is none: "
        "`ohlcv influx setup` makes it; if the token is of an older version, `ohlcv influx setup --repair` puts "
        "another in its place."
    )
    found = [
        run
        for series in series_of(connection, layout, text, of="tasks", name="task_runs", missing=missing)
        for run in _runs(series.tags["resolution"], series.rows)[:limit]
    ]
    return sorted(found, key=lambda run: run.at, reverse=True)


def followed(run: TaskRun, span: Span) -> list[ChunkRecord]:
    """Return what a task has made within a span, as records of the days: done, and of trades that may still come in."""
    start, stop = max(run.since, span.start), min(run.watermark, span.stop)
    if start >= stop:
        return []
    days = (day_bounds(day) for day in days_between(day_of(Nanos(start)), day_of(Nanos(stop - 1))))
    return [
        ChunkRecord(run.resolution, first, Nanos(min(end, run.watermark)), "done", at=run.at)
        for first, end in days
        if first >= span.start
    ]


def _runs(resolution: str, rows: Sequence[list[object]]) -> list[TaskRun]:
    """Return the runs of one resolution; one that is being recorded just now may lack some fields, and is none yet."""
    return [_run(resolution, row) for row in rows if None not in row]


def _run(resolution: str, values: Sequence[object]) -> TaskRun:
    at, kind, start, stop, since, watermark, bars, trades, seconds = values
    return TaskRun(
        resolution,
        Nanos(cast("int", at)),
        str(kind),
        Nanos(cast("int", start)),
        Nanos(cast("int", stop)),
        Nanos(cast("int", since)),
        Nanos(cast("int", watermark)),
        cast("int", bars),
        cast("int", trades),
        float(cast("float", seconds)),
    )


def newest(runs: Iterable[TaskRun]) -> Mapping[str, TaskRun]:
    """Return the newest run of each resolution."""
    return {run.resolution: run for run in sorted(runs, key=lambda run: run.at)}
