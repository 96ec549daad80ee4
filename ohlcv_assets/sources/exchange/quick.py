"""Reading a block of CSV the quick way: numbers become numbers while they are parsed.

What belongs here: the common case, a block whose rows all have the right fields. What does not: anything else. Where
one field is unusual the answer is None and the block is read again with care (``tables``, ``reading``): that gives the
same for rows that can be read, and names the others.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from ohlcv_assets.sources.exchange.canonical import Layout
from ohlcv_assets.sources.exchange.opening import Block, count_of


def typed_rows(block: Block, layout: Layout, numbers: Mapping[str, pl.DataType]) -> pl.DataFrame | None:
    """Return the columns of a block, text but for the numbers among them.

    Parameters
    ----------
    block
        Whole lines, no header among them.
    layout
        How to read them.
    numbers
        The columns to parse as numbers, and as which.

    Returns
    -------
    pl.DataFrame or None
        None where a row has other fields than the layout says, or one that should be a number is not.
    """
    types = [numbers.get(name, pl.String()) for name in layout.columns]
    try:
        frame = pl.read_csv(
            block.data,
            has_header=False,
            separator=layout.separator,
            schema={f"column_{at}": dtype for at, dtype in enumerate(types, start=1)},
            extra_columns="raise",
        )
    except pl.exceptions.PolarsError:
        return None
    frame.columns = list(layout.columns)
    if frame.height != block.lines or not _reach_the_end(frame, block, layout):
        return None
    return frame


def _reach_the_end(frame: pl.DataFrame, block: Block, layout: Layout) -> bool:
    """Tell whether every row has its last field: the parser takes a missing one for an empty one."""
    if frame.to_series(-1).null_count() == 0:
        return True
    separators = block.lines * (len(layout.columns) - 1)
    return b'"' not in block.data and count_of(block.data, layout.separator) == separators
