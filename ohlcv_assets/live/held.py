"""Days that run in memory: what is known of them, what is still to be read of the store, how many there may be.

What belongs here: the state of a symbol's day. What does not: when and what is read (``feed``), bars
(``bars.running``).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.bars.running import Minutes, RunningDay
from ohlcv_assets.bars.split import Columns
from ohlcv_assets.errors import StoreError
from ohlcv_assets.units import DAY, HOUR, Nanos

T = TypeVar("T")
Key = tuple[str, Nanos]
"""A symbol, and midnight UTC of a day."""

Hours = Mapping[Nanos, int]
"""Trades by the beginning of their hour."""

_HOURS: Final = RESOLUTIONS["1h"]
_NONE: Final = np.empty(0, np.int64)
_AT_FIRST: Final = Nanos(-(2**63))
_GAP: Final = 30
"""Minutes between two that are read together."""


class Ask(Protocol):
    """Asks the store in a thread, as ``api.pool.Pool.ask`` does."""

    async def __call__(self, question: str, call: Callable[[], T], patience: float | None = None) -> T:
        """Return what the call returns."""
        ...


@dataclass
class Held:
    """A day that runs in memory.

    Attributes
    ----------
    day
        Its bars; None until the store was read.
    stale
        Whether the store is to be read (again).
    unknown
        Minutes that must be made of the store's trades again.
    meanwhile
        What was published while the store is read.
    task
        Reads the store; None where nothing is to be read, or reading failed.
    error
        Why it failed.
    closing
        Whether the day's bars are made, and this is only kept for those who were told of changes a moment ago.
    behind
        What the store has more of; None where nothing.
    checked
        Before this instant nothing was missing when it was counted last.
    """

    day: RunningDay | None = None
    stale: bool = True
    unknown: Minutes = field(default_factory=lambda: _NONE)
    meanwhile: list[Columns] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    error: StoreError | None = None
    closing: bool = False
    behind: Behind | None = None
    checked: Nanos = _AT_FIRST

    @property
    def waits(self) -> bool:
        """Whether anything is to be read."""
        return self.stale or len(self.unknown) > 0 or self.behind is not None

    def next_minutes(self) -> tuple[int, int]:
        """Return the first and the last of those minutes that are unknown and to be read together; the others stay."""
        last = first = int(self.unknown[0])
        for minute in self.unknown.tolist():
            if minute - last > _GAP:
                break
            last = minute
        self.unknown = self.unknown[self.unknown > last]
        return first, last

    def compare(self, day: RunningDay, known: Hours, found: Hours) -> None:
        """Find out what is to be read, by how many trades there were of each hour and how many the store has."""
        more = {hour: count for hour, count in found.items() if count > known.get(hour, 0)}
        self.stale = any(found.get(hour, 0) < count for hour, count in known.items())
        self.behind = Behind(more) if more else None
        if not more:
            self.checked = day.newest

    def news(self, trades: Columns) -> NDArray[np.bool_]:
        """Return which trades are not known yet, as far as that can be told."""
        return np.ones(len(trades["ts"]), np.bool_) if self.day is None else ~self.day.keeps(trades)

    def hours(self) -> Hours:
        """Return how many trades the bars hold."""
        if self.day is None:
            return {}
        bars = self.day.bars(_HOURS, self.day.start, Nanos(self.day.start + DAY))
        return dict(zip(map(Nanos, bars["ts"].tolist()), bars["trades"].tolist(), strict=True))


@dataclass
class Behind:
    """Hours of which the store has more trades than the running bars.

    Attributes
    ----------
    hours
        How many it had when they were counted.
    reads
        How often they were read since.
    """

    hours: Hours
    reads: int = 0

    def left(self, known: Hours) -> Hours:
        """Return the hours that still lack trades."""
        return {hour: count for hour, count in self.hours.items() if known.get(hour, 0) < count}

    def stretch(self, hours: Hours, checked: Nanos) -> tuple[Nanos, Nanos] | None:
        """Return what to read next: the latest trades, then whole hours; None where that did not help."""
        first, end = min(hours), Nanos(max(hours) + HOUR)
        if self.reads > 1:
            return None
        return (first if self.reads == 1 else max(first, min(checked, end)), end)


class HeldDays(OrderedDict[Key, Held]):
    """The days that run, those last that were used last.

    Parameters
    ----------
    days
        So many at most.
    trades
        Trades that are kept at most, in all.
    """

    def __init__(self, days: int, trades: int) -> None:
        super().__init__()
        self._most_days = days
        self._most_trades = trades
        self._traded: dict[Nanos, set[str]] = {}

    @property
    def most_kept(self) -> int:
        """Trades that are kept of one day of a symbol at most."""
        return max(1_000, self._most_trades // 16)

    def hold(self, key: Key) -> Held:
        """Return a day that runs, as the one used last; one without trades until now need not be read."""
        held = self.get(key)
        if held is None:
            held = self[key] = Held()
            symbol, start = key
            if start in self._traded and symbol not in self._traded[start]:
                held.day, held.stale = RunningDay(start, self.most_kept), False
                self._traded[start].add(symbol)
        self.move_to_end(key)
        return held

    def looked(self, start: Nanos, symbols: Collection[str] | None) -> None:
        """Take notice that a day has no trades but of some symbols; None where that is not known any more.

        Whoever adds trades that do not go through our hands has us look again.
        """
        if symbols is None:
            self._traded.pop(start, None)
        else:
            self._traded.setdefault(start, set()).update(symbols)

    def let_go(self, key: Key) -> None:
        """Let a day run no more."""
        held = self.pop(key)
        if held.task is not None:
            held.task.cancel()

    def keep_bounds(self) -> None:
        """Hold no more days and trades than allowed: those that changed last."""
        over = len(self) - self._most_days
        if over > 0:
            for oldest in [key for key, held in self.items() if held.task is None][:over]:
                self.let_go(oldest)
        left = self._most_trades
        for held in reversed(self.values()):
            if held.day is None:
                continue
            left -= held.day.kept
            if left < 0:
                left += held.day.kept
                held.day.forget()
