"""Imports: everything is counted, everything or nothing is there, and the result is a dataset like any other."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from ohlcv_assets.errors import (
    DamagedDayFileError,
    DatasetError,
    ImportFileError,
    MachineError,
    MissingDayFileError,
    OutsideDatasetError,
)
from ohlcv_assets.lake import importing, machine
from ohlcv_assets.lake.dataset import (
    FiledSource,
    dataset_folder,
    imported_dataset,
    list_datasets,
    synthetic_dataset,
)
from ohlcv_assets.market.universe import load_universe
from ohlcv_assets.progress import Progress, nobody
from ohlcv_assets.sources.exchange import opening
from ohlcv_assets.sources.exchange.mapped import ColumnMapping
from ohlcv_assets.units import day_start
from ohlcv_assets_tests.lake.made_files import DAY_MS, FIRST, LAST, MS, binance_row, run

pytestmark = pytest.mark.integration


def test_report_and_dataset(files: list[Path], tmp_path: Path) -> None:
    """Counts of everything done, a universe with grids, every day a file, ids counting over days."""
    events: list[Progress] = []
    report = run(files, tmp_path, observer=events.append)
    assert (report.rows, report.unreadable, report.first, report.last) == (9, 0, FIRST, LAST)
    assert (report.days, report.empty_days, report.symbols) == (3, 1, ("ADAUSD", "BTCUSDT"))
    tally = report.tally
    assert (tally.trades, tally.duplicates, tally.conflicting) == (8, 1, 0)
    assert (tally.out_of_order, tally.spread, tally.inferred, tally.rounded) == (2, 1, 3, 0)
    assert [(file.name, file.formats, file.rows) for file in report.files] == [
        ("BTCUSDT-trades-2024-01.csv", ("binance",), 6),
        ("kraken.zip", ("kraken",), 3),
    ]
    assert {event.stage for event in events} == {"import", "write"}
    data = imported_dataset(tmp_path, "mine")
    assert data.days == (FIRST, dt.date(2024, 1, 3), LAST)
    ada, btc = data.universe.symbols
    assert (ada.ticks_per_unit, ada.lots_per_unit, ada.first_price, ada.mean_amount) == (1000, 1, 7123, 20.0)
    assert (btc.ticks_per_unit, btc.lots_per_unit, btc.asset_class, btc.calendar) == (100, 1000, "other", "24/7")
    first = data.lake.read(FIRST, ["BTCUSDT"])
    start = day_start(FIRST) + 10**6
    assert first["ts"].cast(pa.int64()).to_pylist() == [start, start + 1, start + 3 * 10**6, start + 4 * 10**6]
    assert first["price"].to_pylist() == [42000.25, 42000.5, 42002.0, 42001.0]
    assert first["side"].to_pylist() == [1, -1, -1, -1]
    assert data.lake.read(LAST)["trade_id"].to_pylist() == [4]
    assert data.lake.read(FIRST, ["ADAUSD"])["side"].to_pylist() == [1, -1, 1]
    assert data.lake.inspect(dt.date(2024, 1, 3)).rows == 0


def test_report_is_json(files: list[Path], tmp_path: Path) -> None:
    """The report as JSON values, with the figures beside each other; the record holds it too."""
    report = run(files, tmp_path).to_dict()
    assert json.loads(json.dumps(report)) == json.loads(json.dumps(report))
    assert (report["trades"], report["spread"], report["first"], report["dataset"]) == (8, 1, "2024-01-02", "mine")
    record = json.loads((dataset_folder(tmp_path, "mine") / "dataset.json").read_text())
    assert record["report"]["files"][0]["sha256"] == opening.sha256_of(files[0])


def test_source(files: list[Path], tmp_path: Path) -> None:
    """An imported dataset is a source: counts with zeros, a fingerprint that reuses the file, its batches."""
    run(files, tmp_path)
    data = imported_dataset(tmp_path, "mine")
    source = FiledSource(data)
    assert source.universe is data.universe
    assert source.days == data.days
    assert source.counts(FIRST) == {"ADAUSD": 3, "BTCUSDT": 4}
    assert source.counts(LAST) == {"ADAUSD": 0, "BTCUSDT": 1}
    assert [source.first_ids(day) for day in (FIRST, LAST)] == [
        {"ADAUSD": 0, "BTCUSDT": 0},
        {"ADAUSD": 3, "BTCUSDT": 4},
    ]
    file, reused = data.lake.write(FIRST, source.batches(FIRST, nobody), source.fingerprint(FIRST))
    assert reused
    assert source.content_hash(FIRST) == file.content_hash == data.lake.recompute_hash(FIRST)[0]
    again, reused = data.lake.write(FIRST, source.batches(FIRST, nobody), source.fingerprint(FIRST), force=True)
    assert (again, reused) == (file, False)
    path = data.lake.path(LAST)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedDayFileError, match=r"is damaged .*: import the dataset 'mine' again with --force\.$"):
        list(source.batches(LAST, nobody))
    data.lake.delete(LAST)
    with pytest.raises(MissingDayFileError, match=r"missing at .*2024-01-04.*import the dataset 'mine' again"):
        list(source.batches(LAST, nobody))
    with pytest.raises(OutsideDatasetError, match="has no 2023-01-01: it runs from 2024-01-02 to 2024-01-04"):
        source.counts(dt.date(2023, 1, 1))


def test_blocks_change_nothing(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files read in tiny blocks, and compressed ones, give the same trades."""
    one = run(files, tmp_path, "one")
    monkeypatch.setattr(opening.line_blocks, "__defaults__", (45,))
    two = run(files, tmp_path, "two")
    packed = files[0].with_name(files[0].name + ".gz")
    packed.write_bytes(gzip.compress(files[0].read_bytes()))
    three = run([packed, files[1]], tmp_path, "three")
    assert one.tally == two.tally == three.tally
    hashes = {
        tuple(filed.content_hash for filed in imported_dataset(tmp_path, name).record.values())
        for name in ("one", "two", "three")
    }
    assert len(hashes) == 1
    digests = {imported_dataset(tmp_path, name).import_digest for name in ("one", "two", "three")}
    assert len(digests) == 2


def test_bad_rows(files: list[Path], tmp_path: Path) -> None:
    """Unreadable rows stop the import with file and line, and leave nothing; with a limit they are passed over."""
    with files[0].open("a") as out:
        out.write("oops\n" + binance_row(10, -5, 1, 6))
    with pytest.raises(ImportFileError) as caught:
        run(files, tmp_path)
    message = str(caught.value)
    assert message.startswith("2 row(s) cannot be read and none is allowed")
    assert f"{files[0]}, line 7: 1 fields instead of 6" in message
    assert f"{files[0]}, line 8: price is -5.0" in message
    assert list((tmp_path / "datasets").iterdir()) == []
    with pytest.raises(ImportFileError, match="1 are allowed"):
        run(files, tmp_path, skip_bad=1)
    alone = tmp_path / "C-trades-x.csv"
    alone.write_text(binance_row(1, -1, 1, 1))
    assert run([*files, alone], tmp_path, "more", skip_bad=3).unreadable == 3
    report = run(files, tmp_path, skip_bad=2)
    assert (report.rows, report.unreadable, report.tally.trades) == (11, 2, 8)
    assert [bad.line for bad in report.bad_rows] == [7, 8]
    assert report.files[0].unreadable == 2


def test_nothing_to_import(tmp_path: Path) -> None:
    """Files without a trade are refused."""
    path = tmp_path / "x.csv"
    path.write_text("id,price,qty,quote_qty,time,is_buyer_maker\n")
    with pytest.raises(ImportFileError, match=r"There is no trade in x\.csv"):
        run([path], tmp_path, symbol="A")


def test_existing_dataset(files: list[Path], tmp_path: Path) -> None:
    """A dataset that is there is refused, and with force replaced as a whole."""
    run(files, tmp_path)
    root = dataset_folder(tmp_path, "mine")
    (root / "store.duckdb").touch()
    with pytest.raises(DatasetError, match=r"dataset 'mine' at .* already.*--force"):
        run(files, tmp_path)
    report = run(files[1:], tmp_path, force=True)
    assert report.symbols == ("ADAUSD",)
    assert imported_dataset(tmp_path, "mine").days == (FIRST,)
    assert sorted(path.name for path in root.iterdir()) == ["dataset.json", "trades", "universe.toml"]
    assert [path.name for path in root.parent.iterdir()] == ["mine"]


def test_mapping_and_symbol(tmp_path: Path) -> None:
    """Mapped columns and a given symbol are part of what the content depends on."""
    path = tmp_path / "x.csv"
    path.write_text("when,px,qty\n2024-01-02T10:00:00.5,0.333333333333333,0.0000000000004\n")
    mapping = ColumnMapping.parse("ts=when,price=px,amount=qty")
    report = run([path], tmp_path, symbol="A/B", mapping=mapping)
    assert report.symbols == ("A/B",)
    assert report.tally.rounded == 1
    assert imported_dataset(tmp_path, "mine").lake.read(FIRST)["amount"].to_pylist() == [1e-12]
    run([path], tmp_path, "other", symbol="C", mapping=mapping)
    one, two = (imported_dataset(tmp_path, name).import_digest for name in ("mine", "other"))
    assert one != two


def test_large_values_have_coarser_grids(tmp_path: Path) -> None:
    """Decimals seen on small values give way where the largest could not be held with them."""
    path = tmp_path / "A-trades-x.csv"
    path.write_text(binance_row(1, 0.000000001, 1, 1) + binance_row(2, 123456789.5, 1, DAY_MS))
    report = run([path], tmp_path)
    symbol = imported_dataset(tmp_path, "mine").universe.symbol("A")
    assert symbol.ticks_per_unit == 10**7
    assert report.tally.rounded == 1


def test_loading_datasets(files: list[Path], tmp_path: Path) -> None:
    """Imported datasets are listed; a missing one names those there are; a broken record is named."""
    assert list_datasets(tmp_path) == ()
    with pytest.raises(DatasetError, match=r"no imported dataset 'mine' .*there are: none.*ohlcv import"):
        imported_dataset(tmp_path, "mine")
    run(files, tmp_path)
    assert list_datasets(tmp_path) == ("mine",)
    with pytest.raises(DatasetError, match=r"there are: mine"):
        imported_dataset(tmp_path, "yours")
    path = dataset_folder(tmp_path, "mine") / "dataset.json"
    record = json.loads(path.read_text())
    broken = ["{", "[]", json.dumps({**record, "version": 9}), json.dumps({**record, "last": "2024-01-09"})]
    for text in [*broken, json.dumps({**record, "days": {"2024-01-02": 3}})]:
        path.write_text(text)
        with pytest.raises(DatasetError, match=r"dataset\.json cannot be read .*--force"):
            imported_dataset(tmp_path, "mine")


def test_synthetic_dataset(files: list[Path], tmp_path: Path) -> None:
    """A generated dataset is described by settings; an imported one of that name is in the way."""
    universe = load_universe()
    data = synthetic_dataset(tmp_path, "default", universe, (FIRST,))
    assert (data.kind, data.root, data.lake.root) == (
        "synthetic",
        tmp_path / "datasets" / "default",
        tmp_path / "datasets" / "default" / "trades",
    )
    run(files, tmp_path)
    with pytest.raises(DatasetError, match="was imported"):
        synthetic_dataset(tmp_path, "mine", universe, (FIRST,))


def test_no_way_to_write(files: list[Path], tmp_path: Path) -> None:
    """A data folder that cannot be made is one sentence."""
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="import the dataset mine"):
        run(files, tmp_path / "file")


def test_copies_of_a_file(tmp_path: Path) -> None:
    """A copy of a file without ids is refused, as nothing tells its trades from new ones; with ids they are dropped."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ADAUSD.csv").write_text(f"{MS // 1000},7.1,10\n")
        (tmp_path / name / "BTCUSDT-trades-1.csv").write_text(binance_row(1, 5, 1, 1))
    with pytest.raises(ImportFileError, match=r"b/ADAUSD\.csv has the same content as .*a/ADAUSD\.csv"):
        run([tmp_path / "a", tmp_path / "b"], tmp_path / "data")
    assert run(sorted(tmp_path.glob("?/B*.csv")), tmp_path / "data").tally.duplicates == 1


def test_room_is_asked_for_before(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import for which there is no room is refused before it begins, saying how much it takes."""
    assert importing.bytes_needed(files) == int(0.4 * files[0].stat().st_size + 1.6 * files[1].stat().st_size)
    monkeypatch.setattr(machine, "free_bytes", lambda _where: 10)
    with pytest.raises(MachineError, match=r"it takes about 0\.0 MB, and 0\.0 MB are free"):
        run(files, tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("symbol", ["", " x ", "a\nb"])
def test_symbols_that_cannot_be_names(files: list[Path], tmp_path: Path, symbol: str) -> None:
    """A symbol that no universe could hold is refused before anything is read."""
    with pytest.raises(ImportFileError, match=r"^The symbol "):
        run(files, tmp_path / "data", symbol=symbol)
    assert not (tmp_path / "data").exists()


def test_same_format_of_all_members_is_told_once(tmp_path: Path) -> None:
    """An archive of many files of one format tells that format once."""
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as out:
        for name in ("AAA", "BBB"):
            out.writestr(f"{name}-trades-2024-01.csv", binance_row(1, 5, 1, 1))
    report = run([tmp_path / "all.zip"], tmp_path)
    assert report.files[0].formats == ("binance",)
    assert report.symbols == ("AAA", "BBB")
