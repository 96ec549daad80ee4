"""A server that hangs does not fill the loader's memory."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

BODY = 1_000_000
CEILING = 16_000_000
ROOM = 12_000_000
"""Bytes beside the ceiling: the body that is being made, compressed copies of those under way, modules loaded late."""

LOADER = """
import json, sys, tracemalloc
from ohlcv_assets.errors import StoreUnavailableError
from ohlcv_assets.stores.influxdb.connection import Address, Connection
from ohlcv_assets.stores.influxdb.lineprotocol.lines import Lines
from ohlcv_assets.stores.influxdb.writer import LoadPlan, Writer

url, compression, body, ceiling = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
plan = LoadPlan(memory=ceiling, connections=8, timeout=0.5, deadline=2.0, compression=compression)
writer = Writer(Connection(Address(url, "org")), plan)
made = 0

def endless():
    global made
    while made < 1000:
        made += 1
        yield Lines(bytes(bytearray(body)), 1)

tracemalloc.start()
before = tracemalloc.get_traced_memory()[0]
try:
    writer.write("trades", endless(), doing="write", subject="day", expected=1000)
except StoreUnavailableError:
    peak = tracemalloc.get_traced_memory()[1] - before
    print(json.dumps({"made": made, "held": writer.story.peak_held, "rows": writer.story.rows, "peak": peak}))
"""


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_memory_is_bounded_while_the_server_hangs(compression: str) -> None:
    """A gigabyte is offered to a server that reads nothing; the ceiling and little else is held at the peak."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        command = [sys.executable, "-c", LOADER, url, compression, str(BODY), str(CEILING)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    figures = json.loads(done.stdout)
    assert figures["rows"] == 0
    assert figures["held"] == CEILING
    assert figures["made"] == CEILING // BODY + 1
    assert figures["peak"] < CEILING + ROOM
