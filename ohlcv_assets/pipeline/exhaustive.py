"""Every stored trade of a day, read back and compared with the day's file.

What belongs here: streaming both sides in bounded memory by the quickest way there is, and saying how far it is. What
does not: comparing (``verify.exhaustive``).
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa

from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.lake.dayfile import DayFile
from ohlcv_assets.pipeline.parts import batches
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.project import Project
from ohlcv_assets.stores.base import BacksUp
from ohlcv_assets.units import day_bounds
from ohlcv_assets.verify.counts import counts_per_symbol
from ohlcv_assets.verify.exhaustive import every_trade
from ohlcv_assets.verify.verdict import Verdict

AGAIN: Final = (0.5, 3.0)
"""Seconds before a comparison with a new backup is made again: a server that is writing its cache to files just then
leaves out what is in it."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The outcome of comparing every trade.

    Attributes
    ----------
    verdict
        ``every_trade``.
    backed_up
        Whether the trades came from the store's own files.
    """

    verdict: Verdict
    backed_up: bool


def proves_every_trade(project: Project) -> bool:
    """Return whether comparing every trade is quick enough to be done for each day; nothing is asked of the store."""
    return isinstance(project.trade_store, BacksUp) and project.trade_store.backs_up


def compare_every_trade(
    project: Project,
    day: dt.date,
    observer: Observer = nobody,
    *,
    afresh: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> Compared:
    """Read every trade of a day back from the store and compare it.

    Parameters
    ----------
    project, day
        What to compare.
    observer
        Told how far it is, stage ``"compare"``.
    afresh
        Whether a backup that was fetched for another day may not be used.
    sleep
        How to wait.

    Raises
    ------
    LakeError
        There is no file that can be read.
    StoreError
        The store cannot be used.
    """
    file = project.lake.inspect(day)
    store = project.trade_store
    note = ""
    if isinstance(store, BacksUp):
        against = store.no_backup()
        if against is None:
            return Compared(_by_backups(project, store, file, observer, afresh=afresh, sleep=sleep), backed_up=True)
        note = f" They were asked for by queries: {against}."
    verdict = every_trade(batches(project, day), _told(store.scan(*day_bounds(day)), file, observer))
    return Compared(replace(verdict, summary=verdict.summary + note), backed_up=False)


def follows(file: DayFile) -> tuple[Verdict, ...]:
    """Return what other checks of stored trades say of a day whose every trade was compared and is right."""
    said = f"All {file.rows:,} trades were read back bit for bit (every_trade), so nothing was asked again."
    figures = {"trades": file.rows}
    return (
        replace(counts_per_symbol(file.counts, file.counts), summary=said),
        Verdict("content", passed=True, summary=said, expected=figures, found=figures),
        Verdict("sample", passed=True, summary=said, expected=figures, found=figures),
    )


def _by_backups(
    project: Project,
    store: BacksUp,
    file: DayFile,
    observer: Observer,
    *,
    afresh: bool,
    sleep: Callable[[float], None],
) -> Verdict:
    verdict = _by_backup(project, store, file, observer, afresh=afresh)
    # One that is at hand may be of before.
    for pause in AGAIN if afresh else (0.0, *AGAIN):
        if verdict.passed:
            break
        sleep(pause)
        verdict = _by_backup(project, store, file, observer, afresh=True)
    return verdict


def _by_backup(project: Project, store: BacksUp, file: DayFile, observer: Observer, *, afresh: bool) -> Verdict:
    try:
        found = _told(store.backed_up(file.day, afresh=afresh), file, observer)
        return every_trade(batches(project, file.day), found)
    except StoreMismatchError as error:
        return Verdict("every_trade", passed=False, summary=str(error), expected={"trades": file.rows})


def _told(found: Iterator[pa.RecordBatch], file: DayFile, observer: Observer) -> Iterator[pa.RecordBatch]:
    """Yield batches and tell how far they are."""
    rows = 0
    for batch in found:
        yield batch
        rows += batch.num_rows
        observer(Progress("compare", file.day.isoformat(), rows, file.rows, "trades"))
