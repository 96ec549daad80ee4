# ruff: noqa: INP001 -- a script, no part of the package
"""Ways to make a day's 1m bars from its Parquet file, timed against each other: the figures of decision 0002.

Run ``python benchmarks/roll_up.py path/to/trades.parquet [repeats]``. Every way reads the five columns it needs from
the file (in the page cache) and makes the same bars.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numba
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.bars.rollup import COLUMNS, bars_of_file
from ohlcv_assets.bars.split import by_symbol
from ohlcv_assets.units import MINUTE

AGGREGATES = [
    pl.col("price").first().alias("open"),
    pl.col("price").max().alias("high"),
    pl.col("price").min().alias("low"),
    pl.col("price").last().alias("close"),
    pl.col("amount").sum().alias("volume"),
    (pl.col("price") * pl.col("amount")).sum().alias("turnover"),
    pl.len().alias("trades"),
    pl.col("side").cast(pl.Int64).sum().alias("imbalance"),
]


def read(path: Path) -> pa.Table:
    """Read the columns and do nothing else: the limit of every other way."""
    with pq.ParquetFile(path, memory_map=True) as file:
        return file.read(columns=list(COLUMNS))


def polars_lazy(path: Path, engine: str = "in-memory") -> int:
    """Scan the file with Polars and group by symbol and truncated time."""
    keys = ["symbol", pl.col("ts").dt.truncate("1m")]
    return pl.scan_parquet(path).group_by(keys).agg(AGGREGATES).sort("symbol", "ts").collect(engine=engine).height  # type: ignore[call-overload, no-any-return]  # a literal


def polars_dynamic(path: Path) -> int:
    """Read with Arrow, group with Polars' ``group_by_dynamic``."""
    frame: Any = pl.from_arrow(read(path))
    return frame.group_by_dynamic("ts", every="1m", group_by="symbol").agg(AGGREGATES).height  # type: ignore[no-any-return]  # Any


def polars_key(path: Path) -> int:
    """Read with Arrow, group with Polars by one integer made of symbol and minute, in the order of the file."""
    frame: Any = pl.from_arrow(read(path))
    minute = pl.col("ts").to_physical() // MINUTE
    key = (pl.col("symbol").to_physical().cast(pl.Int64) * 10**9 + minute).set_sorted().alias("key")
    return frame.with_columns(key).group_by("key", maintain_order=True).agg(AGGREGATES).height  # type: ignore[no-any-return]  # Any


def duckdb_sql(path: Path) -> int:
    """Group with DuckDB SQL on two threads."""
    with duckdb.connect(":memory:", config={"threads": 2}) as connection:
        sql = """
            SELECT symbol, epoch_ns(ts) // 60000000000 AS minute, arg_min(price, ts), max(price), min(price),
                arg_max(price, ts), sum(amount), sum(price * amount), count(*), sum(side)
            FROM trades GROUP BY ALL ORDER BY ALL
        """
        connection.read_parquet(str(path)).create_view("trades")
        rows: int = connection.sql(sql).to_arrow_table().num_rows
        return rows


@numba.njit
def _pass(ts: Any, price: Any, amount: Any, side: Any, bars: Any) -> int:
    bar, end = -1, np.int64(-1)
    for row in range(len(ts)):
        if ts[row] >= end:
            bar += 1
            start = ts[row] // MINUTE * MINUTE
            end = start + MINUTE
            bars[bar, :] = 0.0
            bars[bar, 0] = start
            bars[bar, 1:4] = price[row]
        bars[bar, 2] = max(bars[bar, 2], price[row])
        bars[bar, 3] = min(bars[bar, 3], price[row])
        bars[bar, 4] = price[row]
        bars[bar, 5] += amount[row]
        bars[bar, 6] += price[row] * amount[row]
        bars[bar, 7] += 1
        bars[bar, 8] += side[row]
    return bar + 1


def numba_pass(path: Path) -> int:
    """Read with Arrow, one compiled pass over each symbol (compilation left out of the figure)."""
    total = 0
    for _, rows in by_symbol(read(path), COLUMNS[2:]):
        bars = np.empty((1440, 9))
        total += _pass(rows["ts"], rows["price"], rows["amount"], rows["side"], bars)
    return total


def chosen(path: Path) -> int:
    """Read with Arrow, cut by symbol, reduce runs with NumPy: ``bars_of_file``."""
    return bars_of_file(path, RESOLUTIONS["1m"]).num_rows


WAYS: dict[str, Callable[[Path], object]] = {
    "reading alone (pyarrow)": read,
    "Polars, lazy, in-memory engine": polars_lazy,
    "Polars, lazy, streaming engine": lambda path: polars_lazy(path, "streaming"),
    "pyarrow, Polars group_by_dynamic": polars_dynamic,
    "pyarrow, Polars group_by one integer key": polars_key,
    "DuckDB SQL": duckdb_sql,
    "pyarrow, Numba pass by symbol": numba_pass,
    "pyarrow, NumPy reduceat by symbol (chosen)": chosen,
}


def main() -> None:
    """Time every way and print a Markdown table."""
    path, repeats = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 15  # noqa: PLR2004 -- two arguments
    rows = pq.read_metadata(path).num_rows
    print(f"{rows:,} trades, {repeats} runs each after one that is not counted\n")  # noqa: T201 -- a script's output
    print("| way | wall, best | wall, median | processor, median | million trades/s |\n|---|---|---|---|---|")  # noqa: T201 -- the same
    for name, way in WAYS.items():
        way(path)
        walls, processors = [], []
        for _ in range(repeats):
            wall, processor = time.perf_counter(), time.process_time()
            way(path)
            walls.append(time.perf_counter() - wall)
            processors.append(time.process_time() - processor)
        best, median, spent = (
            1e3 * value for value in (min(walls), statistics.median(walls), statistics.median(processors))
        )
        print(f"| {name} | {best:.1f} ms | {median:.1f} ms | {spent:.1f} ms | {rows / min(walls) / 1e6:.1f} |")  # noqa: T201 -- the same


if __name__ == "__main__":
    main()
