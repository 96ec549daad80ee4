"""What an engine of bars must do, and what is common to those that compose bars from stored ones.

What belongs here: the protocol, its value type, the proof that a source's stored bars are whole. What does not: any
particular engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.errors import UnprovedDayError
from ohlcv_assets.lake.dayfile import DayFile
from ohlcv_assets.progress import Observer
from ohlcv_assets.project import Project
from ohlcv_assets.settings import BarEngineName
from ohlcv_assets.units import day_bounds


@dataclass(frozen=True, slots=True)
class Made:
    """Bars of one resolution and day as they are in the store now: how many, of how many trades."""

    bars: int
    trades: int


class BarEngine(Protocol):
    """Makes bars."""

    @property
    def name(self) -> BarEngineName:
        """Return the name that the setting OHLCV_BAR_ENGINE has for it."""
        ...

    def make(
        self, project: Project, file: DayFile, resolutions: Sequence[Resolution], observer: Observer
    ) -> Mapping[str, Made]:
        """Make the bar store hold exactly a day's bars.

        Every engine gives the same bars of the same trades: prices, trades and imbalance to the bit, volume and
        turnover within rounding.

        Parameters
        ----------
        project
            Its trade store is proved to hold the file's trades.
        file
            Of the day.
        resolutions
            Stored ones, in any order.
        observer
            Told of the bars made, stage ``"roll up"``.

        Returns
        -------
        Mapping[str, Made]
            By resolution name, in the order of the chain.

        Raises
        ------
        UnprovedDayError
            Stored bars to compose from do not hold the file's trades.
        StoreError, LakeError
            The store could not be used, or the file not be read.
        """
        ...


def in_chain(resolutions: Sequence[Resolution]) -> list[Resolution]:
    """Return resolutions in the order in which they are made."""
    return [resolution for resolution in STORED_RESOLUTIONS if resolution in resolutions]


def source_bars(project: Project, file: DayFile, source: str, resolution: Resolution) -> pa.Table:
    """Return a day's stored bars that those of a resolution are to be composed from.

    Raises
    ------
    UnprovedDayError
        They do not hold the file's trades.
    """
    bars = project.bar_store.read(RESOLUTIONS[source], *day_bounds(file.day))
    if trades_of(bars) != file.rows:
        raise UnprovedDayError(
            f"The stored {source} bars of {file.day} hold {trades_of(bars):,} trades and the day has {file.rows:,}: "
            f"make them first, {resolution.name} bars are composed from them."
        )
    return bars


def trades_of(bars: pa.Table) -> int:
    """Return how many trades bars hold."""
    return int(pc.sum(bars["trades"], min_count=0).as_py() or 0)
