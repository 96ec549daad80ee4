"""A process that takes a lease of chunks, says so, and holds it until it is killed.

What belongs here: that process, and starting it. What does not: judging what others see of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.stores.chunks import Chunks
from ohlcv_assets.stores.duckdb.broker import Broker
from ohlcv_assets.stores.duckdb.chunks import DuckDBChunks
from ohlcv_assets.stores.influxdb.chunks import InfluxChunks
from ohlcv_assets.stores.influxdb.connection import Address, Connection
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.servers import layout_named
from ohlcv_assets_tests.stores.made import FIRST

ROOT: Final = Path(__file__).parents[2]
HELD: Final = "held"
DAY: Final = Span(*day_bounds(FIRST))


@contextmanager
def holding(order: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Give a process that holds the first day's 1m and 5m bars; it is killed when the context ends, if not before.

    Parameters
    ----------
    order
        ``store`` (a DuckDB file), or ``url``, ``org``, ``token`` and ``prefix``; it goes over the standard input.
    """
    command = [sys.executable, "-m", "ohlcv_assets_tests.stores.leaseholder"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            assert process.stdout.readline().strip() == HELD
            yield process
        finally:
            process.kill()


def opened(order: Mapping[str, str]) -> Chunks:
    """Open the records that an order names."""
    if "store" in order:
        return DuckDBChunks(Broker(Path(order["store"])), 5.0)
    address = Address(order["url"], order["org"], SecretStr(order["token"]))
    return InfluxChunks(Connection(address), layout_named(order["prefix"]), Terms())


def main() -> None:
    """Take the lease and keep it."""
    chunks = opened(json.loads(sys.stdin.readline()))
    with chunks.lease(["1m", "5m"], DAY):
        sys.stdout.write(f"{HELD}\n")
        sys.stdout.flush()
        time.sleep(600)


if __name__ == "__main__":
    main()
