"""Bars from trades.

What belongs here: the roll-up of a table or a file of trades. What does not: bars from bars (``compose``), bars by
other code for checking (``verify.independent``). Why NumPy: ``docs/decisions/0002-roll-up.md``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ohlcv_assets.bars.compose import compose
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.bars.runs import reduce_to, table_of
from ohlcv_assets.bars.split import Columns, by_symbol

COLUMNS: Final = ("symbol", "ts", "price", "amount", "side")
"""What a roll-up needs of a trade: all that a file must be read for."""


def bars_of_trades(trades: pa.Table, resolution: Resolution) -> pa.Table:
    """Roll trades up to bars.

    Parameters
    ----------
    trades
        ``market.schema.TRADES`` or ``STORED``, each (symbol, ts) once, in any order; sorted by (symbol, ts) is fastest.
    resolution
        Any.

    Returns
    -------
    pa.Table
        ``BARS`` sorted by (symbol, ts); no row for an interval without a trade.
    """
    symbols = by_symbol(trades, COLUMNS[2:])
    return table_of((name, reduce_to(_as_bars(columns), resolution)) for name, columns in symbols)


def bars_of_file(path: Path, resolution: Resolution) -> pa.Table:
    """Roll a day file up to bars, reading no more of it than the roll-up needs.

    Returns
    -------
    pa.Table
        As ``bars_of_trades`` has it.
    """
    with pq.ParquetFile(path, memory_map=True) as file:
        return bars_of_trades(file.read(columns=list(COLUMNS)), resolution)


def bars_of_day(trades: pa.Table) -> dict[str, pa.Table]:
    """Return the bars of every stored resolution by name, each composed from the one below it.

    Parameters
    ----------
    trades
        As ``bars_of_trades`` takes them.
    """
    bars: dict[str, pa.Table] = {}
    for resolution in STORED_RESOLUTIONS:
        if resolution.source is None:
            bars[resolution.name] = bars_of_trades(trades, resolution)
        else:
            bars[resolution.name] = compose(bars[RESOLUTIONS[resolution.source].name], resolution)
    return bars


def _as_bars(trades: Columns) -> Columns:
    """Return each trade as the bar of one trade."""
    price, amount = trades["price"], trades["amount"]
    return {
        "ts": trades["ts"],
        **dict.fromkeys(("open", "high", "low", "close"), price),
        "volume": amount,
        "turnover": np.multiply(price, amount),
        "imbalance": trades["side"],
    }
