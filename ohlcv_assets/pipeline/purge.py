"""Deleting: days, a store's content, a whole dataset.

What belongs here: deleting in an order that never leaves bars without trades. What does not: asking first.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.bars.gaps import joined
from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS
from ohlcv_assets.lake.machine import machine_errors
from ohlcv_assets.project import Project
from ohlcv_assets.stores.chunks import EVER
from ohlcv_assets.units import day_bounds


@dataclass(frozen=True, slots=True)
class Purged:
    """What was deleted."""

    files: int = 0
    trades: int = 0
    bars: int = 0


def purge_days(project: Project, days: Sequence[dt.date], *, files: bool = True, store: bool = True) -> Purged:
    """Delete the files, the stored trades and bars of some days, or either.

    Raises
    ------
    MachineError
        The machine does not let us.
    StoreError
        The store cannot be used.
    """
    bars = trades = gone = 0
    if store:
        for resolution in STORED_RESOLUTIONS:
            held = set(project.bar_store.coverage(resolution).column("day").to_pylist())
            bars += sum(project.bar_store.delete_day(resolution, day) for day in days if day in held)
        known = project.trade_store.counts_by_day().keys() | project.trade_store.day_records().keys()
        trades = sum(project.trade_store.delete_day(day) for day in days if day in known)
        for span in joined(Span(*day_bounds(day)) for day in days):
            project.chunks.forget(span)
    if files:
        gone = sum(project.lake.delete(day) for day in days)
    return Purged(gone, trades, bars)


@runtime_checkable
class Elsewhere(Protocol):
    """A store of trades or bars outside the dataset's folder."""

    def clear(self) -> object:
        """Delete all it holds of the dataset."""
        ...


def purge_dataset(project: Project) -> bool:
    """Delete a dataset's whole folder and what a store outside it holds; return whether there was anything.

    A store in the folder is closed to everybody else meanwhile.

    Raises
    ------
    StoreBusyError
        Somebody works on the store; nothing was deleted.
    MachineError
        The machine does not let us.
    """
    root = project.dataset.root
    held = clear_store(project)
    if not root.is_dir():
        return held
    with project.store_lock(), machine_errors(f"delete the dataset {project.dataset.name}", root):
        shutil.rmtree(root)
    return True


def clear_store(project: Project) -> bool:
    """Delete what stores outside the dataset's folder hold of it; return whether that was anything.

    Raises
    ------
    StoreError
        The store cannot be used, or somebody works on it.
    """
    trades, bars = project.trade_store, project.bar_store
    if not isinstance(trades, Elsewhere) or not isinstance(bars, Elsewhere):
        return False
    held = bool(trades.day_records()) or bool(trades.counts_by_day())
    bars.clear()  # first: there are never bars without trades
    trades.clear()
    project.chunks.forget(EVER)
    return held
