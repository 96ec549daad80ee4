"""Tiny projects for tests of the pipeline, and how to spoil what they hold.

What belongs here: making a day, and changing a file, stored trades or bars behind the pipeline's back. What does not:
judging what the pipeline says of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.lake.dayfile import DayFile, footer
from ohlcv_assets.pipeline.steps import file_day, load_day, roll_up_day
from ohlcv_assets.project import Project, open_project
from ohlcv_assets.settings import load_settings
from ohlcv_assets.units import day_bounds

THURSDAY = dt.date(2024, 1, 4)
FRIDAY = dt.date(2024, 1, 5)
SATURDAY = dt.date(2024, 1, 6)
TRADES = 3_000


def project_in(folder: Path, **settings: object) -> Project:
    """Return a project of three days, in memory unless asked for otherwise."""
    chosen = {"start": THURSDAY, "end": SATURDAY, "total_trades": TRADES, "store": "memory"} | settings
    return open_project(load_settings(data_dir=folder, **chosen))


def make(project: Project, *days: dt.date) -> None:
    """Take days from generation to bars."""
    for day in days:
        file_day(project, day)
        load_day(project, day)
        roll_up_day(project, day)


def planned(project: Project, day: dt.date) -> int:
    """Return the trades that a day shall have."""
    return sum(project.source.counts(day).values())


def with_values(table: pa.Table, column: str, changes: Mapping[int, float | int]) -> pa.Table:
    """Return a table with other values in some rows of a column."""
    values = table.column(column).to_pylist()
    for row, value in changes.items():
        values[row] = value
    at = table.schema.get_field_index(column)
    return table.set_column(at, table.schema.field(column), pa.array(values, table.schema.field(column).type))


def rewrite(project: Project, day: dt.date, trades: pa.Table) -> DayFile:
    """Put other trades into a day's file, with the fingerprint of the right ones and a footer that is true."""
    fingerprint = project.source.fingerprint(day)
    return project.lake.write(day, iter(trades.to_batches()), fingerprint, force=True)[0]


def forge(project: Project, day: dt.date, trades: pa.Table) -> None:
    """Put other trades into a day's file under the footer of the right ones."""
    file = project.lake.inspect(day)
    sealed = footer(day, file.fingerprint, file.content_hash, file.counts, file.row_groups)
    names = trades.column("symbol").cast(pa.string())
    with pq.ParquetWriter(file.path, trades.schema) as writer:
        for symbol in file.row_groups:
            writer.write_table(trades.filter(pc.equal(names, pa.scalar(symbol))))
        writer.add_key_value_metadata(sealed)


def damage(file: DayFile) -> None:
    """Overwrite part of a day's file with zeros."""
    content = bytearray(file.path.read_bytes())
    half = len(content) // 2
    content[4:half] = bytes(half - 4)
    file.path.write_bytes(content)


def dying() -> Iterator[pa.RecordBatch]:
    """Return batches that end as if the process were killed."""
    yield from map(_end, range(1))


def _end(_: int) -> pa.RecordBatch:
    raise RuntimeError("the process ends here")


def change_bars(project: Project, resolution: Resolution, day: dt.date, column: str, row: int, factor: float) -> None:
    """Multiply one value of a day's stored bars."""
    bars = project.bar_store.read(resolution, *day_bounds(day))
    value = bars.column(column)[row].as_py()
    project.bar_store.write(resolution, day, with_values(bars, column, {row: type(value)(value * factor)}))
