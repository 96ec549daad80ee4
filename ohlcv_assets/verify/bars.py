"""Bars as they are stored, against the trades in the store and against bars made by other code.

What belongs here: the three checks of a bar asset. What does not: making bars (``bars``, ``independent``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ohlcv_assets.bars.invariants import Violation, violations
from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.verify.compare import differences, instant_text
from ohlcv_assets.verify.verdict import MAX_DIFFERENCES, Scalar, Verdict

_EXACT: Final = ("open", "high", "low", "close", "trades", "imbalance")
_SUMS: Final = ("volume", "turnover")
_TOTALS: Final = ("trades", "imbalance", "high", "low")


@dataclass(frozen=True, slots=True)
class Turnover:
    """What was traded on a day, and which trades that was added up of.

    Attributes
    ----------
    by_symbol
        ``market.schema.TURNOVER``.
    of
        Such as ``"stored trades"``.
    """

    by_symbol: pa.Table
    of: str


def bar_totals(bars: pa.Table, resolution: Resolution, stored_content: pa.Table, turnover: Turnover) -> Verdict:
    """Compare a day's bars of each symbol, added up, with the trades in the store.

    Trades, imbalance and the day's extremes are exact, volume and turnover within rounding.

    Parameters
    ----------
    bars
        ``BARS`` of one day as read from the store.
    resolution
        Of the bars.
    stored_content
        ``market.schema.CONTENT`` of the trades in the store.
    turnover
        Of the trades in the store, or of others that are proved to be the same.
    """
    of_trades, of_bars = _totals_of_content(stored_content, turnover.by_symbol), _totals_of_bars(bars)
    found = differences(of_trades, of_bars, keys=("symbol",), exact=_TOTALS, sums=_SUMS)
    passed = found.total == 0
    expected, held = (
        {
            "symbols": totals.num_rows,
            "trades": _sum(totals, "trades"),
            "volume": _sum(totals, "volume"),
            "turnover": _sum(totals, "turnover"),
        }
        for totals in (of_trades, of_bars)
    )
    summary = (
        f"{bars.num_rows:,} {resolution.name} bars add up to the {held['trades']:,} stored trades, their volume, order "
        f"flow and extremes, and to the turnover of the {turnover.of}."
        if passed
        else f"{resolution.name} bars do not add up to the stored trades: {found.sentence()}"
    )
    about: dict[str, Scalar] = {**expected, "turnover_of": turnover.of}
    return Verdict("totals", passed, summary, about, held, found.first, found.total)


def bars_invariants(bars: pa.Table, resolution: Resolution) -> Verdict:
    """Check what holds for every bar whatever the trades were: ``bars.invariants``.

    Parameters
    ----------
    bars
        ``BARS`` as read from the store.
    resolution
        Of the bars.
    """
    total, first = violations(bars, resolution, MAX_DIFFERENCES)
    summary = (
        f"All {bars.num_rows:,} {resolution.name} bars are possible bars."
        if total == 0
        else f"{total:,} broken rule{'s' if total > 1 else ''} in {bars.num_rows:,} {resolution.name} bars; first: "
        f"{first[0].symbol} {instant_text(first[0].ts)} breaks '{first[0].rule}' with {first[0].value}."
    )
    return Verdict(
        "invariants",
        total == 0,
        summary,
        {"broken_rules": 0},
        {"broken_rules": total, "bars": bars.num_rows},
        tuple(_row(violation) for violation in first),
        total,
    )


def bars_equal(expected: pa.Table, found: pa.Table, resolution: Resolution, by: str = "SQL") -> Verdict:
    """Compare stored bars with bars made from the file by other code.

    Prices, trades and imbalance are exact, volume and turnover within rounding.

    Parameters
    ----------
    expected
        ``BARS`` by other code than what made the stored ones.
    found
        ``BARS`` as read from the store.
    resolution
        Of both.
    by
        What that other code is called.
    """
    differing = differences(expected, found, keys=("symbol", "ts"), exact=_EXACT, sums=_SUMS)
    passed = differing.total == 0
    summary = (
        f"All {found.num_rows:,} stored {resolution.name} bars equal those that {by} makes of the day file."
        if passed
        else f"Stored {resolution.name} bars are not those that {by} makes of the day file: {differing.sentence()}"
    )
    return Verdict(
        "equality",
        passed,
        summary,
        {"bars": expected.num_rows},
        {"bars": found.num_rows},
        differing.first,
        differing.total,
    )


def _totals_of_content(content: pa.Table, turnover: pa.Table) -> pa.Table:
    frame = cast("pl.DataFrame", pl.from_arrow(content))
    totals = frame.group_by("symbol").agg(
        pl.col("trades").sum(),
        imbalance=pl.col("side_sum").sum(),
        high=pl.col("price_max").max(),
        low=pl.col("price_min").min(),
        volume=pl.col("amount_sum").sum(),
    )
    traded = cast("pl.DataFrame", pl.from_arrow(turnover))
    # A symbol without any has the turnover that no bar has.
    return totals.join(traded, on="symbol", how="left").with_columns(pl.col("turnover").fill_null(0.0)).to_arrow()


def _totals_of_bars(bars: pa.Table) -> pa.Table:
    frame = cast("pl.DataFrame", pl.from_arrow(bars))
    figures = (pl.col("trades").sum(), pl.col("imbalance").sum(), pl.col("high").max(), pl.col("low").min())
    sums = (pl.col(name).sum() for name in _SUMS)
    return frame.group_by(pl.col("symbol").cast(pl.String)).agg(*figures, *sums).to_arrow()


def _sum(totals: pa.Table, name: str) -> float:
    return cast("float", pc.sum(totals[name], min_count=0).as_py())


def _row(violation: Violation) -> dict[str, str]:
    return {
        "symbol": violation.symbol,
        "time": instant_text(violation.ts),
        "rule": violation.rule,
        "value": violation.value,
    }
