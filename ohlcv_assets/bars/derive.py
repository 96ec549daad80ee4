"""Bars of any resolution at read time: stored ones as they are, the others from the stored resolution below.

What belongs here: deriving, VWAP, and filling intervals without a trade for readers who want a row for each. What does
not: fetching stored bars (a function of the caller does), limits and formats of answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ohlcv_assets.bars.compose import compose
from ohlcv_assets.bars.labels import bar_numbers, open_times, whole_bars
from ohlcv_assets.bars.resolutions import RESOLUTIONS, Resolution
from ohlcv_assets.bars.runs import VALUES, table_of
from ohlcv_assets.bars.split import Columns, by_symbol
from ohlcv_assets.units import Nanos

Read = Callable[[Resolution, Nanos, Nanos], pa.Table]
"""Reads the stored bars of a resolution with ``start <= ts < end``, as ``stores.base.BarStore.read`` does."""


def derive(resolution: Resolution, read: Read, start: Nanos, end: Nanos) -> pa.Table:
    """Return the bars whose open time lies in ``[start, end)``, each of them complete.

    The read is widened to whole bars: a week that opens before ``end`` is composed of all its days, one that is open
    already at ``start`` is left out. A bar is complete as far as the store's data go.

    Parameters
    ----------
    resolution
        Stored or derived.
    read
        Called once, with a stored resolution.
    start, end
        Nanoseconds UTC, half open.

    Returns
    -------
    pa.Table
        ``BARS`` sorted by (symbol, ts).
    """
    if resolution.stored or resolution.source is None:
        return read(resolution, start, end)
    first, last = whole_bars(start, end, resolution)
    return compose(derive(RESOLUTIONS[resolution.source], read, first, last), resolution)


def read_for(resolution: Resolution, start: Nanos, end: Nanos) -> tuple[Resolution, Nanos, Nanos]:
    """Return what ``derive`` reads for the bars that open in ``[start, end)``: a stored resolution and a range."""
    while not resolution.stored and resolution.source is not None:
        start, end = whole_bars(start, end, resolution)
        resolution = RESOLUTIONS[resolution.source]
    return resolution, start, end


def with_vwap(bars: pa.Table) -> pa.Table:
    """Append ``vwap`` (float64): turnover by volume, NaN for a filled bar; exact but for rounding at any resolution."""
    return bars.append_column("vwap", pc.divide(bars["turnover"], bars["volume"]))


def fill_previous(bars: pa.Table, resolution: Resolution, end: Nanos | None = None) -> pa.Table:
    """Add a row for each interval without a trade, from each symbol's first bar on.

    A filled bar has the previous close for all four prices and zero volume, turnover, trades and imbalance; it is a
    reading aid and is never stored.

    Parameters
    ----------
    bars
        ``BARS`` of the resolution.
    resolution
        Of the bars.
    end
        Fill up to the last bar that opens before ``end``; None: up to each symbol's own last bar.

    Returns
    -------
    pa.Table
        ``BARS`` sorted by (symbol, ts).
    """
    return table_of(_filled(bars, resolution, end))


def _filled(bars: pa.Table, resolution: Resolution, end: Nanos | None) -> Iterator[tuple[str, Columns]]:
    for name, columns in by_symbol(bars, VALUES):
        numbers = bar_numbers(columns["ts"], resolution)
        last = int(numbers[-1])
        if end is not None:
            last = max(last, int(bar_numbers(np.array(end - 1), resolution)))
        every = np.arange(numbers[0], last + 1)
        source = np.searchsorted(numbers, every, side="right") - 1
        traded = numbers[source] == every
        close = columns["close"][source]
        filled = {name: np.where(traded, columns[name][source], close) for name in ("open", "high", "low", "close")}
        zeroed = {name: np.where(traded, columns[name][source], 0) for name in VALUES[4:]}
        yield name, {"ts": open_times(every, resolution), **filled, **zeroed}
