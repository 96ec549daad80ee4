"""Bars that grow with their trades."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.bars.rollup import bars_of_trades
from ohlcv_assets.bars.running import WITHIN_A_DAY, Merged, RunningDay
from ohlcv_assets.bars.runs import table_of
from ohlcv_assets.bars.split import Columns
from ohlcv_assets.units import DAY, HOUR, MINUTE, Nanos
from ohlcv_assets_tests.bars.made import START, Trade, assert_same, columns, table

pytestmark = [pytest.mark.unit, pytest.mark.kernels]

MINUTES = RESOLUTIONS["1m"]
END = Nanos(START + DAY)


class Stored:
    """What a store holds of one symbol: at most one trade an instant."""

    def __init__(self) -> None:
        self.trades: dict[int, tuple[float, float, int]] = {}

    def put(self, batch: list[Trade]) -> None:
        """Add or overwrite."""
        self.trades.update({ts: (price, amount, side) for _, ts, price, amount, side in batch})

    def between(self, start: int, end: int) -> list[Trade]:
        """Return trades in order of time."""
        return [("A", ts, *rest) for ts, rest in sorted(self.trades.items()) if start <= ts < end]


def heal(day: RunningDay, stored: Stored, merged: Merged) -> list[int]:
    """Make unknown minutes of what the store has; return the minutes that changed."""
    if len(merged.unknown) == 0:
        return []
    first, last = int(merged.unknown[0]), int(merged.unknown[-1])
    trades = stored.between(START + first * MINUTE, START + (last + 1) * MINUTE)
    changed: list[int] = day.replace(first, last, columns(trades)).tolist()
    return changed


def assert_right(day: RunningDay, stored: Stored) -> None:
    """Hold the bars of every resolution to be those of the stored trades."""
    for resolution in WITHIN_A_DAY:
        found = day.bars(resolution, START, END)
        given_back = table_of([("A", found)] if len(found["ts"]) > 0 else [])
        assert_same(bars_of_trades(table(stored.between(START, END)), resolution), given_back)
    assert day.trades == len(stored.trades)


_INSTANTS = st.one_of(
    st.integers(0, DAY - 1),
    st.integers(0, 40).map(lambda at: at * MINUTE // 4),
    st.sampled_from([0, MINUTE - 1, MINUTE, HOUR - 1, HOUR, DAY - 1]),
)
_TRADES = st.tuples(
    st.just("A"),
    _INSTANTS.map(lambda at: START + at),
    st.sampled_from([1.0, 2.5, 10.25, 1e6]),
    st.floats(1e-3, 1e6, allow_subnormal=False),
    st.sampled_from([-1, 1]),
)


@settings(max_examples=40, deadline=None)
@given(
    batches=st.lists(st.lists(_TRADES, min_size=1, max_size=12), min_size=1, max_size=12),
    most=st.sampled_from([0, 2, 8, 1_000]),
    seed=st.integers(0, 9),
)
def test_at_all_times_equal_to_what_the_store_gives(batches: list[list[Trade]], most: int, seed: int) -> None:
    """In any order, duplicates and overwritten trades included, however few trades are kept."""
    stored, day = Stored(), RunningDay(START, most)
    again = np.random.default_rng(seed).integers(0, len(batches), 3)
    for batch in [*batches, *(batches[at] for at in again)]:
        stored.put(batch)
        before = {name: column.copy() for name, column in day.bars(MINUTES, START, END).items()}
        merged = day.merge(columns(batch))
        told = {*merged.changed.tolist(), *heal(day, stored, merged)}
        assert_right(day, stored)
        assert changes(before, day.bars(MINUTES, START, END)) <= told


@settings(max_examples=20, deadline=None)
@given(trades=st.lists(_TRADES, min_size=1, max_size=40, unique_by=lambda one: one[1]), seed=st.integers(0, 9))
def test_trades_that_are_kept_need_no_store(trades: list[Trade], seed: int) -> None:
    """As long as all are kept and none is overwritten, the order they come in makes no difference."""
    shuffled = [trades[at] for at in np.random.default_rng(seed).permutation(len(trades))]
    stored, day = Stored(), RunningDay(START)
    for one in shuffled:
        stored.put([one])
        assert len(day.merge(columns([one])).unknown) == 0
    assert_right(day, stored)
    assert day.kept == len(trades)
    assert day.merge(columns(trades)).changed.tolist() == [], "the same again changes nothing"


def changes(before: Columns, now: Columns) -> set[int]:
    """Return the minutes whose bar is another one."""

    def by_minute(bars: Columns) -> dict[int, tuple[float, ...]]:
        rows = zip(*(column.tolist() for column in bars.values()), strict=True)
        return {(row[0] - START) // MINUTE: tuple(row) for row in rows}

    earlier, later = by_minute(before), by_minute(now)
    return {minute for minute, bar in later.items() if earlier.get(minute) != bar}


def test_an_overwritten_trade_throws_its_minute_into_doubt() -> None:
    """The minute is to be made of the store's trades, and so is what comes into it later."""
    day = RunningDay(START)
    day.merge(columns([("A", START + 1, 10.0, 1.0, 1), ("A", START + MINUTE, 11.0, 1.0, 1)]))
    merged = day.merge(columns([("A", START + 1, 12.0, 1.0, 1), ("A", START + MINUTE + 1, 13.0, 1.0, 1)]))
    assert (merged.changed.tolist(), merged.unknown.tolist()) == ([1], [0])
    assert day.merge(columns([("A", START + 2, 9.0, 1.0, 1)])).unknown.tolist() == [0]
    assert day.replace(0, 0, columns([("A", START + 1, 12.0, 1.0, 1), ("A", START + 2, 9.0, 1.0, 1)])).tolist() == [0]
    found = day.bars(RESOLUTIONS["1h"], START, END)
    assert [found[name].tolist() for name in ("open", "low", "close", "trades")] == [[12.0], [9.0], [13.0], [4]]


def test_few_trades_are_kept() -> None:
    """Those of the latest minute always, others up to a bound; told to forget, none."""
    day = RunningDay(START, 10)
    for minute in range(20):
        trades: list[Trade] = [("A", START + minute * MINUTE + at, 1.0, 1.0, 1) for at in range(4)]
        assert day.merge(columns(trades)).changed.tolist() == [minute]
        assert day.kept <= 14
    rush: list[Trade] = [("A", START + 30 * MINUTE + at, 1.0, 1.0, 1) for at in range(5_000)]
    day.merge(columns(rush))
    assert day.kept == 5_000
    day.forget()
    assert (day.kept, day.trades) == (0, 5_080)
    assert day.merge(columns([("A", START + DAY - 1, 1.0, 1.0, 1)])).unknown.tolist() == [1439]


def test_bars_are_handed_out_by_range_and_by_name() -> None:
    """Half open as everywhere; what is outside the day is none; what is asked for and has no trades is none."""
    day = RunningDay(START)
    day.merge(columns([("A", START + at * MINUTE, 1.0, 1.0, 1) for at in (0, 1, 3)]))
    assert opens(day.bars(MINUTES, Nanos(START - DAY), Nanos(END + DAY))) == [0, 1, 3]
    assert opens(day.bars(MINUTES, Nanos(START + 1), Nanos(START + 3 * MINUTE))) == [1]
    assert opens(day.bars(MINUTES, Nanos(START + 1), Nanos(START + 3 * MINUTE + 1))) == [1, 3]
    assert opens(day.bars(MINUTES, END, Nanos(END + 1))) == []
    assert opens(day.bars(RESOLUTIONS["1d"], START, END)) == [0]
    asked = START + np.array([1, 2, 3]) * MINUTE
    assert opens(day.bars_at(MINUTES, asked)) == [1, 3]


def test_what_differs_from_another_day_is_told() -> None:
    """Minutes that are not the same, or that the other one has not."""
    one, other = RunningDay(START), RunningDay(START)
    one.merge(columns([("A", START + at * MINUTE, 1.0, 1.0, 1) for at in (0, 1, 3)]))
    other.merge(columns([("A", START + at * MINUTE, 1.0 + at, 1.0, 1) for at in (0, 1, 2)]))
    assert one.differing(other).tolist() == [1, 3]
    assert one.differing(one).tolist() == []


def opens(bars: Columns) -> list[int]:
    """Return the open times of bars in minutes since midnight."""
    found: list[int] = ((bars["ts"] - START) // MINUTE).tolist()
    return found


def test_bars_are_a_table_as_all_others_are() -> None:
    """The columns are those of every bar."""
    day = RunningDay(START)
    day.merge(columns([("A", START, 2.0, 3.0, -1)]))
    found = table_of([("A", day.bars(RESOLUTIONS["4h"], START, END))])
    assert_same(bars_of_trades(table([("A", START, 2.0, 3.0, -1)]), RESOLUTIONS["4h"]), found)
    assert found["imbalance"].type == pa.int64()
