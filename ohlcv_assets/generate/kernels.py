"""The compiled loop over trades, and the random words it draws.

What belongs here: code whose cost is paid once per trade. What does not: anything decided once per minute or per day
(``prices``, ``activity``, ``sizes``), which reaches the loop as arrays.

Random words are counter based: word ``w`` of trade ``i`` is ``mix(key + (2 i + w) gamma)``, the finaliser and increment
of SplitMix64 (Steele, Lea and Flood 2014). A trade's words depend on its position alone, so a day can be cut into
chunks anywhere. What is carried from one trade to the next is kept in ``integers`` and ``reals`` between calls.

The loop is compiled without relaxed floating-point rules: a different chunk size must not change a bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

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

INTEGERS: Final = 7
REALS: Final = 3
"""Numbers carried from one call to the next."""

BURST, FOLLOWER, LEADERS, NOISE, REVISION, TAIL, TAIL_START, TAIL_FLOOR, TAIL_POWER, ROUND, COARSE, ROUND_LOT = range(
    12
)
"""Positions in a day's settings: chances of ``BURST``, ``NOISE``, ``REVISION``, ``ROUND`` and ``COARSE`` in 256ths, of
``TAIL`` in 4096ths; ``FOLLOWER`` in microseconds; ``LEADERS`` a share; the tail's start and round lots in lots."""

SETTINGS: Final = 12

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
def _gap(
    word: np.uint64, clock: float, parents: float, follower: bool, follower_micros: float, gaps: NDArray[np.float64]
) -> float:
    """Return the microseconds to the next trade: short behind its leader, else a share of what is left."""
    cell = np.int64(word >> np.uint64(54))
    share = np.float64((word >> np.uint64(32)) & _CELL_BITS) * _CELL_FRACTION
    wait = gaps[cell] + share * (gaps[cell + 1] - gaps[cell])
    if follower:
        return float(wait * follower_micros)
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
    word: np.uint64, rare: np.uint64, buy: float, noise: float, run_sign: int, run_left: int, runs: NDArray[np.int64]
) -> tuple[int, int, int]:
    """Return the side of an order, the side of the run that it may belong to, and what is left of that run."""
    if run_left == 0:
        fresh = mix(rare)
        run_sign = 1 if np.float64(fresh >> np.uint64(11)) * _UNIT < buy else -1
        run_left = runs[np.int64(fresh & _TEN)]
    sign = run_sign
    if np.int64((word >> np.uint64(8)) & _BYTE) < noise:
        sign = 1 - 2 * int((word >> np.uint64(7)) & _ONE)
    return sign, run_sign, run_left - 1


@compiled
def _size(
    word: np.uint64,
    rare: np.uint64,
    scale: float,
    body: NDArray[np.float64],
    tail: int,
    tail_start: float,
    tail_floor: float,
    tail_power: float,
    rounded: int,
    coarse: int,
    round_lot: float,
) -> int:
    """Return the lots of a trade: body or power-law tail, then the habit of round or coarse figures."""
    if np.int64((word >> np.uint64(16)) & _TWELVE) < tail:
        share = np.float64(mix(rare) >> np.uint64(11)) * _UNIT
        wanted = scale * tail_start * (tail_floor + (1.0 - tail_floor) * share) ** tail_power
    else:
        wanted = scale * body[np.int64(word >> np.uint64(52))]
    habit = np.int64((word >> np.uint64(44)) & _BYTE)
    unit = 1.0
    if habit < rounded:
        unit = round_lot
    elif habit < coarse:
        for bound in (100.0, 1_000.0, 10_000.0, 100_000.0):
            if wanted >= bound:
                unit = bound * 0.1
    return int(max(np.floor(wanted / unit + 0.5), 1.0) * unit)


@compiled
def fill(
    key: np.uint64,
    opens: int,
    counts: NDArray[np.int64],
    minutes: NDArray[np.float64],
    settings: NDArray[np.float64],
    gaps: NDArray[np.float64],
    body: NDArray[np.float64],
    runs: NDArray[np.int64],
    integers: NDArray[np.int64],
    reals: NDArray[np.float64],
    ts: NDArray[np.int64],
    ticks: NDArray[np.int64],
    lots: NDArray[np.int64],
    side: NDArray[np.int8],
) -> int:
    """Write the next trades of a day and return how many: fewer than there is room for only where the day ends.

    Parameters
    ----------
    key
        Key of the day's random words.
    opens
        First nanosecond of the session.
    counts
        Trades of each minute, shape (minutes,).
    minutes
        Shape (minutes + 1, 5), by column: price in ticks at the minute's start, standard deviation of the price
        between two trades in ticks, half spread in ticks, factor of sizes, probability of a buyer. The last row holds
        the price at the close.
    settings, gaps, body, runs
        Constants of the day, quantiles of waiting times, of sizes and of runs of one side.
    integers, reals
        What is carried; zero before the first call.
    ts, ticks, lots, side
        Where trades are written: nanoseconds, ticks, lots, +1 or -1.
    """
    burst, micros, share, noise = settings[BURST], settings[FOLLOWER], settings[LEADERS], settings[NOISE]
    revision, tail, start, floor = settings[REVISION], settings[TAIL], settings[TAIL_START], settings[TAIL_FLOOR]
    power, rounded, coarse, lot = settings[TAIL_POWER], settings[ROUND], settings[COARSE], settings[ROUND_LOT]
    minute, index, last, sign, run_sign, run_left, trade = integers
    clock, path, quote = reals
    done = 0
    while done < len(ts) and minute < len(counts):
        count = counts[minute]
        if index == count:
            minute, index = minute + 1, 0
            continue
        step, half, scale, buy = minutes[minute, 1], minutes[minute, 2], minutes[minute, 3], minutes[minute, 4]
        target, origin = minutes[minute + 1, 0], opens + minute * MINUTE_NANOS
        if index == 0:
            clock, last, path = 0.0, -1, minutes[minute, 0]
        for _ in range(min(count - index, len(ts) - done)):
            counter = key + np.uint64(trade) * _STRIDE
            first, second = mix(counter), mix(counter + _GAMMA)
            left = count - index
            follower = index > 0 and np.int64((second >> np.uint64(28)) & _BYTE) < burst
            clock += _gap(first, clock, 1.0 + (left - 1) * share, follower, micros, gaps)
            last = min(max(int(clock), last + 1), MINUTE_MICROS - left)
            weight = 1.0 / left
            path += (target - path) * weight + step * _normal(first) * (1.0 - weight)
            if index == 0 or np.int64((second >> np.uint64(36)) & _BYTE) < revision:
                quote = path
            if not follower:
                sign, run_sign, run_left = _side(second, counter ^ _RARE, buy, noise, run_sign, run_left, runs)
            ts[done] = origin + last * 1_000
            ticks[done] = max(int(np.floor(quote + sign * half + 0.5)), 1)
            lots[done] = _size(second, ~counter, scale, body, tail, start, floor, power, rounded, coarse, lot)
            side[done] = sign
            index, trade, done = index + 1, trade + 1, done + 1
    integers[:] = minute, index, last, sign, run_sign, run_left, trade
    reals[:] = clock, path, quote
    return done
