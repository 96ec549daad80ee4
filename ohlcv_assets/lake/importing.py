"""Importing files of trades as a dataset: all of it, or nothing that anybody can see.

What belongs here: the steps of an import and its limits. What does not: reading formats (``sources.exchange``), the
temporary rows (``spool``), the record (``dataset``).

Everything is made in a hidden folder beside the dataset's and renamed at the end. A killed import leaves that folder,
which the next import of the same machine removes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from ohlcv_assets.errors import DatasetError, ImportFileError
from ohlcv_assets.lake.atomic import (
    flush,
    make_folder,
    remove_leftovers,
    replace_folder,
    restore_folder,
    temporary_name,
    write_text,
)
from ohlcv_assets.lake.dataset import (
    RECORD,
    TRADES_FOLDER,
    UNIVERSE,
    FiledDay,
    import_fingerprint,
    record_text,
)
from ohlcv_assets.lake.intake import Intake, take_in
from ohlcv_assets.lake.lake import Lake
from ohlcv_assets.lake.machine import machine_errors, require_room
from ohlcv_assets.lake.report import ImportReport
from ohlcv_assets.lake.spool import Spool, SymbolFacts
from ohlcv_assets.market.fields import text
from ohlcv_assets.market.grid import MOST_STEPS
from ohlcv_assets.market.schema import SCHEMA_VERSION, SYMBOL_TYPE, TRADES, TS_TYPE
from ohlcv_assets.market.symbols import Symbol, Universe
from ohlcv_assets.market.universe import universe_from_symbols, universe_to_toml
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.sources.exchange.arrange import Arranged, Last, Tally, arrange
from ohlcv_assets.sources.exchange.mapped import ColumnMapping
from ohlcv_assets.sources.exchange.opening import files_of
from ohlcv_assets.units import Lots, Ticks, day_bounds, days_between

IMPORT_VERSION: Final = 2
"""Part of every import's digest; raised when the same files would become other trades."""

SPOOL_FOLDER: Final = "spool"
_PACKED: Final = (".gz", ".zip", ".parquet")
_GROWTH: Final = 1.6
_SHRINKAGE: Final = 0.4
"""Bytes that an import takes for a byte of compressed and of plain files, its temporary files and the day files."""

_UNKNOWN_VOLATILITY: Final = 0.5
"""Nothing is generated from an imported symbol, but a universe must say something."""


def import_files(
    paths: Iterable[Path],
    dataset_dir: Path,
    *,
    name: str,
    symbol: str | None = None,
    format: str | None = None,  # noqa: A002 -- the word that the command line uses too
    mapping: ColumnMapping | None = None,
    skip_bad: int = 0,
    force: bool = False,
    observer: Observer = nobody,
) -> ImportReport:
    """Import files of trades as a dataset of their own.

    Parameters
    ----------
    paths
        Files, or folders of files: plain, gzip or zip.
    dataset_dir, name
        The dataset's folder, ``<data_dir>/datasets/<name>``, and its name.
    symbol
        The symbol of all rows, for files that do not say, or to rename the one they hold.
    format, mapping
        A name in ``sources.exchange.detect.FORMATS``, or which column is what; None to find out file by file.
    skip_bad, force
        How many unreadable rows to pass over at most; whether to replace a dataset that is there, its store included.
    observer
        Told of bytes read and of days written.

    Raises
    ------
    DatasetError
        The folder exists, and ``force`` was not given.
    ImportFileError
        A file cannot be read as asked, or too many of its rows cannot; the text names file and line.
    MachineError
        No room, or not writable.
    """
    began = time.perf_counter()
    _require_name(symbol)
    files = files_of(paths)
    needed = bytes_needed(files)
    with (
        machine_errors(f"import the dataset {name}", dataset_dir, needed),
        _building(dataset_dir, name, needed, force=force) as folder,
    ):
        (folder / SPOOL_FOLDER).mkdir()
        intake = take_in(files, Spool(folder / SPOOL_FOLDER), symbol, format, mapping, skip_bad, observer)
        digest = _digest(intake, symbol, format, mapping)
        return _made(folder, dataset_dir, name, intake, digest, began, observer)


def _made(
    folder: Path, dataset_dir: Path, name: str, intake: Intake, digest: str, began: float, observer: Observer
) -> ImportReport:
    """Make the dataset of what was taken in, in its hidden folder, and report."""
    universe = _universe(intake.spool)
    filed, tally = _file_days(folder, intake.spool, universe, digest, observer)
    shutil.rmtree(folder / SPOOL_FOLDER)
    report = ImportReport(
        dataset=name,
        root=dataset_dir,
        files=intake.files,
        first=min(filed),
        last=max(filed),
        days=len(filed),
        empty_days=sum(1 for day in filed.values() if not day.counts),
        symbols=universe.names,
        rows=sum(file.rows for file in intake.files),
        unreadable=sum(file.unreadable for file in intake.files),
        tally=tally,
        bad_rows=intake.bad_rows,
        bytes=sum(day.bytes for day in filed.values()),
        seconds=round(time.perf_counter() - began, 3),
    )
    write_text(folder / UNIVERSE, universe_to_toml(universe))
    write_text(folder / RECORD, record_text(name, digest, filed, report.to_dict()))
    return report


def bytes_needed(files: Iterable[Path]) -> int:
    """Return about how many bytes an import of files takes while it runs, judged by their sizes."""
    return int(sum(path.stat().st_size * (_GROWTH if path.suffix.lower() in _PACKED else _SHRINKAGE) for path in files))


def _require_absent(dataset_dir: Path, name: str, *, force: bool) -> None:
    if dataset_dir.exists() and not force:
        raise DatasetError(
            f"There is a dataset {name!r} at {dataset_dir} already: choose another name, or replace it with --force."
        )


def _require_name(symbol: str | None) -> None:
    try:
        text("any" if symbol is None else symbol)
    except ValueError as problem:
        raise ImportFileError(f"The symbol {problem}.") from problem


@contextmanager
def _building(dataset_dir: Path, name: str, needed: int, *, force: bool) -> Iterator[Path]:
    """Give a hidden folder beside the dataset's that takes its place on success and is gone otherwise."""
    restore_folder(dataset_dir)
    _require_absent(dataset_dir, name, force=force)
    require_room(f"import the dataset {name}", dataset_dir, needed)
    parent = dataset_dir.parent
    make_folder(parent)
    remove_leftovers(parent)
    folder = parent / temporary_name(dataset_dir.name)
    folder.mkdir()
    try:
        yield folder
        flush(folder)
        _require_absent(dataset_dir, name, force=force)  # another import may have been faster
        replace_folder(folder, dataset_dir)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _digest(intake: Intake, symbol: str | None, format_name: str | None, mapping: ColumnMapping | None) -> str:
    """Return a digest of everything that the imported trades depend on."""
    content = json.dumps(
        {
            "version": IMPORT_VERSION,
            "schema": SCHEMA_VERSION,
            "files": [[file.name, file.sha256] for file in intake.files],
            "symbol": symbol,
            "format": format_name,
            "mapping": None if mapping is None else asdict(mapping),
        },
        sort_keys=True,
    )
    return hashlib.sha256(content.encode()).hexdigest()


def _universe(spool: Spool) -> Universe:
    rows = sum(facts.rows for facts in spool.facts.values())
    return universe_from_symbols(_symbol(name, facts, rows) for name, facts in spool.facts.items())


def _symbol(name: str, facts: SymbolFacts, rows: int) -> Symbol:
    ticks_per_unit = _steps_per_unit(facts.price_decimals, facts.most_price)
    lots_per_unit = _steps_per_unit(facts.amount_decimals, facts.most_amount)
    return Symbol(
        name=name,
        asset_class="other",
        calendar="24/7",
        ticks_per_unit=ticks_per_unit,
        lots_per_unit=lots_per_unit,
        round_lot=Lots(1),
        first_price=Ticks(max(1, round(facts.first_price * ticks_per_unit))),
        yearly_volatility=_UNKNOWN_VOLATILITY,
        activity=facts.rows / rows,
        mean_amount=max(facts.amount / facts.rows, 1 / lots_per_unit),
    )


def _steps_per_unit(decimals: int, most: float) -> int:
    """Return the grid for so many decimals, coarser where doubles as large as the largest value cannot hold it."""
    while decimals > 0 and most * 10**decimals > MOST_STEPS:
        decimals -= 1
    return int(10**decimals)


def _file_days(
    folder: Path, spool: Spool, universe: Universe, digest: str, observer: Observer
) -> tuple[dict[dt.date, FiledDay], Tally]:
    """Write a day file for every day from the first to the last."""
    lake = Lake(folder / TRADES_FOLDER)
    fingerprint = import_fingerprint(digest, universe)
    state = _Running()
    filed: dict[dt.date, FiledDay] = {}
    days = days_between(spool.days()[0], spool.days()[-1])
    for done, day in enumerate(days, start=1):
        file, _ = lake.write(day, _batches(spool, universe, day, state), fingerprint)
        filed[day] = FiledDay(dict(file.counts), file.content_hash, file.bytes)
        observer(Progress("write", day.isoformat(), done, len(days), "days", {"trades": file.rows}))
    return filed, state.tally


class _Running:
    """What runs on from day to day: totals, the next id and the last trade of each symbol."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.next_id: dict[str, int] = {}
        self.last: dict[str, Last] = {}


def _batches(spool: Spool, universe: Universe, day: dt.date, state: _Running) -> Iterator[pa.RecordBatch]:
    """Yield a day's trades in order, one batch a symbol."""
    _, end = day_bounds(day)
    for name in spool.symbols(day):
        symbol = universe.symbol(name)
        arranged = arrange(
            spool.take(day, name), end, symbol.ticks_per_unit, symbol.lots_per_unit, state.last.get(name)
        )
        first_id = state.next_id.get(name, 0)
        state.next_id[name] = first_id + arranged.tally.trades
        state.last[name] = arranged.last
        state.tally += arranged.tally
        yield _batch(name, arranged, first_id)


def _batch(name: str, arranged: Arranged, first_id: int) -> pa.RecordBatch:
    rows = len(arranged.ts)
    names = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([name]))
    return pa.RecordBatch.from_arrays(
        [
            names.cast(SYMBOL_TYPE),
            pa.array(arranged.ts).cast(TS_TYPE),
            pa.array(arranged.price),
            pa.array(arranged.amount),
            pa.array(arranged.side),
            pa.array(np.arange(first_id, first_id + rows)),
        ],
        schema=TRADES,
    )
