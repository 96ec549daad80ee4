"""Trades made by hand or by Hypothesis, bars of them by pandas, and what it means for bars to be the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

from ohlcv_assets.bars.resolutions import BARS, Resolution
from ohlcv_assets.bars.split import Columns
from ohlcv_assets.market.schema import TRADES
from ohlcv_assets.units import DAY, HOUR, MINUTE, day_start

Trade = tuple[str, int, float, float, int]
"""Symbol, nanoseconds UTC, price, amount, side."""

DAY_ONE = dt.date(2024, 3, 15)
START = day_start(DAY_ONE)
NAMES = ("AAPL", "BTC-USD", "Ünïcode ⛄", "a b,c=d", "AAPL\\", "'; DROP TABLE trades; --")

_EDGES = [0, 1, MINUTE - 1, MINUTE, 5 * MINUTE - 1, 15 * MINUTE, HOUR - 1, HOUR, 12 * HOUR, DAY - MINUTE, DAY - 1]


def table(trades: Sequence[Trade]) -> pa.Table:
    """Return trades in the order given, with ids that count per symbol."""
    seen: dict[str, int] = {}
    ids: list[int] = []
    for name, *_ in trades:
        seen[name] = seen.get(name, -1) + 1
        ids.append(seen[name])
    columns = [list(column) for column in zip(*trades, strict=True)] or [[]] * 5
    arrays = [
        pa.array(columns[0], pa.string()).dictionary_encode(),
        pa.array(columns[1], pa.int64()).cast(TRADES.field("ts").type),
        pa.array(columns[2], pa.float64()),
        pa.array(columns[3], pa.float64()),
        pa.array(columns[4], pa.int8()),
        pa.array(ids, pa.int64()),
    ]
    return pa.table(arrays, names=TRADES.names).cast(TRADES)


def columns(trades: list[Trade]) -> Columns:
    """Return trades, ascending by time, as columns."""
    ordered = sorted(trades, key=lambda one: one[1])
    kinds = {"ts": np.int64, "price": np.float64, "amount": np.float64, "side": np.int8}
    return {name: np.array([one[at + 1] for one in ordered], kind) for at, (name, kind) in enumerate(kinds.items())}


def trades_between(start: int, end: int, *, most: int = 60) -> st.SearchStrategy[list[Trade]]:
    """Return a strategy for sorted trades, each (symbol, ts) once, crowded at the edges of intervals."""
    edges = st.sampled_from([start + edge for edge in _EDGES if start + edge < end])
    trade = st.tuples(
        st.sampled_from(NAMES),
        st.one_of(st.integers(start, end - 1), edges),
        st.floats(1e-6, 1e6, allow_subnormal=False),
        st.floats(1e-8, 1e8, allow_subnormal=False),
        st.sampled_from([-1, 1]),
    )
    return st.lists(trade, max_size=most, unique_by=lambda one: one[:2]).map(sorted)


def day_of_trades() -> st.SearchStrategy[list[Trade]]:
    """Return a strategy for the trades of one day."""
    return trades_between(START, START + DAY)


def by_pandas(trades: Sequence[Trade], resolution: Resolution) -> pa.Table:
    """Return bars as pandas makes them."""
    if not trades:
        return BARS.empty_table()
    frame = pd.DataFrame(sorted(trades), columns=["symbol", "ts", "price", "amount", "side"])
    stamps = pd.to_datetime(frame["ts"])
    if resolution.duration is None or resolution.duration > DAY:
        label = stamps.dt.to_period("M" if resolution.duration is None else "W-SUN").dt.start_time
    else:
        label = stamps.dt.floor(pd.Timedelta(resolution.duration, "ns"))
    frame["ts"] = label.astype("datetime64[ns]").astype(np.int64)
    frame["turnover"] = frame["price"] * frame["amount"]
    grouped = frame.groupby(["symbol", "ts"], sort=True)
    bars = grouped.agg(
        open=("price", "first"),
        high=("price", "max"),
        low=("price", "min"),
        close=("price", "last"),
        volume=("amount", "sum"),
        turnover=("turnover", "sum"),
        trades=("price", "size"),
        imbalance=("side", "sum"),
    ).reset_index()
    columns = [pa.array(bars[name].to_list()) for name in BARS.names]
    columns[0] = columns[0].dictionary_encode()
    columns[1] = columns[1].cast(BARS.field("ts").type)
    return pa.table(columns, names=BARS.names).cast(BARS)


def assert_same(expected: pa.Table, found: pa.Table) -> None:
    """Hold bars to be the same: all exact but volume and turnover, which may differ by rounding."""
    assert found.schema.equals(BARS)
    assert found["symbol"].to_pylist() == expected["symbol"].to_pylist()
    for name in ("ts", "open", "high", "low", "close", "trades", "imbalance"):
        assert found[name].to_pylist() == expected[name].to_pylist(), name
    for name in ("volume", "turnover"):
        wanted, given = expected[name].to_numpy(), found[name].to_numpy()
        assert np.all(np.abs(given - wanted) <= 2 * expected["trades"].to_numpy() * 2.0**-53 * wanted), name
