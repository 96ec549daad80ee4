"""The feed: trades that were stored become running bars."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.bars.rollup import bars_of_trades
from ohlcv_assets.bars.running import WITHIN_A_DAY
from ohlcv_assets.bars.runs import table_of
from ohlcv_assets.errors import StoreError, StoreRejectedError, StoreUnavailableError
from ohlcv_assets.live import feed as feed_module
from ohlcv_assets.live.feed import Feed
from ohlcv_assets.units import DAY, MINUTE, Nanos, day_of
from ohlcv_assets_tests.bars.made import DAY_ONE, START, Trade, assert_same
from ohlcv_assets_tests.live.made import Desk, stored

pytestmark = pytest.mark.unit

MINUTES = RESOLUTIONS["1m"]
END = Nanos(START + DAY)
NEXT = day_of(END)


def trade(at: int, price: float = 1.0, symbol: str = "A") -> Trade:
    """Return a trade so many nanoseconds after midnight."""
    return symbol, START + at, price, 1.0, 1


async def opens(feed: Feed, symbol: str = "A", end: Nanos = END) -> list[int]:
    """Return the open times of the running minutes, in minutes after midnight."""
    found = await feed.running(symbol, MINUTES, START, end)
    return [(one - START) // MINUTE for bars in found.values() for one in bars["ts"].tolist()]


_TRADES = st.tuples(
    st.sampled_from(["A", "B"]),
    st.one_of(
        st.integers(0, 2 * DAY - 1),
        st.integers(0, 12).map(lambda at: at * MINUTE // 4),
        st.sampled_from([DAY - 1, DAY, DAY + MINUTE]),
    ).map(lambda at: START + at),
    st.sampled_from([1.0, 2.5, 10.25]),
    st.floats(1e-3, 1e6, allow_subnormal=False),
    st.sampled_from([-1, 1]),
)


@settings(max_examples=25, deadline=None)
@given(
    batches=st.lists(st.lists(_TRADES, min_size=1, max_size=8), min_size=1, max_size=8),
    days=st.sampled_from([1, 2, 100]),
    trades=st.sampled_from([0, 3, 1_000]),
)
def test_at_all_times_equal_to_what_the_store_gives(batches: list[list[Trade]], days: int, trades: int) -> None:
    """In any order, duplicates and overwritten trades included, however little is held in memory."""
    asyncio.run(posted_and_compared([*batches, batches[0]], days, trades))


async def posted_and_compared(batches: Sequence[Sequence[Trade]], days: int, trades: int) -> None:
    """Post batches; hold running bars to be those of the stored trades after each."""
    desk = Desk(days, trades)
    for batch in batches:
        await desk.post(*batch)
        for symbol in {one[0] for one in batch}:
            scanned = [*desk.trades.scan(START, Nanos(END + DAY), [symbol])]
            for resolution in WITHIN_A_DAY:
                found = await desk.feed.running(symbol, resolution, START, Nanos(END + DAY))
                parts = [table_of([(symbol, bars)]) for bars in found.values() if len(bars["ts"]) > 0]
                # At most so many days are given as may run.
                lacking = days < len({one[1] // DAY for one in _of(batches, symbol)})
                expected = bars_of_trades(pa.Table.from_batches(scanned), resolution)
                if not lacking:
                    assert_same(expected, pa.concat_tables(parts).unify_dictionaries())
    assert len(desk.feed._held) <= days
    await desk.feed.close()


def _of(batches: Sequence[Sequence[Trade]], symbol: str) -> list[Trade]:
    return [one for batch in batches for one in batch if one[0] == symbol]


def test_trades_alone_are_taken() -> None:
    """Other tables are refused; none is nothing."""

    async def run() -> None:
        desk = Desk()
        await desk.feed.publish(stored([]))
        with pytest.raises(StoreRejectedError, match="have the columns"):
            await desk.feed.publish(pa.table({"x": [1]}))
        await desk.settled()
        await desk.feed.close()
        assert desk.asked == []

    asyncio.run(run())


def test_a_day_begins_with_what_the_store_has() -> None:
    """Trades of before are in the bars; told are minutes that differ from stored bars."""

    async def run() -> None:
        desk = Desk()
        before = [trade(0), trade(MINUTE), trade(2 * MINUTE)]
        desk.trades.append(stored(before))
        known = bars_of_trades(stored([trade(0), trade(MINUTE, 9.0)]), MINUTES)
        desk.bars.write(MINUTES, DAY_ONE, known)
        await desk.post(trade(5 * MINUTE))
        await desk.settled()
        assert [(one - START) // MINUTE for one in desk.told.minutes()[0]] == [1, 2, 5]
        assert await opens(desk.feed) == [0, 1, 2, 5]
        version = desk.feed.version("A")
        await desk.post(trade(6 * MINUTE))
        assert await opens(desk.feed) == [0, 1, 2, 5, 6]
        assert desk.feed.version("A") == version + 1
        assert desk.asked == ["running bars"]
        assert [len(trades["ts"]) for _, trades in desk.told.trades] == [1, 1]
        assert await desk.feed.running("B", MINUTES, START, END) == {}
        assert await desk.feed.running("A", MINUTES, END, Nanos(END + DAY)) == {}

    asyncio.run(run())


def test_what_comes_while_the_store_is_read_is_not_lost() -> None:
    """It is put on top of what was read; and an overwritten trade is read again."""

    async def run() -> None:
        desk = Desk()
        desk.door.clear()
        await desk.post(trade(0), trade(MINUTE))
        desk.feed.deliver()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert desk.asked == ["running bars"]
        await desk.post(trade(2 * MINUTE), trade(MINUTE, 5.0))
        desk.feed.deliver()
        desk.door.set()
        assert await opens(desk.feed) == [0, 1, 2]
        found = await desk.feed.running("A", MINUTES, START, END)
        assert found[START]["close"].tolist() == [1.0, 5.0, 1.0]
        assert desk.asked == ["running bars", "late trades"]

    asyncio.run(run())


def test_late_trades_whose_minutes_are_not_kept_are_read_near_to_near() -> None:
    """What lies far apart is read apart; the day stays right."""

    async def run() -> None:
        desk = Desk(trades=0)
        await desk.post(trade(600 * MINUTE))
        await desk.settled()
        await desk.post(trade(0), trade(MINUTE), trade(400 * MINUTE))
        assert await opens(desk.feed) == [0, 1, 400, 600]
        assert desk.asked == ["running bars", "late trades", "late trades"]

    asyncio.run(run())


def test_a_store_that_is_away_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks is told; once it is back all trades are in the bars."""

    async def run() -> None:
        desk = Desk()
        desk.fails = StoreUnavailableError("away")
        await desk.post(trade(0))
        for _ in range(2):
            with pytest.raises(StoreUnavailableError):
                await opens(desk.feed)
        await desk.post(trade(MINUTE))
        await desk.settled()
        desk.fails = None
        desk.feed.retry()
        await desk.settled()
        asked = len(desk.asked)
        assert await opens(desk.feed) == [0, 1]
        desk.feed.retry()
        assert len(desk.asked) == asked

    asyncio.run(run())
    assert monkeypatch is not None


def test_days_that_fall_out_are_read_again() -> None:
    """So many run; others come back where somebody asks for them."""

    async def run() -> None:
        desk = Desk(days=1)
        await desk.post(trade(0))
        await desk.settled()
        await desk.post(trade(DAY))
        await desk.settled()
        assert [key[1] for key in desk.feed._held] == [END]
        assert desk.feed.bars_at("A", MINUTES, np.array([START])) is None
        assert await opens(desk.feed) == [0]
        bars = desk.feed.bars_at("A", MINUTES, np.array([START, START + MINUTE]))
        assert bars is not None
        assert bars["ts"].tolist() == [START]
        assert desk.asked == ["running bars"] * 3

    asyncio.run(run())


def test_a_day_whose_reading_is_given_up_is_an_error() -> None:
    """Nobody waits for ever."""

    async def run() -> None:
        desk = Desk()
        desk.door.clear()
        await desk.post(trade(0))
        waiting = asyncio.create_task(opens(desk.feed))
        while not desk.asked:  # noqa: ASYNC110 -- nobody tells when
            await asyncio.sleep(0)
        await desk.feed.close()
        with pytest.raises(StoreError, match="given up"):
            await waiting

    asyncio.run(run())


def test_days_without_bars_of_an_earlier_run_are_open() -> None:
    """They are read when somebody asks, and not before."""

    async def run() -> None:
        desk = Desk()
        desk.trades.append(stored([trade(0), trade(DAY)]))
        desk.feed.open_days([DAY_ONE, NEXT], ["A", "B"])
        await desk.settled()
        assert desk.asked == []
        assert await opens(desk.feed, end=Nanos(END + DAY)) == [0, 1440]
        assert await opens(desk.feed, "B") == []

    asyncio.run(run())


def test_a_day_whose_bars_are_made_is_open_no_more() -> None:
    """It is read once more for those who follow, then let go; one that gets trades meanwhile stays."""

    async def run() -> None:
        desk = Desk()
        reopened: list[object] = []
        desk.feed.reopened = reopened.append
        await desk.post(trade(0), trade(MINUTE), trade(DAY))
        await desk.settled()
        desk.told.minutes()
        desk.trades.delete_day(DAY_ONE)
        desk.trades.append(stored([trade(0, 3.0), trade(MINUTE)]))
        began = time.monotonic()
        desk.feed.settle({DAY_ONE: "a"}, [DAY_ONE], began)
        await desk.settled()
        assert desk.told.minutes() == [[START]]
        assert await desk.feed.running("A", MINUTES, START, END) == {}
        assert desk.feed.bars_at("A", MINUTES, np.array([START])) is not None
        desk.feed.settle({DAY_ONE: "a"}, [DAY_ONE], time.monotonic())
        assert desk.feed.bars_at("A", MINUTES, np.array([START])) is None
        assert await opens(desk.feed, end=Nanos(END + DAY)) == [1440]
        await desk.post(trade(2 * MINUTE))
        await desk.settled()
        desk.feed.settle({DAY_ONE: "a"}, [DAY_ONE], began)
        assert await opens(desk.feed) == [0, 1, 2]
        assert reopened == [DAY_ONE, NEXT, DAY_ONE]

    asyncio.run(run())


def test_a_day_whose_trades_are_others_is_read_again() -> None:
    """As where a file was loaded over posted trades, and its bars are not made yet."""

    async def run() -> None:
        desk = Desk()
        await desk.post(trade(0))
        await desk.settled()
        desk.trades.append(stored([trade(7 * MINUTE)]))
        desk.feed.settle({DAY_ONE: "b"}, [], time.monotonic())
        assert await opens(desk.feed) == [0, 7]
        desk.feed.settle({DAY_ONE: "b"}, [], time.monotonic())
        await desk.settled()
        assert desk.asked == ["running bars"] * 2

    asyncio.run(run())


def test_a_day_that_closes_while_it_is_read_is_let_go() -> None:
    """Nothing is left running."""

    async def run() -> None:
        desk = Desk()
        await desk.post(trade(0))
        await desk.settled()
        desk.door.clear()
        for _ in range(2):
            desk.feed.settle({DAY_ONE: "a"}, [DAY_ONE], time.monotonic())
            await asyncio.sleep(0)
        assert not desk.feed._held
        desk.door.set()
        await asyncio.sleep(0.01)

    asyncio.run(run())


def test_trades_are_delivered_together_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once where it was quiet, then not before a pause is over; closing leaves no timer."""

    async def told(desk: Desk, times: int) -> list[int]:
        while len(desk.told.trades) < times:  # noqa: ASYNC110 -- nobody tells when
            await asyncio.sleep(0.001)
        return [len(trades["ts"]) for _, trades in desk.told.trades]

    async def run() -> None:
        desk = Desk()
        monkeypatch.setattr(feed_module, "PAUSE", 3_600.0)
        await desk.post(trade(0))
        assert await told(desk, 1) == [1]
        await desk.post(trade(1))
        await desk.post(trade(2))
        await asyncio.sleep(0.05)
        assert await told(desk, 1) == [1]
        desk.feed.deliver()
        assert await told(desk, 2) == [1, 2]
        await desk.feed.close()

    async def soon() -> None:
        desk = Desk()
        monkeypatch.setattr(feed_module, "PAUSE", 0.01)
        for at in range(3):
            await desk.post(trade(at))
            assert sum(await told(desk, at + 1)) == at + 1
        await desk.post(trade(3))
        await desk.feed.close()

    asyncio.run(run())
    asyncio.run(soon())
