# ruff: noqa: INP001, T201 -- a script, no part of the package
"""A range of day files loaded in bulk into the InfluxDB that settings name, compared whole, and the server afterwards.

    python benchmarks/influxdb_bulk_year.py load --from 2024-01-01 --to 2024-12-31
    python benchmarks/influxdb_bulk_year.py compare
    python benchmarks/influxdb_bulk_year.py health --minutes 10
    python benchmarks/influxdb_bulk_year.py chores

What the server used is told where it runs on this machine. ``load`` and ``health`` tell the time that each question
took: counts of a day and of the year, content of a day, trades by key.
"""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, cast

import psutil

from ohlcv_assets.pipeline.exhaustive import compare_every_trade
from ohlcv_assets.pipeline.parts import forget
from ohlcv_assets.project import Project, open_project
from ohlcv_assets.settings import load_settings
from ohlcv_assets.stores.base import DayContent, GivenDay
from ohlcv_assets.stores.influxdb.admin.vitals import vitals_of
from ohlcv_assets.stores.influxdb.bulk.api import BackupApi
from ohlcv_assets.stores.influxdb.bulk.shards import Shards
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.stores.influxdb.writer.usage import server_process
from ohlcv_assets.verify.sample import sample_keys

EVERY: Final = 30.0
KEYS: Final = 200
REPEATS: Final = 5


class Used:
    """Processor time and memory of this process and of the server since the beginning."""

    def __init__(self, url: str) -> None:
        self._server = server_process(url)
        self._client = psutil.Process()
        self._began = time.perf_counter()
        self._then = self._cpu()
        self.peak = 0

    def _cpu(self) -> tuple[float, float]:
        times = [each.cpu_times() if each else None for each in (self._client, self._server)]
        own, server = ((found.user + found.system) if found else 0.0 for found in times)
        return own, server

    def look(self) -> tuple[float, float, float]:
        """Return seconds, and processor seconds of client and server."""
        self.peak = max(self.peak, self._client.memory_info().rss)
        own, server = self._cpu()
        return time.perf_counter() - self._began, own - self._then[0], server - self._then[1]

    def server_memory(self) -> int:
        """Return the server's resident bytes."""
        return int(self._server.memory_info().rss) if self._server else 0


def load(project: Project, days: list[dt.date], used: Used) -> None:
    """Load days and print what it cost."""
    store = cast("InfluxTradeStore", project.trade_store)
    files = [project.lake.inspect(day) for day in days]
    given = [
        GivenDay(DayContent(file.day, file.content_hash, file.counts), partial(project.lake.batches, file.day))
        for file in files
    ]
    written = rows = 0
    for number, report in enumerate(store.replace_days(given), 1):
        written, rows = written + report.written, rows + report.rows
        seconds, own, server = used.look()
        if number % 28 == 0 or number == len(days):
            print(
                f"{number:4} days {rows:12,} trades, {written:,} written, {seconds:6.1f} s, {rows / seconds:11,.0f}/s, "
                f"client {own:6.1f} CPU s, server {server:5.1f} = {server / rows * 1e6:.3f} a million, "
                f"{used.peak / 1e6:,.0f} MB here, {used.server_memory() / 1e6:,.0f} MB there",
                flush=True,
            )


def compare(project: Project, days: list[dt.date], used: Used) -> None:
    """Compare every trade of the days and print what it cost."""
    rows = 0
    for number, day in enumerate(days):
        outcome = compare_every_trade(project, day, afresh=number == 0)
        if not outcome.verdict.passed or not outcome.backed_up:
            print(day, outcome.verdict.summary)
        rows += project.lake.inspect(day).rows
        used.look()
        forget()
    seconds, own, server = used.look()
    print(
        f"{len(days)} days, {rows:,} trades compared in {seconds:.1f} s, client {own:.1f} CPU s, server {server:.1f}, "
        f"at most {used.peak / 1e6:,.0f} MB here"
    )


def health(project: Project, days: list[dt.date], used: Used, minutes: float) -> None:
    """Print how the server does for some minutes, then how long questions take."""
    store = cast("InfluxTradeStore", project.trade_store)
    print(f"{'s':>6} {'server CPU s':>13} {'memory MB':>10} {'disk MB':>9} {'active':>7} {'queued':>7}")
    while True:
        page = store._connection.call("GET", "/metrics", doing="tell how it does").body.decode()  # noqa: SLF001
        vitals = vitals_of(page)
        seconds, _, server = used.look()
        print(
            f"{seconds:6.0f} {server:13.1f} {used.server_memory() / 1e6:10,.0f} {vitals.disk_bytes / 1e6:9,.0f} "
            f"{vitals.active:7} {vitals.queued:7}",
            flush=True,
        )
        if seconds >= minutes * 60:
            break
        time.sleep(EVERY)
    ask(project, days, used)


def ask(project: Project, days: list[dt.date], used: Used) -> None:
    """Print how long questions take: the fastest and the median of some, and the server's processor time."""
    day = days[len(days) // 2]
    for name, question in questions(project, day).items():
        times = []
        _, _, before = used.look()
        for _ in range(REPEATS):
            began = time.perf_counter()
            question()
            times.append(time.perf_counter() - began)
        _, _, after = used.look()
        print(
            f"{name:28} fastest {min(times) * 1e3:8.1f} ms, median {statistics.median(times) * 1e3:8.1f} ms, "
            f"server {(after - before) / REPEATS * 1e3:8.1f} CPU ms"
        )


def chores(project: Project, days: list[dt.date], used: Used) -> None:
    """Print how long a delete of a day, loading it again and a backup of every shard take."""
    store = cast("InfluxTradeStore", project.trade_store)
    day = days[len(days) // 2]
    file = project.lake.inspect(day)
    given = [GivenDay(DayContent(day, file.content_hash, file.counts), partial(project.lake.batches, day))]
    size = 0

    def backup() -> None:
        nonlocal size
        api = cast("BackupApi", store._loader._api)  # type: ignore[union-attr]  # noqa: SLF001 -- a script
        for shard in cast("Shards", api.shards(store._bucket)).those:  # noqa: SLF001 -- likewise
            with tempfile.TemporaryFile() as into:
                api.download(shard.id, into)
                size += into.tell()

    for name, chore in {
        "delete a day": lambda: store.delete_day(day),
        "load it again": lambda: list(store.replace_days(given)),
        "back up every shard": backup,
    }.items():
        began, _, before = used.look()
        chore()
        ended, _, after = used.look()
        print(f"{name:28} {ended - began:8.2f} s, server {after - before:8.2f} CPU s")
    print(f"{size / 1e9:.2f} GB backed up")


def questions(project: Project, day: dt.date) -> dict[str, Callable[[], object]]:
    """Return questions by name."""
    store = project.trade_store
    keys = sample_keys(project.lake.read(day), 7, KEYS)
    return {
        "counts of a day": lambda: store.counts(day),
        "counts of every day": store.counts_by_day,
        "content of a day": lambda: store.content(day),
        f"{KEYS} trades by key": lambda: store.fetch(keys),
    }


@contextmanager
def opened() -> Iterator[Project]:
    """Give the project that settings describe."""
    project = open_project(load_settings())
    try:
        yield project
    finally:
        cast("InfluxTradeStore", project.trade_store).close()


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["load", "compare", "health", "ask", "chores"])
    parser.add_argument("--from", dest="first", type=dt.date.fromisoformat)
    parser.add_argument("--to", dest="last", type=dt.date.fromisoformat)
    parser.add_argument("--minutes", type=float, default=10.0)
    wanted = parser.parse_args()
    with opened() as project:
        days = [
            day
            for day in project.dataset.days
            if (wanted.first is None or day >= wanted.first) and (wanted.last is None or day <= wanted.last)
        ]
        used = Used(str(project.settings.influx_url))
        if wanted.what == "load":
            load(project, days, used)
        elif wanted.what == "compare":
            compare(project, days, used)
        elif wanted.what == "ask":
            ask(project, days, used)
        elif wanted.what == "chores":
            chores(project, days, used)
        else:
            health(project, days, used, wanted.minutes)


if __name__ == "__main__":
    main()
