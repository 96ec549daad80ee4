"""Trades from the files of shards."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.influxdb.tsm import blocks, index
from ohlcv_assets.stores.influxdb.tsm.columns import trade_batches, warm_up
from ohlcv_assets.stores.influxdb.tsm.encoding import FilePlan, trade_files
from ohlcv_assets.stores.influxdb.tsm.index import ENTRY, HEAD, Indexed
from ohlcv_assets.stores.influxdb.tsm.merging import ShardFiles
from ohlcv_assets_tests.stores.influxdb.tsm.made import FIRST, LAST, Columns, block_of, bytes_of, trades
from ohlcv_assets_tests.stores.made import Row, rows_of

pytestmark = pytest.mark.unit

ALWAYS = (FIRST, LAST + 1)


def shard_of(symbols: Mapping[str, Columns], *more: bytes, deleted: bytes = b"") -> ShardFiles:
    """Return a shard of some trades and other files."""
    files = [bytes_of(file) for file in trade_files([trades(symbols)], FilePlan(3))]
    members = {f"{place:09d}-000000001.tsm": data for place, data in enumerate([*files, *more])}
    return ShardFiles(members | ({"000000000-000000001.tombstone": deleted} if deleted else {}))


def columns(ts: list[int], price: float) -> Columns:
    """Return trades at some instants."""
    return (
        ts,
        [price + place for place in range(len(ts))],
        [0.5] * len(ts),
        [1, -1] * (len(ts) // 2) + [1] * (len(ts) % 2),
    )


def found(*shards: ShardFiles, start: int = FIRST, end: int = LAST) -> list[Row]:
    """Return rows as they come."""
    return rows_of(pa.Table.from_batches(list(trade_batches(shards, start, end)), STORED))


def file_of(key: bytes, kind: int, values: bytes) -> bytes:
    """Return a file of one key with one point at instant 1."""
    block = block_of(kind, b"\x1c" + (1).to_bytes(8), values)
    entry = np.array([(1, 1, len(HEAD), len(block))], ENTRY)
    return HEAD + block + index.written([Indexed(key, kind, entry)], len(HEAD) + len(block))


ONE = b"\x10" + (2).to_bytes(8)


def test_symbols_in_order_shards_in_time() -> None:
    """Trades come by symbol and time, whatever the order of keys, from as many shards as there are."""
    early = shard_of({"A": columns([1, 2, 3, 9], 1.0), "A!": columns([4], 2.0), "B": columns([2], 3.0)})
    late = shard_of({"A": columns([11, 12], 4.0), "C,=": columns([15], 5.0)})
    expected = [(symbol, ts) for symbol, ts in [("A", 1), ("A", 2), ("A", 3), ("A", 9), ("A", 11), ("A", 12)]]
    expected += [("A!", 4), ("B", 2), ("C,=", 15)]
    assert [row[:2] for row in found(early, late)] == expected
    assert found(early, late)[4] == ("A", 11, 4.0, 0.5, 1)
    assert [row[:2] for row in found(early, late, start=3, end=12)] == [("A", 3), ("A", 9), ("A", 11), ("A!", 4)]


def test_other_measurements_are_left_alone() -> None:
    """Whatever else lies in the bucket is none of the trades."""
    shard = shard_of({"A": columns([1], 1.0)}, file_of(b"cpu,host=x#!~#load", blocks.INTEGER, ONE))
    assert len(found(shard)) == 1


def test_other_tags() -> None:
    """Trades of a series with another tag cannot be told by symbol, and are refused."""
    shard = shard_of({"A": columns([1], 1.0)}, file_of(b"trades,symbol=A,venue=x#!~#side", blocks.INTEGER, ONE))
    with pytest.raises(StoreMismatchError, match="other tags than symbol: trades,symbol=A,venue=x"):
        found(shard)


def test_trades_that_are_not_whole() -> None:
    """A trade without one of its fields is named."""
    key = index.field_key(index.series_key("trades", "A"), "amount")
    deleted = b"\x00\x00\x15\x02" + struct.pack(">I", len(key)) + key + struct.pack(">qq", 2, 3)
    shard = shard_of({"A": columns([1, 2, 3, 9], 1.0)}, deleted=deleted)
    with pytest.raises(StoreMismatchError, match="2 trades without amount, the first is A at 2 ns"):
        found(shard)
    assert len(found(shard, start=4)) == 1


def test_values_of_other_types() -> None:
    """A price that is no double, and a side that is no side, are refused."""
    series = index.series_key("trades", "A")
    keys = [index.field_key(series, name) for name in ("price", "amount", "side")]
    files = [file_of(keys[0], blocks.INTEGER, ONE), file_of(keys[1], 1, ONE), file_of(keys[2], 1, ONE)]
    with pytest.raises(StoreMismatchError, match="price of 'A' as int64"):
        found(shard_of({}, *files))
    large = b"\x10" + (256).to_bytes(8)
    with pytest.raises(StoreMismatchError, match="128 as side of 'A' at 1 ns"):
        found(shard_of({"A": ([1], [1.0], [1.0], [1])}, file_of(keys[2], 1, large)))


def test_warm_up() -> None:
    """Every kernel of either direction is compiled once it is over."""
    warm_up()
    compiled: list[Any] = [blocks.write_times, blocks.write_blocks, blocks.damaged, blocks.count_points]  # Any: numba's
    compiled += [blocks.same_times, blocks.read_times, blocks.read_values, blocks.increasing, blocks.finite]
    assert all(kernel.signatures for kernel in compiled)
