"""Trades as NumPy columns: what a body becomes and what is compared with what is stored.

What belongs here: the columns and going to and from Arrow. What does not: judging them (``parsing``, ``placing``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.market.schema import STORED, SYMBOL_TYPE, TS_TYPE

Rows = NDArray[np.bool_] | NDArray[np.intp] | slice
Key = tuple[int, int]
"""Number of a symbol, and nanoseconds."""

Content = tuple[float, float, int]
"""Price, amount and side of a trade."""

_RECORD = np.dtype([("ts", "<i8"), ("price", "<f8"), ("amount", "<f8"), ("side", "i1")])


@dataclass(frozen=True)
class Columns:
    """Trades in any order.

    Attributes
    ----------
    symbol
        int32: number of the symbol in the universe.
    ts
        int64: nanoseconds since 1970, UTC.
    price, amount
        float64.
    side
        int8: +1 or -1.
    """

    symbol: NDArray[np.int32]
    ts: NDArray[np.int64]
    price: NDArray[np.float64]
    amount: NDArray[np.float64]
    side: NDArray[np.int8]

    def __len__(self) -> int:
        """Return how many trades there are."""
        return len(self.ts)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Rows by (symbol, ts); equal ones in the order in which they came."""
        return np.lexsort((self.ts, self.symbol))

    def take(self, rows: Rows) -> Self:
        """Return some of the rows."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def at(self, ts: NDArray[np.int64]) -> Columns:
        """Return the same trades at other instants."""
        return Columns(self.symbol, ts, self.price, self.amount, self.side)

    def keys(self) -> list[Key]:
        """Return (symbol, ts) of every trade."""
        return list(zip(self.symbol.tolist(), self.ts.tolist(), strict=True))

    def contents(self) -> list[Content]:
        """Return (price, amount, side) of every trade."""
        return list(zip(self.price.tolist(), self.amount.tolist(), self.side.tolist(), strict=True))

    def records(self) -> list[bytes]:
        """Return instant and content of every trade as bytes that differ where they do."""
        packed = np.empty(len(self), _RECORD)
        for name in _RECORD.names or ():
            packed[name] = getattr(self, name)
        whole, size = packed.tobytes(), _RECORD.itemsize
        return [whole[at : at + size] for at in range(0, len(whole), size)]

    def table(self, names: Sequence[str]) -> pa.Table:
        """Return the trades as ``STORED``, of a universe with these names."""
        symbols = pa.DictionaryArray.from_arrays(self.symbol, pa.array(names, pa.string()))
        columns = [symbols.cast(SYMBOL_TYPE), pa.array(self.ts).cast(TS_TYPE)]
        return pa.Table.from_arrays(
            [*columns, pa.array(self.price), pa.array(self.amount), pa.array(self.side)], schema=STORED
        )


def joined(parts: Sequence[Columns]) -> Columns:
    """Return the trades of several columns, one after the other."""
    whole = [NOTHING, *parts]
    return Columns(
        np.concatenate([part.symbol for part in whole]),
        np.concatenate([part.ts for part in whole]),
        np.concatenate([part.price for part in whole]),
        np.concatenate([part.amount for part in whole]),
        np.concatenate([part.side for part in whole]),
    )


def columns_of(trades: pa.Table, numbers: Mapping[str, int]) -> Columns:
    """Return ``STORED`` trades as columns; those of other symbols are left out.

    Parameters
    ----------
    trades
        As a store gives them.
    numbers
        Number of each symbol of the universe by name.
    """
    whole = trades.unify_dictionaries().combine_chunks()
    if whole.num_rows == 0:
        return NOTHING
    named = cast("pa.DictionaryArray[Any, Any]", whole["symbol"].chunk(0))  # Any: as published
    known = np.array([numbers.get(str(name), -1) for name in named.dictionary.to_pylist()], np.int32)
    symbol = known[np.asarray(named.indices)]
    found = Columns(
        symbol,
        np.asarray(whole["ts"].cast(pa.int64())),
        np.asarray(whole["price"]),
        np.asarray(whole["amount"]),
        np.asarray(whole["side"]),
    )
    return found.take(symbol >= 0)


NOTHING = Columns(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int8))
"""No trade."""
