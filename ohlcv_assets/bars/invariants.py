"""What holds for every bar, whoever made it.

What belongs here: rules that need nothing but the bars. What does not: comparing bars with trades (``verify.bars``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ohlcv_assets.bars.labels import bar_numbers, open_times
from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.bars.runs import VALUES
from ohlcv_assets.bars.split import Columns

UNIT_ROUNDOFF: Final = 2.0**-53
"""Largest relative error of one rounded float64 operation."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One bar that breaks one rule: ``ts`` in nanoseconds, ``value`` the figures that show it."""

    rule: str
    symbol: str
    ts: int
    value: str


def violations(bars: pa.Table, resolution: Resolution, limit: int) -> tuple[int, tuple[Violation, ...]]:
    """Look for bars that no trades can have made.

    Rules: (symbol, ts) unique and ascending; ``ts`` an open time of the resolution; prices positive and finite with
    low <= open, close <= high; low <= vwap <= high within rounding; volume and turnover positive and finite; at least
    one trade; at most as much imbalance as trades.

    Parameters
    ----------
    bars
        ``BARS``.
    resolution
        Of the bars.
    limit
        How many violations to describe at most.

    Returns
    -------
    tuple[int, tuple[Violation, ...]]
        How many there are in all, and the first of them, rule by rule.
    """
    if bars.num_rows == 0:
        return 0, ()
    columns = {name: bars[name].to_numpy() for name in VALUES}
    columns["ts"] = bars["ts"].cast(pa.int64()).to_numpy()
    broken = [*_order(bars, columns["ts"]), *_rules(columns, resolution)]
    total, first = 0, list[Violation]()
    for rule, shown, mask in broken:
        rows = np.flatnonzero(mask)
        total += len(rows)
        for row in rows[: limit - len(first)].tolist():
            value = ", ".join(f"{name} {columns[name][row]}" for name in shown)
            first.append(Violation(rule, str(bars["symbol"][row].as_py()), int(columns["ts"][row]), value))
    return total, tuple(first)


Rule = tuple[str, tuple[str, ...], NDArray[np.bool_]]
"""A rule in words, the columns that show whether it holds, and the rows where it does not."""


def _order(bars: pa.Table, ts: NDArray[np.int64]) -> Iterator[Rule]:
    symbols = bars["symbol"].cast(pa.string())
    before, after = symbols.slice(0, len(ts) - 1), symbols.slice(1)
    disorder = np.zeros(len(ts), np.bool_)
    disorder[1:] = pc.equal(after, before).to_numpy() & (ts[1:] <= ts[:-1])
    disorder[1:] |= pc.less(after, before).to_numpy()
    yield "sorted by symbol and time, each once", ("ts",), disorder


def _rules(bars: Columns, resolution: Resolution) -> Iterator[Rule]:
    ts, low, high, trades = bars["ts"], bars["low"], bars["high"], bars["trades"]
    yield "opens at a multiple of its duration", ("ts",), open_times(bar_numbers(ts, resolution), resolution) != ts
    for name in ("open", "close"):
        within = (low <= bars[name]) & (bars[name] <= high)
        yield f"low <= {name} <= high", ("low", name, "high"), ~within
    for name in ("low", "high", "volume", "turnover"):
        yield f"{name} positive and finite", (name,), ~((bars[name] > 0) & np.isfinite(bars[name]))
    yield "at least one trade", ("trades",), trades < 1
    yield "imbalance within trades", ("imbalance", "trades"), np.abs(bars["imbalance"]) > trades
    # Turnover and volume of n trades are each right to n roundings, their quotient to one more.
    slack = (2 * trades + 1) * UNIT_ROUNDOFF * high
    with np.errstate(divide="ignore", invalid="ignore"):
        vwap = bars["turnover"] / bars["volume"]
    within = (low - slack <= vwap) & (vwap <= high + slack)
    yield "low <= vwap <= high", ("low", "turnover", "volume", "high"), ~within
