"""Bad days of the embedded store, with real processes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

from ohlcv_assets.bars.resolutions import resolution_of
from ohlcv_assets.errors import StoreBusyError
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.duckdb.bars import DuckDBBarStore
from ohlcv_assets.stores.duckdb.broker import Broker
from ohlcv_assets.stores.duckdb.trades import DuckDBTradeStore
from ohlcv_assets_tests.stores.faults import DAYS, PER_SYMBOL
from ohlcv_assets_tests.stores.made import ALL_TIME, made_bars, made_day, plain, promise

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def start(mode: str, path: Path) -> subprocess.Popen[str]:
    """Start a process of ``faults``."""
    command = [sys.executable, "-m", "ohlcv_assets_tests.stores.faults", mode, str(path)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(mode: str, path: Path) -> str:
    """Run a process of ``faults`` to its good end and return what it said."""
    with start(mode, path) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def comparable(trades: pa.Table) -> pa.Table:
    """Return what a store holds of trades, sorted and with plain symbols."""
    held = trades.select(STORED.names)
    names = held.set_column(0, "symbol", held.column("symbol").cast(pa.string()))
    return names.sort_by([("symbol", "ascending"), ("ts", "ascending")]).combine_chunks()


def require_undisturbed(path: Path) -> None:
    """Fail unless the store holds exactly what an undisturbed load of all days leaves."""
    with Broker(path) as broker:
        trades, bars = DuckDBTradeStore(broker), DuckDBBarStore(broker)
        days = [made_day(day, PER_SYMBOL, seed=7) for day in DAYS]
        found = pa.Table.from_batches(list(trades.scan(*ALL_TIME)), STORED)
        assert comparable(found).equals(comparable(pa.concat_tables(days)))
        for day, table in zip(DAYS, days, strict=True):
            assert trades.replace_day(promise(day, table, "7"), iter([])).written == 0
        for name in ("15m", "1d"):
            resolution = resolution_of(name)
            expected = [row for day in DAYS for row in plain(made_bars(resolution, day, level=7))]
            found_bars = plain(bars.read(resolution, *ALL_TIME))
            assert sorted(map(repr, found_bars)) == sorted(map(repr, expected))


def test_killed_loads_leave_nothing_behind(tmp_path: Path) -> None:
    """After kills at random moments clean records are true, and loading again gives an undisturbed load's content."""
    finish("killed", tmp_path / "store.duckdb")
    require_undisturbed(tmp_path / "store.duckdb")


def test_two_loads_and_a_reader_get_along(tmp_path: Path) -> None:
    """Two processes that load overlapping days and one that reads: no error, no loss."""
    finish("crowd", tmp_path / "store.duckdb")
    require_undisturbed(tmp_path / "store.duckdb")


def test_full_disk_is_one_sentence_and_no_loss(tmp_path: Path) -> None:
    """A load that finds no room says so; what was there stays, and with room the same process goes on."""
    kind, sentence = finish("full", tmp_path / "store.duckdb").strip().split("|")
    assert kind == "MachineError"
    assert "There is no room to write the store" in sentence
    require_undisturbed(tmp_path / "store.duckdb")


def test_read_only_folder_is_one_sentence() -> None:
    """A folder that cannot be written to is named."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        kind, sentence = finish("refused", Path(folder) / "store.duckdb").strip().split("|")
        assert list(Path(folder).iterdir()) == []
    assert kind == "MachineError"
    assert folder in sentence
    assert "permission denied" in sentence


def test_file_held_by_another_program(tmp_path: Path) -> None:
    """Somebody who opens the file without the lock is named after patience; once gone, the store is free."""
    path = tmp_path / "store.duckdb"
    with Broker(path, patience=0.3) as broker:
        store = DuckDBTradeStore(broker)
        trades = made_day(DAYS[0], 5)
        store.replace_day(promise(DAYS[0], trades), iter(trades.to_batches()))
        with start("hold", path) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "holding\n"
            with pytest.raises(StoreBusyError, match=rf"in use by process {holder.pid}\b.* within 0.3 s"):
                store.counts(DAYS[0])
            holder.kill()
        assert sum(store.counts(DAYS[0]).values()) == 15
