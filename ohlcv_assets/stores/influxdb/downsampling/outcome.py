"""PURE. The Flux by which a task writes bars, and then leaves recorded what it did.

What belongs here: bringing columns together to bars, writing them, the records of the run and of the days it finished.
What does not: the window and what is known before (``following``), reading what runs recorded (``tasks.runs``).

Bars are written whole, so that nobody who reads meanwhile sees part of one. The record of a run is computed from what
is passed on once that is written, so it is written after the last bar. What fails passes nothing on, and ``union`` goes
on without it; so a run is recorded only where every bar has all of its columns and they hold at least the trades that
were counted before. A proved day that lies within the window is recorded as a chunk with it: done where the bars that
were made hold as many trades as the day has, failed where they do not, which is left to ``ohlcv bars heal``, as are
bars whose trades are gone: a task cannot delete.

``to`` must not be part of what a value is looked up in (``findColumn``): whatever has an effect is run once more then,
with the rest of the script.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Final

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.stores.influxdb.downsampling.following import names_of
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.lineprotocol.literals import flux_string

_OUTCOME: Final = Template("""
column = (tables=<-, name) =>
    tables
        |> set(key: "_field", value: name)
        |> group(columns: ["symbol", "_field"])
        |> keep(columns: ["_time", "_value", "_field", "symbol"])
written =
    union(
        tables: [
$columns
        ]
    )
        |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
        |> set(key: "_measurement", value: $measured)
        |> to(bucket: $written, tagColumns: ["symbol"], fieldFn: (r) => ({$fields}))
daily = (tables=<-, name) =>
    tables
        |> truncateTimeColumn(unit: 1d)
        |> group(columns: ["_time"])
        |> sum()
        |> set(key: "_field", value: name)
        |> group(columns: ["_field"])
total =
    union(
        tables: [
            array.from(rows: [{bars: 0, trades: 0, whole: 0}]),
            written
                |> group()
                |> reduce(
                    identity: {bars: 0, trades: 0, whole: 0},
                    fn: (r, accumulator) => ({
                        bars: accumulator.bars + 1,
                        trades: accumulator.trades + (if exists r.trades then r.trades else 0),
                        whole: accumulator.whole + (if $exist then 1 else 0)
                    })
                )
        ]
    )
        |> group()
        |> reduce(
            identity: {bars: 0, trades: 0, whole: 0},
            fn: (r, accumulator) => ({
                bars: accumulator.bars + r.bars,
                trades: accumulator.trades + r.trades,
                whole: accumulator.whole + r.whole
            })
        )
        |> filter(fn: (r) => r.whole == r.bars and r.trades >= expected)
total
    |> map(
        fn: (r) => ({
            _time: scheduled,
            _measurement: $runs,
            bucket: $whose,
            resolution: $own,
            bars: r.bars,
            trades: r.trades,
            seconds: float(v: int(v: system.time()) - int(v: began)) / 1000000000.0
        })
    )
    |> to(
        bucket: $status,
        tagColumns: ["bucket", "resolution"],
        fieldFn: (r) => ({
            kind: kind,
            began: int(v: began),
            turn: turn,
            start: chosen.start,
            stop: chosen.stop,
            since: since,
            watermark: watermark,
            bars: r.bars,
            trades: r.trades,
            seconds: r.seconds
        })
    )
    |> yield(name: "run")
union(
    tables: [
        total
            |> map(
                fn: (r) => ({
                    _time: time(v: 0),
                    _measurement: $chunks,
                    bucket: $whose,
                    resolution: $own,
                    passed: 1,
                    rows: 0,
                    bars: 0,
                    held: 0,
                    hash: ""
                })
            ),
        union(
            tables: [
                records(measurement: $days),
                written |> map(fn: (r) => ({_time: r._time, _value: 1})) |> daily(name: "bars"),
                written |> map(fn: (r) => ({_time: r._time, _value: r.trades})) |> daily(name: "held")
            ]
        )
            |> wide()
            |> filter(fn: (r) => exists r.hash and contains(value: string(v: r._time) + " " + r.hash, set: signed))
            |> filter(fn: (r) => contains(value: r._time, set: whole_days))
            |> map(
                fn: (r) => ({
                    _time: r._time,
                    _measurement: $chunks,
                    bucket: $whose,
                    resolution: $own,
                    passed: 0,
                    rows: r.rows,
                    bars: if exists r.bars then r.bars else 0,
                    held: if exists r.held then r.held else 0,
                    hash: r.hash
                })
            )
    ]
)
    |> group()
    |> sort(columns: ["_time"])
    |> cumulativeSum(columns: ["passed"])
    |> filter(fn: (r) => r.passed > 0 and r.hash != "")
    |> to(
        bucket: $status,
        tagColumns: ["bucket", "resolution"],
        fieldFn: (r) => ({
            stop: int(v: r._time) + day,
            state: if r.held == r.rows then "done" else "failed",
            rows_in: r.rows,
            rows_out: r.bars,
            seconds: float(v: int(v: system.time()) - int(v: began)) / 1000000000.0,
            attempts: 1,
            error: if r.held == r.rows then "" else $error,
            source_hash: r.hash,
            at: int(v: began)
        })
    )
    |> yield(name: "chunks")
""")

ERROR: Final = "the bars made by the task do not hold the trades of the day"
"""What is recorded of a day whose trades changed while its bars were made."""


def after(resolution: Resolution, layout: Layout, columns: Mapping[str, str]) -> str:
    """Return Flux that makes the bars of the window and then records the run, and the days it finished.

    Parameters
    ----------
    resolution
        A stored one.
    layout
        The buckets.
    columns
        An expression for each column, by its name, that makes it.
    """
    names = {
        "error": flux_string(ERROR),
        "columns": ",\n".join(f'            {text} |> column(name: "{name}")' for name, text in columns.items()),
        "fields": ", ".join(f"{name}: r.{name}" for name in columns),
        "exist": " and ".join(f"exists r.{name}" for name in columns),
    }
    return _OUTCOME.substitute(names_of(resolution, layout), **names)
