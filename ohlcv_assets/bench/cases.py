"""What is measured of one day: generation, the day file, the embedded store, the roll-up.

What belongs here: one function a case, each beside a named limit or peer measured in the same run. What does not: the
year (``year``), strategies (``strategies``), printing.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ohlcv_assets.bars.resolutions import resolution_of
from ohlcv_assets.bars.rollup import bars_of_file
from ohlcv_assets.bench.figures import Figure, best_of
from ohlcv_assets.generate.generator import warm_up
from ohlcv_assets.lake.lake import Lake
from ohlcv_assets.market.schema import TRADES
from ohlcv_assets.progress import nobody
from ohlcv_assets.project import Project, make_generator, open_project
from ohlcv_assets.settings import Settings
from ohlcv_assets.stores.base import DayContent

DRAWS_A_TRADE: Final = 4
"""Random doubles that the limit of generation draws for each trade: moment, price, side and size."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One day of trades in memory and on disk, in a folder of its own."""

    project: Project
    day: dt.date
    trades: pa.Table
    repeats: int

    @property
    def rows(self) -> int:
        """Trades of the day."""
        return int(self.trades.num_rows)


def ordinary_day(project: Project) -> dt.date:
    """Return the day on which every symbol trades and whose trades are nearest to the year's mean."""
    generator = make_generator(project.settings, project.dataset)
    totals = generator.plan.counts.sum(axis=0)
    full = (generator.plan.counts > 0).all(axis=0)
    distance = np.where(full, np.abs(totals - totals.mean()), np.inf)
    return project.dataset.days[int(distance.argmin())]


def prepare(folder: Path, *, total: int = 300_000_000, repeats: int = 5) -> Workload:
    """Generate and file one ordinary day below ``folder`` and return it with its project."""
    warm_up()
    project = open_project(Settings(data_dir=folder, total_trades=total, store="duckdb"))
    day = ordinary_day(project)
    batches = list(project.source.batches(day, nobody))
    project.lake.write(day, iter(batches), project.source.fingerprint(day))
    return Workload(project, day, pa.Table.from_batches(batches, TRADES), repeats)


def measure_generation(work: Workload) -> list[Figure]:
    """Generate the day's trades for all symbols on one core, against drawing the random numbers alone."""
    generator = make_generator(work.project.settings, work.project.dataset)

    def generate() -> int:
        return sum(len(generator.day(name, work.day).ts) for name in work.project.dataset.universe.names)

    timing, rows = best_of(work.repeats, generate)
    random = np.random.default_rng(0)
    limit, _ = best_of(work.repeats, lambda: random.random(DRAWS_A_TRADE * rows))
    return [
        Figure(
            "generate", "all symbols of a day, one core", rows / timing.wall, "trades/s", 12e6,
            f"NumPy drawing {DRAWS_A_TRADE} random doubles a trade", limit.wall / timing.wall,
            f"{rows:,} trades, fastest of {work.repeats}, compiled kernels warm",
        )
    ]  # fmt: skip


def measure_day_file(work: Workload) -> list[Figure]:
    """Write and read the day file, against pyarrow with its default settings."""
    folder = work.project.dataset.root / "bench"
    lake, peer_path = Lake(folder), folder / "peer.parquet"
    fingerprint = work.project.source.fingerprint(work.day)
    numbers = itertools.count()

    def write() -> int:
        marked = {**fingerprint, "bench": str(next(numbers))}
        return lake.write(work.day, iter(work.trades.to_batches()), marked, force=True)[0].bytes

    written, size = best_of(work.repeats, write)
    peer_written, _ = best_of(work.repeats, lambda: pq.write_table(work.trades, peer_path))
    read, _ = best_of(work.repeats, lambda: lake.read(work.day))
    peer_read, _ = best_of(work.repeats, lambda: pq.read_table(peer_path))
    method = f"{work.rows:,} trades of {work.day} in memory, fastest of {work.repeats}"
    peer = "pyarrow with default settings"
    return [
        Figure("day file", "write", written.wall, "s", 0.2, peer, peer_written.wall / written.wall, method),
        Figure(
            "day file", "size", size / work.rows, "bytes/trade", 8.5,
            peer, peer_path.stat().st_size / size, method,
        ),
        Figure("day file", "read", read.wall, "s", 0.05, peer, peer_read.wall / read.wall, method),
    ]  # fmt: skip


def measure_store(work: Workload) -> list[Figure]:
    """Replace a day in the embedded store, against one bare insert into a new DuckDB file."""
    store = work.project.trade_store
    counts = work.project.source.counts(work.day)
    numbers = itertools.count()

    def replace() -> int:
        store.delete_day(work.day)
        content = DayContent(work.day, f"bench {next(numbers)}", counts)
        return store.replace_day(content, iter(work.trades.to_batches())).rows

    def bare() -> None:
        path = work.project.dataset.root / f"bare-{next(numbers)}.duckdb"
        with duckdb.connect(path) as connection:
            connection.register("day", work.trades)
            connection.execute("CREATE TABLE trades AS SELECT symbol, ts, price, amount, side FROM day")
        path.unlink()

    delete_and_replace, _ = best_of(work.repeats, replace)
    peer, _ = best_of(work.repeats, bare)
    return [
        Figure(
            "duckdb", "replace_day", work.rows / delete_and_replace.wall, "trades/s", 2.5e6,
            "DuckDB: CREATE TABLE AS SELECT into a new file", peer.wall / delete_and_replace.wall,
            f"{work.rows:,} trades: delete the day, write, count, fastest of {work.repeats}",
        )
    ]  # fmt: skip


def measure_bars(work: Workload) -> list[Figure]:
    """Roll a day file up to one-minute bars, against reading its columns alone and against pandas."""
    path = work.project.lake.path(work.day)
    columns = ["symbol", "ts", "price", "amount", "side"]

    def with_pandas() -> pd.DataFrame:
        frame = pq.read_table(path, columns=columns).to_pandas()
        grouped = frame.groupby(["symbol", frame["ts"].dt.floor("min")], observed=True)
        return grouped.agg(
            open=("price", "first"), high=("price", "max"), low=("price", "min"), close=("price", "last"),
            volume=("amount", "sum"), trades=("price", "size"), imbalance=("side", "sum"),
        )  # fmt: skip

    rolled, _ = best_of(work.repeats, lambda: bars_of_file(path, resolution_of("1m")))
    read, _ = best_of(work.repeats, lambda: pq.read_table(path, columns=columns))
    peer, _ = best_of(min(work.repeats, 2), with_pandas)
    method = f"{work.rows:,} trades of {work.day} from the file to 1m bars, fastest of {work.repeats}"
    rate = work.rows / rolled.wall
    return [
        Figure("bars", "1m from the file", rate, "trades/s", 20e6, "pandas", peer.wall / rolled.wall, method),
        Figure(
            "bars", "1m from the file, against reading", rate, "trades/s", None,
            "pyarrow reading the same columns, nothing else", read.wall / rolled.wall, method,
        ),
    ]  # fmt: skip


CASES: Final[dict[str, Callable[[Workload], list[Figure]]]] = {
    "generate": measure_generation,
    "day-file": measure_day_file,
    "duckdb": measure_store,
    "bars": measure_bars,
}
"""The cases of one day, by the name that ``ohlcv bench`` knows them by."""
