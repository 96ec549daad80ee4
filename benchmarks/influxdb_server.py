# ruff: noqa: INP001, S603, T201 -- a script, no part of the package; it starts the server on PATH
"""Profiles of an InfluxDB server against each other: processor time and memory of loading some days of 2024.

Run ``python benchmarks/influxdb_server.py`` where ``influxd`` is on PATH. Each profile has a server of its own in
a temporary folder, one after the other in each round; day files are made once.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
from pydantic import SecretStr

from ohlcv_assets.bench.machine import this_machine
from ohlcv_assets.influx_parts import influx_address, influx_layout
from ohlcv_assets.pipeline.steps import file_day, load_day
from ohlcv_assets.project import Project, open_project
from ohlcv_assets.settings import load_settings
from ohlcv_assets.stores.influxdb.admin.setup import Order, set_up
from ohlcv_assets.stores.influxdb.connection import Connection

FIRST: Final = dt.date(2024, 1, 2)
_SNAPSHOT: Final = "INFLUXD_STORAGE_CACHE_SNAPSHOT_MEMORY_SIZE"
_PPROF: Final = "INFLUXD_PPROF_DISABLED"
PROFILES: Final[Mapping[str, Mapping[str, str]]] = {
    "as delivered": {},
    "GOGC=400": {"GOGC": "400"},
    "GOGC=400, pprof off": {"GOGC": "400", _PPROF: "true"},
    "GOGC=400, pprof off, snapshot at 128 MiB": {"GOGC": "400", _PPROF: "true", _SNAPSHOT: "134217728"},
    "GOGC=800, pprof off": {"GOGC": "800", _PPROF: "true"},
}


@contextmanager
def server(profile: Mapping[str, str], folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Run a server with a profile; give its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {"--bolt-path": "bolt", "--sqlite-path": "sqlite", "--engine-path": "engine"}
    command = ["influxd", "--http-bind-address", f"127.0.0.1:{port}", "--reporting-disabled", "--log-level", "error"]
    for flag, name in places.items():
        command += [flag, str(folder / name)]
    environment = os.environ | {"INFLUXD_STORAGE_WRITE_TIMEOUT": "120s"} | dict(profile)
    process = subprocess.Popen(command, env=environment)
    try:
        yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def project_on(url: str, data: Path) -> Project:
    """Set a fresh server up and return the default dataset on it."""
    settings = load_settings(store="influxdb", influx_url=url, data_dir=data)
    connection = Connection(influx_address(settings))
    connection.call("GET", "/ping", doing="reach the server")
    connection.close()
    made: dict[str, SecretStr] = {}
    set_up(Order(influx_address(settings), influx_layout(settings), "default"), made.update)
    token = made["OHLCV_INFLUX_TOKEN"].get_secret_value()
    return open_project(load_settings(store="influxdb", influx_url=url, data_dir=data, influx_token=token))


def measure(profile: Mapping[str, str], data: Path, days: int) -> tuple[float, float, float]:
    """Return trades a second, the server's processor seconds a million trades, and its peak of resident bytes."""
    folder = Path(tempfile.mkdtemp(prefix="ohlcv-server-"))
    try:
        with server(profile, folder) as (url, process):
            project = project_on(url, data)
            before, began, trades, peak = sum(process.cpu_times()[:2]), time.perf_counter(), 0, 0
            for number in range(days):
                trades += load_day(project, FIRST + dt.timedelta(days=number)).report.written
                peak = max(peak, process.memory_info().rss)
            seconds = time.perf_counter() - began
            cpu = sum(process.cpu_times()[:2]) - before
        return trades / seconds, cpu / trades * 1e6, peak
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Measure every profile in every round and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in PROFILES}
    with tempfile.TemporaryDirectory(prefix="ohlcv-days-") as name:
        data = Path(name)
        filed = open_project(load_settings(store="memory", data_dir=data))
        for number in range(given.days):
            file_day(filed, FIRST + dt.timedelta(days=number))
        measure({}, data, 1)  # compiles what is compiled
        for _ in range(given.rounds):
            for label, profile in PROFILES.items():
                found[label].append(measure(profile, data, given.days))
    print("| profile | trades a second | processor time a million trades | resident memory |\n|---|---|---|---|")
    for label, rounds in found.items():
        rate, cpu, memory = (statistics.median(values) for values in zip(*rounds, strict=True))
        print(f"| {label} | {rate:,.0f} | {cpu:.1f} s | {memory / 1e9:.1f} GB |")
    print(f"\n{given.days} days from {FIRST}, median of {given.rounds} rounds; {this_machine().line()}")


if __name__ == "__main__":
    main()
