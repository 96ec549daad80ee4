"""Content of a day by symbol and hour: what the store computes of its trades against the same computed of the file.

What belongs here: that content from a table of trades, and the comparison. What does not: how a store computes its own.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ohlcv_assets.bars.split import Columns, by_symbol, run_starts
from ohlcv_assets.market.schema import CONTENT, TS_TYPE, TURNOVER
from ohlcv_assets.units import HOUR
from ohlcv_assets.verify.compare import differences
from ohlcv_assets.verify.verdict import Verdict

COLUMNS: Final = ("symbol", "ts", "price", "amount", "side")
"""What the content of a file must be read for."""

_EXACT: Final = ("trades", "price_min", "price_max", "amount_min", "amount_max", "side_sum")
_SUMS: Final = ("price_sum", "amount_sum")


def content_of(trades: pa.Table) -> pa.Table:
    """Return the content of a table of trades.

    Parameters
    ----------
    trades
        ``market.schema.TRADES`` or ``STORED``, in any order.

    Returns
    -------
    pa.Table
        ``market.schema.CONTENT``, sorted by symbol and hour.
    """
    symbols = [(name, _hours(columns)) for name, columns in by_symbol(trades, COLUMNS[2:])]
    if not symbols:
        return CONTENT.empty_table()
    names = [name for name, hours in symbols for _ in range(len(hours["hour"]))]
    values = [pa.array(np.concatenate([hours[name] for _, hours in symbols])) for name in CONTENT.names[1:]]
    return pa.table([pa.array(names, pa.string()), values[0].cast(TS_TYPE), *values[1:]], schema=CONTENT)


def turnover_of(trades: pa.Table) -> pa.Table:
    """Return what was traded by symbol.

    Parameters
    ----------
    trades
        ``market.schema.TRADES`` or ``STORED``, in any order.

    Returns
    -------
    pa.Table
        ``market.schema.TURNOVER``.
    """
    symbols = by_symbol(trades, ("price", "amount"))
    sums = {name: float(np.multiply(columns["price"], columns["amount"]).sum()) for name, columns in symbols}
    return pa.table([pa.array(sums, pa.string()), pa.array(sums.values(), pa.float64())], schema=TURNOVER)


def content(file_trades: pa.Table, stored_content: pa.Table) -> Verdict:
    """Compare what a store holds of a day with the day file, by symbol and hour.

    Counts, extremes and the sum of sides are exact; sums of prices and amounts may differ by rounding, since file and
    store add in different orders.

    Parameters
    ----------
    file_trades
        The day file's trades, at least ``COLUMNS``.
    stored_content
        ``market.schema.CONTENT`` as the store computed it from its own data.
    """
    expected = content_of(file_trades)
    found = differences(expected, stored_content, keys=("symbol", "hour"), exact=_EXACT, sums=_SUMS)
    passed = found.total == 0
    hours, trades = expected.num_rows, file_trades.num_rows
    summary = (
        f"Count, sums, extremes and order flow of all {hours:,} symbol hours ({trades:,} trades) are those of the file."
        if passed
        else f"The store's content is not the file's: {found.sentence()}"
    )
    held = pc.sum(stored_content["trades"], min_count=0).as_py()
    return Verdict(
        "content",
        passed,
        summary,
        {"symbol_hours": hours, "trades": trades},
        {"symbol_hours": stored_content.num_rows, "trades": held},
        found.first,
        found.total,
    )


def _hours(trades: Columns) -> Columns:
    """Return the content of one symbol by hour."""
    hours = trades["ts"] // HOUR
    starts = run_starts(hours)
    figures: Columns = {"hour": hours[starts] * HOUR, "trades": np.diff(np.append(starts, len(hours)))}
    for name in ("price", "amount"):
        for figure, operation in (("sum", np.add), ("min", np.minimum), ("max", np.maximum)):
            figures[f"{name}_{figure}"] = operation.reduceat(trades[name], starts)
    figures["side_sum"] = np.add.reduceat(trades["side"], starts, dtype=np.int64)
    return figures
