"""Kraken's trades as CSV: its downloadable history, and rows as its public trades interface gives them.

Columns of the history: time, price, volume. Of the interface: price, volume, time, then side (``b``, ``s``), order type
(``m``, ``l``), a remark, and in newer answers a trade id. Times are seconds with up to nine decimals. With or without a
header; without one, the time is the column of seconds since 1970. The file's name up to its first dot is the pair.
Source: support.kraken.com (downloadable time and sales), docs.kraken.com (public trades).
"""

from __future__ import annotations

import re
from typing import Final

from ohlcv_assets.sources.exchange.canonical import Layout, Sample, is_number, named
from ohlcv_assets.sources.exchange.expressions import Instant, number, side_of, text

NAME: Final = "kraken"

_HISTORY: Final = ("time", "price", "volume")
_INTERFACE: Final = ("price", "volume", "time", "side", "order_type", "remark", "trade_id")
_NAMES: Final = {"timestamp": "time", "tradeid": "trade_id", "ordertype": "order_type", "misc": "remark"}
_SECONDS: Final = r"1?[0-9]{9}(\.[0-9]+)?"
"""Seconds since 1970 of 1973 to 2033."""


def recognise(sample: Sample) -> Layout | None:
    """Return how to read Kraken's trades, or None for anything else and for columns that could be either order."""
    columns = _columns(sample)
    if columns is None:
        return None
    return Layout(
        format=NAME,
        skip=0 if sample.header is None else 1,
        columns=columns,
        ts=Instant("time", "s"),
        price=number("price"),
        amount=number("volume"),
        side=side_of("side", buy=("b", "buy"), sell=("s", "sell")) if "side" in columns else None,
        id=text("trade_id") if "trade_id" in columns else None,
        file_symbol=sample.stem or None,
    )


def _columns(sample: Sample) -> tuple[str, ...] | None:
    header = sample.header
    if sample.kind != "csv":
        return None
    if header is not None:
        names = tuple(_NAMES.get(name, name) for name in header)
        return names if named(names, *_HISTORY) and set(names) <= set(_INTERFACE) else None
    row = sample.row
    orders = [
        order
        for order in (_HISTORY, _INTERFACE)
        if len(row) == len(_HISTORY) or (order is _INTERFACE and len(_HISTORY) < len(row) <= len(_INTERFACE))
        if _fits(row, order)
    ]
    return orders[0][: len(row)] if len(orders) == 1 else None


def _fits(row: tuple[str, ...], order: tuple[str, ...]) -> bool:
    numbers = all(is_number(row[order.index(name)]) for name in ("price", "volume"))
    seconds = re.fullmatch(_SECONDS, row[order.index("time")].strip()) is not None
    side = len(row) == len(_HISTORY) or row[order.index("side")].strip().lower() in {"b", "s", "buy", "sell"}
    return numbers and seconds and side
