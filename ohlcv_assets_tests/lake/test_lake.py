"""The lake: what is written is what is read, and nothing that should not be replaced is."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import (
    DamagedDayFileError,
    ForeignDayFileError,
    LakeError,
    MissingDayFileError,
    StaleDayFileError,
)
from ohlcv_assets.lake import dayfile, writer
from ohlcv_assets.lake.hashing import ContentHash
from ohlcv_assets.lake.lake import Lake
from ohlcv_assets.market.schema import TRADES
from ohlcv_assets.progress import Progress
from ohlcv_assets.units import day_start

pytestmark = pytest.mark.unit

DAY = dt.date(2024, 3, 15)
PRINT = {"source": "test", "seed": "1"}

MakeTrades = Callable[..., pa.Table]
Cut = Callable[[pa.Table, int], Iterator[pa.RecordBatch]]


def never() -> Iterator[pa.RecordBatch]:
    """Fail if anybody asks for a batch."""
    pytest.fail("the batches of a reused day were touched")
    yield  # type: ignore[unreachable]  # makes this a generator


def test_round_trip(lake: Lake, make_trades: MakeTrades, cut: Cut) -> None:
    """What is written is read back row for row, whole, by batches, by symbol and by column."""
    trades = make_trades({"A": 100, "B C": 3, "Ü/€": 57})
    file, reused = lake.write(DAY, cut(trades, 40), PRINT, expected=160)
    assert not reused
    assert file.rows == 160
    assert file.counts == {"A": 100, "B C": 3, "Ü/€": 57}
    assert file.bytes == file.path.stat().st_size
    assert lake.inspect(DAY) == file
    assert lake.read(DAY).equals(trades)
    assert lake.read(DAY).schema.equals(TRADES)
    batches = list(lake.batches(DAY))
    assert [batch.column("symbol")[0].as_py() for batch in batches] == ["A", "B C", "Ü/€"]
    assert pa.Table.from_batches(batches).unify_dictionaries().equals(trades)
    some = lake.read(DAY, symbols=["Ü/€", "A", "nobody"], columns=["price", "symbol"])
    assert some.column_names == ["price", "symbol"]
    assert some.num_rows == 157
    assert [batch.schema.names for batch in lake.batches(DAY, ["ts"])] == [["ts"]] * 3
    assert lake.recompute_hash(DAY) == (file.content_hash, file.counts)
    assert lake.days() == (DAY,)


def test_only_asked_row_groups_are_read(
    lake: Lake, make_trades: MakeTrades, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading one symbol touches that symbol's row groups and no other."""
    monkeypatch.setattr(writer, "ROW_GROUP_ROWS", 10)
    lake.write(DAY, cut(make_trades({"A": 25, "B": 21, "C": 5}), 7), PRINT)
    asked: list[list[int]] = []
    original = pq.ParquetFile.read_row_groups

    def watched(self: pq.ParquetFile, groups: list[int], columns: list[str]) -> pa.Table:
        asked.append(groups)
        return original(self, groups, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", watched)
    assert lake.read(DAY, ["B"]).num_rows == 21
    assert asked == [[3, 4, 5]]


def test_empty_day(lake: Lake) -> None:
    """A day without trades has a file with zero rows that reads as an empty table of the right columns."""
    nothing = pa.RecordBatch.from_pylist([], schema=TRADES)
    file, _ = lake.write(DAY, iter([nothing]), PRINT)
    assert file.rows == 0
    assert lake.read(DAY).equals(TRADES.empty_table())
    assert lake.read(DAY, ["A"], ["price"]).num_rows == 0
    assert list(lake.batches(DAY)) == []
    assert lake.recompute_hash(DAY) == (file.content_hash, {})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.dictionaries(st.text(min_size=1, max_size=4, alphabet="ABéz-/ "), st.integers(1, 60), max_size=4),
    size=st.integers(1, 80),
    rows=st.integers(1, 40),
)
def test_content_hash_does_not_depend_on_chunks(
    counts: dict[str, int], size: int, rows: int, make_trades: MakeTrades, cut: Cut, tmp_path: Path
) -> None:
    """Any size of batches and row groups gives the same content hash; the same row groups the same bytes."""
    trades = make_trades(counts)
    lake = Lake(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "ROW_GROUP_ROWS", rows)
        one, _ = lake.write(DAY, cut(trades, size), PRINT, force=True)
        first = one.path.read_bytes()
        two, _ = lake.write(DAY, cut(trades, 10_000), PRINT, force=True)
        assert two.path.read_bytes() == first
    whole, _ = lake.write(DAY, cut(trades, 7), PRINT, force=True)
    assert one.content_hash == two.content_hash == whole.content_hash
    assert lake.recompute_hash(DAY) == (whole.content_hash, whole.counts)
    assert list(whole.counts) == sorted(counts)
    assert lake.read(DAY).equals(trades)


def test_content_hash_tells_any_field(make_trades: MakeTrades) -> None:
    """A change in any one value, in a symbol's name, or in whose a row is, changes the hash."""
    trades = make_trades({"A": 5}).combine_chunks().drop_columns(["symbol"])

    def hashed(table: pa.Table, *parts: tuple[str, int, int]) -> str:
        content = ContentHash()
        for symbol, start, rows in parts:
            content.update(symbol, table.slice(start, rows))
        return content.hexdigest()

    found = {hashed(trades, ("A", 0, 5)), hashed(trades, ("B", 0, 5)), hashed(trades, ("A", 0, 3), ("B", 3, 2))}
    for at, name in enumerate(trades.column_names):
        column = trades.column(name).cast(pa.int64()) if name == "ts" else trades.column(name)
        values: list[Any] = column.to_pylist()  # Any: numbers of several types
        values[2] = values[2] + 1 if name != "side" else -values[2]
        changed = pa.array(values, trades.schema.types[at])
        found.add(hashed(trades.set_column(at, trades.schema.field(at), changed), ("A", 0, 5)))
    assert len(found) == 8
    assert hashed(trades, ("A", 0, 2), ("A", 2, 3)) == hashed(trades, ("A", 0, 5))
    assert hashed(trades.slice(0, 0), ("A", 0, 0)) != hashed(trades)


def test_reuse_and_stale(lake: Lake, make_trades: MakeTrades, cut: Cut) -> None:
    """An equal fingerprint reuses the file untouched; another one is refused, saying what differs, unless forced."""
    trades = make_trades({"A": 10})
    first, _ = lake.write(DAY, cut(trades, 5), PRINT)
    again, reused = lake.write(DAY, never(), PRINT)
    assert reused
    assert again == first
    with pytest.raises(StaleDayFileError, match=r"differs in generator, seed.*--force"):
        lake.write(DAY, never(), {"source": "test", "seed": "2", "generator": "3"})
    other, reused = lake.write(DAY, cut(make_trades({"A": 4}), 5), {"seed": "2"}, force=True)
    assert not reused
    assert other.rows == 4
    assert lake.inspect(DAY).fingerprint == {"seed": "2"}
    assert [path.name for path in first.path.parent.iterdir()] == ["trades.parquet"]


def test_other_schema_version_is_stale(
    lake: Lake, make_trades: MakeTrades, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of another schema version is stale, and says so."""
    monkeypatch.setattr(dayfile, "SCHEMA_VERSION", 0)
    lake.write(DAY, cut(make_trades({"A": 3}), 5), PRINT)
    monkeypatch.undo()
    with pytest.raises(StaleDayFileError, match="schema version 0"):
        lake.inspect(DAY)


def test_missing(lake: Lake) -> None:
    """A day without a file is named, with what to do."""
    for act in (lake.inspect, lake.read, lake.recompute_hash, lambda day: list(lake.batches(day))):
        with pytest.raises(MissingDayFileError, match=r"no day file for 2024-03-15.*ohlcv backfill"):
            act(DAY)
    assert lake.days() == ()


def test_days_ignores_what_is_not_ours(lake: Lake, make_trades: MakeTrades, cut: Cut) -> None:
    """Days are listed in order; other folders are passed over."""
    lake.write(DAY + dt.timedelta(1), cut(make_trades({"A": 1}, DAY + dt.timedelta(1)), 5), PRINT)
    lake.write(DAY, cut(make_trades({"A": 1}), 5), PRINT)
    strange = lake.root / "date=yesterday"
    strange.mkdir()
    (strange / "trades.parquet").touch()
    (lake.root / "date=2024-03-20").mkdir()
    assert lake.days() == (DAY, DAY + dt.timedelta(1))


def test_delete(lake: Lake, make_trades: MakeTrades, cut: Cut) -> None:
    """Deleting a day removes file and folder, keeps what is not ours, and says whether there was a file."""
    assert not lake.delete(DAY)
    file, _ = lake.write(DAY, cut(make_trades({"A": 1}), 5), PRINT)
    assert lake.delete(DAY)
    assert not file.path.parent.exists()
    file.path.parent.mkdir()
    (file.path.parent / "note.txt").write_text("mine")
    assert not lake.delete(DAY)
    assert (file.path.parent / "note.txt").exists()


def refused(lake: Lake, remedy: str, kind: type[LakeError]) -> str:
    """Check that a file is refused by reading and writing alike, left as it is, and replaced when forced."""
    path = lake.path(DAY)
    before = path.read_bytes()
    with pytest.raises(kind) as caught:
        lake.inspect(DAY)
    with pytest.raises(kind):
        lake.write(DAY, never(), PRINT)
    assert path.read_bytes() == before
    message = str(caught.value)
    assert str(path) in message
    assert remedy in message
    assert "\n" not in message
    lake.write(DAY, iter([]), PRINT, force=True)
    assert lake.inspect(DAY).rows == 0
    return message


@pytest.mark.parametrize("keep", [0, 3, 4, 1000, -1, -9])
def test_truncated(lake: Lake, make_trades: MakeTrades, cut: Cut, keep: int) -> None:
    """A file cut off anywhere is damaged, named, and replaced only when forced."""
    file, _ = lake.write(DAY, cut(make_trades({"A": 500}), 100), PRINT)
    file.path.write_bytes(file.path.read_bytes()[:keep])
    refused(lake, "--force", ForeignDayFileError if keep == 3 else DamagedDayFileError)


def test_foreign(lake: Lake, make_trades: MakeTrades, cut: Cut) -> None:
    """Text, another's Parquet, another day's file and a folder are foreign, each named for what it is."""
    path = lake.path(DAY)
    path.parent.mkdir(parents=True)
    path.write_text("symbol,ts,price\n")
    assert "not a Parquet file" in refused(lake, "--force", ForeignDayFileError)
    pq.write_table(pa.table({"a": [1]}), path)
    assert "did not write" in refused(lake, "--force", ForeignDayFileError)
    pq.write_table(make_trades({"A": 3}), path, store_schema=False)
    assert "did not write" in refused(lake, "--force", ForeignDayFileError)
    other, _ = lake.write(DAY + dt.timedelta(1), cut(make_trades({"A": 1}, DAY + dt.timedelta(1)), 5), PRINT)
    path.write_bytes(other.path.read_bytes())
    assert "holds 2024-03-16" in refused(lake, "--force", ForeignDayFileError)
    path.unlink()
    path.mkdir()
    with pytest.raises(ForeignDayFileError, match="is not a file"):
        lake.inspect(DAY)


@pytest.mark.parametrize("key", ["counts", "row_groups", "fingerprint", "content_hash", "day", "schema_version"])
def test_footer_is_sealed(lake: Lake, make_trades: MakeTrades, cut: Cut, key: str) -> None:
    """A footer value that was changed, or one that is missing, is damage."""
    file, _ = lake.write(DAY, cut(make_trades({"A": 9}), 5), PRINT)
    table = pq.read_table(file.path)
    metadata = {k: v for k, v in (pq.read_metadata(file.path).metadata or {}).items() if k != b"ARROW:schema"}
    for change in (
        {**metadata, b"ohlcv." + key.encode(): b"7"},
        {k: v for k, v in metadata.items() if key not in str(k)},
    ):
        pq.write_table(table.replace_schema_metadata(change), file.path)
        with pytest.raises(DamagedDayFileError, match="damaged"):
            lake.inspect(DAY)


def test_footer_contradicting_the_rows(lake: Lake, make_trades: MakeTrades, cut: Cut) -> None:
    """A sealed footer over other rows, or over other columns, is damage."""
    file, _ = lake.write(DAY, cut(make_trades({"A": 9}), 5), PRINT)
    metadata = {k: v for k, v in (pq.read_metadata(file.path).metadata or {}).items() if k != b"ARROW:schema"}
    table = pq.read_table(file.path).replace_schema_metadata(metadata)
    pq.write_table(table.slice(1), file.path)
    with pytest.raises(DamagedDayFileError, match="promises 9 trades and Parquet counts 8"):
        lake.inspect(DAY)
    file, _ = lake.write(DAY, cut(make_trades({"A": 9, "B": 9}), 5), PRINT, force=True)
    metadata = {k: v for k, v in (pq.read_metadata(file.path).metadata or {}).items() if k != b"ARROW:schema"}
    pq.write_table(pq.read_table(file.path).replace_schema_metadata(metadata), file.path, row_group_size=10)
    with pytest.raises(DamagedDayFileError, match="row groups do not hold"):
        lake.inspect(DAY)
    pq.write_table(table.drop_columns(["side"]), file.path)
    with pytest.raises(DamagedDayFileError, match="columns are not those"):
        lake.inspect(DAY)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_flipped_bit(where: float, bit: int, make_trades: MakeTrades, cut: Cut, tmp_path: Path) -> None:
    """One flipped bit anywhere never goes unnoticed and unharmed: the file is refused, or every trade is as it was."""
    lake = Lake(tmp_path)
    trades = make_trades({"A": 300, "B": 200})
    file, _ = lake.write(DAY, cut(trades, 400), PRINT, force=True)
    data = bytearray(file.path.read_bytes())
    data[math.floor(where * len(data))] ^= 1 << bit
    file.path.write_bytes(bytes(data))
    try:
        found = lake.inspect(DAY)
        content_hash, counts = lake.recompute_hash(DAY)
    except (DamagedDayFileError, ForeignDayFileError) as error:
        assert str(file.path) in str(error)  # noqa: PT017 -- either outcome is right, and each has its promise
    else:
        assert (content_hash, counts) == (file.content_hash, file.counts)
        assert found.content_hash == file.content_hash


def test_flipped_data_is_damage_on_every_way_of_reading(lake: Lake, make_trades: MakeTrades, cut: Cut) -> None:
    """A flipped byte in the trades is invisible in the footer and damage to whoever reads them."""
    file, _ = lake.write(DAY, cut(make_trades({"A": 3000}), 400), PRINT)
    data = bytearray(file.path.read_bytes())
    data[len(data) // 3] ^= 0x40
    file.path.write_bytes(bytes(data))
    lake.inspect(DAY)
    for act in (lake.read, lake.recompute_hash, lambda day: list(lake.batches(day))):
        with pytest.raises(DamagedDayFileError, match=r"damaged \(.*--force"):
            act(DAY)


def test_what_may_not_be_filed(lake: Lake, make_trades: MakeTrades) -> None:
    """Other columns, missing values, another order, equal instants or another day are refused; nothing is left."""
    a, b = make_trades({"A": 5}), make_trades({"B": 5})
    columns = a.combine_chunks().to_batches()[0].columns
    nulls = pa.RecordBatch.from_arrays([*columns[:2], pa.nulls(5, pa.float64()), *columns[3:]], schema=TRADES)
    cases = {
        "other columns": a.drop_columns(["side"]),
        "missing values": pa.Table.from_batches([nulls]),
        "not sorted": pa.concat_tables([b, a]),
        "do not strictly increase": pa.concat_tables([a, a]),
        "strictly increase": a.take([0, 2, 1, 3, 4]),
        "outside that day": make_trades({"A": 5}, DAY + dt.timedelta(1)),
        "some of 'A' outside": make_trades({"A": 5}, DAY - dt.timedelta(1)),
    }
    for message, table in cases.items():
        with pytest.raises(LakeError, match=message):
            lake.write(DAY, iter(table.to_batches()), PRINT)
    assert list(lake.path(DAY).parent.iterdir()) == []


def test_edges_of_a_day_may_be_filed(lake: Lake, make_trades: MakeTrades) -> None:
    """The first and the last nanosecond of a day belong to it."""
    table = make_trades({"A": 2})
    edges = pa.array([day_start(DAY), day_start(DAY + dt.timedelta(1)) - 1]).cast(TRADES.field("ts").type)
    lake.write(DAY, iter(table.set_column(1, TRADES.field("ts"), edges).to_batches()), PRINT)
    assert lake.read(DAY)["ts"].combine_chunks().equals(edges)


def test_progress(lake: Lake, make_trades: MakeTrades, cut: Cut) -> None:
    """The observer hears of every row group and ends at the number of rows."""
    events: list[Progress] = []
    lake.write(DAY, cut(make_trades({"A": 5, "B": 6}), 3), PRINT, expected=11, observer=events.append)
    assert [(event.stage, event.done, event.total) for event in events] == [("write", 5, 11), ("write", 11, 11)]


def test_writers_and_readers_at_once(lake: Lake, make_trades: MakeTrades, cut: Cut) -> None:
    """Several writers of one day and readers get along: whoever reads finds the whole day, and nothing is left."""
    trades = make_trades({"A": 2000, "B": 1000})
    lake.write(DAY, cut(trades, 100), PRINT)
    with ThreadPoolExecutor(4) as pool:
        written = [pool.submit(lake.write, DAY, cut(trades, 50 + at), PRINT, force=True) for at in range(8)]
        read = [pool.submit(lake.read, DAY) for _ in range(8)]
    assert len({result.result()[0].content_hash for result in written}) == 1
    assert all(result.result().equals(trades) for result in read)
    assert list(lake.path(DAY).parent.iterdir()) == [lake.path(DAY)]
