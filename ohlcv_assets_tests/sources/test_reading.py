"""Opening and reading: every row that cannot be read is named by file and line."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import ImportFileError
from ohlcv_assets.lake.spool import _ids
from ohlcv_assets.sources.exchange import jsonlist, opening, tables
from ohlcv_assets.sources.exchange.jsonlist import object_blocks
from ohlcv_assets.sources.exchange.opening import files_of, line_blocks, members_of
from ohlcv_assets.sources.exchange.reading import BadRow, Rows, open_trades

pytestmark = pytest.mark.unit

S = 1_704_153_600
HEADER = "id,price,qty,quote_qty,time,is_buyer_maker\n"
GOOD = f"5,42283.58,0.001,42.2,{S}001,true\n"


def read(path: Path) -> list[Rows]:
    """Read a file of one member."""
    (member,) = members_of(path)
    with member.opened() as stream:
        return list(open_trades(member, stream, "A", None, None).rows)


def bad_of(path: Path) -> list[BadRow]:
    """Return the unreadable rows of a file."""
    return [bad for rows in read(path) for bad in rows.bad]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"5,abc,1,1,{S}001,true", "price cannot be read in '5,abc,1"),
        (f"5,,1,1,{S}001,true", "price cannot be read"),
        (f"5,nan,1,1,{S}001,true", "price is nan"),
        (f"5,inf,1,1,{S}001,true", "price is inf"),
        (f"5,-1,1,1,{S}001,true", "price is -1"),
        (f"5,0,1,1,{S}001,true", "price is 0"),
        (f"5,1e300,1,1,{S}001,true", "price is 1e+300"),
        (f"5,1,0,1,{S}001,true", "amount is 0"),
        ("5,1,1,1,yesterday,true", "time cannot be read"),
        ("5,1,1,1,9223372036854775807,true", "time cannot be read"),
        (f"5,1,1,1,{S}001,perhaps", "side cannot be read"),
        ("5,x,y,1,z,true", "time cannot be read, price cannot be read, amount cannot be read"),
        ("5,1,1", "3 fields instead of 6"),
        (f"5,1,1,1,{S}001,true,7,8", "8 fields instead of 6"),
        (f"5,1\udcff,1,1,{S}001,true", "price cannot be read"),
    ],
)
def test_bad_row_is_named(tmp_path: Path, row: str, reason: str) -> None:
    """File, line and reason of an unreadable row are told, wherever it stands; the rows around it are read."""
    path = tmp_path / "x.csv"
    path.write_bytes((HEADER + GOOD + "\n" + row + "\n" + GOOD).encode("utf-8", "surrogateescape"))
    (rows,) = read(path)
    (bad,) = rows.bad
    assert (bad.file, bad.line, rows.bad_count) == (str(path), 4, 1)
    assert reason in bad.reason
    assert str(bad).startswith(f"{path}, line 4: ")
    assert rows.trades["line"].to_list() == [2, 5]


FIELDS = st.tuples(
    st.sampled_from(["5", "6", "007", "+7", "", "x-1", " 8 "]),
    st.sampled_from(["42283.58", "1e-05", " 2.5", "+3", ".5", '"7.25"', "", "nan", "abc", "0x10", "0"]),
    st.sampled_from(["0.001", "2", "1_000", '"1"', "3 "]),
    st.sampled_from(["1", "", '"a,b"', '"a""b"']),
    st.sampled_from([f"{S}001", f"{S}001000", f"{S}.5", f" {S}002", f"-{S}001", "99999999999999999999", "soon"]),
    st.sampled_from(["true", "False", "", "maybe"]),
    st.sampled_from(["True", "", "x"]),
)
LINES = st.lists(
    st.one_of(
        st.just(f"5,42283.58,0.001,42.2,{S}001,true,True"),
        FIELDS.map(",".join),
        st.sampled_from(["", "5,1,1", f"5,1,1,1,{S}001,true", f"5,1,1,1,{S}001,true,True,8"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=40)
@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_typed_reading_is_careful_reading(lines: list[str], end: str, ended: bool) -> None:
    """A block read with its numbers typed gives the rows that careful reading gives, and names the same bad ones."""
    text = f"5,42283.58,0.001,42.2,{S}001,true,True{end}" + end.join(lines) + (end if ended else "")
    member = opening.Member(Path("A-trades-1.csv"), "A-trades-1.csv", "A", lambda: io.BytesIO(text.encode()))
    with pytest.MonkeyPatch.context() as patch:
        quick = list(open_trades(member, member.opened(), "A", None, None).rows)
        patch.setattr(tables, "typed_rows", lambda *_: None)
        careful = list(open_trades(member, member.opened(), "A", None, None).rows)

    assert [(rows.trades.rows(), rows.bad, rows.bad_count) for rows in quick] == [
        (rows.trades.rows(), rows.bad, rows.bad_count) for rows in careful
    ]


def test_sound_blocks_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block without anything unusual, an empty last field included, needs no second reading."""
    monkeypatch.setattr(tables, "_csv", pytest.fail)
    path = tmp_path / "A-trades-1.csv"
    path.write_text(f"5,1,2,3,{S}001,true,True\n6,1.5,2,3,{S}002,true,\n")
    (rows,) = read(path)
    assert rows.trades["price"].to_list() == [1.0, 1.5]


def test_ids_are_the_same_in_any_company() -> None:
    """Whole numbers as ids are numbers however they are spelt, and stay equal beside ids that are text."""
    assert _ids(pl.Series("id", ["7", None, "007"])).to_list() == [7, None, 7]
    assert _ids(pl.Series("id", ["007", None, "x-1"])).to_list() == ["7", None, "x-1"]


def test_line_numbers_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line numbers are the file's own, whatever the size of the blocks and whatever is missing before."""
    lines = [GOOD] * 60
    lines[10] = "1,2\n"
    lines[11] = "\n"
    lines[30] = f"5,x,1,1,{S}001,true\n"
    lines[59] = "last,row\n"
    path = tmp_path / "x.csv"
    path.write_text(HEADER + "".join(lines))
    for size in (10, 70, 1000, 1 << 20):
        monkeypatch.setattr(opening.line_blocks, "__defaults__", (size,))
        assert [bad.line for bad in bad_of(path)] == [12, 32, 61]
        good = [line for rows in read(path) for line in rows.trades["line"]]
        assert good == [line for line in range(2, 61) if line not in {12, 13, 32}]


def test_many_bad_rows_are_counted(tmp_path: Path) -> None:
    """Only the first hundred unreadable rows are described, and all are counted."""
    path = tmp_path / "x.csv"
    path.write_text(HEADER + GOOD + "1,x,1,1,1,true\n" * 300 + "1\n" * 300)
    (rows,) = read(path)
    assert rows.bad_count == 600
    assert [bad.line for bad in rows.bad] == list(range(3, 103))


def test_quotation_marks(tmp_path: Path) -> None:
    """A quotation mark that is not closed, and one that spans lines, is named by line."""
    path = tmp_path / "x.csv"
    path.write_text(HEADER + GOOD + '5,"1,1,1,1,true\n' + GOOD)
    with pytest.raises(ImportFileError, match=r"x\.csv, line 3: a quotation mark is not closed"):
        read(path)
    path.write_text(HEADER + GOOD + f'5,"1\n2",1,1,{S}001,true\n' + GOOD)
    with pytest.raises(ImportFileError, match="quot"):
        read(path)


def test_bad_json(tmp_path: Path) -> None:
    """A line that is no object is an unreadable row; a list that ends too early is an error."""
    trade = json.dumps({"timestamp": S * 1000, "price": 5, "amount": 1, "symbol": "A"})
    path = tmp_path / "x.jsonl"
    path.write_text(f"{trade}\n\n{{broken\n{trade}")
    assert [bad.line for bad in bad_of(path)] == [3]
    for tail in ("", ",", f",{trade[:20]}"):
        path.write_text(f"[{trade},\n{trade}{tail}")
        with pytest.raises(ImportFileError, match=r"x\.jsonl, line 2: the list of trades is cut off"):
            read(path)
    path.write_bytes(f"[{trade},\n".encode() + trade.replace("{", '{"note": "\u00ff",', 1).encode("latin-1") + b"]")
    assert [rows.trades["symbol"].to_list() for rows in read(path)] == [["A", "A"]]


@settings(max_examples=40, deadline=None)
@given(
    objects=st.lists(
        st.dictionaries(
            st.text(max_size=3),
            st.recursive(
                st.text(max_size=5) | st.integers(),
                lambda x: st.lists(x, max_size=2) | st.dictionaries(st.text(max_size=2), x, max_size=2),
                max_leaves=4,
            ),
            max_size=3,
        ),
        max_size=6,
    ),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
    size=st.integers(1, 60),
)
def test_list_is_cut_into_its_objects(
    objects: list[dict[str, object]], indent: int | None, ascii_only: bool, size: int
) -> None:
    """Any list of any objects, read in blocks of any size, comes apart into exactly those objects."""
    data = json.dumps(objects, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found: list[object] = []
    for block in object_blocks(io.BytesIO(data), "x", size):
        found.extend(json.loads(str(text).rstrip(", \r\n\t]")) for text in block.texts().to_pylist())
    assert found == objects


def test_json_lines_are_counted() -> None:
    """The line of each object in a list is the line it begins on, across blocks."""
    data = b'[\n{"a": 1},\n\n{"a":\n 2}, {"a": 3}\n]'
    for size in (3, 1000):
        lines = [line for block in object_blocks(io.BytesIO(data), "x", size) for line in block.lines.tolist()]
        assert lines == [2, 4, 5]


def test_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Binary junk and an endless object are refused before they fill the memory."""
    monkeypatch.setattr(opening, "_MOST_LINE", 100)
    with pytest.raises(ImportFileError, match="no line end within"):
        list(line_blocks(io.BytesIO(b"x" * 300), "x", 50))
    monkeypatch.setattr(jsonlist, "_MOST_OBJECT", 100)
    with pytest.raises(ImportFileError, match="does not end within"):
        list(object_blocks(io.BytesIO(b"[{" + b"x" * 300), "x", 50))


def test_damaged_compression(tmp_path: Path) -> None:
    """A broken gzip or zip file is named, at opening or in the middle."""
    whole = gzip.compress(b"".join(b"%d,1.5,1,1,1704153600001,true\n" % i for i in range(50_000)))
    path = tmp_path / "x.csv.gz"
    for data in (whole[: len(whole) // 2], whole[:5], whole[:60] + b"\xff" * 30 + whole[90:]):
        path.write_bytes(data)
        with pytest.raises(ImportFileError, match=r"x\.csv\.gz cannot be decompressed .*fetch it again"):
            read(path)
    archive = tmp_path / "x.zip"
    archive.write_bytes(b"no zip")
    with pytest.raises(ImportFileError, match=r"x\.zip cannot be decompressed"):
        members_of(archive)
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("README.md", "x")
    with pytest.raises(ImportFileError, match="holds no file ending in"):
        members_of(archive)


def test_files_and_folders(tmp_path: Path) -> None:
    """Folders stand for their data files at any depth, in order; what cannot be meant is refused."""
    inner = tmp_path / "in"
    inner.mkdir()
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "notes.md").touch()
    b, a, hidden = inner / "b.csv", inner / "a.CSV", inner / ".c.csv"
    for file in (a, b, hidden, tmp_path / "other.dat"):
        file.touch()
    assert files_of([inner, tmp_path / "other.dat"]) == (a, b, tmp_path / "other.dat")
    cases = {"no file .*nothing": [tmp_path / "nothing"], "holds no file": [empty], "named twice": [inner, b]}
    cases["b.csv is named twice"] = [b, inner / ".." / "in" / "b.csv"]
    for message, paths in cases.items():
        with pytest.raises(ImportFileError, match=message):
            files_of(paths)
    with pytest.raises(ImportFileError, match="name at least one"):
        files_of([])
