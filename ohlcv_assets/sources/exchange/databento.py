"""Databento trades as CSV: ts_event, price, size, side, and a symbol or an instrument_id among the columns.

``ts_event`` is nanoseconds or ISO 8601; prices are whole numbers of 1e-9 or decimals (with a point); side is the
aggressor's: A (ask) sold, B (bid) bought, N nobody knows. ``sequence`` is not unique, so rows count as having no id.
Rows with an action other than T are not trades and cannot be read. Source: databento.com/docs/schemas/trades.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from ohlcv_assets.sources.exchange.canonical import Layout, Sample, named, plain
from ohlcv_assets.sources.exchange.expressions import Instant, fixed_point, number, side_of, text

NAME: Final = "databento"

_PRICE_POWER: Final = 9
_NO_PRICE: Final = 2**63 - 1
_KNOWN: Final = ("ts_event", "price", "size", "side", "action", "symbol", "instrument_id")


def recognise(sample: Sample) -> Layout | None:
    """Return how to read a Databento trades file, or None for any other."""
    header = sample.header
    if header is None or not named(header, "tsevent", "price", "size", "side"):
        return None
    known = {plain(name): name for name in _KNOWN}
    columns = tuple(known.get(name, name) for name in header) if sample.kind == "csv" else sample.first
    named_by = next((name for name in ("symbol", "instrument_id") if name in columns), None)
    price = pl.when(text("price") != str(_NO_PRICE)).then(fixed_point("price", _PRICE_POWER))
    traded = text("action") == "T" if "action" in columns else pl.lit(value=True)
    return Layout(
        format=NAME,
        skip=1 if sample.kind == "csv" else 0,
        columns=columns,
        ts=Instant("ts_event", "auto"),
        price=pl.when(traded).then(price),
        amount=number("size"),
        side=side_of("side", buy=("b",), sell=("a",), unknown=("n",)),
        symbol=None if named_by is None else text(named_by),
        file_symbol=None,
    )
