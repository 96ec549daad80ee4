"""Trades, bars and promises for tests of stores, and how to compare what comes back.

What belongs here: builders and comparisons that any store's tests use. What does not: anything about one store.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from ohlcv_assets.bars.resolutions import BARS, Resolution
from ohlcv_assets.market.schema import STORED, TRADES
from ohlcv_assets.stores.base import DayContent
from ohlcv_assets.stores.tables import by_symbol
from ohlcv_assets.units import DAY, Nanos, day_start

FIRST = dt.date(2024, 1, 31)
"""A last day of a month, so that the days after it are of another one."""

Row = tuple[str, int, float, float, int]
Key = tuple[str, int]


def day_number(offset: int) -> dt.date:
    """Return a day by its distance from the first."""
    return FIRST + dt.timedelta(days=offset)


def stored(rows: Iterable[Row]) -> pa.Table:
    """Return rows of (symbol, ts, price, amount, side) as ``STORED``."""
    symbols, ts, prices, amounts, sides = zip(*rows, strict=True) if (rows := list(rows)) else ((), (), (), (), ())
    return pa.Table.from_arrays(
        [
            pa.array(symbols, pa.string()).dictionary_encode(),
            pa.array(ts, pa.int64()).cast(STORED.field("ts").type),
            pa.array(prices, pa.float64()),
            pa.array(amounts, pa.float64()),
            pa.array(sides, pa.int8()),
        ],
        schema=STORED,
    )


def rows_of(table: pa.Table) -> list[Row]:
    """Return a table of trades as rows, instants as nanoseconds."""
    ts = table.column("ts").cast(pa.int64()).to_pylist()
    columns = [table.column(name).to_pylist() for name in ("price", "amount", "side")]
    return list(zip(table.column("symbol").to_pylist(), ts, *columns, strict=True))


def made_day(
    day: dt.date, per_symbol: int, symbols: Sequence[str] = ("AAPL", "BTC-USD", "MSFT"), seed: int = 0
) -> pa.Table:
    """Return a day's ``TRADES``, a pure function of its arguments."""
    tables = []
    for number in range(len(symbols)):
        random = np.random.default_rng([seed, day.toordinal(), number])
        gaps = random.integers(1, DAY // (per_symbol + 1), per_symbol)
        tables.append(
            pa.Table.from_arrays(
                [
                    pa.DictionaryArray.from_arrays(np.full(per_symbol, number, np.int32), pa.array(symbols)),
                    pa.array(day_start(day) + np.cumsum(gaps)).cast(TRADES.field("ts").type),
                    pa.array(random.integers(1, 100_000, per_symbol) / 100),
                    pa.array(random.integers(1, 1_000, per_symbol) / 8),
                    pa.array((random.integers(0, 2, per_symbol) * 2 - 1).astype(np.int8)),
                    pa.array(np.arange(per_symbol)),
                ],
                schema=TRADES,
            )
        )
    return pa.concat_tables(tables)


def promise(day: dt.date, trades: pa.Table, content_hash: str = "hash") -> DayContent:
    """Return what a day file with these trades promises."""
    return DayContent(day, content_hash, by_symbol(trades))


def batches(trades: pa.Table, size: int = 1_000) -> Iterator[pa.RecordBatch]:
    """Hand a table out in batches, as a day file does."""
    return iter(trades.to_batches(max_chunksize=size))


def keys_of(keys: Iterable[Key]) -> pa.Table:
    """Return (symbol, ts) pairs as a table of keys."""
    pairs = list(keys)
    return pa.table(
        {
            "symbol": pa.array([symbol for symbol, _ in pairs], pa.string()),
            "ts": pa.array([ts for _, ts in pairs], pa.int64()).cast(STORED.field("ts").type),
        }
    )


def made_bars(
    resolution: Resolution, day: dt.date, symbols: Sequence[str] = ("AAPL", "BTC-USD"), level: float = 1.0
) -> pa.Table:
    """Return one bar in every interval of a day."""
    step = resolution.duration
    assert step is not None
    opens = np.arange(day_start(day), day_start(day) + DAY, step)
    count = len(opens) * len(symbols)
    codes = np.repeat(np.arange(len(symbols), dtype=np.int32), len(opens))
    prices = pa.array(level + np.arange(count) / 64)
    return pa.Table.from_arrays(
        [
            pa.DictionaryArray.from_arrays(codes, pa.array(symbols)),
            pa.array(np.tile(opens, len(symbols))).cast(BARS.field("ts").type),
            *[prices] * 6,
            pa.array(np.arange(1, count + 1)),
            pa.array(np.arange(count) - 3),
        ],
        schema=BARS,
    )


def plain(table: pa.Table) -> list[dict[str, object]]:
    """Return a table as rows that compare whatever the symbols' encoding; instants as nanoseconds."""
    columns = {
        field.name: (
            table.column(field.name).cast(pa.int64()) if pa.types.is_timestamp(field.type) else table.column(field.name)
        ).to_pylist()
        for field in table.schema
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


ALL_TIME = (Nanos(-(2**63)), Nanos(2**63 - 1))
