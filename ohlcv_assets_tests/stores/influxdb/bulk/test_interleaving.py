"""Bulk loads beside everything else that a server does, on a real one: nothing is lost and nothing is too much.

``OHLCV_TEST_INTERLEAVE`` is for how many seconds; a few by default, minutes where it is to be known.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pytest

from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.units import day_start
from ohlcv_assets.verify.exhaustive import every_trade
from ohlcv_assets_tests.servers import NoServerError, OwnServer, influxd, made_layout
from ohlcv_assets_tests.stores.influxdb.faults import Loading
from ohlcv_assets_tests.stores.influxdb.stores import GRACE, held, in_bulk, plan, trade_store
from ohlcv_assets_tests.stores.influxdb.test_faults_processes import order, require_exactly
from ohlcv_assets_tests.stores.made import Row, batches, day_number, made_day, promise, rows_of, stored

pytestmark = pytest.mark.integration

SECONDS: Final = float(os.environ.get("OHLCV_TEST_INTERLEAVE", "4"))
KILLS: Final = int(SECONDS)
"""How often a loader is killed."""

LIVE: Final = 3
"""The day that live trades are of; those of the loads are 0 to 2, all of one shard."""

PER_SYMBOL: Final = 700
FLAGS: Final = [
    "--storage-cache-snapshot-write-cold-duration=500ms",
    "--storage-compact-full-write-cold-duration=1s",
]


class Play:
    """What several threads do to one server until time is up."""

    def __init__(self, server: OwnServer, layout: Layout) -> None:
        self.server = server
        self.layout = layout
        self.errors: list[BaseException] = []
        self.acknowledged: list[Row] = []
        self.seeds: dict[int, int] = {}
        self.loads = self.reads = 0
        self._until = time.monotonic() + SECONDS

    def store(self) -> InfluxTradeStore:
        """Open a store that waits for long."""
        return trade_store(self.server, self.layout, plan(deadline=60.0), patience=60.0, bulk=in_bulk(self.server))

    def acting(self, act: Callable[[InfluxTradeStore, int], None]) -> threading.Thread:
        """Return a thread that acts again and again."""

        def run() -> None:
            store = self.store()
            try:
                turn = 0
                while turn == 0 or time.monotonic() < self._until:
                    act(store, turn)
                    turn += 1
            except BaseException as error:  # noqa: BLE001  # told to the test
                self.errors.append(error)
            finally:
                store.close()

        return threading.Thread(target=run)

    def load(self, offset: int) -> Callable[[InfluxTradeStore, int], None]:
        """Return what loads a day with other content every time."""

        def act(store: InfluxTradeStore, turn: int) -> None:
            trades = made_day(day_number(offset), PER_SYMBOL, seed=turn)
            store.replace_day(promise(day_number(offset), trades, str(turn)), batches(trades))
            self.seeds[offset] = turn
            self.loads += 1

        return act

    def live(self, store: InfluxTradeStore, turn: int) -> None:
        """Write some trades by lines, as somebody would who follows a market, and keep what was acknowledged."""
        start = day_start(day_number(LIVE)) + turn * 1_000
        rows = [("LIVE", start + number, 1.0 + turn, 1.0 + number, 1) for number in range(20)]
        store.append(stored(rows))
        self.acknowledged.extend(rows)

    def read(self, store: InfluxTradeStore, _turn: int) -> None:
        """Read what has been acknowledged, in Flux and in InfluxQL; files go into the same shard meanwhile."""
        expected = len(self.acknowledged)
        assert sum(store.counts(day_number(LIVE)).values()) >= expected
        # What is being written shows field by field, so the whole day is not read.
        rows = self.acknowledged[max(0, expected - 60) : expected : 7]
        assert rows_of(store.fetch(stored(rows).select(["symbol", "ts"]))) == rows
        self.reads += 1

    def back_up(self, store: InfluxTradeStore, _turn: int) -> None:
        """Make the server write its cache to files."""
        for _ in store.backed_up(day_number(LIVE), afresh=True):
            pass
        time.sleep(0.1)

    def restart(self) -> None:
        """Kill the server some times, and start it again."""
        chance = random.Random(5)  # noqa: S311 -- moments, not secrets
        while time.monotonic() < self._until - 1.5:
            time.sleep(chance.uniform(1.0, 2.0))
            self.server.restart()


def test_loads_beside_everything_else() -> None:
    """Live writes, reads, forced snapshots, compactions, kills of the server: afterwards every trade is compared."""
    try:
        with influxd(flags=FLAGS) as server:
            play = Play(server, made_layout(server))
            acts = [play.load(0), play.load(1), play.load(2), play.live, play.read, play.back_up]
            threads = [play.acting(act) for act in acts]
            for thread in threads:
                thread.start()
            play.restart()
            for thread in threads:
                thread.join()
            assert play.errors == []
            print(f"{play.loads} loads, {len(play.acknowledged)} live trades, {play.reads} reads")  # noqa: T201 -- with -s
            require_everything(play)
            server.restart()
            require_everything(play)
    except NoServerError as error:
        pytest.skip(f"no real InfluxDB: {error}")


def require_everything(play: Play) -> None:
    """Fail unless answers and backups both give exactly what was loaded and acknowledged."""
    store = play.store()
    try:
        days = {
            offset: rows_of(made_day(day_number(offset), PER_SYMBOL, seed=seed)) for offset, seed in play.seeds.items()
        }
        days[LIVE] = sorted(play.acknowledged)
        assert sorted(held(store)) == sorted(row for rows in days.values() for row in rows)
        for offset, rows in days.items():
            expected = pa.Table.to_batches(stored(rows))
            verdict = every_trade(expected, store.backed_up(day_number(offset), afresh=True))
            assert verdict.passed, verdict.summary
        assert play.loads >= len(play.seeds) == 3
    finally:
        store.close()


def test_killed_loaders_leave_nothing_behind(own_server: OwnServer) -> None:
    """After SIGKILL at random points of bulk loads clean records are true, and loading again gives the content."""
    layout = made_layout(own_server)
    chance = random.Random(4)  # noqa: S311 -- moments, not secrets
    store = trade_store(own_server, layout, plan(), patience=60.0, bulk=in_bulk(own_server))
    try:
        for attempt in range(KILLS):
            with Loading(order(own_server, layout, offsets=[0, 1], seed=attempt // 2, bulk=True)) as process:
                time.sleep(chance.uniform(0.0, 0.3) + (GRACE if attempt else 0.0))
                process.kill()
            for record in store.day_records().values():
                if record.state == "clean":
                    table = made_day(record.day, 2_000, seed=int(record.content_hash))
                    assert dict(store.counts(record.day)) == dict(promise(record.day, table).counts)
        with Loading(order(own_server, layout, offsets=[0, 1], seed=7, bulk=True)) as process:
            assert process.said() == "done"
        require_exactly(store, [0, 1], 7)
    finally:
        store.close()
