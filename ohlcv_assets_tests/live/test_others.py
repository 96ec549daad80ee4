"""What others store while we run becomes running bars as well."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TypeVar, cast

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.rollup import bars_of_trades
from ohlcv_assets.bars.running import WITHIN_A_DAY
from ohlcv_assets.bars.runs import table_of
from ohlcv_assets.errors import StoreUnavailableError
from ohlcv_assets.live.others import FEW, Others
from ohlcv_assets.project import Project
from ohlcv_assets.stores.base import DayRecord
from ohlcv_assets.units import DAY, HOUR, MINUTE, Nanos, day_of
from ohlcv_assets_tests.bars.made import DAY_ONE, START, Trade, assert_same
from ohlcv_assets_tests.live.made import Desk, stored
from ohlcv_assets_tests.live.test_feed import END, NEXT, opens, trade

pytestmark = pytest.mark.unit

T = TypeVar("T")
DAYS = (DAY_ONE, NEXT)
CHANGES, RECORDS, HOURS, MORE = "changes", "closed days", "trades by hour", "trades of others"


class Both(Desk):
    """A feed whose store others add to."""

    def __init__(self, days: int = 100, trades: int = 100_000, most: int = 10) -> None:
        super().__init__(days, trades)
        universe = SimpleNamespace(names=("A", "B"))
        project = SimpleNamespace(trade_store=self.trades, dataset=SimpleNamespace(universe=universe))
        self.others = Others(cast("Project", project), self.feed, self._ask_at_once, most)

    async def _ask_at_once(self, question: str, call: Callable[[], T], patience: float | None = None) -> T:
        """Ask whatever the door does."""
        assert patience is None or patience > 0
        self.asked.append(question)
        if self.fails is not None:
            raise self.fails
        return call()

    def add(self, *trades: Trade) -> None:
        """Store trades as somebody else does."""
        self.trades.append(stored(trades))

    async def look(self, days: Sequence[dt.date] = DAYS) -> list[str]:
        """Look once and return what was asked for that."""
        self.asked.clear()
        await self.others.look(days)
        await self.settled()
        return self.asked


_TRADES = st.tuples(
    st.sampled_from(["A", "B"]),
    st.one_of(
        st.integers(0, 2 * DAY - 1),
        st.integers(0, 12).map(lambda at: at * MINUTE // 4),
        st.sampled_from([HOUR - 1, HOUR, DAY - 1, DAY]),
    ).map(lambda at: START + at),
    st.sampled_from([1.0, 2.5, 10.25]),
    st.floats(1e-3, 1e6, allow_subnormal=False),
    st.sampled_from([-1, 1]),
)


@settings(max_examples=25, deadline=None)
@given(
    batches=st.lists(st.tuples(st.booleans(), st.lists(_TRADES, min_size=1, max_size=8)), min_size=1, max_size=8),
    days=st.sampled_from([2, 100]),
    trades=st.sampled_from([0, 3, 1_000]),
)
def test_equal_to_what_the_store_gives_whoever_stored_it(
    batches: list[tuple[bool, list[Trade]]], days: int, trades: int
) -> None:
    """Ours and others' in any order; nobody overwrites a trade."""
    asyncio.run(_stored_and_compared(batches, days, trades))


async def _stored_and_compared(batches: Sequence[tuple[bool, Sequence[Trade]]], days: int, trades: int) -> None:
    desk, taken = Both(days, trades), set[tuple[str, int]]()
    await desk.look()
    for ours, batch in batches:
        free = {one[:2]: one for one in batch if one[:2] not in taken}
        taken |= free.keys()
        if not free:
            continue
        if ours:
            await desk.post(*free.values())
        else:
            desk.add(*free.values())
        await desk.look()
        for symbol in ("A", "B"):
            scanned = [*desk.trades.scan(START, Nanos(END + DAY), [symbol])]
            for resolution in WITHIN_A_DAY:
                found = await desk.feed.running(symbol, resolution, START, Nanos(END + DAY))
                parts = [table_of([(symbol, bars)]) for bars in found.values() if len(bars["ts"]) > 0]
                if scanned:
                    expected = bars_of_trades(pa.Table.from_batches(scanned), resolution)
                    assert_same(expected, pa.concat_tables(parts).unify_dictionaries())
    await desk.feed.close()


def test_nothing_is_asked_where_nothing_was_changed() -> None:
    """But that; and nothing at all where all days are closed."""

    async def run() -> None:
        desk = Both()
        assert await desk.look() == [CHANGES, RECORDS, "days of trades"]
        assert await desk.look() == [CHANGES]
        assert await desk.look([]) == []
        desk.fails = StoreUnavailableError("away")
        with pytest.raises(StoreUnavailableError):
            await desk.look()

    asyncio.run(run())


def test_who_follows_is_told_of_bars_and_trades_once() -> None:
    """Only of minutes that are others now and of trades that are new, whoever finds them first."""

    async def run() -> None:
        desk = Both()
        await desk.look()
        await desk.post(trade(0), trade(MINUTE), trade(2 * MINUTE))
        await desk.look()
        desk.told.minutes()
        desk.told.trades.clear()
        desk.add(trade(2 * MINUTE + 1), trade(5 * MINUTE))
        assert await desk.look() == [CHANGES, RECORDS, HOURS, MORE]
        assert desk.told.minutes() == [[START + 2 * MINUTE, START + 5 * MINUTE]]
        assert [trades["ts"].tolist() for _, trades in desk.told.trades] == [
            [START + 2 * MINUTE + 1, START + 5 * MINUTE]
        ]
        await desk.feed.publish(stored([trade(5 * MINUTE), trade(6 * MINUTE)]))
        await desk.settled()
        assert [trades["ts"].tolist() for _, trades in desk.told.trades[1:]] == [[START + 6 * MINUTE]]

    asyncio.run(run())


def test_late_ones_are_found_in_their_hours() -> None:
    """The latest are read first; where that was not all, the hours that lack some."""

    async def run() -> None:
        desk = Both()
        await desk.look()
        await desk.post(trade(0), trade(3 * HOUR))
        await desk.look()
        desk.add(trade(1))
        assert await desk.look() == [CHANGES, RECORDS, HOURS, MORE, MORE]
        assert await opens(desk.feed) == [0, 180]
        found = await desk.feed.running("A", WITHIN_A_DAY[0], START, END)
        assert found[START]["trades"].tolist() == [2, 1]

    asyncio.run(run())


def test_what_cannot_be_found_so_is_read_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that counted more than it gives now; trades that are gone."""

    async def run() -> None:
        desk = Both()
        await desk.look()
        await desk.post(trade(0), trade(MINUTE))
        await desk.look()
        with monkeypatch.context() as lying:
            content = desk.trades.content(DAY_ONE)
            more = content.set_column(content.schema.get_field_index("trades"), "trades", pa.array([3]))
            lying.setattr(desk.trades, "content", lambda *_: more)
            desk.add(trade(0))
            assert await desk.look() == [CHANGES, RECORDS, HOURS, MORE, MORE, "running bars"]
        desk.trades.delete_day(DAY_ONE)
        desk.add(trade(MINUTE))
        assert await desk.look() == [CHANGES, RECORDS, HOURS, "running bars"]
        assert await opens(desk.feed) == [1]

    asyncio.run(run())


def test_a_day_that_is_being_read_is_looked_at_again() -> None:
    """And one whose bars began to run while it was counted."""

    async def run() -> None:
        desk = Both()
        desk.add(trade(0))
        await desk.look()
        desk.door.clear()
        await desk.post(trade(2 * MINUTE))
        desk.feed.deliver()
        await asyncio.sleep(0)
        desk.add(trade(MINUTE))
        for _ in range(2):
            desk.asked.clear()
            await desk.others.look(DAYS)
            assert desk.asked[:3] == [CHANGES, RECORDS, HOURS]
        desk.door.set()
        await desk.settled()
        await desk.look()
        assert await desk.look() == [CHANGES]
        assert await opens(desk.feed) == [0, 1, 2]
        known: dict[str, dict[Nanos, int]] = {}
        assert not desk.feed.compare(DAY_ONE, known, {"A": {START: 2}}), "of what was known before nothing is known"

    asyncio.run(run())


def test_days_that_others_begin_are_open() -> None:
    """They run for those who are followed, and are read for others where somebody asks."""

    async def run() -> None:
        desk = Both()
        await desk.look()
        desk.add(trade(0), trade(0, symbol="unfollowed"))
        assert await desk.look() == [CHANGES, RECORDS, "days of trades", HOURS, MORE]
        assert desk.told.minutes() == [[START]]
        assert [(symbol, len(trades["ts"])) for symbol, trades in desk.told.trades] == [("A", 1)]
        assert list(desk.feed._held) == [("A", START)]
        assert await opens(desk.feed, "unfollowed") == [0]

    asyncio.run(run())


def test_a_day_without_trades_until_now_begins_with_the_first() -> None:
    """Nothing is read for ours; those of others before and after them are found."""

    async def run() -> None:
        desk = Both()
        await desk.look()
        desk.add(trade(0))
        desk.asked.clear()
        await desk.post(trade(MINUTE))
        await desk.settled()
        assert desk.asked == []
        assert [trades["ts"].tolist() for _, trades in desk.told.trades] == [[START + MINUTE]]
        await desk.look()
        desk.add(trade(2 * MINUTE))
        await desk.look()
        told = [ts for _, trades in desk.told.trades for ts in trades["ts"].tolist()]
        assert sorted(told) == [START, START + MINUTE, START + 2 * MINUTE]
        assert await opens(desk.feed) == [0, 1, 2]

    asyncio.run(run())


def test_loads_are_seen_when_they_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a day is replaced nobody looks; proved trades without bars are shown; days without trades are not open."""

    async def run() -> None:
        desk = Both()
        await desk.look()
        desk.add(trade(0), trade(DAY))
        desk.trades.delete_day(NEXT)
        records = {DAY_ONE: DayRecord(DAY_ONE, "dirty", "a", 1), NEXT: DayRecord(NEXT, "clean", "b", 0)}
        monkeypatch.setattr(desk.trades, "day_records", lambda: dict(records))
        assert await desk.look() == [CHANGES, RECORDS]
        records[DAY_ONE] = DayRecord(DAY_ONE, "clean", "a", 1)
        assert await desk.look() == [CHANGES, RECORDS, HOURS, "running bars"]
        assert desk.feed.is_open(DAY_ONE)
        assert not desk.feed.is_open(NEXT)

    asyncio.run(run())


def test_many_days_are_counted_at_once_and_the_last_are_open() -> None:
    """A store whose file tells no days from each other."""

    async def run() -> None:
        desk = Both(most=2)
        days = [day_of(Nanos(START + number * DAY)) for number in range(FEW + 1)]
        await desk.look(days)
        desk.add(*(trade(number * DAY) for number in range(FEW + 1)))
        asked = await desk.look(days)
        assert asked[:3] == [CHANGES, RECORDS, "days of trades"]
        assert [day for day in days if desk.feed.is_open(day)] == days[-2:]

    asyncio.run(run())


def test_a_day_kept_for_those_who_were_told_is_left_alone() -> None:
    """Its bars are made; what is stored of them counts."""

    async def run() -> None:
        desk = Both()
        await desk.look()
        await desk.post(trade(0))
        await desk.settled()
        known = desk.feed.counted(DAY_ONE)
        desk.feed.settle({DAY_ONE: "a"}, [DAY_ONE], asyncio.get_running_loop().time() + 1)
        await desk.settled()
        desk.asked.clear()
        assert desk.feed.compare(DAY_ONE, known, {"A": {START: 5}})
        await desk.settled()
        assert desk.asked == []

    asyncio.run(run())
