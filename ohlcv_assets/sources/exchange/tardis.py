"""Tardis.dev trades CSV: exchange, symbol, timestamp, local_timestamp, id, side, price, amount.

Times are microseconds; ``timestamp`` is the exchange's and is the one used. Side is the taker's: buy, sell, unknown.
Ids may be empty. Source: docs.tardis.dev (downloadable CSV files).
"""

from __future__ import annotations

from typing import Final

from ohlcv_assets.sources.exchange.canonical import Layout, Sample, named, plain
from ohlcv_assets.sources.exchange.expressions import Instant, number, side_of, text

NAME: Final = "tardis"

_COLUMNS: Final = ("exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount")


def recognise(sample: Sample) -> Layout | None:
    """Return how to read a Tardis trades file, or None for any other."""
    header = sample.header
    if header is None or not named(header, *map(plain, _COLUMNS)):
        return None
    names = {plain(name): name for name in _COLUMNS}
    return Layout(
        format=NAME,
        skip=1 if sample.kind == "csv" else 0,
        columns=tuple(names.get(name, name) for name in header) if sample.kind == "csv" else sample.first,
        ts=Instant("timestamp", "us"),
        price=number("price"),
        amount=number("amount"),
        side=side_of("side", buy=("buy",), sell=("sell",), unknown=("unknown",)),
        id=text("id"),
        symbol=text("symbol"),
    )
