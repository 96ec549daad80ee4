"""Feeds on stores in memory, and trades that were stored a moment ago."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pyarrow as pa

from ohlcv_assets.bars.split import Columns
from ohlcv_assets.live.feed import Feed
from ohlcv_assets.live.listening import Change
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.project import Project
from ohlcv_assets.stores.memory import MemoryBarStore, MemoryTradeStore
from ohlcv_assets_tests.bars.made import Trade, table

T = TypeVar("T")


def stored(trades: Sequence[Trade]) -> pa.Table:
    """Return trades as stores take them."""
    return table(trades).select(STORED.names)


class Listening:
    """Remembers what a feed tells."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.trades: list[tuple[str, Columns]] = []

    def follows(self, symbol: str) -> bool:
        """Follow all but one."""
        return symbol != "unfollowed"

    def changed(self, change: Change) -> None:
        """Take notice of bars."""
        self.changes.append(change)

    def traded(self, symbol: str, trades: Columns, at: float) -> None:
        """Take notice of trades."""
        assert at > 0
        self.trades.append((symbol, trades))

    def minutes(self) -> list[list[int]]:
        """Return what was told of bars since the last time: open times."""
        told = [change.opens.tolist() for change in self.changes]
        self.changes.clear()
        return told


class Desk:
    """A feed, its stores, and a door before them.

    Attributes
    ----------
    asked
        Names of questions to the store, in their order.
    door
        Questions wait until it is open.
    fails
        What questions end in; None for an answer.
    """

    def __init__(self, days: int = 100, trades: int = 100_000) -> None:
        self.trades, self.bars = MemoryTradeStore(), MemoryBarStore()
        self.asked: list[str] = []
        self.door = asyncio.Event()
        self.door.set()
        self.fails: Exception | None = None
        project = cast("Project", SimpleNamespace(trade_store=self.trades, bar_store=self.bars))
        self.feed = Feed(project, self._ask, days, trades)
        self.told = Listening()
        self.feed.listeners.append(self.told)

    async def post(self, *trades: Trade) -> None:
        """Store trades and publish them."""
        self.trades.append(stored(trades))
        await self.feed.publish(stored(trades))

    async def settled(self) -> None:
        """Wait until nothing is read any more."""
        self.feed.deliver()
        while tasks := [held.task for held in self.feed._held.values() if held.task is not None]:
            await asyncio.wait(tasks)

    async def _ask(self, question: str, call: Callable[[], T], patience: float | None = None) -> T:
        assert patience is not None
        self.asked.append(question)
        found: Any = call()  # Any: what the store had when it was asked
        await self.door.wait()
        if self.fails is not None:
            raise self.fails
        return cast("T", found)
