"""The chain: bars of a resolution against the bars below them, bars that are made of trades against the trades.

What belongs here: comparing what is stored at neighbouring resolutions. What does not: bars made anew of the file
(``independent``), a resolution alone (``bars``).
"""

from __future__ import annotations

from typing import Final, cast

import polars as pl
import pyarrow as pa

from ohlcv_assets.bars.compose import compose
from ohlcv_assets.bars.resolutions import RESOLUTIONS, Resolution
from ohlcv_assets.market.schema import CONTENT
from ohlcv_assets.verify.compare import Differences, differences
from ohlcv_assets.verify.verdict import Verdict

_EXACT: Final = ("open", "high", "low", "close", "trades", "imbalance")
_SUMS: Final = ("volume", "turnover")

_OF_BARS: Final = {
    "trades": "trades",
    "high": "price_max",
    "low": "price_min",
    "volume": "amount_sum",
    "imbalance": "side_sum",
}
"""Columns of bars of an hour by what the content of trades calls the same figure."""

FIGURES_OF_BARS: Final = tuple(_OF_BARS.values())
"""What checks of bars need of the content of trades, ``verify.bars.bar_totals`` among them."""


def chain_of_bars(bars: pa.Table, below: pa.Table, resolution: Resolution) -> Verdict:
    """Compare a day's bars with those that the stored bars of their source compose to.

    Prices, trades and imbalance are exact, volume and turnover within rounding.

    Parameters
    ----------
    bars
        ``BARS`` of one day as read from the store.
    below
        ``BARS`` of the resolution's source on that day as read from the store.
    resolution
        Of ``bars``; not one that is made of trades.
    """
    expected = compose(below, resolution)
    found = differences(expected, bars, keys=("symbol", "ts"), exact=_EXACT, sums=_SUMS)
    held = {"bars": bars.num_rows}
    made_of = f"those that the {below.num_rows:,} stored {resolution.source} bars compose to"
    return _verdict(found, f"{bars.num_rows:,} {resolution.name} bars", made_of, {"bars": expected.num_rows}, held)


def chain_of_trades(bars: pa.Table, stored_content: pa.Table, resolution: Resolution) -> Verdict:
    """Compare a day's bars, hour by hour, with what the store computes of its trades.

    Trades, imbalance and extremes are exact, volume within rounding.

    Parameters
    ----------
    bars
        ``BARS`` of one day as read from the store.
    stored_content
        ``market.schema.CONTENT`` of the trades in the store.
    resolution
        Of ``bars``; one that is made of trades, and nests in an hour.
    """
    hours = cast("pl.DataFrame", pl.from_arrow(compose(bars, RESOLUTIONS["1h"])))
    named = {figure: pl.col(column) for column, figure in _OF_BARS.items()}
    composed = hours.select(pl.col("symbol").cast(pl.String), pl.col("ts").alias("hour"), **named).to_arrow()
    exact = [name for name in _OF_BARS.values() if CONTENT.field(name).type == pa.int64() or name.startswith("price")]
    found = differences(stored_content, composed, keys=("symbol", "hour"), exact=exact, sums=("amount_sum",))
    expected, held = {"symbol_hours": stored_content.num_rows}, {"symbol_hours": composed.num_rows}
    return _verdict(
        found, f"{bars.num_rows:,} {resolution.name} bars", "hour by hour those of the stored trades", expected, held
    )


def _verdict(found: Differences, bars: str, made_of: str, expected: dict[str, int], held: dict[str, int]) -> Verdict:
    passed = found.total == 0
    summary = f"All {bars} are {made_of}." if passed else f"{bars} are not {made_of}: {found.sentence()}"
    return Verdict("chain", passed, summary, expected, held, found.first, found.total)
