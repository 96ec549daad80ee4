"""Making bars in InfluxDB: by the server's own Flux against a script written by hand, and by our roll-up.

What belongs here: one day of trades to bars, each way. What does not: loading the trades (``influx``), making bars
without a server (``cases``).

A script is judged by another one that gives the same columns, since what it costs depends on the machine: both run in
every round, each into an empty bucket.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import urllib3

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.influx import Bench, interleaved, opened
from ohlcv_assets.bench.influx_load import replace_day
from ohlcv_assets.bench.influx_peers import Cost, measured
from ohlcv_assets.errors import StoreMismatchError, StoreQueryError
from ohlcv_assets.pipeline.engines.base import BarEngine
from ohlcv_assets.pipeline.engines.choice import ENGINES
from ohlcv_assets.pipeline.parts import forget
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.project import Project
from ohlcv_assets.settings import BarEngineName, Settings
from ohlcv_assets.stores.influxdb.bars import InfluxBarStore
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.downsampling.scripts import chunk_script
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.units import day_bounds

RATIO: Final = 0.95
"""How fast our script must be, at least, as a share of the one written by hand."""

CLIENT_SECONDS: Final = 0.35
REPLY_BYTES: Final = 64
"""A few line ends: InfluxDB replies with one for each pipeline, whatever it holds."""

OURS: Final = "our script"
BY_HAND: Final = "script by hand"
CASE: Final = "bars in InfluxDB"
ENGINES_MEASURED: Final[tuple[BarEngineName, ...]] = ("client", "influx-task")

HAND_WRITTEN: Final = """
day = (f) => from(bucket: "TRADES") |> range(start: START, stop: STOP)
    |> filter(fn: (r) => r._measurement == "trades" and r._field == f)
out = (tables=<-, n) => tables |> keep(columns: ["_time", "_value", "symbol"])
    |> set(key: "_field", value: n) |> set(key: "_measurement", value: "ohlcv") |> to(bucket: "BARS")
    |> filter(fn: (r) => false) |> yield(name: n)
day(f: "price") |> aggregateWindow(every: 1m, fn: first, createEmpty: false, timeSrc: "_start") |> out(n: "open")
day(f: "price") |> aggregateWindow(every: 1m, fn: max, createEmpty: false, timeSrc: "_start") |> out(n: "high")
day(f: "price") |> aggregateWindow(every: 1m, fn: min, createEmpty: false, timeSrc: "_start") |> out(n: "low")
day(f: "price") |> aggregateWindow(every: 1m, fn: last, createEmpty: false, timeSrc: "_start") |> out(n: "close")
day(f: "amount") |> aggregateWindow(every: 1m, fn: sum, createEmpty: false, timeSrc: "_start") |> out(n: "volume")
day(f: "price") |> aggregateWindow(every: 1m, fn: count, createEmpty: false, timeSrc: "_start") |> out(n: "trades")
day(f: "side") |> aggregateWindow(every: 1m, fn: sum, createEmpty: false, timeSrc: "_start") |> out(n: "imbalance")
from(bucket: "TRADES") |> range(start: START, stop: STOP)
    |> filter(fn: (r) => r._measurement == "trades" and (r._field == "price" or r._field == "amount"))
    |> drop(columns: ["_start", "_stop", "_measurement"])
    |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
    |> map(fn: (r) => ({r with _value: r.price * r.amount}))
    |> aggregateWindow(every: 1m, fn: sum, createEmpty: false, timeSrc: "_start") |> out(n: "turnover")
"""
"""A day to 1m with all columns, as one would write it who knows what the storage engine can do."""


def measure_bars(
    settings: Settings, folder: Path, *, trades: int | None = None, repeats: int = 5, observer: Observer = nobody
) -> list[Figure]:
    """Measure on the server that settings name, in buckets that are removed at the end.

    Parameters
    ----------
    settings, folder, trades, repeats, observer
        See ``influx.measure_influx``.

    Raises
    ------
    SettingsError
        No server is named, or no token.
    StoreError
        The server refuses or does not answer, or made other bars than the roll-up.
    """
    with opened(settings, folder, trades=trades, repeats=repeats) as bench, _loaded(bench) as layout:
        observer(Progress("bench", "load", 0, repeats, "rounds"))
        replies: list[int] = []
        runs: dict[str, Callable[[], Cost]] = {
            OURS: lambda: bench.into_fresh(lambda bucket: _minutes(bench, _ours(bench, layout, bucket), replies)),
            BY_HAND: lambda: bench.into_fresh(lambda bucket: _minutes(bench, _by_hand(bench, layout, bucket), [])),
        }
        runs |= {name: partial(_engine, bench, layout, ENGINES[name]) for name in ENGINES_MEASURED}
        costs = interleaved(runs, repeats, observer)
        method = (
            f"InfluxDB {bench.version}, {bench.day.rows:,} trades of {bench.day.symbols} symbols, into empty buckets "
            f"each time, median of {repeats} interleaved rounds"
        )
        return bar_figures(costs, replies, method)


def bar_figures(costs: Mapping[str, Sequence[Cost]], replies: Sequence[int], method: str) -> list[Figure]:
    """Return what is told of making bars.

    Parameters
    ----------
    costs
        By name and round.
    replies
        Bytes of the replies to our script.
    method
        How it was measured.
    """
    ours = [cost.seconds for cost in costs[OURS]]
    hand = [cost.seconds for cost in costs[BY_HAND]]
    ratio = statistics.median(theirs / mine for mine, theirs in zip(ours, hand, strict=True))
    script = _seconds("a day to 1m by Flux, written", ours, None, method)
    engines = {
        "client": ("a day, all five resolutions, by the roll-up", CLIENT_SECONDS),
        "influx-task": ("a day, all five resolutions, by Flux, counted", None),
    }
    return [
        replace(
            script,
            target=script.value * ratio / RATIO,
            peer="a script written by hand, pushed down, with the same columns",
            ratio=ratio,
        ),
        Figure(CASE, "reply to the script of a day", max(replies), "bytes", REPLY_BYTES, "", None, method),
        *(
            _seconds(text, [cost.seconds for cost in costs[name]], target, method)
            for name, (text, target) in engines.items()
        ),
        *_server({"a day to 1m by Flux": costs[OURS], **{engines[name][0]: costs[name] for name in engines}}, method),
    ]


def _seconds(name: str, values: Sequence[float], target: float | None, method: str) -> Figure:
    spread = min(values), max(values)
    return Figure(CASE, name, statistics.median(values), "s", target, "", None, method, spread)


def _server(costs: Mapping[str, Sequence[Cost]], method: str) -> Iterator[Figure]:
    """Yield the server's processor time; nothing where it does not run on this machine."""
    for name, rounds in costs.items():
        known = [cost.server for cost in rounds if cost.server is not None]
        if known:
            yield replace(_seconds(f"{name}: processor time of the server", known, None, method), case="server")


@contextmanager
def _loaded(bench: Bench) -> Iterator[Layout]:
    """Give buckets that hold the day's trades."""
    layout = bench.scratch.layout()
    connection = Connection(bench.address, bench.plan.connections)
    store = InfluxTradeStore(connection, layout, bench.plan, query_timeout=bench.query_timeout, patience=bench.patience)
    with closing(store):
        replace_day(store, bench.day)
        yield layout
    for bucket in layout.buckets:
        bench.scratch.drop(bucket.name)


def _ours(bench: Bench, layout: Layout, bucket: str) -> str:
    minutes = RESOLUTIONS["1m"]
    into = replace(layout, bars={**layout.bars, minutes.name: replace(layout.bars[minutes.name], name=bucket)})
    return chunk_script(minutes, into, *day_bounds(bench.day.day))


def _by_hand(bench: Bench, layout: Layout, bucket: str) -> str:
    day = bench.day.day
    places = {"TRADES": layout.trades.name, "BARS": bucket}
    places |= {"START": f"{day}T00:00:00Z", "STOP": f"{day + dt.timedelta(days=1)}T00:00:00Z"}
    text = HAND_WRITTEN
    for name, value in places.items():
        text = text.replace(name, value)
    return text


def _minutes(bench: Bench, script: str, replies: list[int]) -> int:
    """Send a script once and return the trades that it was about."""
    try:
        reply = bench.connection.send(
            "POST",
            "/api/v2/query",
            query={"org": bench.address.org},
            body=script.encode(),
            headers={"Content-Type": "application/vnd.flux", "Accept": "application/csv"},
            timeout=bench.query_timeout,
        )
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise StoreQueryError(f"InfluxDB gave no answer to a script of the benchmark: {error}.") from error
    if not reply.passed or b"error" in reply.body:
        raise StoreQueryError(f"InfluxDB refused a script of the benchmark: {reply.body.decode(errors='replace')}")
    replies.append(len(reply.body))
    return bench.day.rows


def _engine(bench: Bench, layout: Layout, engine: BarEngine) -> Cost:
    """Have an engine make the day's bars of all resolutions in empty buckets, and return what it cost."""
    empty = bench.scratch.layout()
    connection = Connection(bench.address, bench.plan.connections)
    bars = InfluxBarStore(
        connection,
        replace(layout, bars=empty.bars),
        bench.plan,
        query_timeout=bench.query_timeout,
        patience=bench.patience,
    )
    project = replace(bench.day.work.project, bar_store=bars)
    forget()
    with closing(bars):
        cost = measured(lambda: _rolled(engine, project, bench), bench.server)
    forget()
    for bucket in empty.buckets:
        bench.scratch.drop(bucket.name)
    return cost


def _rolled(engine: BarEngine, project: Project, bench: Bench) -> int:
    """Make the day's bars from its file or its stored trades, and return the trades in them."""
    made = engine.make(project, project.lake.inspect(bench.day.day), STORED_RESOLUTIONS, nobody)
    wrong = [name for name, one in made.items() if one.trades != bench.day.rows]
    if wrong:
        raise StoreMismatchError(f"The benchmark's bars do not hold the day's trades: {', '.join(wrong)}.")
    return bench.day.rows
