"""Bars of one symbol and day that grow with its trades: every resolution up to a day, in whatever order trades come.

What belongs here: what trades do to bars that are held in memory, and which trades of them are kept. What does not:
where the other trades are (a store), who is told (``live``).

A minute is right if all of its trades are known. From some instant on they are kept, so that a late one finds its place
and one that comes twice is not counted twice. What is earlier, or what an overwritten trade has thrown into doubt, is
answered with the minutes that must be made of the store's trades again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.bars.resolutions import RESOLUTIONS, Resolution
from ohlcv_assets.bars.running_kernels import TRADES, compose, fold
from ohlcv_assets.bars.split import Column, Columns
from ohlcv_assets.units import DAY, MINUTE, Nanos

Minutes = NDArray[np.int64]
"""Minutes of a day, counted from midnight, ascending."""

WITHIN_A_DAY: Final = tuple(one for one in RESOLUTIONS.values() if one.duration is not None and one.duration <= DAY)
"""The resolutions whose bars lie within one day."""

_NONE: Final = np.empty(0, np.int64)
_IN_ALL: Final = sum(DAY // (one.duration or DAY) for one in WITHIN_A_DAY)
_FLOATS: Final = ("open", "high", "low", "close", "volume", "turnover")
_INTEGERS: Final = ("trades", "imbalance")
_TRADE: Final = {"ts": np.int64, "price": np.float64, "amount": np.float64, "side": np.int8}
_ROOM: Final = 1_024


def _levels() -> tuple[dict[str, int], NDArray[np.int64]]:
    """Return where the bars of each resolution begin, and the table of those that are composed."""
    firsts: dict[str, int] = {}
    rows: list[tuple[int, int, int, int]] = []
    first = 0
    for one in WITHIN_A_DAY:
        firsts[one.name] = first
        duration = one.duration or DAY
        if one.source is not None:
            below = RESOLUTIONS[one.source].duration or DAY
            rows.append((first, duration // MINUTE, firsts[one.source], duration // below))
        first += DAY // duration
    return firsts, np.array(rows, np.int64)


_FIRSTS, _LEVELS = _levels()


@dataclass(frozen=True, slots=True)
class Merged:
    """What trades did.

    Attributes
    ----------
    changed
        Minutes whose bar is another one now.
    unknown
        Minutes that must be made of the store's trades: see ``RunningDay.replace``.
    """

    changed: Minutes
    unknown: Minutes


class RunningDay:
    """The bars of one symbol on one day.

    Parameters
    ----------
    start
        Midnight UTC.
    most
        Trades that are kept at most, beside those of the latest minute.
    """

    def __init__(self, start: Nanos, most: int = 32_768) -> None:
        self.start = start
        self._most = most
        self._since = start  # from here on all trades are kept; the beginning of a minute
        self._kept = _Kept()
        self._values = np.zeros((len(_FLOATS), _IN_ALL))
        self._counts = np.zeros((len(_INTEGERS), _IN_ALL), np.int64)

    @property
    def kept(self) -> int:
        """How many trades are kept."""
        return len(self._kept)

    @property
    def trades(self) -> int:
        """How many trades the bars hold."""
        return int(self._counts[TRADES, _FIRSTS["1d"]])

    @property
    def newest(self) -> Nanos:
        """Instant of the latest trade that is kept; midnight where none is."""
        return Nanos(max(self._kept.last, self.start))

    def keeps(self, trades: Columns) -> NDArray[np.bool_]:
        """Return at the instants of which trades one is kept."""
        kept = self._kept.column("ts")
        if len(kept) == 0:
            return np.zeros(len(trades["ts"]), np.bool_)
        place = np.minimum(np.searchsorted(kept, trades["ts"]), len(kept) - 1)
        found: NDArray[np.bool_] = kept[place] == trades["ts"]
        return found

    def lacks(self, trades: Columns) -> NDArray[np.bool_]:
        """Return of which trades it is certain that they did not come before."""
        found: NDArray[np.bool_] = ~self.keeps(trades) & (trades["ts"] >= self._since)
        return found

    def merge(self, trades: Columns) -> Merged:
        """Take trades that the store holds.

        Parameters
        ----------
        trades
            ``ts``, ``price``, ``amount``, ``side`` of at least one trade, all of this day, ``ts`` ascending; those that
            came before do no harm.
        """
        unknown = _NONE
        if trades["ts"][0] < self._since:
            cut = int(np.searchsorted(trades["ts"], self._since))
            unknown = self._minutes(trades["ts"][:cut])
            trades = {name: column[cut:] for name, column in trades.items()}
        ts = trades["ts"]
        if len(ts) == 0:
            return Merged(_NONE, unknown)
        if ts[0] <= self._kept.last or (ts[1:] == ts[:-1]).any():
            changed, doubtful = self._insert(trades)
            unknown = np.union1d(unknown, doubtful)
        else:
            self._kept.append(trades)
            changed = self._fold(trades)
        if len(self._kept) > self._most:
            self._forget_before(Nanos(int(self._kept.column("ts")[-max(1, self._most // 2)])))
        return Merged(changed, unknown)

    def replace(self, first: int, last: int, trades: Columns) -> Minutes:
        """Make the minutes ``first`` to ``last``, both included, of all the trades that the store has of them.

        Returns
        -------
        Minutes
            Those whose bar is another one now.
        """
        before = self._values[:, first : last + 1].copy(), self._counts[:, first : last + 1].copy()
        self._counts[:, first : last + 1] = 0
        fold(self._values, self._counts, self.start, *(trades[name] for name in _TRADE))
        compose(self._values, self._counts, _LEVELS, np.arange(first, last + 1))
        now = self._values[:, first : last + 1], self._counts[:, first : last + 1]
        return np.flatnonzero(_differ(before, now)) + first

    def differing(self, other: RunningDay) -> Minutes:
        """Return the minutes that have other bars there; one that has none here is not told."""
        count = DAY // MINUTE
        differ = _differ(
            (self._values[:, :count], self._counts[:, :count]), (other._values[:, :count], other._counts[:, :count])
        )
        return np.flatnonzero(differ & (self._counts[TRADES, :count] > 0))

    def forget(self) -> None:
        """Keep no trade any more; bars stay, and what comes is of minutes that are unknown."""
        self._forget_before(Nanos(self.start + DAY))

    def bars(self, resolution: Resolution, start: Nanos, end: Nanos) -> Columns:
        """Return copies of the bars of a resolution within a day that open in ``[start, end)``, ascending."""
        duration = resolution.duration or DAY
        count = DAY // duration
        first = min(max(-((self.start - start) // duration), 0), count)
        last = min(max(-((self.start - end) // duration), first), count)
        return self._columns(resolution, np.arange(first, last), duration)

    def bars_at(self, resolution: Resolution, opens: NDArray[np.int64]) -> Columns:
        """Return the bars with these open times of this day; where there was no trade, none."""
        duration = resolution.duration or DAY
        return self._columns(resolution, (opens - self.start) // duration, duration)

    def _columns(self, resolution: Resolution, numbers: NDArray[np.int64], duration: int) -> Columns:
        at = numbers + _FIRSTS[resolution.name]
        traded = self._counts[TRADES, at] > 0
        at = at[traded]
        return {
            "ts": self.start + numbers[traded] * duration,
            **dict(zip(_FLOATS, self._values[:, at], strict=True)),
            **dict(zip(_INTEGERS, self._counts[:, at], strict=True)),
        }

    def _fold(self, trades: Columns) -> Minutes:
        minutes = self._minutes(trades["ts"])
        fold(self._values, self._counts, self.start, *(trades[name] for name in _TRADE))
        compose(self._values, self._counts, _LEVELS, minutes)
        return minutes

    def _insert(self, trades: Columns) -> tuple[Minutes, Minutes]:
        """Put trades where they belong among those that are kept."""
        place = self._kept.place(int(trades["ts"][0]))
        kept = self._kept.from_place(place)
        both = {name: np.concatenate([kept[name], trades[name]]) for name in _TRADE}
        order = np.argsort(both["ts"], kind="stable")
        both = {name: column[order] for name, column in both.items()}
        fresh = order >= len(kept["ts"])
        again = np.append(False, both["ts"][1:] == both["ts"][:-1])
        other = again & np.append(False, _rows_differ(both))
        doubtful = _NONE
        if other.any():
            # Which of the two the store has is not known here, nor what came between them.
            self._forget_before(Nanos(int(both["ts"][other][-1]) + MINUTE))
            doubtful = self._minutes(both["ts"][fresh & (both["ts"] < self._since)])
            place = self._kept.place(int(trades["ts"][0]))
        stay = ~again & (both["ts"] >= self._since)
        self._kept.truncate(place)
        self._kept.append({name: column[stay] for name, column in both.items()})
        new = both["ts"][stay & fresh]
        if len(new) == 0:
            return _NONE, doubtful
        minutes = self._minutes(new)
        self._remake(int(minutes[0]), int(minutes[-1]))
        return minutes, doubtful

    def _remake(self, first: int, last: int) -> None:
        """Make minutes again of the trades that are kept."""
        ends = self.start + first * MINUTE, self.start + (last + 1) * MINUTE
        rows = slice(*(self._kept.place(end) for end in ends))
        self._counts[:, first : last + 1] = 0
        fold(self._values, self._counts, self.start, *(self._kept.column(name)[rows] for name in _TRADE))
        compose(self._values, self._counts, _LEVELS, np.arange(first, last + 1))

    def _forget_before(self, instant: Nanos) -> None:
        """Forget the trades of minutes that end by an instant."""
        self._since = Nanos(max(self._since, instant // MINUTE * MINUTE))
        self._kept.drop(self._kept.place(self._since))

    def _minutes(self, ts: NDArray[np.int64]) -> Minutes:
        """Return the minutes that instants, ascending, lie in."""
        minutes = (ts - self.start) // MINUTE
        if len(minutes) > 0 and minutes[0] == minutes[-1]:
            return minutes[:1]
        return np.unique(minutes)


class _Kept:
    """Trades in order of time, in arrays with room to grow."""

    def __init__(self) -> None:
        self._first = self._end = 0
        self._columns = {name: np.empty(_ROOM, kind) for name, kind in _TRADE.items()}

    def __len__(self) -> int:
        return self._end - self._first

    @property
    def last(self) -> int:
        """Instant of the last trade; before all others where there is none."""
        return int(self._columns["ts"][self._end - 1]) if self._end > self._first else -(2**63)

    def column(self, name: str) -> Column:
        """Return a view."""
        return self._columns[name][self._first : self._end]

    def place(self, instant: int) -> int:
        """Return how many trades are before an instant."""
        return int(np.searchsorted(self.column("ts"), instant))

    def from_place(self, place: int) -> Columns:
        """Return views of all from a place on."""
        return {name: self.column(name)[place:] for name in _TRADE}

    def append(self, trades: Columns) -> None:
        """Add trades that are later than all others."""
        count = len(trades["ts"])
        if self._end + count > len(self._columns["ts"]):
            self._make_room(count)
        for name, column in self._columns.items():
            column[self._end : self._end + count] = trades[name]
        self._end += count

    def truncate(self, place: int) -> None:
        """Forget all from a place on."""
        self._end = self._first + place

    def drop(self, place: int) -> None:
        """Forget all before a place."""
        self._first += place

    def _make_room(self, count: int) -> None:
        kept = self.from_place(0)
        size = max(_ROOM, 2 * (len(self) + count))
        for name, kind in _TRADE.items():
            grown = np.empty(size, kind)
            grown[: len(self)] = kept[name]
            self._columns[name] = grown
        self._first, self._end = 0, len(self)


Arrays = tuple[NDArray[np.float64], NDArray[np.int64]]


def _differ(one: Arrays, other: Arrays) -> NDArray[np.bool_]:
    """Return which bars are not the same; where neither has trades they are."""
    found: NDArray[np.bool_] = (one[1] != other[1]).any(axis=0)
    found |= (one[1][TRADES] > 0) & (one[0] != other[0]).any(axis=0)
    return found


def _rows_differ(trades: Columns) -> NDArray[np.bool_]:
    """Return of each trade but the first whether it is another one than that before it."""
    columns = [trades[name] for name in ("price", "amount", "side")]
    found: NDArray[np.bool_] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return found
