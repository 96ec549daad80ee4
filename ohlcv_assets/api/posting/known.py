"""What is known of stored trades without asking the store, for as long as nobody else changes their days.

What belongs here: which instants of a day are taken, as far as that is known from what was stored before. What does
not: keeping others from changing days (a store's ``holding``), what follows for a trade (``placing``).

Trades mostly come in order. Once it is known where a symbol's last trade of a day is, all later instants are taken by
what was stored since or not at all. Only those at or before it are asked for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.api.posting.columns import Columns, Content, Key, columns_of, joined
from ohlcv_assets.stores.base import Hold, TradeStore
from ohlcv_assets.units import DAY

MOST_ADDED: Final = 25_000
"""So many trades of a day are kept at hand at least, and twice as many at most; of earlier ones the store is asked."""

FEW_DAYS: Final = 8
"""Of more days at once it is not found out where their last trades are."""

MOST_DAYS: Final = 64
"""Days of which anything is kept."""

_BEFORE: Final = np.iinfo(np.int64).min
_AFTER: Final = np.iinfo(np.int64).max


@dataclass(slots=True)
class _Day:
    """What is known of a day that is neither proved nor being loaded.

    Attributes
    ----------
    mark
        Of the hold under which this was found out; what is kept holds for as long as it is the same.
    last
        By number of the symbol: up to here the store is asked.
    newest
        By number of the symbol: the last one that was added.
    added, before
        All trades after ``last``: the latest ones, and those before them.
    until
        By number of the symbol: the last one of ``before``.
    """

    mark: Hashable
    last: NDArray[np.int64]
    newest: NDArray[np.int64]
    until: NDArray[np.int64]
    added: dict[Key, Content] = field(default_factory=dict)
    before: dict[Key, Content] = field(default_factory=dict)

    @classmethod
    def found(cls, mark: Hashable, last: NDArray[np.int64]) -> _Day:
        """Return a day to which nothing was added yet."""
        return cls(mark, last, last.copy(), last.copy())

    def at(self, key: Key) -> Content | None:
        """Return what is stored at an instant after ``last``."""
        content = self.added.get(key)
        return self.before.get(key) if content is None else content

    def add(self, trades: Columns) -> None:
        """Take notice of trades, and let go of the earliest where there are too many; that takes no time."""
        self.added |= zip(trades.keys(), trades.contents(), strict=True)
        np.maximum.at(self.newest, trades.symbol, trades.ts)
        if len(self.added) > MOST_ADDED:
            self.last, self.until = self.until, self.newest.copy()
            self.before, self.added = self.added, {}


class Known:
    """What is known of a store's trades; one thread at a time.

    Parameters
    ----------
    store
        Gives its trades store; another one after it was exchanged.
    names
        Of all symbols, in the order of their numbers.
    """

    def __init__(self, store: Callable[[], TradeStore], names: Sequence[str]) -> None:
        self._store = store
        self._names = names
        self._numbers = {name: number for number, name in enumerate(names)}
        self._days: dict[dt.date, _Day] = {}

    def begin(self, hold: Hold, days: Collection[dt.date]) -> None:
        """Find out, under a hold of them, what is not known of some days or may have been changed by others."""
        fresh = [day for day in days if day not in self._days or self._days[day].mark != hold.mark(day)]
        if not fresh:
            return
        records = self._store().day_records()
        for day in fresh:
            self._days.pop(day, None)
            if day not in records:
                self._days[day] = _Day.found(hold.mark(day), self._last(day, few=len(fresh) <= FEW_DAYS))
        for day in list(self._days)[:-MOST_DAYS]:
            if day not in days:
                del self._days[day]

    def seem_closed(self, days: Collection[dt.date]) -> set[dt.date]:
        """Return which days are proved or being loaded, for all that is known: a load replaces its day."""
        unknown = {day for day in days if day not in self._days}
        return unknown & self._store().day_records().keys() if unknown else set()

    def opened(self) -> set[dt.date]:
        """Return the days that were found to be open."""
        return set(self._days)

    def look(self, keys: Columns) -> Columns:
        """Return what is stored at the (symbol, ts) of some trades; of days that are not known the store is asked."""
        asked = np.ones(len(keys), np.bool_)
        found: list[tuple[Key, Content]] = []
        numbers = keys.ts // DAY
        for number in np.unique(numbers).tolist():
            known = self._days.get(_day(number))
            if known is None:
                continue
            mine = numbers == number
            asked[mine] = keys.ts[mine] <= known.last[keys.symbol[mine]]
            near = keys.take(mine & ~asked).keys()
            found += [(key, content) for key in near if (content := known.at(key)) is not None]
        parts = [_columns(found)] if found else []
        if asked.any():
            rows = keys.take(asked).table(self._names)
            parts.append(columns_of(self._store().fetch(rows), self._numbers))
        return joined(parts)

    def added(self, hold: Hold, trades: Columns) -> None:
        """Take notice of trades that are stored by now, at instants that were free, under a hold of their days."""
        numbers = trades.ts // DAY
        for number in np.unique(numbers).tolist():
            known = self._days[_day(number)]
            mine = trades.take((numbers == number) & (trades.ts > known.last[trades.symbol]))
            known.add(mine)
            known.mark = hold.mark(_day(number))

    def forget(self) -> None:
        """Know nothing any more: something failed on the way."""
        self._days.clear()

    def _last(self, day: dt.date, *, few: bool) -> NDArray[np.int64]:
        if not few:
            return np.full(len(self._names), _AFTER)
        last = np.full(len(self._names), _BEFORE)
        for name, ts in self._store().last_instants(day).items():
            if name in self._numbers:
                last[self._numbers[name]] = ts
        return last


def days_of(trades: Columns) -> set[dt.date]:
    """Return the days that trades are on."""
    return {_day(number) for number in np.unique(trades.ts // DAY).tolist()}


def _day(number: int) -> dt.date:
    return dt.date.fromordinal(_FIRST + number)


def _columns(rows: Sequence[tuple[Key, Content]]) -> Columns:
    keys, contents = zip(*rows, strict=True)
    (symbol, ts), (price, amount, side) = zip(*keys, strict=True), zip(*contents, strict=True)
    return Columns(
        np.array(symbol, np.int32), np.array(ts, np.int64), np.array(price), np.array(amount), np.array(side, np.int8)
    )


_FIRST: Final = dt.date(1970, 1, 1).toordinal()
