"""Columns of trades."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ohlcv_assets.market.schema import CONTENT, STORED, TRADES

pytestmark = pytest.mark.unit


def test_stores_hold_all_but_the_id() -> None:
    """A day file's columns are those of a store and the trade id."""
    assert TRADES.names == [*STORED.names, "trade_id"]
    assert STORED.names == ["symbol", "ts", "price", "amount", "side"]


def test_types() -> None:
    """Instants are nanoseconds UTC, prices and amounts doubles, side one byte, symbols dictionary-coded."""
    types = [pa.dictionary(pa.int32(), pa.string()), pa.timestamp("ns", tz="UTC"), pa.float64(), pa.float64()]

    assert [*types, pa.int8(), pa.int64()] == TRADES.types


@pytest.mark.parametrize("schema", [STORED, TRADES, CONTENT])
def test_nothing_is_missing(schema: pa.Schema) -> None:
    """No column may hold nulls."""
    assert not any(field.nullable for field in schema)


def test_content_is_keyed_by_symbol_and_hour() -> None:
    """Content has one row a symbol and hour with count, sums and extremes."""
    assert CONTENT.names[:3] == ["symbol", "hour", "trades"]
    assert {f"{column}_{figure}" for column in ("price", "amount") for figure in ("sum", "min", "max")} < set(
        CONTENT.names
    )
