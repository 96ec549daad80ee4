"""Markets for tests of tasks: trades written to a server as they come, and bars held to an independent computation.

What belongs here: trades, writing them, tasks on a short schedule, comparing every bar. What does not: what tasks
should do (the tests).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS, Resolution
from ohlcv_assets.stores.base import DayContent
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.stores.influxdb.bars import InfluxBarStore
from ohlcv_assets.stores.influxdb.chunks import InfluxChunks
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.downsampling.scripts import task_script
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.tasks.calls import TaskCalls
from ohlcv_assets.stores.influxdb.tasks.definitions import Task, wanted_tasks
from ohlcv_assets.stores.influxdb.tasks.runs import TaskRun, recorded_runs
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.units import DAY, SECOND, Nanos, day_of, day_start
from ohlcv_assets_tests.bars.made import Trade, assert_same, by_pandas, table
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.pairs import bar_store
from ohlcv_assets_tests.stores.influxdb.reads.limited import write_trades
from ohlcv_assets_tests.stores.influxdb.stores import plan, trade_store

SYMBOLS = ("AAPL", "BTC-USD", "a b,c=d")
IMPATIENT = Terms(life=6.0, grace=0.2, patience=5.0)


def trades_of(start: int, stop: int, count: int, seed: int = 1) -> list[Trade]:
    """Return so many trades of several symbols between two instants, in time order."""
    random = np.random.default_rng(seed)
    stamps = np.unique(random.integers(start // 1_000, stop // 1_000, count)) * 1_000
    prices = np.round(100 + np.cumsum(random.normal(0, 0.5, len(stamps))) % 50, 2)
    amounts = np.round(random.lognormal(0, 1, len(stamps)) + 0.001, 6)
    sides = random.choice([-1, 1], len(stamps))
    names = random.choice(SYMBOLS, len(stamps))
    rows = zip(names.tolist(), stamps.tolist(), prices.tolist(), amounts.tolist(), sides.tolist(), strict=True)
    return list(rows)


@dataclass
class Market:
    """Fresh buckets on a server, with their stores, and the tasks that follow them.

    Attributes
    ----------
    written
        All trades so far.
    """

    server: Server
    layout: Layout
    trades: InfluxTradeStore
    bars: InfluxBarStore
    chunks: InfluxChunks
    connection: Connection
    written: list[Trade] = field(default_factory=list)

    def close(self) -> None:
        """Remove the tasks and close the stores."""
        calls = TaskCalls(self.connection)
        for tasks in calls.named(*(wanted.name for wanted in wanted_tasks(self.layout))).values():
            for task in tasks:
                calls.remove(task)
        for opened in (self.trades, self.bars, self.chunks, self.connection):
            opened.close()

    def write(self, trades: Sequence[Trade]) -> None:
        """Write trades as they come."""
        if trades:
            write_trades(self.server, table(sorted(trades)), self.layout.trades.name)
            self.written += trades

    def prove(self, trades: Sequence[Trade], content: str) -> None:
        """Load a day's trades as a backfill does: in place of those that are there, and proved."""
        day = day_of(Nanos(trades[0][1]))
        counts: dict[str, int] = {}
        for name, *_ in trades:
            counts[name] = counts.get(name, 0) + 1
        batches = iter(table(sorted(trades)).combine_chunks().to_batches())
        self.trades.replace_day(DayContent(day, content, counts), batches)
        start = day_start(day)
        self.written = [trade for trade in self.written if not start <= trade[1] < start + DAY] + list(trades)

    def install(self, every: int, clock: str = "now()", offsets: Sequence[int] | None = None) -> dict[str, Task]:
        """Make the tasks on a schedule of the test's own, nanoseconds; return them by resolution."""
        made = {}
        for number, wanted in enumerate(wanted_tasks(self.layout)):
            offset = number * SECOND if offsets is None else offsets[number]
            script = task_script(wanted.resolution, self.layout, wanted.name, every=every, offset=offset, clock=clock)
            made[wanted.resolution.name] = TaskCalls(self.connection).make(replace(wanted, script=script))
        return made

    def runs(self, resolution: str) -> list[TaskRun]:
        """Return what runs of a resolution recorded, oldest first."""
        return sorted(recorded_runs(self.connection, self.layout, 1_000, [resolution]), key=lambda run: run.at)

    def watermark(self, resolution: str) -> int:
        """Return how far a task has come."""
        runs = self.runs(resolution)
        return runs[-1].watermark if runs else 0

    def records(self, resolution: str) -> list[ChunkRecord]:
        """Return the records of a resolution's chunks."""
        return [record for record in self.chunks.records() if record.resolution == resolution]

    def hold(self, until: Callable[[Resolution], int], start: int = 0) -> None:
        """Hold every stored bar to what pandas makes of all trades written, up to an instant; beyond it is none."""
        for resolution in STORED_RESOLUTIONS:
            stop = until(resolution)
            expected = by_pandas([trade for trade in self.written if start <= trade[1] < stop], resolution)
            assert_same(expected, self.bars.read(resolution, Nanos(start), Nanos(2**62)))

    def wait(self, passes: Callable[[], Any], seconds: float = 90.0) -> None:
        """Wait until something is true."""
        until = time.monotonic() + seconds
        while not passes():
            assert time.monotonic() < until, "it does not come true"
            time.sleep(0.05)


def open_market(server: Server, layout: Layout) -> Market:
    """Open a market; whoever asks closes it."""
    connection = server.connect()
    chunks = InfluxChunks(server.connect(), layout, IMPATIENT)
    stores = (trade_store(server, layout, plan()), bar_store(server, layout, plan()))
    return Market(server, layout, *stores, chunks, connection)


def whole(resolution: Resolution, instant: int) -> int:
    """Return the end of the last complete bar at an instant."""
    assert resolution.duration is not None
    return instant // resolution.duration * resolution.duration


EVER = Span(Nanos(0), Nanos(2**62))
