"""Binance trade files: ``SYMBOL-trades-DATE.csv``, spot and futures, with and without a header.

Columns: trade id, price, quantity, quote quantity (coin-margined futures: base quantity), time, is buyer maker, and for
spot is best match. Time is in milliseconds, for spot since 2025 in microseconds; a row's size tells. Where the buyer
was the maker the seller took: side -1. Source: github.com/binance/binance-public-data.
"""

from __future__ import annotations

import re
from typing import Final

from ohlcv_assets.sources.exchange.canonical import Layout, Sample, is_flag, is_number, named
from ohlcv_assets.sources.exchange.expressions import Instant, number, side_of, text

NAME: Final = "binance"

_FUTURES: Final = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker")
_SPOT: Final = (*_FUTURES, "is_best_match")
_NUMBERS: Final = 5


def recognise(sample: Sample) -> Layout | None:
    """Return how to read a Binance trade file, or None for any other."""
    header = sample.header
    if sample.kind != "csv" or len(sample.first) not in {len(_FUTURES), len(_SPOT)}:
        return None
    if header is None and not _looks_like(sample.row):
        return None
    if header is not None and not (named(header, "price", "qty", "time", "isbuyermaker") and header[1] == "price"):
        return None
    columns = _SPOT if len(sample.first) == len(_SPOT) else _FUTURES
    name = re.match(r"(.+?)-trades-", sample.name)
    return Layout(
        format=NAME,
        skip=0 if header is None else 1,
        columns=columns,
        ts=Instant("time", "auto"),
        price=number("price"),
        amount=number("qty"),
        side=side_of("is_buyer_maker", buy=("false",), sell=("true",)),
        id=text("id"),
        file_symbol=None if name is None else name[1],
    )


def _looks_like(row: tuple[str, ...]) -> bool:
    return all(is_number(value) for value in row[:_NUMBERS]) and all(is_flag(value) for value in row[_NUMBERS:])
