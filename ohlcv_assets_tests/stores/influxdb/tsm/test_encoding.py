"""Trades and bars as files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.resolutions import BARS
from ohlcv_assets.errors import StoreError, StoreRejectedError
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.influxdb.tsm import encoding, pieces
from ohlcv_assets.stores.influxdb.tsm.decoding import Points, TsmReader
from ohlcv_assets.stores.influxdb.tsm.encoding import FilePlan, TsmFile, bar_files, trade_files
from ohlcv_assets.stores.influxdb.tsm.index import field_key, series_key
from ohlcv_assets_tests.stores.influxdb.tsm.made import FIRST, LAST, bytes_of, doubles, instants, integers, trades

pytestmark = pytest.mark.unit

ALWAYS = (FIRST, LAST + 1)
FIELDS = ("price", "amount", "side")


def read(file: TsmFile, symbol: str, measurement: str = "trades", fields: tuple[str, ...] = FIELDS) -> list[Points]:
    """Return a symbol's points, field by field."""
    series = series_key(measurement, symbol)
    return TsmReader(bytes_of(file), "f").read([field_key(series, name) for name in fields], *ALWAYS)


def bits(values: Any) -> list[int]:
    """Return the bits of values; Any: lists and arrays of doubles."""
    return list(map(int, np.asarray(values, np.float64).view(np.uint64)))


@settings(deadline=None, max_examples=40)
@given(
    ts=instants(), prices=doubles(), amounts=doubles(), sides=integers(), block=st.sampled_from([1, 2, 3, 10, 1_000])
)
def test_any_columns_read_back(
    ts: list[int], prices: list[float], amounts: list[float], sides: list[int], block: int
) -> None:
    """Whatever finite values and instants there are, in blocks of any size: they read back bit for bit."""
    count = min(len(ts), len(prices), len(amounts), len(sides))
    small = [side % 256 - 128 for side in sides[:count]]
    table = trades({"A": (ts[:count], prices[:count], amounts[:count], small)})
    (file,) = trade_files([table], FilePlan(block=block))
    price, amount, side = read(file, "A")
    assert price.ts.tolist() == ts[:count]
    assert amount.ts is price.ts
    assert side.ts is price.ts
    assert bits(price.values) == bits(prices[:count])
    assert bits(amount.values) == bits(amounts[:count])
    assert side.values.tolist() == small
    assert (file.rows, file.first, file.last, file.size) == (count, ts[0], ts[count - 1], len(bytes_of(file)))


def walk(rows: int, start: int = 10**18) -> tuple[list[int], list[float], list[float], list[int]]:
    """Return columns of a symbol: prices that walk, sizes in lots."""
    random = np.random.default_rng(rows)
    ts = start + np.cumsum(random.integers(1, 10**9, rows)) * 1_000
    prices = np.round(100 + np.cumsum(random.normal(0, 0.01, rows)), 2)
    return (
        ts.tolist(),
        prices.tolist(),
        random.integers(1, 500, rows).astype(float).tolist(),
        random.choice([-1, 1], rows).tolist(),
    )


@pytest.mark.parametrize("rows", [1, 1_023, 1_024, 1_025, 2_048])
def test_block_borders(rows: int) -> None:
    """Blocks hold as many points as they should, and the last one the rest."""
    (file,) = trade_files([trades({"A": walk(rows)})], FilePlan())
    price = read(file, "A")[0]
    indexed = TsmReader(bytes_of(file), "f").keys[field_key(series_key("trades", "A"), "price")]
    assert price.ts.tolist() == walk(rows)[0]
    assert len(indexed.entries) == -(-rows // 1_024)
    assert indexed.entries["first"].tolist() == walk(rows)[0][::1_024]
    assert indexed.entries["last"].tolist() == [*walk(rows)[0][1_023::1_024], walk(rows)[0][-1]][: len(indexed.entries)]


SYMBOLS = {"A": walk(700), "A B": walk(90), "A!": walk(1), "A,": walk(30), "B": walk(2_500)}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("cut", [1_000_000, 400, 7])
def test_files_do_not_depend_on_how_rows_are_cut(monkeypatch: pytest.MonkeyPatch, cut: int, threads: int) -> None:
    """The same rows make the same files, whatever tables they come in and however many threads encode them."""
    monkeypatch.setattr(pieces, "PIECE", 200)
    table = trades(SYMBOLS)
    expected = [bytes_of(file) for file in trade_files([table], FilePlan(block=50))]
    tables = [table.slice(start, cut) for start in range(0, table.num_rows, cut)]
    files = list(trade_files([STORED.empty_table(), *tables], FilePlan(block=50, threads=threads)))
    assert [bytes_of(file) for file in files] == expected
    assert sum(file.rows for file in files) == table.num_rows


def test_keys_out_of_order_begin_another_file() -> None:
    """Symbols whose keys are not in the order of their names, and a second day, go to files of their own."""
    table = trades(SYMBOLS)
    later = trades({"A": walk(5, 2 * 10**18)})
    files = list(trade_files([table, later], FilePlan()))
    found: dict[str, list[int]] = {}
    for file in files:
        keys = list(TsmReader(bytes_of(file), "f").keys)
        assert keys == sorted(keys)
        for symbol in SYMBOLS:
            found.setdefault(symbol, []).extend(read(file, symbol)[0].ts.tolist())
    assert found == {name: columns[0] for name, columns in SYMBOLS.items()} | {
        "A": SYMBOLS["A"][0] + walk(5, 2 * 10**18)[0]
    }
    assert len(files) == 3


def test_files_are_closed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file grows beyond its limit of bytes, unless a single piece does."""
    monkeypatch.setattr(pieces, "PIECE", 100)
    table = trades(SYMBOLS)
    files = list(trade_files([table], FilePlan(block=100, most_bytes=6_000)))
    assert max(file.size for file in files) <= 6_000
    assert len(files) > 5
    assert sum(file.rows for file in files) == table.num_rows
    each = list(trade_files([table], FilePlan(block=100, most_bytes=1)))
    assert [file.rows for file in each if file.rows != 100] == [90, 1, 30]


def test_size_is_what_was_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may be exactly as large as it comes out is not split."""
    monkeypatch.setattr(pieces, "PIECE", 100)
    table = trades({"B": walk(2_500), "C": walk(2_500)})
    (whole,) = trade_files([table], FilePlan(block=100))
    assert len(list(trade_files([table], FilePlan(block=100, most_bytes=whole.size)))) == 1
    assert len(list(trade_files([table], FilePlan(block=100, most_bytes=whole.size - 1)))) == 2


def test_too_many_blocks_begin_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key has no more blocks in a file than its index can number."""
    monkeypatch.setattr(encoding, "MOST_ENTRIES", 20)
    monkeypatch.setattr(pieces, "PIECE", 10)
    files = list(trade_files([trades({"B": walk(50)})], FilePlan(block=1)))
    assert [file.rows for file in files] == [20, 20, 10]


def test_bars() -> None:
    """Bars read back, field by field, under a measurement of their own."""
    ts, prices, amounts, sides = walk(40)
    names = ["open", "high", "low", "close", "volume", "turnover"]
    columns: list[Any] = [pa.array(["A"] * 40), pa.array(ts, pa.timestamp("ns"))]  # Any: the parameter varies
    columns += [pa.array(np.array(prices) + place) for place in range(5)] + [pa.array(amounts)]
    columns += [pa.array(range(40)), pa.array(sides)]
    (file,) = bar_files(pa.Table.from_arrays(columns, names=BARS.names), FilePlan())
    found = read(file, "A", "ohlcv", (*names, "trades", "imbalance"))
    assert [points.values.tolist() for points in found] == [column.to_pylist() for column in columns[2:]]
    assert all(points.ts is found[0].ts for points in found)


def test_no_rows_make_no_file() -> None:
    """Nothing to store is no file: a server takes none without points."""
    assert list(trade_files([], FilePlan())) == []
    assert list(trade_files([STORED.empty_table()], FilePlan())) == []


def columns_with(**changed: Any) -> pa.Table:
    """Return three good trades with a column changed; Any: of several types."""
    good: dict[str, Any] = {"ts": [1, 2, 3], "price": [1.0] * 3, "amount": [1.0] * 3, "side": [1] * 3}
    return trades({"A": tuple((good | changed).values())})


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"ts": [1, 3, 3]}, "not strictly increasing"),
        ({"ts": [1, 3, 2]}, "not strictly increasing"),
        ({"ts": [FIRST - 1, 2, 3]}, "not all inside"),
        ({"ts": [1, 2, LAST + 1]}, "not all inside"),
        ({"price": [1.0, float("nan"), 1.0]}, "not every price is finite"),
        ({"amount": [1.0, 1.0, float("inf")]}, "not every amount is finite"),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_rows_that_cannot_be_stored(changed: dict[str, Any], reason: str, threads: int) -> None:
    """What a server could not hold, or would hold wrongly, never becomes a file."""
    with pytest.raises(StoreRejectedError, match=reason):
        list(trade_files([columns_with(**changed)], FilePlan(threads=threads)))


def test_rows_out_of_order_between_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disorder is seen between pieces too."""
    monkeypatch.setattr(pieces, "PIECE", 3)
    with pytest.raises(StoreRejectedError, match="not strictly increasing"):
        list(trade_files([columns_with(), columns_with(ts=[3, 4, 5])], FilePlan(block=1)))


def test_errors_of_the_rows_come_through() -> None:
    """What the tables' own iterator raises is raised unchanged, and no thread is left behind."""

    def tables() -> Iterator[pa.Table]:
        yield trades(SYMBOLS)
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        list(trade_files(tables(), FilePlan(threads=2)))
    with pytest.raises(StoreError):
        list(trade_files([pa.table({"ts": [1]})], FilePlan()))


def test_stopping_early() -> None:
    """Files that nobody asks for any more are not made."""
    files: Any = trade_files((trades(SYMBOLS) for _ in itertools.count()), FilePlan(threads=2))
    assert next(files).rows > 0
    files.close()
