"""What goes into a real server comes out of it, bit by bit."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import numpy as np
import pytest

from ohlcv_assets.bars.resolutions import resolution_of
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.lineprotocol.lines import Lines, bar_lines, trade_lines
from ohlcv_assets.stores.influxdb.lineprotocol.literals import (
    MAX_NS,
    MIN_NS,
    MOST_TAG_BYTES,
    flux_string,
    flux_time,
    influxql_name,
    influxql_string,
    symbol_of,
    tag_text,
)
from ohlcv_assets_tests.servers import Server, drop_bucket, make_bucket
from ohlcv_assets_tests.stores.made import FIRST, Row, made_bars, stored

pytestmark = pytest.mark.integration

BUCKET = "round 'trip\\"
START = 1_704_205_800_000_000_000
HOSTILE = [
    "",
    " ",
    "a,symbol=b",
    "a price=9,amount=9,side=1i 1\ntrades,symbol=b",
    "ends in \\",
    "\\,",
    "a\\ b",
    "line\nbreak\r\n",
    "nul\x00tab\t",
    "'; DROP SERIES FROM trades; --",
    '") |> drop(columns: ["symbol"]) //',
    "${1 + 1}",
    "%0A%FF%",
    "%FF",
    "#!~#price",
    "#!~",
    "NULL",
    "\u2028\x85\ufeff",
    "Ünïcødé 🚀",
    "x" * (MOST_TAG_BYTES - 100),
]


@pytest.fixture
def server(real_server: Server) -> Iterator[Connection]:
    """Return a connection to a server that has an empty bucket with an awkward name."""
    connection = real_server.connect()
    drop_bucket(connection, BUCKET)
    make_bucket(connection, BUCKET)
    yield connection
    drop_bucket(connection, BUCKET)
    connection.close()


def write(server: Connection, lines: Iterator[Lines]) -> None:
    """Send bodies, each of which must be taken."""
    query = {"org": server.address.org, "bucket": BUCKET, "precision": "ns"}
    for found in lines:
        reply = server.send("POST", "/api/v2/write", query=query, body=found.body)
        assert reply.status == 204, reply.body[:300]


def records(body: bytes) -> list[dict[str, str]]:
    """Read the tables of a CSV reply, which blank lines separate."""
    found: list[dict[str, str]] = []
    names: list[str] = []
    for row in csv.reader(io.StringIO(body.decode(), newline="")):
        if not row:
            names = []
        elif not names:
            names = row
        else:
            found.append(dict(zip(names, row, strict=True)))
    return found


def flux(server: Connection, rest: str, measurement: str = "trades") -> list[dict[str, str]]:
    """Ask for points in rows, over all time."""
    text = (
        f"from(bucket: {flux_string(BUCKET)}) |> range(start: {flux_time(MIN_NS)}, stop: {flux_time(MAX_NS)}) "
        f'|> filter(fn: (r) => r._measurement == "{measurement}"{rest}) '
        '|> map(fn: (r) => ({r with time: int(v: r._time)})) |> drop(columns: ["_start", "_stop", "_time"]) '
        '|> pivot(rowKey: ["time"], columnKey: ["_field"], valueColumn: "_value")'
    )
    document = {"query": text, "dialect": {"header": True, "annotations": []}}
    headers = {"Content-Type": "application/json", "Accept": "application/csv"}
    query = {"org": server.address.org}
    reply = server.send("POST", "/api/v2/query", query=query, body=json.dumps(document).encode(), headers=headers)
    assert reply.status == 200, reply.body[:300]
    return records(reply.body)


def influxql(server: Connection, condition: str) -> list[dict[str, str]]:
    """Ask for points in InfluxQL, which finds a bucket by its name."""
    source = f"{influxql_name(BUCKET)}.{influxql_name('autogen')}.trades"
    text = f"SELECT * FROM {source} WHERE {condition}"  # noqa: S608  -- the literals are what is tested
    query = {"db": BUCKET, "epoch": "ns", "q": text}
    reply = server.send("POST", "/query", query=query, headers={"Accept": "application/csv"})
    assert reply.status == 200, reply.body[:300]
    return records(reply.body)


def rows_from(found: list[dict[str, str]]) -> list[Row]:
    """Return records as rows, symbols decoded, sorted."""
    return sorted(
        (symbol_of(row["symbol"]), int(row["time"]), float(row["price"]), float(row["amount"]), int(row["side"]))
        for row in found
    )


def test_any_symbol_comes_back(server: Connection) -> None:
    """Hostile symbols are one series each, add no point, and are found by their literals in Flux and InfluxQL."""
    rows = [(symbol, START + place, place + 0.5, 1.0, 1) for place, symbol in enumerate(HOSTILE)]
    write(server, trade_lines([stored(rows)], 7))
    assert rows_from(flux(server, "")) == sorted(rows)
    for row in rows:
        tag = tag_text(row[0])
        assert rows_from(flux(server, f" and r.symbol == {flux_string(tag)}")) == [row]
        if len(tag) < 1_000:
            assert rows_from(influxql(server, f"{influxql_name('symbol')} = {influxql_string(tag)}")) == [row]


def test_doubles_come_back_bit_exact(server: Connection) -> None:
    """Positive doubles of any bits, subnormal ones and the largest included, are the same after writing and reading."""
    random = np.random.default_rng(7)
    bits = random.integers(1, 0x7FF0_0000_0000_0000, 2_000)
    values = [5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1 + 0.2, 1e15, 1e-16, 1e22, 9007199254740993.0]
    values += bits.view(np.float64).tolist() + (random.integers(1, 10**9, 500) / 100).tolist()
    rows = [("A", START + place, value, value, -1) for place, value in enumerate(values)]
    write(server, trade_lines([stored(rows)], 1_000))
    assert rows_from(flux(server, "")) == rows
    assert rows_from(influxql(server, "side = -1")) == rows


def test_first_and_last_instants_come_back(server: Connection) -> None:
    """What is not refused can be written and read, from the first to the last instant."""
    instants = [MIN_NS, -1, 0, 1, 10**18 - 1, 10**18, MAX_NS - 1]
    rows = [("A", instant, 1.0, 1.0, 1) for instant in instants]
    write(server, trade_lines([stored(rows)], 100))
    assert rows_from(flux(server, "")) == rows


def test_bars_come_back(server: Connection) -> None:
    """Bars keep their floats and whole numbers."""
    bars = made_bars(resolution_of("1h"), FIRST, ("A",))
    write(server, bar_lines(bars, 10))
    found = flux(server, "", "ohlcv")
    assert len(found) == bars.num_rows
    for name in ("open", "high", "low", "close", "volume", "turnover"):
        assert [float(row[name]) for row in found] == bars.column(name).to_pylist()
    for name in ("trades", "imbalance"):
        assert [int(row[name]) for row in found] == bars.column(name).to_pylist()
