"""The one kernel of every bar: the rows of a symbol in order of time, cut into runs of the same bar, each run reduced.

What belongs here: that reduction and its result as a table. What does not: where the rows come from (``rollup``,
``compose``). A trade is a bar of a single price, so roll-up and composition are the same reduction.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from ohlcv_assets.bars.labels import bar_numbers, open_times
from ohlcv_assets.bars.resolutions import BARS, Resolution
from ohlcv_assets.bars.split import Column, Columns, run_starts
from ohlcv_assets.market.schema import SYMBOL_TYPE, TS_TYPE

VALUES = tuple(BARS.names[2:])


def reduce_to(rows: Columns, resolution: Resolution) -> Columns:
    """Reduce the rows of one symbol to one bar for each interval that has any.

    Parameters
    ----------
    rows
        At least one; ``ts`` ascending and the columns of ``BARS``; ``trades`` is left out where each row is one trade.
    resolution
        Any that the rows' own intervals nest in.

    Returns
    -------
    Columns
        The columns of ``BARS`` without ``symbol``; ``ts`` int64 nanoseconds.
    """
    bars = reduce_runs(rows, bar_numbers(rows["ts"], resolution))
    return bars | {"ts": open_times(bars["ts"], resolution)}


def reduce_runs(rows: Columns, labels: Column) -> Columns:
    """Reduce the rows of one symbol to one bar for each run of equal labels.

    Parameters
    ----------
    rows
        As for ``reduce_to``.
    labels
        Of each row, ascending: which bar it belongs to; they become the bars' ``ts``.

    Returns
    -------
    Columns
        As from ``reduce_to``.
    """
    starts = run_starts(labels)
    stops = np.append(starts[1:], len(labels))
    return {
        "ts": labels[starts],
        "open": rows["open"][starts],
        "high": np.maximum.reduceat(rows["high"], starts),
        "low": np.minimum.reduceat(rows["low"], starts),
        "close": rows["close"][stops - 1],
        "volume": np.add.reduceat(rows["volume"], starts),
        "turnover": np.add.reduceat(rows["turnover"], starts),
        "trades": np.add.reduceat(rows["trades"], starts) if "trades" in rows else stops - starts,
        "imbalance": np.add.reduceat(rows["imbalance"], starts, dtype=np.int64),
    }


def table_of(bars: Iterable[tuple[str, Columns]]) -> pa.Table:
    """Return the bars of symbols, ascending by name, as one table of ``BARS`` in a single chunk."""
    symbols = list(bars)
    if not symbols:
        return BARS.empty_table()
    counts = [len(columns["ts"]) for _, columns in symbols]
    codes = pa.array(np.repeat(np.arange(len(symbols)), counts), pa.int32())
    names = pa.array([name for name, _ in symbols], pa.string())
    values = [pa.array(np.concatenate([columns[name] for _, columns in symbols])) for name in ("ts", *VALUES)]
    symbol = pa.DictionaryArray.from_arrays(codes, names).cast(SYMBOL_TYPE)
    return pa.table([symbol, values[0].cast(TS_TYPE), *values[1:]], schema=BARS)
