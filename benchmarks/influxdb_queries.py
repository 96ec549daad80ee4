# ruff: noqa: INP001, S608 -- a script, no part of the package; its queries are made of its own texts
"""Forms of the four kinds of queries, timed against each other on a real server: the figures of decision 0004.

Run ``python benchmarks/influxdb_queries.py [repeats [seconds]]`` with ``OHLCV_INFLUX_URL`` and
``OHLCV_INFLUX_OPERATOR_TOKEN`` set. An ordinary day of 2024 is made, loaded into buckets of the script's own, asked
for, and removed. All forms answer the same question; what came is printed beside the times. With seconds, that long is
waited after the load, so that the server moves the day from memory to files first, where its settings make it do so by
then (``INFLUXD_STORAGE_CACHE_SNAPSHOT_WRITE_COLD_DURATION``).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock
from urllib.parse import urlencode

import pyarrow as pa

from ohlcv_assets.bench.influx import opened
from ohlcv_assets.bench.influx_load import replace_day
from ohlcv_assets.errors import StoreError
from ohlcv_assets.market.schema import SYMBOL_TYPE
from ohlcv_assets.settings import Settings
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.reads import queries, scanning
from ohlcv_assets.stores.influxdb.reads.asking import Asker
from ohlcv_assets.stores.influxdb.reads.parts import Part
from ohlcv_assets.stores.influxdb.reads.points import TRADES, flux_points
from ohlcv_assets.stores.tables import nanos
from ohlcv_assets.units import Nanos, day_bounds, day_of
from ohlcv_assets.verify.sample import sample_keys

SAMPLE = 200
SLOW = 3_000.0
"""Milliseconds; a form that takes longer is not repeated."""

PATIENCE = 20.0
"""Seconds that a form may take."""

FIELDS = ("price", "amount", "side")
VALUES: dict[str, pa.DataType] = {"price": pa.float64(), "amount": pa.float64(), "side": pa.int8()}
WINDOWS = 'every: 1h, createEmpty: false, timeSrc: "_start"'
Form = Callable[[], int]


@dataclass(frozen=True)
class Asked:
    """What all forms ask about."""

    connection: Connection
    bucket: str
    start: Nanos
    end: Nanos
    symbols: list[str]
    keys: pa.Table

    @property
    def asker(self) -> Asker:
        """Ask as the store does."""
        return Asker(self.connection, PATIENCE)

    @property
    def part(self) -> Part:
        """The day."""
        return Part(self.start, self.end)

    @property
    def span(self) -> str:
        """The day in InfluxQL."""
        return f"time >= {self.start} AND time < {self.end}"

    def flux(self, *texts: str) -> int:
        """Ask in Flux and count the rows."""
        return self.asker.flux("\n".join(texts), "measured").num_rows

    def influxql(self, statements: Iterable[str], **columns: pa.DataType) -> int:
        """Ask in InfluxQL and count the rows."""
        types = {"tags": SYMBOL_TYPE, "time": pa.int64(), **columns}
        return self.asker.influxql(self.bucket, list(statements), types, "measured").num_rows

    def points(self, field: str | None = None, symbol: str | None = None, ts: int | None = None) -> str:
        """Return Flux for points of the day, or of one instant."""
        part = Part(self.start, self.end, symbol) if ts is None else Part(ts, ts + 1, symbol)
        return flux_points(TRADES, self.bucket, part, field)


def counts(asked: Asked) -> dict[str, Form]:
    """Count every field of a day by symbol."""
    each = [f'{asked.points(field)} |> count() |> yield(name: "{field}")' for field in FIELDS]
    selected = ", ".join(f'count("{field}") AS "{field}"' for field in FIELDS)
    statement = f'SELECT {selected} FROM "trades" WHERE {asked.span} GROUP BY symbol'
    day = day_of(asked.start)
    return {
        "Flux, one read of all fields, `count` (in use)": lambda: len(
            queries.day_counts(asked.asker, asked.bucket, day)
        ),
        "Flux, a read a field": lambda: asked.flux(*each),
        "Flux, one read, `group`, `count`": lambda: asked.flux(
            f'{asked.points()} |> group(columns: ["symbol", "_field"]) |> count()'
        ),
        "InfluxQL, three counts": lambda: asked.influxql([statement], **dict.fromkeys(FIELDS, pa.int64())),
    }


def contents(asked: Asked) -> dict[str, Form]:
    """Compute eight figures by symbol and hour."""
    figures = [(field, function) for field, function in queries._FIGURES.values()]  # noqa: SLF001 -- what is in use
    names = list(queries._FIGURES)  # noqa: SLF001 -- the same
    selected = ", ".join(f'{f}("{c}") AS "{n}"' for n, (c, f) in zip(names, figures, strict=True))
    statement = f'SELECT {selected} FROM "trades" WHERE {asked.span} GROUP BY symbol, time(1h) fill(none)'
    day = day_of(asked.start)
    fewer = [
        *(f'{asked.points()} |> aggregateWindow({WINDOWS}, fn: {f}) |> yield(name: "{f}")' for f in ("sum", "min")),
        f'{asked.points()} |> aggregateWindow({WINDOWS}, fn: max) |> yield(name: "max")',
        f'{asked.points("price")} |> aggregateWindow({WINDOWS}, fn: count) |> yield(name: "count")',
    ]
    shared = [
        f"points = {asked.points()}",
        *(
            f'points |> filter(fn: (r) => r._field == "{c}") '
            f'|> aggregateWindow({WINDOWS}, fn: {f}) |> yield(name: "{n}")'
            for n, (c, f) in zip(names, figures, strict=True)
        ),
    ]
    halves = [
        statement.replace(asked.span, f"time >= {start} AND time < {end}")
        for start, end in ((asked.start, (asked.start + asked.end) // 2), ((asked.start + asked.end) // 2, asked.end))
    ]
    floats: dict[str, pa.DataType] = dict.fromkeys(names, pa.float64())
    return {
        "Flux, a read a figure (in use)": lambda: queries.content(asked.asker, asked.bucket, day).num_rows,
        "Flux, a read of all fields a function": lambda: asked.flux(*fewer),
        "Flux, one read shared by all figures": lambda: asked.flux(*shared),
        "InfluxQL, one statement": lambda: asked.influxql([statement], **floats),
        "InfluxQL, two requests at once": lambda: sum(
            at_once(2, [partial(asked.influxql, [half], **floats) for half in halves])
        ),
    }


def samples(asked: Asked) -> dict[str, Form]:
    """Fetch trades by their exact keys."""
    pairs = list(zip(asked.keys["symbol"].to_pylist(), nanos(asked.keys["ts"]).tolist(), strict=True))
    wanted = [f"{scanning._select(TRADES, str(s))} AND time = {ts} GROUP BY symbol" for s, ts in pairs]  # noqa: SLF001 -- what is in use
    everybody = [f'SELECT price, amount, side FROM "trades" WHERE time = {ts} GROUP BY symbol' for _, ts in pairs]
    flux = [f'{asked.points(None, str(s), ts)} |> yield(name: "{n}")' for n, (s, ts) in enumerate(pairs)]

    def split(size: int, threads: int, statements: list[str] = wanted) -> int:
        cut = [statements[at : at + size] for at in range(0, len(statements), size)]
        return sum(at_once(threads, [partial(asked.influxql, some, **VALUES) for some in cut]))

    return {
        "as in use": lambda: scanning.fetch(asked.asker, asked.bucket, asked.keys).num_rows,
        "InfluxQL, a statement a key, one request": lambda: split(SAMPLE, 1),
        "InfluxQL, requests of 100, one after another": lambda: split(100, 1),
        "InfluxQL, requests of 100, two at once": lambda: split(100, 2),
        "InfluxQL, requests of 50, two at once": lambda: split(50, 2),
        "InfluxQL, requests of 50, four at once": lambda: split(50, 4),
        "InfluxQL, requests of 25, four at once": lambda: split(25, 4),
        "InfluxQL, a request a key, four at once": lambda: split(1, 4),
        "InfluxQL, without naming the symbol": lambda: split(100, 1, everybody),
        "Flux, a read a key": lambda: asked.flux(*flux),
    }


def scans(asked: Asked) -> dict[str, Form]:
    """Read a whole day back."""

    def paged(rows: int) -> int:
        with mock.patch.object(scanning, "PAGE_ROWS", rows):
            return sum(batch.num_rows for batch in scanning.scan(asked.asker, asked.bucket, asked.start, asked.end))

    select = f'SELECT price, amount, side FROM "trades" WHERE {asked.span} GROUP BY symbol'
    pivot = '|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'

    def raw(accept: str, coding: str = "identity") -> int:
        form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": accept, "Accept-Encoding": coding}
        reply = asked.connection.send(
            "POST",
            "/query",
            query={"db": asked.bucket, "epoch": "ns", "chunked": "true"},
            body=urlencode({"q": select}).encode(),
            headers=form,
        )
        return len(reply.body)

    return {
        "as in use": lambda: paged(scanning.PAGE_ROWS),
        **{f"InfluxQL, CSV, pages of {rows:,}": partial(paged, rows) for rows in (50_000, 100_000, 200_000, 400_000)},
        "InfluxQL, CSV, one request, body alone (bytes)": lambda: raw("application/csv"),
        "the same, gzip (bytes)": lambda: raw("application/csv", "gzip"),
        "InfluxQL, JSON, one request, body alone (bytes)": lambda: raw("application/json"),
        "InfluxQL, MessagePack, one request, body alone (bytes)": lambda: raw("application/x-msgpack"),
        "Flux, one symbol, raw rows": lambda: asked.flux(asked.points(None, asked.symbols[0])),
        "Flux, one symbol, pivot": lambda: asked.flux(f"{asked.points(None, asked.symbols[0])} {pivot}"),
        "InfluxQL, the same symbol": lambda: asked.influxql(
            [f"{scanning._select(TRADES, asked.symbols[0])} AND {asked.span} GROUP BY symbol"],  # noqa: SLF001 -- what is in use
            **VALUES,
        ),
    }


def at_once(threads: int, actions: list[Form]) -> list[int]:
    """Run actions side by side."""
    with ThreadPoolExecutor(threads) as pool:
        return [done.result() for done in [pool.submit(action) for action in actions]]


def table(title: str, forms: dict[str, Form], repeats: int, server_seconds: Callable[[], float | None]) -> None:
    """Time all forms in rounds, so that a slow while is slow for all, and print a Markdown table."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    spent = dict.fromkeys(forms, 0.0)
    rows: dict[str, int | str] = {}
    for number in range(repeats + 1):
        for name, form in forms.items():
            if isinstance(rows.get(name), str) or (times[name] and min(times[name]) > SLOW):
                continue
            before, began = server_seconds() or 0.0, time.perf_counter()
            try:
                rows[name] = form()
            except StoreError as error:
                rows[name] = type(error).__name__
            if number > 0 or isinstance(rows[name], str):
                times[name].append(1e3 * (time.perf_counter() - began))
                spent[name] += 1e3 * ((server_seconds() or 0.0) - before)
    print(f"\n| {title} | best | median | server's processor | rows |\n|---|---|---|---|---|")  # noqa: T201 -- a script's output
    for name, found in times.items():
        walls = f"{min(found):.0f} ms | {statistics.median(found):.0f} ms | {spent[name] / len(found):.0f} ms"
        print(f"| {name} | {walls} | {rows[name]} |", flush=True)  # noqa: T201 -- the same


def main() -> None:
    """Load a day and time every form."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    settings = Settings()
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(settings, Path(folder), trades=None, repeats=1) as bench,
        bench.store() as store,
    ):
        replace_day(store, bench.day)
        keys = sample_keys(bench.day.table, settings.seed, SAMPLE)
        bucket = store._bucket  # noqa: SLF001 -- the forms ask without the store
        symbols = sorted(bench.day.content.counts, key=lambda name: bench.day.content.counts[name])
        asked = Asked(bench.connection, bucket, *day_bounds(bench.day.day), symbols[len(symbols) // 2 :], keys)
        print(f"InfluxDB {bench.version}, {bench.day.rows:,} trades, {bench.day.symbols} symbols, {repeats} rounds")  # noqa: T201 -- the same
        if len(sys.argv) > 2:  # noqa: PLR2004 -- a second argument
            time.sleep(float(sys.argv[2]))
        table("counts of a day", counts(asked), repeats, bench.server.cpu_seconds)
        table("content of a day", contents(asked), repeats, bench.server.cpu_seconds)
        table("200 trades by key", samples(asked), repeats, bench.server.cpu_seconds)
        table("scan of a day", scans(asked), min(repeats, 4), bench.server.cpu_seconds)


if __name__ == "__main__":
    main()
