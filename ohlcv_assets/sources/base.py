"""The protocol of a source of trades.

What belongs here: what the lake asks of any source. What does not: any particular source.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Protocol

import pyarrow as pa

from ohlcv_assets.market.symbols import Universe
from ohlcv_assets.progress import Observer


class TradeSource(Protocol):
    """Where the trades of a day come from."""

    @property
    def universe(self) -> Universe:
        """Symbols that this source may give."""
        ...

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Every day of the dataset from its first to its last, days without trades included."""
        ...

    def counts(self, day: dt.date) -> Mapping[str, int]:
        """Return exactly how many trades each symbol of the universe has that day, zeros included."""
        ...

    def first_ids(self, day: dt.date) -> Mapping[str, int]:
        """Return the id of each symbol's first trade that day: ids count from 0 per symbol over the dataset."""
        ...

    def fingerprint(self, day: dt.date) -> Mapping[str, str]:
        """Return what the day's content depends on (source, seed, versions, universe, counts).

        Equal fingerprints mean equal content.
        """
        ...

    def batches(self, day: dt.date, observer: Observer) -> Iterator[pa.RecordBatch]:
        """Yield the day's trades as ``market.schema.TRADES``, sorted by (symbol, ts), one symbol a batch.

        A symbol may take several batches in a row. Memory stays within a few batches.
        """
        ...
