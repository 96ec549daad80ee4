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
from collections.abc import Callable, Collection, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.bars.running import Minutes, RunningDay
from ohlcv_assets.bars.split import Columns, by_day, by_symbol, runs
from ohlcv_assets.errors import StoreError, StoreRejectedError
from ohlcv_assets.live.held import Ask, Behind, Held, HeldDays, Hours, Key
from ohlcv_assets.live.listening import Change, Listener
from ohlcv_assets.live.seeding import TRADE, seeded, trades_between
from ohlcv_assets.logs import get_logger
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.project import Project
from ohlcv_assets.units import DAY, MINUTE, Nanos, day_of, day_start

PAUSE: Final = 0.002
"""Seconds at least between two deliveries, or as long as the last one took: what is published meanwhile is taken
together, and whoever asks has half of the loop's time however many listen."""

PATIENCE: Final = 60.0
"""Seconds that reading a day may take."""

_AT_ONCE: Final = 2
"""Days that are read at a time: most threads are for those who ask."""

_NONE: Final = np.empty(0, np.int64)


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
        self._open: dict[str, set[Nanos]] = {}
        self._held = HeldDays(days, trades)
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
            for start, rows in by_day(columns):
                self._take((symbol, start), rows, at)
        self._held.keep_bounds()
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

    def counted(self, day: dt.date) -> dict[str, Hours]:
        """Return how many trades of a day the running bars of each symbol hold, those that were published included."""
        self.deliver()
        start = day_start(day)
        return {symbol: held.hours() for (symbol, one), held in self._held.items() if one == start}

    def compare(self, day: dt.date, known: Mapping[str, Hours], found: Mapping[str, Hours]) -> bool:
        """Hold the running bars of an open day against what the store has of it, and have read what is missing.

        ``known`` is what ``counted`` gave before the store was asked. Returns False while any of them is being read.
        """
        whole, start = True, day_start(day)
        for symbol in found.keys() | known.keys():
            held = self._held.get((symbol, start))
            if held is None:
                self._begin((symbol, start), found.get(symbol, {}))
            elif held.day is None or held.task is not None or symbol not in known:
                whole = False
            elif not held.closing:
                held.compare(held.day, known[symbol], found.get(symbol, {}))
                self._catch_up((symbol, start), held)
        self._held.looked(start, found)
        return whole

    def looked(self, day: dt.date, symbols: Collection[str] | None) -> None:
        """Take notice that a day has no trades but of some symbols; None where that is not known any more."""
        self._held.looked(day_start(day), symbols)

    def is_open(self, day: dt.date) -> bool:
        """Return whether a day is open."""
        return any(day_start(day) in days for days in self._open.values())

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
                self._held.let_go(key)
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
        held = self._held.hold(key)
        held.closing = False
        # What was found in the store before it was published is told already.
        self._tell_trades(symbol, trades, held.news(trades), at)
        if held.task is not None:
            held.meanwhile.append(trades)
        if held.day is not None:
            merged = held.day.merge(trades)
            held.unknown = np.union1d(held.unknown, merged.unknown)
            self._tell(key, merged.changed, at)
        self._catch_up(key, held)

    def _begin(self, key: Key, found: Hours) -> None:
        """Take a day of a symbol for open; where somebody follows the symbol, its bars begin to run."""
        self._open.setdefault(key[0], set()).add(key[1])
        if any(listener.follows(key[0]) for listener in self.listeners):
            held = self._held.hold(key)
            held.behind = Behind(found) if found else None
            self._catch_up(key, held)
            self._held.keep_bounds()

    async def _current(self, key: Key) -> RunningDay:
        """Return a day of which everything is known that was published."""
        held = self._held.hold(key)
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
        if held.task is None and held.waits:
            held.task = asyncio.get_running_loop().create_task(self._read(key, held))

    async def _read(self, key: Key, held: Held) -> None:
        try:
            while held.waits:
                async with self._turns:
                    if held.stale:
                        await self._read_day(key, held)
                    else:
                        await (self._read_minutes(key, held) if len(held.unknown) > 0 else self._read_more(key, held))
            held.error = None
        except StoreError as error:
            if held.error is None:
                get_logger("feed").warning("The store could not be read for running bars.", error=str(error))
            held.error = error
            held.stale = True
        finally:
            held.task = None
            held.meanwhile.clear()
            self._held.keep_bounds()

    async def _read_day(self, key: Key, held: Held) -> None:
        symbol, start = key
        # What was published until now is in the store.
        held.meanwhile.clear()
        held.stale = False
        held.unknown, held.behind = _NONE, None
        most = self._held.most_kept
        fresh, changed = await self._ask("running bars", lambda: seeded(self._project, symbol, start, most), PATIENCE)
        for trades in held.meanwhile:
            merged = fresh.merge(trades)
            changed = np.union1d(changed, merged.changed)
            held.unknown = np.union1d(held.unknown, merged.unknown)
        if held.day is not None:
            changed = fresh.differing(held.day)
        held.day, held.checked = fresh, fresh.newest
        self._tell(key, changed, time.monotonic())

    async def _read_minutes(self, key: Key, held: Held) -> None:
        symbol, start = key
        first, last = held.next_minutes()
        ends = Nanos(start + first * MINUTE), Nanos(start + (last + 1) * MINUTE)
        trades = await self._ask("late trades", lambda: trades_between(self._project, symbol, *ends), PATIENCE)
        assert held.day is not None  # noqa: S101 -- minutes are unknown of a day that runs
        self._tell(key, held.day.replace(first, last, trades), time.monotonic())

    async def _read_more(self, key: Key, held: Held) -> None:
        """Read what others have added, until nothing is missing that was counted."""
        behind, day = held.behind, held.day
        assert behind is not None and day is not None  # noqa: S101, PT018 -- hours are behind of a day that runs
        left = behind.left(held.hours())
        ends = behind.stretch(left, held.checked) if left else None
        if ends is None:
            held.behind, held.stale = None, bool(left)
            held.checked = day.newest
            return
        behind.reads += 1
        trades = await self._ask("trades of others", lambda: trades_between(self._project, key[0], *ends), PATIENCE)
        if len(trades["ts"]) == 0:
            return
        now = time.monotonic()
        self._tell_trades(key[0], trades, day.lacks(trades), now)
        merged = day.merge(trades)
        held.unknown = np.union1d(held.unknown, merged.unknown)
        self._tell(key, merged.changed, now)

    def _tell_trades(self, symbol: str, trades: Columns, news: NDArray[np.bool_], at: float) -> None:
        if news.any():
            told = trades if news.all() else {name: column[news] for name, column in trades.items()}
            for listener in self.listeners:
                listener.traded(symbol, told, at)

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
