"""Replies become tables exactly, and errors in them are seen."""

from __future__ import annotations

import numpy as np
import ormsgpack
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.market.schema import SYMBOL_TYPE, TS_TYPE
from ohlcv_assets.stores.influxdb.lineprotocol.literals import tag_text
from ohlcv_assets.stores.influxdb.reads.reading import (
    ReplyError,
    Types,
    flux_table,
    influxql_table,
    packed_table,
    require_whole,
    symbols_of_tags,
    symbols_of_texts,
)

pytestmark = pytest.mark.unit

END = b"name,tags,name\ndatabases,,trades\n"
TYPES = {"tags": SYMBOL_TYPE, "time": pa.int64(), "price": pa.float64()}
FINITE = st.floats(min_value=5e-324, max_value=1.7e308)


def plain_text(value: float) -> str:
    """Spell a number as Go does with the format 'f' and precision -1: shortest digits, no exponent."""
    return np.format_float_positional(value, unique=True, trim="-")


def test_flux_results_become_one_table() -> None:
    """Results with other columns come under headers of their own; what one does not have is null."""
    body = (
        b',result,table,_value,_field,symbol\r\n,_result,0,3,price,AAPL\r\n,_result,1,4,side,"a,b"\r\n\r\n'
        b",result,table,_time,_value,symbol\r\n,sum,0,1969-12-31T23:59:59.999999999Z,0.1,MSFT\r\n\r\n\r\n"
    )
    table = flux_table(body)
    assert table["result"].to_pylist() == ["_result", "_result", "sum"]
    assert table["symbol"].to_pylist() == ["AAPL", "a,b", "MSFT"]
    assert table["_field"].to_pylist() == ["price", "side", None]
    assert table["_value"].to_pylist() == ["3", "4", "0.1"]
    assert table["_time"].cast(pa.int64()).to_pylist() == [None, None, -1]


def test_flux_without_rows() -> None:
    """No result is a table without rows."""
    assert flux_table(b"\r\n").num_rows == 0
    assert flux_table(b"").num_rows == 0


@pytest.mark.parametrize(
    "before", [b"", b",result,table,_value\r\n,a,0,1\r\n\r\n\r\n,", b"\r\n,", b",result,table\r\n\r\n"]
)
def test_flux_error_after_a_status_of_200(before: bytes) -> None:
    """An error table is recognised wherever it comes, and its text is passed on in one line."""
    body = before + b'error,reference\r\n,"runtime error: cannot\n convert ""x""",\r\n'
    with pytest.raises(ReplyError, match=r'^runtime error: cannot convert ""x$'):
        flux_table(body)


def test_influxql_statements_become_one_table() -> None:
    """Statements with the same columns follow each other; headers between them are no rows."""
    header = b"name,tags,time,price\n"
    body = header + b"trades,symbol=A,-1,1.5\n\n" + header + b'trades,"symbol=a,b",2,0.1\ntrades,symbol=A,3,\n\n' + END
    table = influxql_table(body, TYPES)
    assert symbols_of_tags(table["tags"]).to_pylist() == ["A", "a,b", "A"]
    assert table["time"].to_pylist() == [-1, 2, 3]
    assert table["price"].to_pylist() == [1.5, 0.1, None]


def test_influxql_without_rows() -> None:
    """Statements that found nothing leave only the last one's rows, which may be none either."""
    for body in (END, b"name,tags,name\n"):
        assert influxql_table(body, TYPES).schema.names == list(TYPES)
        assert influxql_table(body, TYPES).num_rows == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"name,tags,time,price\ntrades,symbol=A,1,1.5\n",
        b"name,tags,time,price\ntrades,symbol=A,1,1.5\n\nname,tags,na",
        b"name,tags,time,price\ntrades,symbol=A,1,name,tags,name\n",
    ],
)
def test_influxql_reply_without_its_end(body: bytes) -> None:
    """A reply that lacks the last statement is one in which something failed."""
    with pytest.raises(ReplyError, match="a statement failed"):
        influxql_table(body, TYPES)


def packed(*results: object) -> bytes:
    """Return results as the server packs them."""
    return ormsgpack.packb({"results": results})


def test_a_packed_reply_becomes_a_table() -> None:
    """The same as CSV makes, null and all; a statement that found nothing gives no rows."""
    series = {"name": "trades", "columns": ["time", "price"], "values": [[-1, 1.5], [2, None]]}
    others = {"name": "trades", "columns": ["time", "price"], "values": [[3, 0.1]]}
    body = packed({"series": [{**series, "tags": {"symbol": "A"}}, {**others, "tags": {"symbol": "a,b"}}]})
    table = packed_table(body, TYPES)
    assert symbols_of_tags(table["tags"]).to_pylist() == ["A", "A", "a,b"]
    assert table["time"].to_pylist() == [-1, 2, 3]
    assert table["price"].to_pylist() == [1.5, None, 0.1]
    nothing: tuple[dict[str, object], ...] = ({"statement_id": 0}, {"series": []})
    for empty in nothing:
        assert packed_table(packed(empty), TYPES).schema.names == list(TYPES)
        assert packed_table(packed(empty), TYPES).num_rows == 0


@pytest.mark.parametrize("types", [TYPES, {**TYPES, "price": pa.float32()}, dict(reversed(TYPES.items()))])
def test_whole_rows_of_one_series_become_the_same_table(types: Types) -> None:
    """By compiled code where the columns are such, and otherwise by the library: nobody can tell."""
    series = {"tags": {"symbol": "a,b"}, "columns": ["time", "price"], "values": [[-1, 1.5], [2, 0.25]]}
    table = packed_table(packed({"series": [series]}), types)
    assert table.schema == pa.schema(list(types.items()))
    assert symbols_of_tags(table["tags"]).to_pylist() == ["a,b", "a,b"]
    assert table["time"].to_pylist() == [-1, 2]
    assert table["price"].to_pylist() == [1.5, 0.25]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (packed({"error": "no such thing"}), "no such thing"),
        (packed({"partial": True}), "not complete"),
        (packed({}, {}), "no MessagePack of one result"),
        (packed({"series": []})[:-1], "no MessagePack of one result"),
        (ormsgpack.packb([1]), "no MessagePack of one result"),
        (b"", "no MessagePack of one result"),
    ],
)
def test_a_packed_reply_that_is_none(body: bytes, said: str) -> None:
    """What failed, what is cut off and what is something else are found out."""
    with pytest.raises(ReplyError, match=said):
        packed_table(body, TYPES)


@settings(deadline=None, max_examples=40)
@given(st.lists(FINITE, min_size=1, max_size=20))
def test_numbers_come_back_bit_by_bit(values: list[float]) -> None:
    """The text that the server writes of a number is read as exactly that number, in both languages."""
    rows = "".join(f"trades,symbol=A,{at},{plain_text(value)}\n" for at, value in enumerate(values))
    read = influxql_table(f"name,tags,time,price\n{rows}\n".encode() + END, TYPES)
    assert read["price"].to_pylist() == values
    lines = "".join(f",_result,0,{plain_text(value)}\r\n" for value in values)
    texts = flux_table(f",result,table,_value\r\n{lines}\r\n".encode())["_value"]
    assert texts.cast(pa.float64()).to_pylist() == values


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(max_size=8), min_size=1, max_size=8))
def test_symbols_come_back(symbols: list[str]) -> None:
    """Tag texts become the symbols they stand for, in one chunk or several."""
    texts = [tag_text(symbol) for symbol in symbols]
    column = pa.chunked_array([pa.array(texts[:3], pa.string()), pa.array(texts[3:], pa.string())])
    assert symbols_of_texts(column).to_pylist() == symbols
    tags = pa.chunked_array([pa.array([f"symbol={text}" for text in texts]).dictionary_encode()])
    found = symbols_of_tags(tags)
    assert found.to_pylist() == symbols
    assert found.type == SYMBOL_TYPE


def test_points_that_lack_a_field_are_named() -> None:
    """A table with a null is refused; the sentence says how many, of what, and where the first is."""
    table = pa.table(
        {
            "symbol": ["A", "B", "B"],
            "ts": pa.array([1, 2, 3], TS_TYPE),
            "price": pa.array([1.0, None, None], pa.float64()),
        }
    )
    with pytest.raises(StoreMismatchError, match="2 points of trades without price, the first is B at 2 ns"):
        require_whole(table, "points of trades")
    assert require_whole(table.slice(0, 1), "points of trades").num_rows == 1
