# ruff: noqa: INP001, T201 -- a script, no part of the package
"""What an InfluxDB server does while something else loads it: rate, processor time, memory, disk, compactions.

Run ``python benchmarks/influxdb_watch.py`` beside ``ohlcv backfill`` and stop it with Ctrl-C; the server is the one
that ``OHLCV_INFLUX_URL`` names. With ``--history data/dagster_home`` it tells what the loads recorded of themselves:
requests, retries, latencies.
"""

from __future__ import annotations

import argparse
import os
import re
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dagster as dg
import psutil

from ohlcv_assets.settings import load_settings
from ohlcv_assets.stores.influxdb.admin.vitals import vitals_of
from ohlcv_assets.stores.influxdb.writer.usage import server_process

EVERY: Final = 5.0
_POINTS: Final = re.compile(r"^storage_writer_ok_points_sum\S* (\S+)$", re.MULTILINE)
_ADDED: Final = (
    "dagster/partition_row_count",
    "requests",
    "retries",
    "overloads",
    "breaker_openings",
    "write_cpu_seconds",
)
_LARGEST: Final = ("latency_p50", "latency_p99", "latency_max", "peak_memory_mb")


@dataclass(frozen=True, slots=True)
class Sample:
    """A server at one moment: seconds of the run, points so far, bytes, compactions."""

    seconds: float
    points: float
    cpu: float
    memory: int
    disk: int
    compactions: int


def samples(url: str, every: float) -> Iterator[Sample]:
    """Yield a sample every so many seconds, until interrupted."""
    process: psutil.Process | None = server_process(url)
    if process is None:
        raise SystemExit(f"No server at {url} runs on this machine: set OHLCV_INFLUX_URL.")
    began = time.monotonic()
    while True:
        with urllib.request.urlopen(f"{url}/metrics", timeout=60) as reply:  # noqa: S310 -- the user's own address
            page = reply.read().decode()
        used, vitals = process.cpu_times(), vitals_of(page)
        points = sum(float(number) for number in _POINTS.findall(page))
        yield Sample(
            time.monotonic() - began,
            points,
            used.user + used.system,
            process.memory_info().rss,
            vitals.disk_bytes,
            vitals.active + vitals.queued,
        )
        time.sleep(every)


def watch(url: str, minutes: float) -> None:
    """Print a line every so many minutes, and the peaks at the end."""
    print(f"{'min':>6} {'points/s':>9} {'server s/million':>17} {'memory GB':>10} {'disk GB':>8} {'compactions':>12}")
    seen: list[Sample] = []
    last: Sample | None = None
    try:
        for sample in samples(url, EVERY):
            seen.append(sample)
            last = last or sample
            if sample.seconds - last.seconds >= minutes * 60:
                print(_row(last, sample, max(one.compactions for one in seen if one.seconds >= last.seconds)))
                last = sample
    except KeyboardInterrupt:
        print(f"\nmost memory {max(one.memory for one in seen) / 1e9:.2f} GB, disk {seen[-1].disk / 1e9:.2f} GB")


def _row(first: Sample, last: Sample, compactions: int) -> str:
    points, seconds = last.points - first.points, last.seconds - first.seconds
    cost = (last.cpu - first.cpu) / points * 1e6 if points > 0 else 0.0
    return (
        f"{last.seconds / 60:6.1f} {points / seconds:9,.0f} {cost:17.2f} {last.memory / 1e9:10.2f} "
        f"{last.disk / 1e9:8.2f} {compactions:12d}"
    )


def tell(home: Path) -> None:
    """Print what all loads that a Dagster home knows of recorded: sums, and the largest of what is no sum."""
    os.environ["DAGSTER_HOME"] = str(home.resolve())
    loads = list(_loads(dg.DagsterInstance.get()))
    for name in _ADDED:
        print(f"{name:28} {sum(load.get(name, 0.0) for load in loads):16,.1f}")
    for name in _LARGEST:
        values: Sequence[float] = [load[name] for load in loads if name in load]
        print(f"{name:28} {max(values, default=0.0):16,.2f}  largest of {len(values)} days")


def _loads(instance: dg.DagsterInstance) -> Iterator[dict[str, float]]:
    """Yield the figures of every day that was loaded."""
    for run in instance.get_runs():
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
            found = entry.asset_materialization
            if found is not None and found.asset_key.path[-1] == "stored_trades":
                values = {name: value.value for name, value in found.metadata.items()}
                yield {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def main() -> None:
    """Watch, or tell what was recorded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.5, help="between two lines")
    parser.add_argument("--history", type=Path, help="a Dagster home: tell what its loads recorded")
    wanted = parser.parse_args()
    if wanted.history is not None:
        tell(wanted.history)
    else:
        watch(load_settings().influx_url or "http://127.0.0.1:8086", wanted.minutes)


if __name__ == "__main__":
    main()
