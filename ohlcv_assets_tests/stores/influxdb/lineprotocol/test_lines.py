"""Trades and bars as bodies of line protocol."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.resolutions import BARS
from ohlcv_assets.errors import StoreError, StoreRejectedError
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.influxdb.lineprotocol.lines import Lines, bar_lines, trade_lines, warm_up
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MAX_NS, MIN_NS, symbol_of
from ohlcv_assets_tests.stores.influxdb.parsing import cut, points_of, rows_of_points
from ohlcv_assets_tests.stores.made import FIRST, Row, made_day, rows_of, stored

pytestmark = pytest.mark.unit

START = 1_704_205_800_000_000_000
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_nan=False, allow_infinity=False)
VALUES = st.one_of(POSITIVE, st.integers(1, 10**9).map(lambda ticks: ticks / 100))
SYMBOLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ROWS = st.lists(
    st.tuples(SYMBOLS, st.integers(MIN_NS, MAX_NS - 1), VALUES, VALUES, st.sampled_from([-1, 1])), max_size=12
)


def text(*lines: Lines) -> str:
    """Return the text of bodies."""
    return b"".join(found.body for found in lines).decode()


def read_back(lines: list[Lines]) -> list[Row]:
    """Read bodies of trades as rows, symbols decoded."""
    points = [point for found in lines for point in points_of(found.body)]
    return [(symbol_of(row[0]), *row[1:]) for row in rows_of_points(points)]


def test_a_line_of_a_trade() -> None:
    """A trade is one line with explicit types and nanoseconds."""
    lines = trade_lines([stored([("AAPL", START, 187.15, 100.0, 1), ("AAPL", START + 1, 187.0, 0.25, -1)])], 10)
    assert text(*lines) == (
        "trades,symbol=AAPL price=187.15,amount=100,side=1i 1704205800000000000\n"
        "trades,symbol=AAPL price=187,amount=0.25,side=-1i 1704205800000000001\n"
    )


def test_a_line_of_a_bar() -> None:
    """A bar's floats have shortest texts, its whole numbers their mark, whatever their size."""
    codes = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array(["BTC-USD"]))
    floats = [pa.array([value]) for value in (1.5, 2.0, 0.1, 0.1 + 0.2, 1e300, 1234567.8901234567)]
    whole = [pa.array([2**63 - 1]), pa.array([-(2**63) + 1])]
    bars = pa.Table.from_arrays([codes, pa.array([START]).cast(BARS.field("ts").type), *floats, *whole], schema=BARS)
    assert text(*bar_lines(bars, 10)) == (
        "ohlcv,symbol=BTC-USD open=1.5,high=2,low=0.1,close=0.30000000000000004,volume=1e+300,"
        "turnover=1234567.8901234567,trades=9223372036854775807i,imbalance=-9223372036854775807i 1704205800000000000\n"
    )


@settings(deadline=None, max_examples=40)
@given(rows=ROWS)
def test_trades_are_read_back_bit_exact(rows: list[Row]) -> None:
    """Any symbol, instant, and positive double comes back from the text as it was, in order."""
    lines = list(trade_lines([stored(rows)], 5))
    assert list(map(repr, read_back(lines))) == list(map(repr, rows))
    assert sum(found.rows for found in lines) == len(rows)


@settings(deadline=None, max_examples=40)
@given(values=st.lists(POSITIVE, min_size=1, max_size=50))
def test_texts_are_the_shortest(values: list[float]) -> None:
    """A value has no more significant digits than its shortest representation."""
    body = text(*trade_lines([stored([("A", START, value, 1.0, 1) for value in values])], 100))
    for value, line in zip(values, body.splitlines(), strict=True):
        found = line.split("price=")[1].split(",")[0]
        digits = [part.split("e")[0].replace(".", "").strip("0") for part in (found, repr(value))]
        assert digits[0] == digits[1]


@settings(deadline=None, max_examples=30)
@given(
    places=st.lists(st.integers(0, 60), max_size=5),
    size=st.integers(1, 70),
    long=st.booleans(),
)
def test_bodies_do_not_depend_on_how_the_input_is_cut(places: list[int], size: int, long: bool) -> None:
    """However trades are cut into tables, and whatever their dictionaries, the bodies are the same."""
    trades = made_day(FIRST, 20, ("A" * 60_000, "B C", "D") if long else ("A", "B C", "D")).select(STORED.names)
    plain = trades.set_column(0, "symbol", trades.column("symbol").cast(pa.string()))
    whole = list(trade_lines([trades], size))
    assert [found.rows for found in whole[:-1] if not long] == [size] * (len(whole) - 1) * (not long)
    assert all(0 < found.rows <= size for found in whole)
    assert list(trade_lines(cut(trades, places), size)) == whole
    assert list(trade_lines(cut(plain, places), size)) == whole
    assert list(trade_lines([pa.concat_tables(cut(plain, places))], size)) == whole


def test_long_symbols_make_shorter_bodies() -> None:
    """A body stays bounded in bytes where symbols are very long."""
    trades = stored([("x" * 10_000, START + row, 1.0, 1.0, 1) for row in range(50)])
    lines = list(trade_lines([trades], 50))
    assert len(lines) > 1
    assert max(len(found.body) for found in lines) < 50 * 512 + 65_000
    assert len(read_back(lines)) == 50


def test_blocks_join_without_a_seam() -> None:
    """Tables of more rows than are brought into decimals at a time are written whole."""
    trades = made_day(FIRST, 20_000, ("A", "B"))
    lines = list(trade_lines([trades.select(STORED.names)], 20_000))
    assert [found.rows for found in lines] == [20_000, 20_000]
    assert read_back(lines) == rows_of(trades)


@pytest.mark.parametrize("index", [np.int8, np.uint16, np.int64])
@pytest.mark.parametrize("value", [pa.string(), pa.large_string()])
def test_symbols_in_any_encoding(index: type[np.integer[Any]], value: pa.DataType) -> None:
    """Dictionaries of any index and text type, with entries that no row has; Any: the type parameter varies."""
    good = stored([("A", START, 1.0, 1.0, 1), ("B", START, 1.0, 1.0, 1)])
    names = pa.array(["B", "x" * 70_000, "A"]).cast(value)
    symbols = pa.DictionaryArray.from_arrays(np.array([2, 0], index), names)
    assert list(trade_lines([good.set_column(0, "symbol", symbols)], 9)) == list(trade_lines([good], 9))


def test_nothing_gives_no_body() -> None:
    """Without trades there is nothing to send."""
    assert list(trade_lines([], 5)) == []
    assert list(trade_lines([STORED.empty_table()], 5)) == []
    assert list(bar_lines(BARS.empty_table(), 5)) == []


def test_hostile_symbols_inject_nothing() -> None:
    """Symbols that spell lines, tags and fields are one tag of one point."""
    symbols = ["a,symbol=b", "a price=1,amount=1,side=1i 1\ntrades,symbol=b", "a\\", "a\\,b=c", "a b", "=", ",", "\n"]
    rows = [(symbol, START, 1.0, 2.0, 1) for symbol in symbols]
    assert read_back(list(trade_lines([stored(rows)], 3))) == rows


def test_bodies_do_not_show_their_lines() -> None:
    """The content of lines is in no repr, so in no log."""
    lines = next(trade_lines([stored([("SECRET", START, 1.0, 1.0, 1)])], 5))
    assert repr(lines) == "Lines(rows=1)"


@pytest.mark.parametrize("instant", [MIN_NS - 1, MAX_NS])
def test_instants_outside_are_refused(instant: int) -> None:
    """What InfluxDB cannot hold, or could not give back, is refused before anything of its table is sent."""
    with pytest.raises(StoreRejectedError, match=f"instant {instant} ns lies outside"):
        list(trade_lines([stored([("A", START, 1.0, 1.0, 1), ("B", instant, 1.0, 1.0, 1)])], 1))


def test_long_symbols_and_other_tables_are_refused() -> None:
    """A symbol too long for a series, and a table of another shape, are refused before anything is sent."""
    with pytest.raises(StoreRejectedError, match="bytes as a tag"):
        next(trade_lines([stored([("A", START, 1.0, 1.0, 1), ("x" * 70_000, START, 1.0, 1.0, 1)])], 1))
    with pytest.raises(StoreError, match="no column 'side'"):
        next(trade_lines([stored([("A", START, 1.0, 1.0, 1)]).drop_columns(["side"])], 1))


def test_errors_of_the_tables_come_through() -> None:
    """What the iterator of tables raises is raised, after the bodies that were full."""

    def tables() -> object:
        yield stored([("A", START + row, 1.0, 1.0, 1) for row in range(5)])
        raise LookupError("the file broke off")

    lines = trade_lines(tables(), 2)  # type: ignore[arg-type]  # a generator annotated loosely to raise at its end
    assert [next(lines).rows, next(lines).rows] == [2, 2]
    with pytest.raises(LookupError, match="broke off"):
        next(lines)


def test_random_doubles_of_every_exponent() -> None:
    """Doubles of any bits, subnormal ones included, read back bit by bit."""
    bits = np.random.default_rng(4).integers(1, 0x7FF0_0000_0000_0000, 20_000)
    values = bits.view(np.float64).tolist()
    rows = [("A", START + row, value, value, 1) for row, value in enumerate(values)]
    found = [row[2] for row in read_back(list(trade_lines([stored(rows)], 20_000)))]
    assert found == values
    assert all(map(math.isfinite, found))


def test_warm_up_compiles_what_is_used() -> None:
    """After warming up, writing trades and bars compiles nothing more."""
    from ohlcv_assets.stores.influxdb.lineprotocol import kernels  # noqa: PLC0415  -- the compiled objects themselves

    warm_up()
    before = [len(getattr(kernel, "signatures", ())) for kernel in (kernels.scale, kernels.write)]
    list(trade_lines(cut(made_day(FIRST, 20).select(STORED.names), [7, 20]), 5))
    list(bar_lines(BARS.empty_table(), 5))
    assert [len(getattr(kernel, "signatures", ())) for kernel in (kernels.scale, kernels.write)] == before
