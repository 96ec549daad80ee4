"""PURE. The Flux by which a task knows what to do next.

What belongs here: the records that a run reads, and its window. What does not: the pipelines that make bars
(``scripts``), what is written and recorded (``outcome``).

A task keeps nothing but what is in the status bucket. A run looks there for its watermark (how far its resolution is
made without a gap), for the chunks that are done, and for the days whose trades are proved to be stored; where it has
no watermark it starts at the day of the first trade. Its window is one of five:

``catch-up``
    Far behind: one chunk from the watermark on. Chunks that somebody has made are passed over.
``live``
    Level: from as far back as trades may still come, or from the watermark if that is earlier, to the last complete
    bar.
``correction``
    A proved day behind the window whose bars were made of other trades, or never; the run after it is none again.
``idle``
    There is not a trade.
``skipped``
    An earlier run has begun and has not ended. InfluxDB lets runs of a task overlap, and one that read a day before it
    was corrected must not write after one that read it afterwards; so a run says that it has begun before it reads
    anything. One that failed or was killed is waited for as long as five runs or ten minutes, whichever is less.

No window reaches beyond what its source has made. What becomes of the window: ``outcome``.
"""

from __future__ import annotations

from string import Template
from typing import Final

from ohlcv_assets.bars.resolutions import RESOLUTIONS, Resolution
from ohlcv_assets.stores.influxdb.layout import (
    BARS_MEASUREMENT,
    CHUNKS_MEASUREMENT,
    DAYS_MEASUREMENT,
    RUNS_MEASUREMENT,
    TRADES_MEASUREMENT,
    Layout,
)
from ohlcv_assets.stores.influxdb.lineprotocol.literals import flux_string, flux_time
from ohlcv_assets.stores.influxdb.reads.parts import END_NS
from ohlcv_assets.units import DAY, MINUTE

IMPORTS: Final = 'import "array"\nimport "system"\n'
"""What the texts need, to stand at the beginning of a script."""

PATIENCE_RUNS: Final = 5
PATIENCE: Final = int(10 * MINUTE)
"""How long a run that has begun and not ended keeps others from running, in intervals and in nanoseconds at most."""

_RECORDS: Final = Template("""
began = system.time()
scheduled = now()
day = $day
duration = $duration
whole = (at, of) => at / of * of
least = (a, b) => if a < b then a else b
most = (a, b) => if a > b then a else b
complete = whole(at: int(v: $clock), of: duration)
far = $far

records = (measurement) =>
    from(bucket: $status)
        |> range(start: 1970-01-01T00:00:00Z, stop: $end)
        |> filter(fn: (r) => r._measurement == measurement and r.bucket == $whose)
wide = (tables=<-) =>
    tables
        |> keep(columns: ["_time", "_field", "_value"])
        |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
        |> sort(columns: ["_time"])
mark = (field, resolution) => {
    found =
        records(measurement: $runs)
            |> filter(fn: (r) => r.resolution == resolution and r._field == field)
            |> last()
            |> findColumn(fn: (key) => true, column: "_value")
    return if length(arr: found) > 0 then found[0] else 0
}
chunks = (resolution) =>
    records(measurement: $chunks)
        |> filter(fn: (r) => r.resolution == resolution)
        |> filter(fn: (r) => r._field == "state" or r._field == "source_hash" or r._field == "stop")
        |> wide()
settled = (resolution, also) =>
    chunks(resolution: resolution)
        |> filter(fn: (r) => r.state == "done" or r.state == also)
        |> map(fn: (r) => ({key: string(v: r._time) + " " + r.source_hash}))
        |> findColumn(fn: (key) => true, column: "key")
reach = (since, resolution) => {
    found =
        union(
            tables: [
                array.from(rows: [{start: 0, stop: 0}]),
                chunks(resolution: resolution)
                    |> filter(fn: (r) => r.state == "done")
                    |> map(fn: (r) => ({start: int(v: r._time), stop: r.stop}))
            ]
        )
            |> group()
            |> sort(columns: ["start"])
            |> reduce(
                identity: {until: since, next: far},
                fn: (r, accumulator) => ({
                    until:
                        if r.start <= accumulator.until and r.stop > accumulator.until then
                            r.stop
                        else
                            accumulator.until,
                    next:
                        if r.start > accumulator.until then
                            least(a: accumulator.next, b: r.start)
                        else
                            accumulator.next
                })
            )
            |> findRecord(fn: (key) => true, idx: 0)
    return {until: found.until, next: found.next}
}
proved = () =>
    records(measurement: $days)
        |> wide()
        |> filter(fn: (r) => exists r.proved and r.proved != "" and r.proved == r.attempt and r.rows > 0)
        |> map(fn: (r) => ({_time: r._time, rows: r.rows, hash: r.hash, key: string(v: r._time) + " " + r.hash}))
""")

_WINDOW: Final = Template("""
first_day = (since, until, otherwise) => {
    found =
        from(bucket: $read)
            |> range(start: time(v: since), stop: time(v: until))
            |> filter(fn: (r) => r._measurement == $measurement and r._field == $counted)
            |> first()
            |> keep(columns: ["_time"])
            |> sort(columns: ["_time"])
            |> findColumn(fn: (key) => true, column: "_time")
    return if length(arr: found) > 0 then most(a: since, b: whole(at: int(v: found[0]), of: day)) else otherwise
}
last_begun = mark(field: "begun", resolution: $own)
ended =
    records(measurement: $runs)
        |> filter(fn: (r) => r.resolution == $own and r._field == "began" and r._value == last_begun)
        |> last()
        |> findColumn(fn: (key) => true, column: "_value")
busy = last_begun > 0 and length(arr: ended) == 0 and int(v: began) - last_begun < $patience
marked =
    if busy then
        []
    else
        array.from(
            rows: [
                {_time: scheduled, _measurement: $runs, bucket: $whose, resolution: $own, begun: int(v: began)}
            ]
        )
            |> to(bucket: $status, tagColumns: ["bucket", "resolution"], fieldFn: (r) => ({begun: r.begun}))
            |> findColumn(fn: (key) => true, column: "begun")

before = mark(field: "watermark", resolution: $own)
front = if before > 0 then before else first_day(since: 0, until: complete, otherwise: 0)
passed = if front > 0 then reach(since: front, resolution: $own) else {until: 0, next: far}
reached = passed.until
$ceiling
size = if before > 0 then $largest else $first
begin =
    if reached + size < ceiling then
        first_day(since: reached, until: ceiling, otherwise: ceiling)
    else
        reached
bound = least(a: begin + size, b: if passed.next > begin then passed.next else far)
level = bound >= ceiling
ahead =
    if busy or reached == 0 then
        {start: 0, stop: duration}
    else if level then
        {start: least(a: begin, b: whole(at: ceiling - $lateness, of: duration)), stop: ceiling}
    else
        {start: begin, stop: bound}

made = settled(resolution: $own, also: "failed")
$ready
lacking = () =>
    proved()
        |> filter(fn: (r) => not contains(value: r.key, set: made)$only_ready)
        |> sort(columns: ["_time"])
signed = lacking() |> findColumn(fn: (key) => true, column: "key")
days = lacking() |> findColumn(fn: (key) => true, column: "_time")
oldest = if length(arr: days) > 0 then int(v: days[0]) else complete
within = array.filter(arr: days, fn: (x) => int(v: x) < oldest + $largest)
last_turn = mark(field: "turn", resolution: $own)
correcting = not busy and last_turn == 0 and oldest < ahead.start and length(arr: within) > 0
turn = if busy then last_turn else if correcting then 1 else 0
chosen = if correcting then {start: oldest, stop: int(v: within[length(arr: within) - 1]) + day} else ahead
kind =
    if busy then
        "skipped"
    else if correcting then
        "correction"
    else if reached == 0 then
        "idle"
    else if level then
        "live"
    else
        "catch-up"
start = time(v: chosen.start)
stop = time(v: chosen.stop)
watermark = if busy then before else if correcting or reached == 0 then reached else most(a: reached, b: chosen.stop)
since = if before > 0 then mark(field: "since", resolution: $own) else front
whole_days = array.filter(arr: days, fn: (x) => int(v: x) >= chosen.start and int(v: x) + day <= chosen.stop)
found =
    from(bucket: $read)
        |> range(start: start, stop: stop)
        |> filter(fn: (r) => r._measurement == $measurement and r._field == $counted)
        |> $counts()
        |> group()
        |> sum()
        |> findColumn(fn: (key) => true, column: "_value")
expected = if length(arr: found) > 0 then found[0] else 0
""")

_CEILING: Final = Template("""ceiling =
    least(
        a: complete,
        b:
            whole(
                at:
                    most(
                        a: reach(since: reached, resolution: $below).until,
                        b: mark(field: "watermark", resolution: $below)
                    ),
                of: duration
            )
    )""")


def before(resolution: Resolution, layout: Layout, clock: str, every: int) -> str:
    """Return Flux that defines ``start`` and ``stop``, the window of a run.

    Parameters
    ----------
    resolution
        A stored one.
    layout
        The buckets.
    clock
        Flux for the time that it is to the task.
    every
        Nanoseconds from one run to the next.
    """
    kept = resolution.kept
    below = resolution.source
    read = layout.trades.name if below is None else layout.bars[RESOLUTIONS[below].name].name
    names = names_of(resolution, layout)
    window = {
        "read": flux_string(read),
        "measurement": flux_string(TRADES_MEASUREMENT if below is None else BARS_MEASUREMENT),
        "counted": flux_string("price" if below is None else "trades"),
        "counts": "count" if below is None else "sum",
        "first": str(kept.first_chunk * DAY),
        "largest": str(kept.largest_chunk * DAY),
        "lateness": str(int(kept.lateness)),
        "patience": str(min(PATIENCE_RUNS * int(every), PATIENCE)),
        "ceiling": "ceiling = complete",
        "ready": "",
        "only_ready": "",
    }
    if below is not None:
        source = flux_string(below)
        window["ceiling"] = _CEILING.substitute(below=source)
        window["ready"] = f'ready = settled(resolution: {source}, also: "done")'
        window["only_ready"] = " and contains(value: r.key, set: ready)"
    return _RECORDS.substitute(names, clock=clock) + _WINDOW.substitute(names, **window)


def names_of(resolution: Resolution, layout: Layout) -> dict[str, str]:
    """Return what the texts of a task name, for templates."""
    texts = {
        "status": layout.status.name,
        "whose": layout.trades.name,
        "written": layout.bars[resolution.name].name,
        "own": resolution.name,
        "measured": BARS_MEASUREMENT,
        "runs": RUNS_MEASUREMENT,
        "chunks": CHUNKS_MEASUREMENT,
        "days": DAYS_MEASUREMENT,
    }
    numbers = {"day": str(int(DAY)), "duration": str(resolution.duration), "far": str(END_NS)}
    return {name: flux_string(text) for name, text in texts.items()} | numbers | {"end": flux_time(END_NS)}
