"""A listener to what is live, for tests that post."""

from __future__ import annotations

import time

from ohlcv_assets.api.service import Service
from ohlcv_assets.bars.split import Columns
from ohlcv_assets.live.listening import Change


class Heard:
    """Listens to what is live, and counts trades."""

    def __init__(self, service: Service) -> None:
        self._trades = 0
        service.feed.listeners.append(self)

    def follows(self, symbol: str) -> bool:
        """Follow whatever is traded."""
        return bool(symbol)

    def changed(self, change: Change) -> None:
        """Take no notice of bars."""

    def traded(self, symbol: str, trades: Columns, at: float) -> None:
        """Count trades."""
        assert at <= time.monotonic(), symbol
        self._trades += len(trades["ts"])

    @property
    def trades(self) -> int:
        """Trades heard of so far."""
        return self._trades

    def until(self, trades: int) -> None:
        """Wait until so many were heard of, and a moment longer."""
        deadline = time.monotonic() + 60
        while self._trades < trades:
            assert time.monotonic() < deadline, self._trades
            time.sleep(0.005)
        time.sleep(0.1)
        assert self._trades == trades, "what is live hears of each trade once"
