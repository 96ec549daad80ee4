"""A day's trades in memory: whole where they fit, by groups of symbols where they do not.

What belongs here: reading a day's file as seldom as possible within a run, in bounded memory. What does not: what is
done with the trades.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from ohlcv_assets.lake.dayfile import DayFile
from ohlcv_assets.project import Project

PART_ROWS: Final = 4_000_000
"""Most trades in memory at a time, about 37 bytes each; a day of the default dataset has 0.8 million on average."""

_kept: Final[dict[tuple[Path, int, int, int], pa.Table]] = {}

_reading: Final = threading.Lock()
"""Whoever needs the same day at the same time waits for it to be read once."""


def parts(project: Project, day: dt.date) -> Iterator[pa.Table]:
    """Yield a day's trades as ``market.schema.TRADES`` in tables that hold whole symbols, together sorted as the file.

    A day of up to ``PART_ROWS`` trades, or any day with the setting ``high_memory``, comes as one table, which is kept
    for the next step of the same run; the file's identity (place, size, time of change) tells whether it still holds.
    Larger days come by groups of symbols and are read anew by each step. A day without trades yields one empty table.

    Raises
    ------
    MissingDayFileError, DamagedDayFileError, ForeignDayFileError, StaleDayFileError, MachineError
        As for ``Lake.read``.
    """
    file = project.lake.inspect(day)
    if fits(project, file):
        yield whole(project, file)
        return
    for symbols in groups(file.counts, PART_ROWS):
        yield project.lake.read(day, symbols)


def batches(project: Project, day: dt.date) -> Iterator[pa.RecordBatch]:
    """Yield a day's trades sorted by (symbol, ts), from memory where they are there, in bounded memory otherwise."""
    file = project.lake.inspect(day)
    if fits(project, file):
        yield from whole(project, file).to_batches()
    else:
        yield from project.lake.batches(day)


def fits(project: Project, file: DayFile) -> bool:
    """Return whether a day is kept in memory whole."""
    return project.settings.high_memory or file.rows <= PART_ROWS


def whole(project: Project, file: DayFile) -> pa.Table:
    """Return the whole day, from memory if it was read before and the file is still the same one."""
    stat = file.path.stat()
    identity = (file.path, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    with _reading:
        table = _kept.get(identity)
        if table is None:
            forget()  # before reading, so that there is never more than one day
            table = _kept[identity] = project.lake.read(file.day)
        return table


def forget() -> None:
    """Let go of the day that is kept."""
    _kept.clear()


def groups(counts: Mapping[str, int], most: int) -> Iterator[Sequence[str]]:
    """Yield the symbols in order, grouped so that a group has at most ``most`` rows unless it is a single symbol."""
    group: list[str] = []
    rows = 0
    for symbol, count in counts.items():
        if group and rows + count > most:
            yield group
            group, rows = [], 0
        group.append(symbol)
        rows += count
    yield group
