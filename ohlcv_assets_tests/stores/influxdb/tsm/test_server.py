"""Files between this project and a real server: each reads what the other wrote."""

from __future__ import annotations

import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import count, product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.resolutions import BARS
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.lineprotocol.literals import symbol_of
from ohlcv_assets.stores.influxdb.tsm.columns import trade_batches
from ohlcv_assets.stores.influxdb.tsm.decoding import TsmReader
from ohlcv_assets.stores.influxdb.tsm.encoding import FilePlan, bar_files, trade_files
from ohlcv_assets.stores.influxdb.tsm.index import field_key, split_key, symbol_in
from ohlcv_assets.stores.influxdb.tsm.merging import ShardFiles
from ohlcv_assets.stores.influxdb.tsm.naming import DRAWS, FileName, named, next_names
from ohlcv_assets.stores.tables import conform, in_order
from ohlcv_assets.verify.exhaustive import every_trade
from ohlcv_assets_tests.servers import NoServerError, OwnServer, Server, drop_bucket, influxd, make_bucket
from ohlcv_assets_tests.stores.influxdb.tsm import shards
from ohlcv_assets_tests.stores.influxdb.tsm.made import Columns, doubles, instants, integers, trades
from ohlcv_assets_tests.stores.influxdb.tsm.shards import END, MONDAY, START, WEEK

pytestmark = pytest.mark.integration

FIELDS = ("amount", "price", "side")
PATIENCE = 60.0

Rows = dict[str, list[tuple[int, ...]]]
"""Instants with the bits of amount and price, and the side, by symbol."""


@pytest.fixture
def connection(real_server: Server) -> Iterator[Connection]:
    """Return a connection to the real server."""
    opened = real_server.connect()
    yield opened
    opened.close()


@pytest.fixture
def bucket(connection: Connection) -> Iterator[str]:
    """Return the name of a bucket that is not there yet, and is gone in the end."""
    name = f"tsm{uuid.uuid4().hex[:12]}"
    yield name
    drop_bucket(connection, name)


def bits(values: Any) -> list[int]:
    """Return the bits of doubles; Any: lists and arrays of them."""
    return list(map(int, np.asarray(values, np.float64).view(np.int64)))


def rows_of(symbols: Mapping[str, Columns]) -> Rows:
    """Return columns as rows."""
    return {
        symbol: list(zip(ts, bits(amounts), bits(prices), sides, strict=True))
        for symbol, (ts, prices, amounts, sides) in symbols.items()
    }


def answered(connection: Connection, bucket: str) -> Rows:
    """Return what the server answers."""
    found = shards.answered(connection, bucket, "trades", FIELDS)
    return {
        symbol_of(tag): [(int(ts), *bits([float(amount), float(price)]), int(side)) for ts, amount, price, side in rows]
        for tag, rows in found.items()
    }


def decoded(files: Mapping[str, bytes]) -> Rows:
    """Return what is in a shard's files."""
    shard = ShardFiles(files)
    found: Rows = {}
    for series in {split_key(key)[0] for key in shard.keys}:
        symbol = symbol_in(series, "trades")
        assert symbol is not None
        amount, price, side = shard.read([field_key(series, name) for name in FIELDS], START, END)
        assert amount.ts is price.ts is side.ts
        if len(side.ts) > 0:
            columns = (amount.ts.tolist(), bits(amount.values), bits(price.values), side.values.tolist())
            found[symbol] = list(zip(*columns, strict=True))
    return found


def walk(rows: int, seed: int, start: int = START) -> Columns:
    """Return a symbol's trades of some days: prices that walk, sizes in lots, microseconds."""
    random = np.random.default_rng([rows, seed])
    ts = start + np.cumsum(random.integers(1, 10**6, rows)) * 1_000
    prices = np.round(100 + np.cumsum(random.normal(0, 0.02, rows)), 2)
    amounts = np.round(random.lognormal(0, 1, rows) + 0.0001, seed % 9)
    return ts.tolist(), prices.tolist(), (amounts + (amounts == 0)).tolist(), random.choice([-1, 1], rows).tolist()


SYMBOLS = {"AAPL": walk(7_321, 1), "A B,=C": walk(11, 2), "BTC-USD": walk(5_000, 8), "ä%2F": walk(1, 4)}


def first_names(number: int) -> list[FileName]:
    """Return names for the first files of a shard."""
    return next_names([], number, 0)


@pytest.mark.parametrize("block", [1_000, 10_000])
def test_the_server_reads_what_is_encoded(connection: Connection, bucket: str, block: int) -> None:
    """Trades loaded as files are answered exactly, and are fetched as the very files that were sent."""
    (shard,) = shards.make_shards(connection, bucket, [MONDAY])
    files = list(trade_files([trades(SYMBOLS)], FilePlan(block)))
    sent = list(zip(map(str, first_names(len(files))), files, strict=True))
    shards.restore(connection, shard, sent)
    assert answered(connection, bucket) == rows_of(SYMBOLS)
    fetched = shards.fetch(connection, shard)
    assert {path.rpartition("/")[2]: data for path, data in fetched.items() if path.endswith(".tsm")} == {
        name: b"".join(file.chunks) for name, file in sent
    }
    assert decoded(fetched) == rows_of(SYMBOLS)
    found = trade_batches([ShardFiles(fetched)], START, END)
    assert every_trade(in_order(conform(trades(SYMBOLS), STORED)).to_batches(), found).passed


@pytest.mark.skipif(shutil.which("influxd") is None, reason="no real InfluxDB: influxd is not on PATH")
def test_the_servers_own_inspection_finds_nothing(tmp_path: Path) -> None:
    """What the server's tool says of files that were never near a server: no block is broken, and all are counted."""
    folder = tmp_path / "data" / "0123456789abcdef" / "autogen" / "1"
    folder.mkdir(parents=True)
    total = 0
    for number, block in enumerate((1, 7, 1_024, 10_000)):
        for file in trade_files([trades(SYMBOLS)], FilePlan(block)):
            total += sum(len(found.entries) for found in TsmReader(b"".join(file.chunks), "f").keys.values())
            # Any names will do that differ: some symbols make more than one file.
            with (folder / f"{number:09d}-{total:09d}.tsm").open("wb") as opened:
                opened.writelines(file.chunks)
    command = ["influxd", "inspect", "verify-tsm", "--engine-path", str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert f"Broken Blocks: 0 / {total}" in said.stdout + said.stderr


def inside(ts: list[int]) -> list[int]:
    """Return instants moved into the week, those that do not fit left out."""
    return [START + instant - ts[0] for instant in ts if instant - ts[0] < END - START]


@settings(
    deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(ts=instants().map(inside), values=st.tuples(*[doubles()] * 2, *[integers()] * 2), block=st.integers(1, 40))
def test_the_server_reads_any_values(
    connection: Connection, ts: list[int], values: tuple[list[Any], ...], block: int
) -> None:
    """Any doubles, whole numbers and gaps, in blocks of any size, are answered bit for bit."""
    bucket = f"tsm{uuid.uuid4().hex[:12]}"
    rows = min(len(ts), *map(len, values))
    first, second, whole, other = (column[:rows] for column in values)
    columns: list[Any] = [pa.array(["A"] * rows), pa.array(ts[:rows], pa.timestamp("ns"))]
    columns += [pa.array(column, pa.float64()) for column in [first, second] * 3]
    columns += [pa.array(column, pa.int64()) for column in (whole, other)]
    (file,) = bar_files(pa.Table.from_arrays(columns, names=BARS.names), FilePlan(block))
    (shard,) = shards.make_shards(connection, bucket, [MONDAY])
    shards.restore(connection, shard, [(str(first_names(1)[0]), file)])
    found = shards.answered(connection, bucket, "ohlcv", ["open", "high", "trades", "imbalance"])["A"]
    drop_bucket(connection, bucket)
    assert [int(row[0]) for row in found] == ts[:rows]
    assert bits([float(row[1]) for row in found]) == bits(first)
    assert bits([float(row[2]) for row in found]) == bits(second)
    assert [int(row[3]) for row in found] == whole
    assert [int(row[4]) for row in found] == other


def test_several_shards_and_later_lines(connection: Connection, bucket: str) -> None:
    """Weeks are loaded into shards of their own; what is written by line afterwards lies beside it, or over it."""
    second = {"AAPL": walk(900, 5, END)}
    ids = shards.make_shards(connection, bucket, [MONDAY, MONDAY + WEEK])
    assert shards.shards_of(connection, bucket) == ids
    for shard, table in zip(ids, (trades(SYMBOLS), trades(second)), strict=True):
        files = list(trade_files([table], FilePlan()))
        shards.restore(connection, shard, zip(map(str, first_names(len(files))), files, strict=True))
    ts = SYMBOLS["AAPL"][0]
    shards.write(connection, bucket, trades({"AAPL": ([ts[5], ts[-1] + 1], [1.5, 2.5], [3.0, 4.0], [-1, 1])}))
    expected = rows_of(SYMBOLS)
    expected["AAPL"][5] = (ts[5], *bits([3.0, 1.5]), -1)
    expected["AAPL"] += [(ts[-1] + 1, *bits([4.0, 2.5]), 1), *rows_of(second)["AAPL"]]
    assert answered(connection, bucket) == expected
    expected["AAPL"] = expected["AAPL"][: len(ts) + 1]
    assert decoded(shards.fetch(connection, ids[0])) == expected


def test_what_the_server_wrote_is_decoded(connection: Connection, bucket: str) -> None:
    """Points that leave the cache, written over and deleted in part, are decoded as the server answers them."""
    make_bucket(connection, bucket)
    shards.write(connection, bucket, trades(SYMBOLS))
    (shard,) = shards.shards_of(connection, bucket)
    assert decoded(shards.fetch(connection, shard)) == rows_of(SYMBOLS) == answered(connection, bucket)
    ts = SYMBOLS["BTC-USD"][0]
    changed = ts[100:200:3]
    shards.write(connection, bucket, trades({"BTC-USD": (changed, [9.25] * 34, [0.5] * 34, [1] * 34)}))
    assert decoded(shards.fetch(connection, shard)) == answered(connection, bucket) != rows_of(SYMBOLS)
    shards.delete(connection, bucket, ts[150], ts[1_300], "BTC-USD")
    shards.delete(connection, bucket, ts[1_250], ts[1_400])
    shards.delete(connection, bucket, START, END - 1_000, "A B,=C")
    fetched = shards.fetch(connection, shard)
    left = answered(connection, bucket)
    assert any(path.endswith(".tombstone") for path in fetched)
    assert decoded(fetched) == left
    assert set(left) == {"AAPL", "BTC-USD", "ä%2F"}
    assert len(left["BTC-USD"]) < len(ts) - 1_240
    shards.write(connection, bucket, trades({"BTC-USD": ([ts[160]], [1.0], [1.0], [1])}))
    assert decoded(shards.fetch(connection, shard)) == answered(connection, bucket) != left


@pytest.fixture
def quick_server() -> Iterator[OwnServer]:
    """Return a server that compacts whatever it has not written to for a second."""
    flags = ["--storage-cache-snapshot-write-cold-duration=500ms", "--storage-compact-full-write-cold-duration=1s"]
    try:
        with influxd(flags=flags) as server:
            yield server
    except NoServerError as error:
        pytest.skip(f"no real InfluxDB: {error}")


def until(look: Callable[[], Any]) -> Any:
    """Look again until there is something; Any: whatever it is."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")


def names_in(files: Mapping[str, bytes]) -> list[FileName]:
    """Return the names of a shard's TSM files."""
    return sorted({name for name in map(named, files) if name is not None})


def test_compacted_files_are_decoded(quick_server: OwnServer) -> None:
    """What the server made of several files by itself, ours among them, is decoded as it answers."""
    connection = quick_server.connect()
    make_bucket(connection, "b")
    ts, prices, amounts, sides = SYMBOLS["AAPL"]
    parts = [slice(place, None, 9) for place in range(9)]
    for part in parts:
        shards.write(connection, "b", trades({"AAPL": (ts[part], prices[part], amounts[part], sides[part])}))
        (shard,) = shards.shards_of(connection, "b")
        known = shards.fetch(connection, shard)
    rest = {symbol: columns for symbol, columns in SYMBOLS.items() if symbol != "AAPL"}
    files = list(trade_files([trades(rest)], FilePlan()))
    names = next_names(known, len(files), 7)
    shards.restore(connection, shard, zip(map(str, names), files, strict=True))
    expected = rows_of(SYMBOLS)
    assert answered(connection, "b") == expected
    shards.delete(connection, "b", ts[2_000], ts[3_000])

    def one_file() -> dict[str, bytes] | None:
        found = shards.fetch(connection, shard)
        whole = len(names_in(found)) == 1 and not any(path.endswith(".tombstone") for path in found)
        return found if whole else None

    compacted = until(one_file)
    assert decoded(compacted) == answered(connection, "b") != expected
    assert names_in(compacted)[0].sequence > 1
    connection.close()


def queued(connection: Connection, shard: int) -> float:
    """Return how many compactions of a shard the server means to run; -1 where it has not looked yet."""
    lines = connection.send("GET", "/metrics").body.decode().splitlines()
    found = [line for line in lines if line.startswith("storage_compactions_queued{") and f'id="{shard}"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in found) if found else -1


def test_loaded_shards_are_not_compacted(quick_server: OwnServer) -> None:
    """Days that were loaded one after another are left as they are, where their blocks are of the default size."""
    connection = quick_server.connect()
    wanted, other = shards.make_shards(connection, "b", [MONDAY, MONDAY + WEEK])
    known: dict[int, list[str]] = {wanted: [], other: []}
    for day, (shard, plan) in product(range(3), ((wanted, FilePlan()), (other, FilePlan(block=1_000)))):
        start = START + day * 86_400 * 10**9 + (WEEK // timedelta(microseconds=1) * 1_000 if shard == other else 0)
        (file,) = trade_files([trades({"AAPL": walk(2_000, day, start)})], plan)
        (name,) = next_names(known[shard], 1, day)
        shards.restore(connection, shard, [(str(name), file)])
        known[shard].append(str(name))
    until(lambda: queued(connection, other) > 0)
    until(lambda: queued(connection, wanted) >= 0)
    assert queued(connection, wanted) == 0
    assert list(map(str, names_in(shards.fetch(connection, wanted)))) == known[wanted]
    connection.close()


def test_what_names_must_avoid(connection: Connection, bucket: str) -> None:
    """The server takes the place of a file for another of its name, and remembers the end of one that failed."""
    (shard,) = shards.make_shards(connection, bucket, [MONDAY])
    (large,) = trade_files([trades({"A": walk(3_000, 1)})], FilePlan())
    (small,), (other,) = (trade_files([trades({symbol: walk(10, 1)})], FilePlan()) for symbol in "BC")
    damaged = replace(large, chunks=(b"?" * large.size,))
    first, second = (str(next_names([], 1, draw)[0]) for draw in range(2))
    shards.restore(connection, shard, [(first, damaged)])
    shards.restore(connection, shard, [(first, small)])
    assert answered(connection, bucket) == {}
    shards.restore(connection, shard, [(second, small)])
    assert set(answered(connection, bucket)) == {"B"}
    shards.restore(connection, shard, [(second, other)])
    assert set(answered(connection, bucket)) == {"C"}


def test_no_file_of_the_server_is_written_over(quick_server: OwnServer) -> None:
    """Loads beside line writes, points leaving the cache, compactions and restarts: nothing is lost."""
    connection = quick_server.connect()
    (shard,) = shards.make_shards(connection, "b", [MONDAY])
    random, numbers = np.random.default_rng(1), count()
    expected: dict[str, Columns] = {}
    for turn in range(20):
        by_line, by_file = f"L{next(numbers)}", f"F{next(numbers)}"
        expected |= {by_line: walk(50, 1), by_file: walk(50, 2)}
        shards.write(connection, "b", trades({by_line: expected[by_line]}))
        known = shards.fetch(connection, shard)
        (file,) = trade_files([trades({by_file: expected[by_file]})], FilePlan())
        names = next_names(known, 1, int(random.integers(DRAWS)))
        assert str(names[0]) not in {path.rpartition("/")[2] for path in known}
        shards.restore(connection, shard, [(str(names[0]), file)])
        if turn % 8 == 7:
            connection.close()
            quick_server.restart()
            connection = quick_server.connect()
    assert answered(connection, "b") == rows_of(expected)
    assert decoded(shards.fetch(connection, shard)) == rows_of(expected)
    connection.close()
