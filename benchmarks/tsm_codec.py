# ruff: noqa: INP001, S603, T201 -- a script, no part of the package; it starts the server on PATH
"""How fast day files become TSM files and TSM files become columns again, on this machine.

Run ``python benchmarks/tsm_codec.py path/to/trades.parquet [more] [--rounds 7] [--server]``. One thread; a figure is
the median and the best of several rounds, in trades per second of processor time, after a first round that compiles.
Trades are in memory before the clock starts, and encoded files stay there. Decoding checks every checksum and gives
instants, prices, amounts and sides of each symbol. With ``--server``, the same trades are written by line protocol into
a fresh ``influxd`` as well, and what it has on disk for them is put beside what is encoded here.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import urllib3

from ohlcv_assets.bench.machine import this_machine
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.influxdb.lineprotocol.lines import trade_lines
from ohlcv_assets.stores.influxdb.tsm.decoding import TsmReader
from ohlcv_assets.stores.influxdb.tsm.encoding import FilePlan, trade_files
from ohlcv_assets.stores.influxdb.tsm.index import field_key, split_key
from ohlcv_assets.stores.tables import conform

FIELDS: Final = ("price", "amount", "side")
REFUSED: Final = 300
SMALL: Final = 10_000
ALWAYS: Final = (-(2**63) + 2, 2**63 - 2)
PORT: Final = 18_086
URL: Final = f"http://127.0.0.1:{PORT}"
TOKEN: Final = "benchmark-of-the-tsm-codec"  # noqa: S105  -- of a server that lives as long as this script


def encoded(days: list[pa.Table], plan: FilePlan) -> list[bytes]:
    """Encode days, each by itself."""
    return [b"".join(file.chunks) for day in days for file in trade_files([day], plan)]


def decoded(files: list[bytes]) -> int:
    """Decode all points of files and return how many trades there are."""
    rows = 0
    for data in files:
        reader = TsmReader(data, "file")
        for series in sorted({split_key(key)[0] for key in reader.keys}):
            points = reader.read([field_key(series, name) for name in FIELDS], *ALWAYS)
            rows += len(points[0].ts)
    return rows


def timed(what: str, rows: int, rounds: int, work: Callable[[], object]) -> None:
    """Run some work several times and print its speed."""
    work()
    spent = []
    for _ in range(rounds):
        before = time.process_time()
        work()
        spent.append(time.process_time() - before)
    best, middle = rows / min(spent) / 1e6, rows / statistics.median(spent) / 1e6
    print(f"{what:<44} {middle:6.1f} million trades a CPU second (best {best:.1f})")


def on_a_server(days: list[pa.Table]) -> None:
    """Write days by line protocol into a fresh server and print the bytes of its files."""
    folder = Path(tempfile.mkdtemp(prefix="ohlcv-codec-"))
    places = {"--bolt-path": "bolt", "--sqlite-path": "sqlite", "--engine-path": "engine"}
    command = ["influxd", f"--http-bind-address=127.0.0.1:{PORT}", "--reporting-disabled", "--log-level=error"]
    command += [f"{flag}={folder / name}" for flag, name in places.items()]
    command += ["--storage-cache-snapshot-memory-size=1073741824", "--storage-compact-full-write-cold-duration=1s"]
    process = subprocess.Popen(command)
    http = urllib3.PoolManager(
        retries=urllib3.Retry(20, backoff_factor=0.05), headers={"Authorization": f"Token {TOKEN}"}
    )
    try:
        setup = {"username": "bench", "password": TOKEN, "org": "o", "bucket": "b", "token": TOKEN}
        http.request("POST", f"{URL}/api/v2/setup", json=setup)
        for lines in trade_lines(days, 20_000):
            reply = http.request("POST", f"{URL}/api/v2/write?org=o&bucket=b&precision=ns", body=lines.body)
            if reply.status >= REFUSED:
                raise SystemExit(f"The server answered {reply.status}.")
        shards = sorted(path.name for path in (folder / "engine" / "data").glob("*/autogen/*") if path.name.isdigit())
        for shard in shards:
            # A backup lets the points leave the cache first.
            http.request("GET", f"{URL}/api/v2/backup/shards/{shard}")
        rows = sum(day.num_rows for day in days)
        for moment, pause in (("when they left the cache", 0), ("compacted", 20)):
            time.sleep(pause)
            files = [path for path in (folder / "engine" / "data").rglob("*.tsm") if path.stat().st_size > SMALL]
            size = sum(path.stat().st_size for path in files)
            print(f"{'the server, ' + moment:<44} {size / rows:6.3f} bytes a trade in {len(files)} files")
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("files", nargs="+", type=Path)
    asked.add_argument("--rounds", type=int, default=7)
    asked.add_argument("--server", action="store_true")
    given = asked.parse_args()
    days = [conform(pq.read_table(path, columns=STORED.names), STORED).combine_chunks() for path in given.files]
    rows = sum(day.num_rows for day in days)
    print(this_machine())
    print(f"{len(days)} day files, {rows:,} trades; median of {given.rounds} rounds, one thread")
    for block in (1_000, 1_024, 10_000):
        plan = FilePlan(block)
        files = encoded(days, plan)
        print(f"{f'blocks of {block:,}':<44} {sum(map(len, files)) / rows:6.3f} bytes a trade")
        timed(f"encode, blocks of {block:,}", rows, given.rounds, partial(encoded, days, plan))
        timed(f"decode, blocks of {block:,}", rows, given.rounds, partial(decoded, files))
    if given.server:
        on_a_server(days)


if __name__ == "__main__":
    main()
