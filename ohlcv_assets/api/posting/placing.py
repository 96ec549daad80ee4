"""Which instant a posted trade gets: its own, the next free one, or none because it is stored already.

What belongs here: the rule. What does not: asking the store, which is passed in.

The rule. A store holds one trade for a (symbol, ts). The run of an instant is the stretch of taken nanoseconds that
begins with it. A trade that equals one of its run is a duplicate; another one gets the nanosecond after the run. So no
trade replaces another, and posting the same trades again changes nothing, whatever became of the first attempt.

A store does not tell which instant a trade had before it was moved. Of trades that come together this is known, and two
of them with instants of their own are never taken for one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.api.posting.columns import Columns, Content, Key
from ohlcv_assets.units import DAY

Look = Callable[[Columns], Columns]
"""Returns what is stored at the (symbol, ts) of some trades."""

STORED, MOVED, DUPLICATE, REFUSED = range(4)
"""Outcomes: at its own instant; at a later one; stored before; no instant for it on its day, or the day is closed."""

_FIRST_LOOK: Final = 32
_LAST_LOOK: Final = 8_192


@dataclass(frozen=True, slots=True)
class Placed:
    """What becomes of trades.

    Attributes
    ----------
    outcome
        int8, one of ``STORED``, ``MOVED``, ``DUPLICATE`` and ``REFUSED`` for each.
    ts
        int64: where each is, or was already; its own instant where it was refused.
    """

    outcome: NDArray[np.int8]
    ts: NDArray[np.int64]

    @property
    def fresh(self) -> NDArray[np.bool_]:
        """Which are to be stored."""
        found: NDArray[np.bool_] = self.outcome <= MOVED
        return found


def place(trades: Columns, opened: NDArray[np.bool_], look: Look) -> Placed:
    """Give every trade its instant.

    Parameters
    ----------
    trades
        In the order in which they came; the first of several at one instant gets it.
    opened
        Which may be stored; the others are duplicates or refused.
    look
        Asked once for all instants, and again where runs are longer.
    """
    order = trades.order
    symbol, ts = trades.symbol[order], trades.ts[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (symbol[1:] != symbol[:-1]) | (ts[1:] != ts[:-1])
    group = np.cumsum(first) - 1
    heads = order[first]
    held, taken = _held(trades.take(heads), look)
    # Of each instant that is free, the first trade that may be stored becomes the holder.
    claims = np.where(taken, -1, _first_opened(group, opened[order], len(heads)))
    claimed = claims >= 0
    holder = Columns(*(np.where(claimed, getattr(trades, name)[order[claims]], getattr(held, name)) for name in _NAMES))
    equal = (taken | claimed)[group]
    for name in ("price", "amount", "side"):
        equal &= getattr(holder, name)[group] == getattr(trades, name)[order]
    sorted_outcome = np.where(equal, DUPLICATE, REFUSED).astype(np.int8)
    sorted_outcome[claims[claimed]] = STORED
    outcome = np.empty(len(order), np.int8)
    outcome[order] = sorted_outcome
    placed = Placed(outcome, trades.ts.copy())
    left = np.flatnonzero(outcome == REFUSED)
    if len(left) > 0:
        there, met = taken | claimed, np.zeros(len(heads), np.bool_)
        met[group[equal]] = True
        runs = _Runs(holder.take(there), trades.take(heads[~there]), holder.take(met), look)
        runs.settle(trades, opened, left, placed)
    return placed


_NAMES: Final = ("symbol", "ts", "price", "amount", "side")


def _held(keys: Columns, look: Look) -> tuple[Columns, NDArray[np.bool_]]:
    """Return what is stored at some instants, sorted by (symbol, ts), and at which of them."""
    found = look(keys)
    at = {key: row for row, key in enumerate(found.keys())}
    rows = np.array([at.get(key, -1) for key in keys.keys()] if at else [-1] * len(keys), np.intp)  # noqa: SIM118 -- no mapping
    taken = rows >= 0
    if not at:
        return keys, taken
    stored = found.take(rows)
    return Columns(*(np.where(taken, getattr(stored, name), getattr(keys, name)) for name in _NAMES)), taken


def _first_opened(group: NDArray[np.intp], opened: NDArray[np.bool_], groups: int) -> NDArray[np.intp]:
    """Return the first row of each group that may be stored; -1 where there is none."""
    found = np.full(groups, -1, np.intp)
    rows = np.flatnonzero(opened)[::-1]
    found[group[rows]] = rows
    return found


@dataclass(slots=True)
class _Run:
    """The taken instants from one instant on, as far as they were looked at."""

    next: int
    held: dict[Content, list[int]] = field(default_factory=dict)


class _Runs:
    """Follows runs of taken instants; what was looked at once is known.

    Parameters
    ----------
    taken, free
        What is known of instants.
    met
        Those taken by a trade that was posted with this very instant.
    look
        Asked for others.
    """

    def __init__(self, taken: Columns, free: Columns, met: Columns, look: Look) -> None:
        self._posted_at = {key: key[1] for key in met.keys()}  # noqa: SIM118 -- no mapping
        self._taken = dict(zip(taken.keys(), taken.contents(), strict=True))
        self._free = set(free.keys())
        self._look = look
        self._span = _FIRST_LOOK
        self._runs: dict[Key, _Run] = {}

    def settle(self, trades: Columns, opened: NDArray[np.bool_], rows: NDArray[np.intp], placed: Placed) -> None:
        """Find instants for the trades in some rows."""
        chosen = trades.take(rows)
        for row, key, content in zip(rows.tolist(), chosen.keys(), chosen.contents(), strict=True):
            outcome, at = self._settled(key, content, may_be_stored=bool(opened[row]))
            placed.outcome[row], placed.ts[row] = outcome, at

    def _settled(self, key: Key, content: Content, *, may_be_stored: bool) -> tuple[int, int]:
        symbol, ts = key
        run = self._runs.setdefault(key, _Run(ts))
        end = (ts // DAY + 1) * DAY
        while (same := self._same(run, key, content)) is None and run.next < end:
            found = self._at(symbol, run.next)
            if found is None:
                break
            run.held.setdefault(found, []).append(run.next)
            run.next += 1
        if same is None and (run.next >= end or not may_be_stored):
            return REFUSED, ts
        at = run.next if same is None else same
        self._taken[symbol, at] = content
        self._posted_at[symbol, at] = ts
        return (MOVED if same is None else DUPLICATE), at

    def _same(self, run: _Run, key: Key, content: Content) -> int | None:
        """Return where in a run the same trade is, unless that one is known to be another."""
        symbol, ts = key
        for at in run.held.get(content, ()):
            if self._posted_at.get((symbol, at), ts) == ts:
                return at
        return None

    def _at(self, symbol: int, ts: int) -> Content | None:
        """Return what is at an instant; None where nothing is."""
        key = symbol, ts
        if key not in self._taken and key not in self._free:
            instants = np.arange(ts, ts + self._span)
            # Runs are mostly short; the longer one is, the further is looked ahead.
            self._span = min(2 * self._span, _LAST_LOOK)
            numbers = np.full(len(instants), symbol, np.int32)
            blank = np.zeros(len(instants))
            asked = Columns(numbers, instants, blank, blank, np.zeros(len(instants), np.int8))
            found = self._look(asked)
            self._free.update(set(asked.keys()) - self._taken.keys())
            stored = zip(found.keys(), found.contents(), strict=True)
            fresh = {where: content for where, content in stored if where not in self._taken}
            self._free -= fresh.keys()
            self._taken |= fresh
        return self._taken.get(key)
