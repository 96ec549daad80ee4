"""Bars from bars: the next higher resolution, or the parts of a split interval.

What belongs here: composition and merging. What does not: choosing what to compose from (``derive``).
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.bars.runs import VALUES, reduce_to, table_of
from ohlcv_assets.bars.split import by_symbol


def compose(bars: pa.Table, resolution: Resolution) -> pa.Table:
    """Compose bars of a resolution from finer bars.

    Prices and counts come out exactly as from the trades themselves; volume and turnover differ from a direct roll-up
    by rounding alone, since they are added in another order.

    Parameters
    ----------
    bars
        ``BARS`` of a resolution that nests in the one asked for, in any order. Rows of equal (symbol, ts) are parts of
        one bar, in order of time.
    resolution
        What to compose.

    Returns
    -------
    pa.Table
        ``BARS`` sorted by (symbol, ts).
    """
    return table_of((name, reduce_to(columns, resolution)) for name, columns in by_symbol(bars, VALUES))


def merge(parts: Sequence[pa.Table], resolution: Resolution) -> pa.Table:
    """Merge bars of one resolution that were made of parts of the trades, split by time anywhere.

    Parameters
    ----------
    parts
        ``BARS`` of the resolution, at least one table, in order of time; a bar that was split is in two of them.

    Returns
    -------
    pa.Table
        ``BARS`` as they come from all trades at once.
    """
    return compose(pa.concat_tables(parts), resolution)
