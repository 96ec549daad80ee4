"""Where trades go after they were stored: into running bars, and to those who listen.

What belongs here: which days of which symbols run in memory, reading of the store what is not known of them, telling
what changed. What does not: storing trades, which whoever posts them has done before; bars (``bars.running``); HTTP.

A day is open from the first trade that is published of it, or from the start of the service where the store has trades
of it and no bars, until its bars are made of proved trades. Days that are open are remembered; so many of them run in
memory, those that changed last. Others are read of the store again when somebody asks for their bars or more trades
come. What is published is in the store already, so that reading it again is never wrong, and nothing is lost here.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.bars.running import Minutes, RunningDay
from ohlcv_assets.bars.split import Columns, by_symbol, runs
from ohlcv_assets.errors import StoreError, StoreRejectedError
from ohlcv_assets.live.listening import Change, Listener
from ohlcv_assets.live.seeding import TRADE, seeded, trades_between
from ohlcv_assets.logs import get_logger
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.project import Project
from ohlcv_assets.units import DAY, MINUTE, Nanos, day_of, day_start

T = TypeVar("T")
Key = tuple[str, Nanos]
"""A symbol, and midnight UTC of a day."""

PAUSE: Final = 0.002
"""Seconds at least between two deliveries, or as long as the last one took: what is published meanwhile is taken
together, and whoever asks has half of the loop's time however many listen."""

PATIENCE: Final = 60.0
"""Seconds that reading a day may take."""

_AT_ONCE: Final = 2
"""Days that are read at a time: most threads are for those who ask."""

_NONE: Final = np.empty(0, np.int64)
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
    """

    day: RunningDay | None = None
    stale: bool = True
    unknown: Minutes = field(default_factory=lambda: _NONE)
    meanwhile: list[Columns] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    error: StoreError | None = None
    closing: bool = False


class Feed:
    """Takes trades that were stored; to be used from the event loop alone.

    Parameters
    ----------
    project
        Whose stores.
    ask
        Asks them.
    days
        Days of symbols that run in memory at most.
    trades
        Trades that are kept at most, in all; minutes whose trades are not kept are read of the store when late trades
        come.

    Attributes
    ----------
    taken
        Trades that were published.
    reopened
        Called with a day that was not open before its first trade came.
    listeners
        Who is told of changes.
    """

    def __init__(self, project: Project, ask: Ask, days: int, trades: int) -> None:
        self.taken = 0
        self.reopened: Callable[[dt.date], None] = lambda _: None
        self.listeners: list[Listener] = []
        self._project = project
        self._ask = ask
        self._most_days = days
        self._most_trades = trades
        self._open: dict[str, set[Nanos]] = {}
        self._held: OrderedDict[Key, Held] = OrderedDict()
        self._hashes: Mapping[dt.date, str] = {}
        self._last_published: dict[dt.date, float] = {}
        self._versions: dict[str, int] = {}
        self._pending: list[tuple[pa.Table, float]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def publish(self, trades: pa.Table) -> None:
        """Take trades that are in the store by now; bars read from here on have them.

        Parameters
        ----------
        trades
            ``market.schema.STORED``, in any order; trades that were published before do no harm.

        Raises
        ------
        StoreRejectedError
            The table has other columns.
        """
        if not set(STORED.names) <= set(trades.schema.names):
            raise StoreRejectedError(f"Trades have the columns {', '.join(STORED.names)}; these have others.")
        if trades.num_rows == 0:
            return
        self.taken += trades.num_rows
        now = time.monotonic()
        self._pending.append((trades.select(STORED.names).cast(STORED), now))
        if self._timer is None:
            wait = max(0.0, self._not_before - now)
            self._timer = asyncio.get_running_loop().call_later(wait, self.deliver)

    def deliver(self) -> None:
        """Put what was published into bars now, and tell who listens."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        at, began = pending[0][1], time.monotonic()
        for symbol, columns in by_symbol(pa.concat_tables([table for table, _ in pending]), TRADE):
            for listener in self.listeners:
                listener.traded(symbol, columns, at)
            for start, rows in _by_day(columns):
                self._take((symbol, start), rows, at)
        self._keep_bounds()
        now = time.monotonic()
        self._not_before = now + max(PAUSE, now - began)

    def version(self, symbol: str) -> int:
        """Return a number that changes whenever a running bar of a symbol does."""
        return self._versions.get(symbol, 0)

    def published_since(self, instant: float) -> set[dt.date]:
        """Return the days of which trades were published since an instant of the monotonic clock."""
        return {day for day, at in self._last_published.items() if at >= instant}

    async def running(self, symbol: str, resolution: Resolution, start: Nanos, end: Nanos) -> Mapping[Nanos, Columns]:
        """Return the bars of a resolution within a day that open in ``[start, end)``, by open day.

        What was published is in them; where the store must be read for that, it is waited for. A day without bars in
        the range is in it as well: whatever the store has as bars of an open day does not count.

        Raises
        ------
        StoreError
            The store cannot be read.
        """
        self.deliver()
        found: dict[Nanos, Columns] = {}
        opened = (one for one in self._open.get(symbol, ()) if one < end and start < one + DAY)
        for day in sorted(sorted(opened)[-self._most_days :]):
            running = await self._current((symbol, day))
            found[day] = running.bars(resolution, start, end)
        return found

    def bars_at(self, symbol: str, resolution: Resolution, opens: NDArray[np.int64]) -> Columns | None:
        """Return the bars of a resolution within a day with these open times, ascending; None where not all run."""
        parts = []
        days = opens // DAY
        for first, end in runs(days):
            held = self._held.get((symbol, Nanos(int(days[first]) * DAY)))
            if held is None or held.day is None:
                return None
            parts.append(held.day.bars_at(resolution, opens[first:end]))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def open_days(self, days: Collection[dt.date], symbols: Collection[str]) -> None:
        """Take days for open, of all symbols: the store has trades of them whose bars were not made."""
        for symbol in symbols:
            self._open.setdefault(symbol, set()).update(map(day_start, days))

    def settle(self, trades: Mapping[dt.date, str], bars: Collection[dt.date], began: float) -> None:
        """Take notice of what was found to be proved.

        Parameters
        ----------
        trades
            Content hash of the proved trades by day: where it changed, the store is read again.
        bars
            Days whose bars are made of these trades: they are not open any more.
        began
            When looking began, by the monotonic clock: days that were published since are as open as before.
        """
        anew = {day for day, found in trades.items() if self._hashes.get(day) != found}
        self._hashes = dict(trades)
        closed = set(bars) - self.published_since(began)
        for key, held in list(self._held.items()):
            day = day_of(key[1])
            if held.closing and day in closed:
                self._let_go(key)
            elif day in closed or day in anew:
                held.closing = day in closed
                held.stale = True
                self._catch_up(key, held)
        starts = set(map(day_start, closed))
        for symbol, opened in self._open.items():
            if not starts.isdisjoint(opened):
                opened.difference_update(starts)
                self._bump(symbol)
        self._last_published = {day: at for day, at in self._last_published.items() if at >= began}

    def retry(self) -> None:
        """Read what could not be read before."""
        for key, held in self._held.items():
            if held.error is not None:
                self._catch_up(key, held)

    async def close(self) -> None:
        """Read no more."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = [held.task for held in self._held.values() if held.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, key: Key, trades: Columns, at: float) -> None:
        """Take the trades of one symbol and day."""
        symbol, start = key
        opened = self._open.setdefault(symbol, set())
        if start not in opened:
            opened.add(start)
            self.reopened(day_of(start))
        self._last_published[day_of(start)] = time.monotonic()
        held = self._hold(key)
        held.closing = False
        if held.task is not None:
            held.meanwhile.append(trades)
        if held.day is not None:
            merged = held.day.merge(trades)
            held.unknown = np.union1d(held.unknown, merged.unknown)
            self._tell(key, merged.changed, at)
        self._catch_up(key, held)

    def _hold(self, key: Key) -> Held:
        """Return a day that runs, as the one used last."""
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = Held()
        self._held.move_to_end(key)
        return held

    def _let_go(self, key: Key) -> None:
        held = self._held.pop(key)
        if held.task is not None:
            held.task.cancel()

    def _keep_bounds(self) -> None:
        """Hold no more days and trades than allowed: those that changed last."""
        over = len(self._held) - self._most_days
        if over > 0:
            for oldest in [key for key, held in self._held.items() if held.task is None][:over]:
                self._let_go(oldest)
        left = self._most_trades
        for held in reversed(self._held.values()):
            if held.day is None:
                continue
            left -= held.day.kept
            if left < 0:
                left += held.day.kept
                held.day.forget()

    async def _current(self, key: Key) -> RunningDay:
        """Return a day of which everything is known that was published."""
        held = self._hold(key)
        self._catch_up(key, held)
        while held.task is not None:
            await asyncio.wait([held.task])
        if held.error is not None:
            raise held.error
        if held.day is None:
            raise StoreError(f"Reading {key[0]} was given up.")
        return held.day

    def _catch_up(self, key: Key, held: Held) -> None:
        """Have read what is not known."""
        if held.task is None and (held.stale or len(held.unknown) > 0):
            held.task = asyncio.get_running_loop().create_task(self._read(key, held))

    async def _read(self, key: Key, held: Held) -> None:
        try:
            while held.stale or len(held.unknown) > 0:
                async with self._turns:
                    await (self._read_day(key, held) if held.stale else self._read_minutes(key, held))
            held.error = None
        except StoreError as error:
            if held.error is None:
                get_logger("feed").warning("The store could not be read for running bars.", error=str(error))
            held.error = error
            held.stale = True
        finally:
            held.task = None
            held.meanwhile.clear()
            self._keep_bounds()

    async def _read_day(self, key: Key, held: Held) -> None:
        symbol, start = key
        # What was published until now is in the store.
        held.meanwhile.clear()
        held.stale = False
        held.unknown = _NONE
        most = max(1_000, self._most_trades // 16)
        fresh, changed = await self._ask("running bars", lambda: seeded(self._project, symbol, start, most), PATIENCE)
        for trades in held.meanwhile:
            merged = fresh.merge(trades)
            changed = np.union1d(changed, merged.changed)
            held.unknown = np.union1d(held.unknown, merged.unknown)
        if held.day is not None:
            changed = fresh.differing(held.day)
        held.day = fresh
        self._tell(key, changed, time.monotonic())

    async def _read_minutes(self, key: Key, held: Held) -> None:
        symbol, start = key
        unknown, held.unknown = held.unknown, _NONE
        last = unknown[0]
        for minute in unknown:
            if minute - last > _GAP:
                break
            last = minute
        held.unknown = unknown[unknown > last]
        first = int(unknown[0])
        ends = Nanos(start + first * MINUTE), Nanos(start + (int(last) + 1) * MINUTE)
        trades = await self._ask("late trades", lambda: trades_between(self._project, symbol, *ends), PATIENCE)
        assert held.day is not None  # noqa: S101 -- minutes are unknown of a day that runs
        self._tell(key, held.day.replace(first, int(last), trades), time.monotonic())

    def _tell(self, key: Key, minutes: Minutes, at: float) -> None:
        if len(minutes) == 0:
            return
        symbol, start = key
        self._bump(symbol)
        change = Change(symbol, start + minutes * MINUTE, at)
        for listener in self.listeners:
            listener.changed(change)

    def _bump(self, symbol: str) -> None:
        self._versions[symbol] = self._versions.get(symbol, 0) + 1


def _by_day(columns: Columns) -> Iterator[tuple[Nanos, Columns]]:
    """Yield the trades of each day, ascending."""
    days = columns["ts"] // DAY
    for first, end in runs(days):
        yield Nanos(int(days[first]) * DAY), {name: column[first:end] for name, column in columns.items()}
