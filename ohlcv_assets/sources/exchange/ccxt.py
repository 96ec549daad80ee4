"""Trades in the unified structure of ccxt, as a JSON list, JSON lines or CSV.

Used are timestamp (milliseconds), symbol, side (the taker's: buy, sell, or nothing), price, amount, id; anything else
is passed over. Source: docs.ccxt.com (trade structure).
"""

from __future__ import annotations

from typing import Final

from ohlcv_assets.sources.exchange.canonical import Layout, Sample, named
from ohlcv_assets.sources.exchange.expressions import Instant, number, side_of, text

NAME: Final = "ccxt"

_NEEDED: Final = ("timestamp", "price", "amount")
_USED: Final = ("timestamp", "symbol", "side", "price", "amount", "id")


def recognise(sample: Sample) -> Layout | None:
    """Return how to read ccxt trades, or None for anything else."""
    header = sample.header
    if not named(header, *_NEEDED) or named(header, "localtimestamp"):
        return None
    present = _USED if sample.kind == "json" else header or ()
    return Layout(
        format=NAME,
        skip=1 if sample.kind == "csv" else 0,
        columns=_columns(sample),
        ts=Instant("timestamp", "ms"),
        price=number("price"),
        amount=number("amount"),
        side=side_of("side", buy=("buy",), sell=("sell",)) if "side" in present else None,
        id=text("id") if "id" in present else None,
        symbol=text("symbol") if "symbol" in present else None,
    )


def _columns(sample: Sample) -> tuple[str, ...]:
    if sample.kind == "json":
        return _USED
    return sample.first if sample.kind == "parquet" else sample.header or ()
