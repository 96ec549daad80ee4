"""Trades and lakes for the tests of day files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ohlcv_assets.lake.lake import Lake
from ohlcv_assets.market.schema import SYMBOL_TYPE, TRADES, TS_TYPE
from ohlcv_assets.units import day_start
from ohlcv_assets_tests.lake.made_files import exchange_files

DAY = dt.date(2024, 3, 15)

MakeTrades = Callable[..., pa.Table]
Cut = Callable[[pa.Table, int], Iterator[pa.RecordBatch]]


def trades_of(counts: dict[str, int], day: dt.date = DAY, seed: int = 1) -> pa.Table:
    """Return random trades of a day, sorted by (symbol, ts)."""
    rng = np.random.default_rng(seed)
    tables = []
    for name in sorted(counts):
        rows = counts[name]
        ts = np.sort(rng.choice(86_400_000_000, rows, replace=False)) * 1_000 + day_start(day)
        tables.append(
            pa.Table.from_arrays(
                [
                    pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([name])).cast(SYMBOL_TYPE),
                    pa.array(ts).cast(TS_TYPE),
                    pa.array((10_000 + rng.integers(-50, 50, rows)) / 100),
                    pa.array(rng.integers(1, 900, rows) / 10),
                    pa.array(rng.choice(np.array([-1, 1], np.int8), rows)),
                    pa.array(np.arange(rows) + 7),
                ],
                schema=TRADES,
            )
        )
    return pa.concat_tables(tables).unify_dictionaries() if tables else TRADES.empty_table()


def cut_up(table: pa.Table, size: int) -> Iterator[pa.RecordBatch]:
    """Cut trades into batches of at most so many rows."""
    yield from table.combine_chunks().to_batches(max_chunksize=size)


@pytest.fixture(name="make_trades")
def _make_trades() -> MakeTrades:
    return trades_of


@pytest.fixture(name="cut")
def _cut() -> Cut:
    return cut_up


@pytest.fixture(name="lake")
def _lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "data with a space" / "trades")


@pytest.fixture(name="files")
def _files(tmp_path: Path) -> list[Path]:
    return exchange_files(tmp_path)
