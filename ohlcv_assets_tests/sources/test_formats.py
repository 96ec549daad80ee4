"""Every format: recognised by its shape, read to the same trades, and never taken for another."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ohlcv_assets.errors import ImportFileError
from ohlcv_assets.sources.exchange.mapped import ColumnMapping
from ohlcv_assets.sources.exchange.opening import members_of
from ohlcv_assets.sources.exchange.reading import Rows, open_trades

pytestmark = pytest.mark.unit

S = 1_704_153_600
TARDIS = ("exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount")
FUTURES = "id,price,qty,quote_qty,time,is_buyer_maker\n"
Trade = dict[str, Any]  # Any: JSON

CCXT: list[Trade] = [
    {"id": "11", "timestamp": S * 1000 + 1, "symbol": "BTC/USDT", "side": "buy", "price": 42000.5, "amount": 0.25},
    {"id": "12", "timestamp": S * 1000 + 2, "symbol": "BTC/USDT", "side": "sell", "price": 1e-05, "amount": 3},
    {"id": None, "timestamp": S * 1000 + 3, "symbol": "ETH/USDT", "side": None, "price": "7.5", "amount": "1"},
]
TRICKY: list[Trade] = [{**trade, "info": {"note": 'a "quoted" }{ \\', "list": [{"x": 1}]}} for trade in CCXT]


def read(
    path: Path, symbol: str | None = None, form: str | None = None, mapping: ColumnMapping | None = None
) -> tuple[list[Rows], str]:
    """Read all members of a file; return what came and the format of the last."""
    rows: list[Rows] = []
    form_found = ""
    for member in members_of(path):
        with member.opened() as stream:
            reader = open_trades(member, stream, symbol, form, mapping)
            rows.extend(reader.rows)
            form_found = reader.layout.format
    return rows, form_found


def rows_of(path: Path, **options: str | ColumnMapping | None) -> list[tuple[object, ...]]:
    """Return (symbol, ts, price, amount, side, id) of a file without unreadable rows."""
    found, _ = read(path, **options)  # type: ignore[arg-type]  # the tests' own short form
    assert all(rows.bad_count == 0 for rows in found)
    frame = pl.concat([rows.trades for rows in found])
    return frame.select("symbol", "ts", "price", "amount", "side", "id").rows()


def written(folder: Path, name: str, content: str) -> Path:
    """Write a text file."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


BINANCE = [
    ("BTCUSDT", S * 10**9 + 1_000_000, 42283.58, 0.001, -1, "5"),
    ("BTCUSDT", S * 10**9 + 2_000_000, 42283.59, 2.0, 1, "6"),
]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("spot", f"5,42283.58,0.001,42.2,{S}001,True,True\n6,42283.59,2.0,8.4,{S}002,False,True\n"),
        ("micro", f"5,42283.58,0.001,42.2,{S}001000,True,True\n6,42283.59,2.0,8.4,{S}002000,False,True"),
        ("futures", f"5,42283.58,0.001,42.2,{S}001,true\r\n6,42283.59,2.0,8.4,{S}002,false\r\n"),
        ("header", f"{FUTURES}5,42283.58,0.001,42.2,{S}001,true\n6,42283.59,2.0,8.4,{S}002,false\n"),
        (
            "spelt",
            (
                "trade Id,price,qty,baseQty,time,isBuyerMaker\n"
                f"5,42283.58,0.001,1,{S}001,true\n\n6,42283.59,2,1,{S}002,false\n"
            ),
        ),
        ("bom", f"\ufeff5,42283.58,0.001,42.2,{S}001,True,True\n6,42283.59,2.0,8.4,{S}002,False,True\n"),
    ],
)
def test_binance(tmp_path: Path, name: str, content: str) -> None:
    """Spot and futures, with and without header, milliseconds and microseconds, are the same trades."""
    path = written(tmp_path, "BTCUSDT-trades-2024-01-02.csv", content)
    assert rows_of(path) == BINANCE, name
    assert read(path)[1] == "binance"
    assert rows_of(path, symbol="XBT")[0][0] == "XBT"


@pytest.mark.parametrize(
    ("content", "side", "identity"),
    [
        (f"{S},42283.58,0.001\n{S}.123456789,42283.59,2\n", 0, None),
        (f"42283.58,0.001,{S}\n42283.59,2,{S}.123456789\n", -1, None),
        (f"42283.58,0.001,{S},s,l,\n42283.59,2,{S}.123456789,b,m,\n", -1, None),
        (f"42283.58,0.001,{S},s,l,,77\n42283.59,2,{S}.123456789,b,m,,78\n", -1, "77"),
        (f"price,volume,time\n42283.58,0.001,{S}\n42283.59,2,{S}.123456789\n", 0, None),
        (f"timestamp,price,volume\n{S},42283.58,0.001\n{S}.123456789,42283.59,2\n", 0, None),
        (f"price,volume,time,side,ordertype,misc,trade_id\n42283.58,0.001,{S},s,l,,77\n1,2,{S},b,m,,78", -1, "77"),
    ],
)
def test_kraken(tmp_path: Path, content: str, side: int, identity: str | None) -> None:
    """Both orders of columns, with and without header, side and id; fractions of seconds to the nanosecond."""
    path = written(tmp_path, "XBTUSD.csv", content)
    rows = rows_of(path)
    expected = 0 if content.count(",") == 4 else side
    assert rows[0] == ("XBTUSD", S * 10**9, 42283.58, 0.001, expected, identity)
    assert read(path)[1] == "kraken"
    if "123456789" in content:
        assert rows[1][1] == S * 10**9 + 123_456_789


def test_tardis(tmp_path: Path) -> None:
    """The exchange's microseconds count; an unknown side and an empty id are missing."""
    head = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
    one = f"bitmex,XBTUSD,{S}000001,{S}009999,e5-a,buy,42000.5,100\n"
    two = f"bitmex,ETHUSD,{S}000002,{S}009999,,unknown,2200.05,7\n"
    path = written(tmp_path, "bitmex_trades_2024-01-02.csv", head + one + two)
    assert rows_of(path) == [
        ("XBTUSD", S * 10**9 + 1000, 42000.5, 100.0, 1, "e5-a"),
        ("ETHUSD", S * 10**9 + 2000, 2200.05, 7.0, 0, None),
    ]
    assert read(path)[1] == "tardis"
    with pytest.raises(ImportFileError, match=r"several symbols \(ETHUSD, XBTUSD\): leave out --symbol"):
        read(path, symbol="X")
    assert rows_of(written(tmp_path, "one.csv", head + one), symbol="X")[0][0] == "X"


def test_databento(tmp_path: Path) -> None:
    """Nanoseconds or ISO, fixed point or decimals, symbol or instrument id."""
    raw = "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,depth,price,size,flags,ts_in_delta,sequence\n"
    path = written(
        tmp_path,
        "raw.csv",
        f"{raw}1,{S}000000001,0,19,7051,T,N,0,16950000000,5,130,1,9\n1,{S}000000002,0,19,7051,T,A,0,16940000000,6,130,1,9\n",
    )
    assert rows_of(path) == [
        ("7051", S * 10**9 + 1, 16.95, 5.0, 0, None),
        ("7051", S * 10**9 + 2, 16.94, 6.0, -1, None),
    ]
    assert read(path)[1] == "databento"
    pretty = "ts_event,price,size,side,symbol\n2024-01-02T00:00:00.000000001Z,16.950000000,5,B,GME\n"
    assert rows_of(written(tmp_path, "pretty.csv", pretty)) == [("GME", S * 10**9 + 1, 16.95, 5.0, 1, None)]
    nameless = "ts_event,price,size,side\n2024-01-02T00:00:00Z,16.95,5,B\n"
    with pytest.raises(ImportFileError, match=r"nameless\.csv does not say which symbol it holds.*--symbol"):
        read(written(tmp_path, "nameless.csv", nameless))
    other = (
        f"{raw}1,{S}000000001,0,19,1,C,N,0,16950000000,5,130,1,9\n1,{S}000000002,0,19,1,T,A,0,{2**63 - 1},6,130,1,9\n"
    )
    rows, _ = read(written(tmp_path, "other.csv", other))
    assert [bad.line for bad in rows[0].bad] == [2, 3]


def as_list(trades: list[Trade]) -> str:
    """Write a list on one line."""
    return json.dumps(trades)


def as_indented_list(trades: list[Trade]) -> str:
    """Write a list over many lines."""
    return json.dumps(trades, indent=2)


def as_lines(trades: list[Trade]) -> str:
    """Write an object a line, with blank lines."""
    return "".join(json.dumps(trade) + "\n\n" for trade in trades)


@pytest.mark.parametrize("write", [as_list, as_indented_list, as_lines])
@pytest.mark.parametrize("trades", [CCXT, TRICKY])
def test_ccxt_json(tmp_path: Path, write: Callable[[list[Trade]], str], trades: list[Trade]) -> None:
    """Lists and lines, with whatever else an exchange put in; numbers may be texts."""
    path = written(tmp_path, "trades.json", write(trades))
    assert rows_of(path) == [
        ("BTC/USDT", S * 10**9 + 1_000_000, 42000.5, 0.25, 1, "11"),
        ("BTC/USDT", S * 10**9 + 2_000_000, 1e-05, 3.0, -1, "12"),
        ("ETH/USDT", S * 10**9 + 3_000_000, 7.5, 1.0, 0, None),
    ]
    assert read(path)[1] == "ccxt"


def test_ccxt_csv(tmp_path: Path) -> None:
    """A table of ccxt trades, quoted fields with commas among them, and one with the barest columns."""
    frame = pl.DataFrame([{**trade, "price": float(str(trade["price"])), "amount": 1.0} for trade in CCXT])
    frame = frame.with_columns(pl.lit("{'a': 1, 'b': [2, 3]}").alias("info"))
    path = written(tmp_path, "trades.csv", frame.write_csv())
    assert [row[0] for row in rows_of(path)] == ["BTC/USDT", "BTC/USDT", "ETH/USDT"]
    assert read(path)[1] == "ccxt"
    bare = written(tmp_path, "bare.csv", f"timestamp,price,amount\n{S}001,5,6\n")
    assert rows_of(bare, symbol="A") == [("A", S * 10**9 + 1_000_000, 5.0, 6.0, 0, None)]


def test_compressed(tmp_path: Path) -> None:
    """Gzip and zip, with several members, give what plain files give; what is no data file is passed over."""
    content = f"5,42283.58,0.001,42.2,{S}001,True,True\n6,42283.59,2.0,8.4,{S}002,False,True\n".encode()
    gz = tmp_path / "BTCUSDT-trades-2024-01-02.csv.gz"
    gz.write_bytes(gzip.compress(content))
    assert rows_of(gz) == BINANCE
    for name, data in (("unpacked.csv.gz", content), ("packed.csv", gzip.compress(content))):
        path = tmp_path / name
        path.write_bytes(data)
        assert rows_of(path, symbol="BTCUSDT") == BINANCE
    archive = tmp_path / "several.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("b/ETHUSDT-trades-2024-01-02.csv", content)
        out.writestr("a/BTCUSDT-trades-2024-01-02.csv.gz", gzip.compress(content))
        out.writestr("a/BTCUSDT-trades-2024-01-02.csv.CHECKSUM", "no trades")
        out.writestr("__MACOSX/a.csv", "no trades")
        out.mkdir("empty.csv")
    assert [row[0] for row in rows_of(archive)] == ["BTCUSDT", "BTCUSDT", "ETHUSDT", "ETHUSDT"]


def test_floating_instants_are_refused(tmp_path: Path) -> None:
    """A Parquet file whose instants are floating-point numbers is refused, since they are not exact."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"t": [S + 0.1], "p": [1.5], "q": [2.0]}), path)
    with pytest.raises(ImportFileError, match=r"x\.parquet keeps instants in 't' as floating-point numbers"):
        read(path, "A", None, ColumnMapping.parse("ts=t,price=p,amount=q"))


def test_parquet(tmp_path: Path) -> None:
    """Parquet of a known format and of mapped columns; typed instants of any unit and zone are exact."""
    typed = pa.table(
        {
            "when": pa.array([S * 10**9 + 123_456_789], pa.timestamp("ns", "Europe/Berlin")),
            "naive": pa.array([S * 1000 + 7], pa.timestamp("ms")),
            "px": [16.95],
            "qty": pa.array([5], pa.int32()),
            "who": pa.array(["Buy"]).dictionary_encode(),
            "name": ["A"],
        }
    )
    path = tmp_path / "typed.parquet"
    pq.write_table(typed, path)
    mapping = ColumnMapping.parse("ts=when,price=px,amount=qty,side=who,symbol=name")
    assert rows_of(path, mapping=mapping) == [("A", S * 10**9 + 123_456_789, 16.95, 5.0, 1, None)]
    mapping = ColumnMapping.parse("ts=naive,price=px,amount=qty")
    assert rows_of(path, mapping=mapping, symbol="B") == [("B", S * 10**9 + 7_000_000, 16.95, 5.0, 0, None)]
    known = tmp_path / "known.parquet"
    pq.write_table(pa.table({"timestamp": [S * 1000], "price": [1.5], "amount": [2.0], "symbol": ["A"]}), known)
    assert rows_of(known) == [("A", S * 10**9, 1.5, 2.0, 0, None)]
    for name, table in {
        "tardis": pa.table({name: ["1"] for name in TARDIS}),
        "databento": pa.table({"ts_event": [S], "price": [1], "size": [3], "side": ["N"], "symbol": ["A"]}),
    }.items():
        pq.write_table(table, tmp_path / "x.parquet")
        assert read(tmp_path / "x.parquet")[1] == name
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as out:
        out.write(known, "known.parquet")
    assert rows_of(tmp_path / "packed.zip") == [("A", S * 10**9, 1.5, 2.0, 0, None)]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ImportFileError, match="no readable Parquet file"):
        read(path)


def test_mapped(tmp_path: Path) -> None:
    """Any separator, any names, any words, numbers for columns without a header, JSON keys."""
    path = written(
        tmp_path, "a.csv", "Zeit;Kurs;Menge;Seite;Nr\n2024-01-02T00:00:00;5.5;2;Kauf;1\n2024-01-02T00:00:01;5;2;;2\n"
    )
    mapping = ColumnMapping.parse(
        "ts=Zeit,price=Kurs,amount=Menge,side=Seite,id=Nr,unit=iso,buy=kauf,sell=Verkauf|Abgabe,separator=semicolon"
    )
    assert rows_of(path, mapping=mapping, symbol="A") == [
        ("A", S * 10**9, 5.5, 2.0, 1, "1"),
        ("A", (S + 1) * 10**9, 5.0, 2.0, 0, "2"),
    ]
    counted = ColumnMapping.parse("ts=3,price=1,amount=2,unit=ms,separator=tab")
    for head in ("", "p\tq\tt\n"):
        plain = written(tmp_path, "b.csv", f"{head}5.5\t2\t{S}000\n")
        assert rows_of(plain, mapping=counted, symbol="A") == [("A", S * 10**9, 5.5, 2.0, 0, None)]
    keys = written(tmp_path, "c.jsonl", json.dumps({"t": S, "p": 5.5, "q": 2}))
    assert rows_of(keys, mapping=ColumnMapping("t", "p", "q"), symbol="A") == [("A", S * 10**9, 5.5, 2.0, 0, None)]
    with pytest.raises(ImportFileError, match=r"no column 'Preis' for price; its columns are: Zeit, Kurs"):
        read(path, mapping=ColumnMapping("Zeit", "Preis", "Menge", separator=";"), symbol="A")


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("ts=a,price=b", "lacks amount"),
        ("ts=a,price=b,amount", "part 'amount' cannot be used"),
        (
            "ts=a,price=b,amount=c,colour=d",
            "part 'colour=d' cannot be used; write name=column with a name of: ts, price",
        ),
        ("ts=a,price=b,amount=c,unit=weeks", "time unit 'weeks' is not known; use one of: auto, s, ms"),
    ],
)
def test_mapping_mistakes(mapping: str, message: str) -> None:
    """A mapping that cannot be used says which part, and what to write."""
    with pytest.raises(ImportFileError, match=message):
        ColumnMapping.parse(mapping)


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        ("a,b,c\n1,2,3\n", None, r"not recognised \(it begins 'a,b,c'\).*--format \(binance, kraken"),
        ("1,2,3\n", None, "not recognised"),
        ("1,2,3,4,5,6\n", None, "not recognised"),
        ("1,2,3,4,5,maybe,7\n", None, "not recognised"),
        (f"{S},2,{S}\n", None, "not recognised"),
        ("a,b,c,d,e,f\n1,2,3,4,5,6\n", None, "not recognised"),
        ("time,price,volume,colour\n1,2,3,4\n", None, "not recognised"),
        ("{}\n", None, "not recognised"),
        ("1,2,3\n", "binance", "does not look like binance"),
        ("1,2,3\n", "telegraph", r"no format 'telegraph'; use one of: binance, kraken, tardis, databento, ccxt"),
        ("ts_event,timestamp,price,size,amount,side,symbol\n1,2,3,4,5,A,B\n", None, "any of databento, ccxt.*--format"),
        ("  \n", None, "is empty"),
        ("", None, "is empty"),
    ],
)
def test_not_recognised(tmp_path: Path, content: str, form: str | None, message: str) -> None:
    """A file of no known shape, or of several, is one sentence that says what to give."""
    with pytest.raises(ImportFileError, match=message):
        read(written(tmp_path, "x.csv", content), form=form)


def test_ambiguity_is_settled_by_name(tmp_path: Path) -> None:
    """A file that could be several formats is read as the one that the user names."""
    path = written(tmp_path, "x.csv", f"ts_event,timestamp,price,size,amount,side,symbol\n1,{S}000,3,4,5,buy,B\n")
    assert rows_of(path, form="ccxt")[0][3] == 5.0


def test_stream_is_not_held(tmp_path: Path) -> None:
    """Reading in blocks of any size gives the same rows."""
    lines = "".join(f"{i},1.5,1,1,{S}{i:03d},True,True\n" for i in range(200))
    path = written(tmp_path, "A-trades-x.csv", lines)
    whole = rows_of(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ohlcv_assets.sources.exchange.opening.line_blocks.__defaults__", (97,))
        assert rows_of(path) == whole
    assert len(read(path)[0]) == 1
    assert io.BytesIO(lines.encode()).getbuffer().nbytes == path.stat().st_size
