"""The compiled loop over trades, and the random words it draws.

What belongs here: code whose cost is paid once per trade. What does not: anything decided once per minute or per day
(``prices``, ``arrivals``, ``sizes``), which reaches the loop in named tuples: compiled code takes those whole.

Random words are counter based: word ``w`` of trade ``i`` is ``mix(key + (2 i + w) gamma)``, the finaliser and increment
of SplitMix64 (Steele, Lea and Flood 2014). A trade's words depend on its position alone, so a day can be cut into
chunks anywhere. What is carried from one trade to the next is kept in ``Carried`` between calls.

The loop is compiled without relaxed floating-point rules: a different chunk size must not change a bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

MINUTE_MICROS: Final = 60_000_000
"""Microseconds of a minute: the room that the trades of a minute share."""

MINUTE_NANOS: Final = 60_000_000_000

GAP_CELLS: Final = 1024
BODY_CELLS: Final = 4096
RUN_CELLS: Final = 1024
"""Cells of the tables of quantiles; a cell is picked by 10 or 12 random bits."""

MINUTE, INDEX, LAST, SIGN, RUN_SIGN, RUN_LEFT, TRADE = range(7)
CLOCK, PATH, QUOTE = range(3)
"""Positions of what is carried from trade to trade: whole numbers, and the others."""

_GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)
_STRIDE: Final = np.uint64((2 * 0x9E3779B97F4A7C15) % 2**64)
_RARE: Final = np.uint64(0xD1B54A32D192ED03)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_ONE: Final = np.uint64(1)
_BYTE: Final = np.uint64(0xFF)
_TEN: Final = np.uint64(0x3FF)
_TWELVE: Final = np.uint64(0xFFF)
_CELL_BITS: Final = np.uint64(0x3FFFFF)
_EVEN_BYTES: Final = np.uint64(0x00FF00FF)
_LOW_HALF: Final = np.uint64(0xFFFF)
_NORMAL_MEAN: Final = 510.0
_NORMAL_SCALE: Final = 1.0 / 147.800_766
_CELL_FRACTION: Final = 1.0 / (1 << 22)
_UNIT: Final = 1.0 / (1 << 53)

Function = TypeVar("Function", bound=Callable[..., Any])


class TradeColumns(NamedTuple):
    """Trades of one symbol, in order of time.

    Attributes
    ----------
    ts
        int64: nanoseconds UTC, whole microseconds, strictly increasing.
    ticks
        int64: prices in ticks, at least one.
    lots
        int64: amounts in lots, at least one.
    side
        int8: +1 buyer-initiated, -1 seller-initiated.
    """

    ts: NDArray[np.int64]
    ticks: NDArray[np.int64]
    lots: NDArray[np.int64]
    side: NDArray[np.int8]


class DaySettings(NamedTuple):
    """The constants of a day.

    Attributes
    ----------
    burst, noise, revision, rounded, coarse
        Chances of a follower, of an order outside the runs, of a revised quote and of sizes in round or coarse figures
        (the latter includes the former), in 256ths.
    follower_micros
        Mean wait of a follower.
    leaders
        Share of trades that follow nobody.
    tail, tail_start, tail_floor, tail_power
        The tail of sizes: its chance in 4096ths, where it starts in lots, the share left out at its far end, and its
        power.
    round_lot
        Lots of a round figure.
    gaps, body, runs
        Quantiles of waiting times, shape (GAP_CELLS + 1,), of sizes, shape (BODY_CELLS,), and of the lengths of runs of
        one side, shape (RUN_CELLS,).
    """

    burst: float
    follower_micros: float
    leaders: float
    noise: float
    revision: float
    tail: float
    tail_start: float
    tail_floor: float
    tail_power: float
    rounded: float
    coarse: float
    round_lot: float
    gaps: NDArray[np.float64]
    body: NDArray[np.float64]
    runs: NDArray[np.int64]


class PreparedSession(NamedTuple):
    """Everything that the loop needs for one (symbol, day).

    Attributes
    ----------
    key
        Key of the day's random words.
    opens
        First nanosecond of the session.
    counts
        Shape (minutes,): trades of each minute.
    minutes
        Shape (minutes + 1, 5), by column: price in ticks at the minute's start, standard deviation of the price
        between two trades in ticks, half spread in ticks, factor of sizes, probability of a buyer. The last row holds
        the price at the close.
    settings
        The day's constants.
    """

    key: np.uint64
    opens: int
    counts: NDArray[np.int64]
    minutes: NDArray[np.float64]
    settings: DaySettings


class Carried(NamedTuple):
    """What is carried from one trade to the next, shapes (7,) and (3,); zero before the first."""

    integers: NDArray[np.int64]
    reals: NDArray[np.float64]


def start() -> Carried:
    """Return what is carried to the first trade of a session."""
    return Carried(np.zeros(TRADE + 1, np.int64), np.zeros(QUOTE + 1))


def compiled(function: Function) -> Function:
    """Compile a kernel once and keep the result on disk; division by zero follows IEEE 754."""
    return cast("Function", numba.njit(cache=True, error_model="numpy", nogil=True)(function))


@compiled
def mix(word: np.uint64) -> np.uint64:
    """Scramble a counter into 64 random bits."""
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


@compiled
def draw(key: np.uint64, out: NDArray[np.uint64]) -> None:
    """Draw the two words of each trade and nothing else: the yardstick of the generator's speed."""
    for trade in range(len(out) // 2):
        counter = key + np.uint64(trade) * _STRIDE
        out[2 * trade] = mix(counter)
        out[2 * trade + 1] = mix(counter + _GAMMA)


@compiled
def _gap(word: np.uint64, clock: float, parents: float, follower: bool, day: DaySettings) -> float:
    """Return the microseconds to the next trade: short behind its leader, else a share of what is left."""
    cell = np.int64(word >> np.uint64(54))
    share = np.float64((word >> np.uint64(32)) & _CELL_BITS) * _CELL_FRACTION
    wait = day.gaps[cell] + share * (day.gaps[cell + 1] - day.gaps[cell])
    if follower:
        return float(wait * day.follower_micros)
    # 1 - exp(-wait / parents), the spacing of uniform order statistics, with exp(y) as 1 + y + y^2 / 2.
    rise = wait * (2.0 * parents + wait)
    return float((MINUTE_MICROS - clock) * (rise / (rise + 2.0 * parents * parents)))


@compiled
def _normal(word: np.uint64) -> float:
    """Return a normal to the accuracy of a sum of four bytes; heavy tails are drawn per minute, not here."""
    pairs = (word & _EVEN_BYTES) + ((word >> np.uint64(8)) & _EVEN_BYTES)
    total = (pairs & _LOW_HALF) + (pairs >> np.uint64(16))
    return (np.float64(total) - _NORMAL_MEAN) * _NORMAL_SCALE


@compiled
def _side(
    word: np.uint64, rare: np.uint64, buy: float, run_sign: int, run_left: int, day: DaySettings
) -> tuple[int, int, int]:
    """Return the side of an order, the side of the run that it may belong to, and what is left of that run."""
    if run_left == 0:
        fresh = mix(rare)
        run_sign = 1 if np.float64(fresh >> np.uint64(11)) * _UNIT < buy else -1
        run_left = day.runs[np.int64(fresh & _TEN)]
    sign = run_sign
    if np.int64((word >> np.uint64(8)) & _BYTE) < day.noise:
        sign = 1 - 2 * int((word >> np.uint64(7)) & _ONE)
    return sign, run_sign, run_left - 1


@compiled
def _size(word: np.uint64, rare: np.uint64, scale: float, day: DaySettings) -> int:
    """Return the lots of a trade: body or power-law tail, then the habit of round or coarse figures."""
    if np.int64((word >> np.uint64(16)) & _TWELVE) < day.tail:
        share = np.float64(mix(rare) >> np.uint64(11)) * _UNIT
        wanted = scale * day.tail_start * (day.tail_floor + (1.0 - day.tail_floor) * share) ** day.tail_power
    else:
        wanted = scale * day.body[np.int64(word >> np.uint64(52))]
    habit = np.int64((word >> np.uint64(44)) & _BYTE)
    unit = 1.0
    if habit < day.rounded:
        unit = day.round_lot
    elif habit < day.coarse:
        for bound in (100.0, 1_000.0, 10_000.0, 100_000.0):
            if wanted >= bound:
                unit = bound * 0.1
    return int(max(np.floor(wanted / unit + 0.5), 1.0) * unit)


@compiled
def _fill_minute(session: PreparedSession, carried: Carried, out: TradeColumns, done: int, room: int) -> None:
    """Write the next ``room`` trades of the minute that is carried, from position ``done`` on."""
    minute, index, last, sign, run_sign, run_left, trade = carried.integers
    clock, path, quote = carried.reals
    day, count = session.settings, session.counts[minute]
    opening, step, half, scale, buy = session.minutes[minute]
    target, origin = session.minutes[minute + 1, 0], session.opens + minute * MINUTE_NANOS
    if index == 0:
        clock, last, path = 0.0, -1, opening
    for place in range(done, done + room):
        counter = session.key + np.uint64(trade) * _STRIDE
        first, second = mix(counter), mix(counter + _GAMMA)
        left = count - index
        follower = bool(index > 0 and np.int64((second >> np.uint64(28)) & _BYTE) < day.burst)
        clock += _gap(first, clock, 1.0 + (left - 1) * day.leaders, follower, day)
        last = min(max(int(clock), last + 1), MINUTE_MICROS - left)
        weight = 1.0 / left
        path += (target - path) * weight + step * _normal(first) * (1.0 - weight)
        if index == 0 or np.int64((second >> np.uint64(36)) & _BYTE) < day.revision:
            quote = path
        if not follower:
            sign, run_sign, run_left = _side(second, counter ^ _RARE, buy, run_sign, run_left, day)
        out.ts[place] = origin + last * 1_000
        out.ticks[place] = max(int(np.floor(quote + sign * half + 0.5)), 1)
        out.lots[place] = _size(second, ~counter, scale, day)
        out.side[place] = sign
        index, trade = index + 1, trade + 1
    carried.integers[:] = minute, index, last, sign, run_sign, run_left, trade
    carried.reals[:] = clock, path, quote


@compiled
def fill(session: PreparedSession, carried: Carried, out: TradeColumns) -> int:
    """Write the next trades of a session and return how many: fewer than there is room for only where it ends.

    Parameters
    ----------
    session
        What to write.
    carried
        As ``start`` gave it before the first call; changed.
    out
        Where to write.
    """
    counts, integers = session.counts, carried.integers
    done = 0
    while done < len(out.ts) and integers[MINUTE] < len(counts):
        room = min(counts[integers[MINUTE]] - integers[INDEX], len(out.ts) - done)
        if room == 0:
            integers[MINUTE] += 1
            integers[INDEX] = 0
            continue
        _fill_minute(session, carried, out, done, room)
        done += room
    return done
