"""What is followed: topics, what the feed tells them, and the limits that all clients share.

What belongs here: making topics and letting them go, first bars of a subscription, a look after all clients each
second. What does not: one client's connection (``client``), running bars (``live``).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.api.reading import BarReader
from ohlcv_assets.api.service import Service
from ohlcv_assets.api.stream import frames
from ohlcv_assets.api.stream.client import Client
from ohlcv_assets.api.stream.long import LongBars
from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.bars.running import WITHIN_A_DAY
from ohlcv_assets.bars.runs import VALUES
from ohlcv_assets.bars.split import Columns, by_symbol
from ohlcv_assets.errors import StoreError
from ohlcv_assets.live.listening import Change
from ohlcv_assets.live.topics import NO_BARS, BarTopic, Topic, TradeTopic, bars_text
from ohlcv_assets.logs import get_logger
from ohlcv_assets.market.symbols import Symbol

LINGER: Final = 300.0
"""Seconds that a topic is kept without a subscriber: whoever comes back by then misses nothing."""

_BARS: Final = 10
"""Bars that a subscription begins with, at most."""

_AGE: Final = 5.0
"""Seconds that what a subscription begins with is good for others."""

_PULSE: Final = 1.0
"""Seconds between two looks after the clients, at most."""

Name = tuple[str, str | None]
"""A symbol and a resolution; None for trades."""


class Hub:
    """The topics and clients of a service.

    Parameters
    ----------
    service
        Whose bars and trades.

    Attributes
    ----------
    stream
        Names this run of the service: numbers of another one mean nothing.
    clients
        Those that are connected.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.stream = secrets.token_hex(8)
        self.clients: set[Client] = set()
        self._topics: dict[str, dict[str | None, Topic]] = {}
        self._left: dict[Name, float] = {}
        self._begun: dict[Name, tuple[float, int, str]] = {}
        self._born = 0  # no topic that is gone has counted further
        self._loading: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen to the feed and look after the clients for as long as the context lasts."""
        self.service.feed.listeners.append(self)
        task = asyncio.create_task(self._keep_looking())
        try:
            yield
        finally:
            self.service.feed.listeners.remove(self)
            tasks = task, *self._loading
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def follows(self, symbol: str) -> bool:
        """Return whether a symbol has topics; see ``live.feed.Listener``."""
        return bool(self._topics.get(symbol))

    def changed(self, change: Change) -> None:
        """Take notice of bars that changed; see ``live.feed.Listener``."""
        for topic in self._topics.get(change.symbol, {}).values():
            if isinstance(topic, BarTopic):
                opens = self._of_dataset(topic.opens_of(change.opens))
                if len(opens) == 0:
                    continue
                if isinstance(topic.values, LongBars):
                    topic.values.note(change.opens)
                    if not topic.values.has(opens):
                        self._load(topic, topic.values, opens, change.at)
                        continue
                topic.apply(opens, change.at)

    def traded(self, symbol: str, trades: Columns, at: float) -> None:
        """Take notice of trades; see ``live.feed.Listener``."""
        topic = self._topics.get(symbol, {}).get(None)
        if isinstance(topic, TradeTopic):
            topic.apply(trades, at)

    def topic(self, symbol: Symbol, resolution: Resolution | None) -> Topic:
        """Return the topic of bars, or of trades; it stays for a while without a follower."""
        name = None if resolution is None else resolution.name
        topics = self._topics.setdefault(symbol.name, {})
        topic = topics.get(name)
        if topic is None:
            topic = topics[name] = self._made(symbol, resolution)
        self._left[symbol.name, name] = time.monotonic()
        return topic

    async def latest(self, symbol: Symbol, topic: Topic) -> tuple[int, str]:
        """Return what a subscription begins with: a number, and the latest bars as they were then or later.

        Raises
        ------
        StoreError
            The store does not answer.
        """
        if not isinstance(topic, BarTopic):
            return topic.seq, topic.changed(topic.seq) or ""
        name = symbol.name, topic.resolution.name
        begun = self._begun.get(name)
        # What changed since will be told next, so it has to be known.
        if begun is None or time.monotonic() - begun[0] > _AGE or topic.changed(begun[1]) is None:
            seq = topic.seq
            bars = await BarReader(self.service, symbol, topic.resolution).last(_BARS, *self.service.bounds)
            last = bars.slice(max(0, bars.num_rows - _BARS))
            columns = dict(by_symbol(last, VALUES)).get(symbol.name, NO_BARS)
            begun = self._begun[name] = time.monotonic(), seq, bars_text(columns)
        return begun[1], begun[2]

    def _of_dataset(self, opens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the open times that answers have: a week that begins before the dataset is not among its bars."""
        first, last = self.service.bounds
        return opens[(opens >= first) & (opens < last)]

    def _made(self, symbol: Symbol, resolution: Resolution | None) -> Topic:
        if resolution is None:
            return TradeTopic(symbol.name, self._born)
        if resolution not in WITHIN_A_DAY:
            return BarTopic(symbol.name, resolution, LongBars(self.service, symbol, resolution), self._born)

        def values(opens: NDArray[np.int64]) -> Columns | None:
            return self.service.feed.bars_at(symbol.name, resolution, opens)

        return BarTopic(symbol.name, resolution, values, self._born)

    def _load(self, topic: BarTopic, values: LongBars, opens: NDArray[np.int64], at: float) -> None:
        """Read what a bar that changed is made of, then tell of it."""

        async def load() -> None:
            try:
                await values.load(opens)
            except StoreError as error:
                get_logger("stream").warning("A bar that changed could not be read.", error=str(error))
            # Without it, followers get their first bars anew.
            topic.apply(opens, at)

        task = asyncio.create_task(load())
        self._loading.add(task)
        task.add_done_callback(self._loading.discard)

    async def _keep_looking(self) -> None:
        pulse = min(_PULSE, self.service.settings.serve_heartbeat / 4)
        while True:
            await asyncio.sleep(pulse)
            now = time.monotonic()
            beat = frames.heartbeat(time.time_ns() // 1_000_000)
            for client in list(self.clients):
                client.look(now, beat, pulse)
            self._let_go(now)

    def _let_go(self, now: float) -> None:
        """Forget topics that nobody has followed for a while."""
        for (symbol, name), left in list(self._left.items()):
            topic = self._topics[symbol][name]
            if topic.followers:
                self._left[symbol, name] = now
            elif now - left > LINGER:
                self._born = max(self._born, topic.seq)
                del self._topics[symbol][name], self._left[symbol, name]
                self._begun.pop((symbol, name or ""), None)
