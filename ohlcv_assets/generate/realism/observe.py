"""Watching trades go by, and keeping of them what the statistics need: minutes, sums and a histogram.

What belongs here: one pass over the trades of a symbol, day by day and chunk by chunk. What does not: statistics.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.generate import profiles
from ohlcv_assets.generate.generator import Generator
from ohlcv_assets.generate.kernels import MINUTE_NANOS, TradeColumns, compiled
from ohlcv_assets.generate.skeleton import is_weekend
from ohlcv_assets.market.calendars import session_on
from ohlcv_assets.market.symbols import Symbol

CHUNK: Final = 1_000_000
CONTROL_EVERY: Final = 20
"""Every how many sessions the control without spread is generated as well."""
SIGN_LAGS: Final = np.array([1, 5, 20, 100])
CELLS_AN_OCTAVE: Final = 128
SIZE_CELLS: Final = 64 * CELLS_AN_OCTAVE


@dataclass(frozen=True, slots=True)
class ObservedDay:
    """One session by minute.

    Attributes
    ----------
    prices
        Shape (minutes + 1,), float64: logarithm of the first price, then of the last price up to each minute's end.
    volumes
        Shape (minutes,), float64: lots.
    counts
        Shape (minutes,), int64: trades.
    expected
        Shape (minutes,), float64: what the average shape of a session leads to expect of ``counts``.
    """

    prices: NDArray[np.float64]
    volumes: NDArray[np.float64]
    counts: NDArray[np.int64]
    expected: NDArray[np.float64]


@dataclass(slots=True)
class Observed:
    """What was seen of one symbol.

    Attributes
    ----------
    symbol
        Which.
    days
        Its sessions with at least two trades, in order.
    dates
        Their days.
    changes, control
        Shape (4,): number, sum, sum of squares and sum of lag-one products of price changes between trades in ticks, of
        every ``CONTROL_EVERY``-th session; with and without spread.
    signs
        Shape (lags, 2): sums of products of sides at ``SIGN_LAGS``, and their numbers.
    sizes
        Shape (SIZE_CELLS,): trades by logarithm of their lots.
    """

    symbol: Symbol
    days: list[ObservedDay] = field(default_factory=list)
    dates: list[dt.date] = field(default_factory=list)
    changes: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    control: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    signs: NDArray[np.float64] = field(default_factory=lambda: np.zeros((len(SIGN_LAGS), 2)))
    sizes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(SIZE_CELLS, np.int64))


def observe(generator: Generator, symbol: Symbol, days: tuple[dt.date, ...]) -> Observed:
    """Generate the sessions of a symbol and watch them.

    Memory holds the minutes of all days and the trades of a chunk.
    """
    seen = Observed(symbol)
    control = Generator(generator.plan, generator.seed, generator.strategies, spread=False)
    for day in days:
        session = session_on(symbol.calendar, day)
        if session is None or generator.plan.count(symbol.name, day) < 2:  # noqa: PLR2004 -- a return takes two trades
            continue
        with_control = len(seen.days) % CONTROL_EVERY == 0
        minutes = (session.close - session.open) // MINUTE_NANOS
        kept = _Minutes(session.open, np.zeros(minutes + 1), np.zeros(minutes), np.zeros(minutes, np.int64))
        for chunk in generator.chunks(symbol.name, day, CHUNK):
            watch_minutes(chunk, kept, seen.sizes)
            watch_signs(chunk.side, SIGN_LAGS, seen.signs)
            if with_control:
                watch_changes(chunk.ticks, seen.changes)
        if with_control:
            for chunk in control.chunks(symbol.name, day, CHUNK):
                watch_changes(chunk.ticks, seen.control)
        fill_forward(kept.prices)
        shape = profiles.activity(symbol.calendar, minutes, weekend=is_weekend(day))
        expected = shape * kept.counts.sum() / minutes
        seen.days.append(ObservedDay(np.log(kept.prices), kept.volumes, kept.counts, expected))
        seen.dates.append(day)
    return seen


class _Minutes(NamedTuple):
    """A session by minute in the making: its first nanosecond, prices in ticks (zero: none yet), volumes, counts."""

    opens: int
    prices: NDArray[np.float64]
    volumes: NDArray[np.float64]
    counts: NDArray[np.int64]


@compiled
def watch_minutes(trades: TradeColumns, kept: _Minutes, sizes: NDArray[np.int64]) -> None:
    """Add one chunk of trades to the session's minutes and to the histogram of sizes."""
    ts, ticks, lots, _ = trades
    if kept.prices[0] == 0.0:
        kept.prices[0] = ticks[0]
    for trade in range(len(ts)):
        minute = (ts[trade] - kept.opens) // MINUTE_NANOS
        kept.prices[minute + 1] = ticks[trade]
        kept.volumes[minute] += lots[trade]
        kept.counts[minute] += 1
        sizes[np.int64(np.log2(lots[trade]) * CELLS_AN_OCTAVE)] += 1


@compiled
def watch_signs(side: NDArray[np.int8], lags: NDArray[np.int64], signs: NDArray[np.float64]) -> None:
    """Add the products of one chunk's sides at each lag, and how many they are."""
    for number in range(len(lags)):
        lag = lags[number]
        total = 0
        for trade in range(lag, len(side)):
            total += int(side[trade]) * int(side[trade - lag])
        signs[number, 0] += total
        signs[number, 1] += max(len(side) - lag, 0)


@compiled
def watch_changes(ticks: NDArray[np.int64], changes: NDArray[np.float64]) -> None:
    """Add the changes of one chunk of prices to number, sum, sum of squares and sum of lag-one products."""
    before = 0.0
    for trade in range(1, len(ticks)):
        change = np.float64(ticks[trade] - ticks[trade - 1])
        changes[0] += 1.0
        changes[1] += change
        changes[2] += change * change
        changes[3] += change * before
        before = change


@compiled
def fill_forward(prices: NDArray[np.float64]) -> None:
    """Give minutes without a trade the last price before them."""
    for minute in range(1, len(prices)):
        if prices[minute] == 0.0:
            prices[minute] = prices[minute - 1]
