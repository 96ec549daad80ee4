"""The columns of trades, in files and in stores, and the rules every table of trades obeys.

What belongs here: Arrow schemas and invariants of trades. What does not: bars (``bars``), Parquet encodings (``lake``).
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

SCHEMA_VERSION: Final = 1
"""Part of every fingerprint; raised when a day file's columns, order or meaning change."""

TS_TYPE: Final = pa.timestamp("ns", tz="UTC")
SYMBOL_TYPE: Final = pa.dictionary(pa.int32(), pa.string())

_STORED_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("symbol", SYMBOL_TYPE, nullable=False),
    pa.field("ts", TS_TYPE, nullable=False),
    pa.field("price", pa.float64(), nullable=False),
    pa.field("amount", pa.float64(), nullable=False),
    pa.field("side", pa.int8(), nullable=False),
]  # Any: a field's type parameter varies

STORED: Final = pa.schema(_STORED_FIELDS)
"""What a store holds of a trade: all but the id. Side is +1 buyer-initiated, -1 seller-initiated."""

TRADES: Final = STORED.append(pa.field("trade_id", pa.int64(), nullable=False))
"""A day file, sorted by (symbol, ts); ``trade_id`` counts per symbol over the dataset."""

_CONTENT_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("symbol", pa.string(), nullable=False),
    pa.field("hour", TS_TYPE, nullable=False),
    pa.field("trades", pa.int64(), nullable=False),
    pa.field("price_sum", pa.float64(), nullable=False),
    pa.field("price_min", pa.float64(), nullable=False),
    pa.field("price_max", pa.float64(), nullable=False),
    pa.field("amount_sum", pa.float64(), nullable=False),
    pa.field("amount_min", pa.float64(), nullable=False),
    pa.field("amount_max", pa.float64(), nullable=False),
    pa.field("side_sum", pa.int64(), nullable=False),
]  # Any: as above

CONTENT: Final = pa.schema(_CONTENT_FIELDS)
"""Content of a day by symbol and hour, sorted so; hours without trades have no row."""

FIGURES: Final = tuple(CONTENT.names[2:])
"""Names of the figures of a content."""

_TURNOVER_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("symbol", pa.string(), nullable=False),
    pa.field("turnover", pa.float64(), nullable=False),
]  # Any: as above

TURNOVER: Final = pa.schema(_TURNOVER_FIELDS)
"""What was traded on a day by symbol, sorted so: the sum of price times amount; symbols without trades have no row."""
