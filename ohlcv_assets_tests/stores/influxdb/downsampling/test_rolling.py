"""Bars that the server makes: equal to the roll-up's, whatever was stored before, in smaller parts where needed."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pytest
from hypothesis import given, settings

from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.bars.rollup import bars_of_day
from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.stores.base import DayContent, RollsUp
from ohlcv_assets.stores.influxdb.bars import InfluxBarStore
from ohlcv_assets.stores.influxdb.downsampling.rolling import roll_up
from ohlcv_assets.stores.influxdb.downsampling.scripts import chunk_script
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.reads.asking import Asker, QueryTimeout
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.units import DAY, HOUR, MINUTE, day_bounds
from ohlcv_assets_tests.bars.made import DAY_ONE, NAMES, START, Trade, assert_same, day_of_trades, table
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.pairs import bar_store
from ohlcv_assets_tests.stores.influxdb.reads.limited import write
from ohlcv_assets_tests.stores.influxdb.stores import plan, trade_store

pytestmark = pytest.mark.integration
MINUTES = RESOLUTIONS["1m"]
HOURS = RESOLUTIONS["1h"]
ODD_NAMES = (*NAMES, 'quo"te', "${now()}", "with space", "x,y=z", "ä→日本")
BEFORE_1970 = dt.date(1677, 1, 1)


def counts_of(trades: Sequence[Trade]) -> dict[str, int]:
    """Count trades by symbol."""
    return dict(Counter(trade[0] for trade in trades))


@dataclass
class Stores:
    """Stores of trades and bars in the same buckets."""

    trades: InfluxTradeStore
    bars: InfluxBarStore

    def load(self, trades: Sequence[Trade]) -> None:
        """Make the store hold exactly these trades on the day."""
        batches = table(sorted(trades)).combine_chunks().to_batches()
        content = DayContent(DAY_ONE, str(hash(tuple(trades))), counts_of(trades))
        self.trades.replace_day(content, iter(batches))

    def read(self, name: str) -> pa.Table:
        """Return the day's stored bars."""
        return self.bars.read(RESOLUTIONS[name], *day_bounds(DAY_ONE))

    def roll(self, trades: Sequence[Trade]) -> None:
        """Have the bars made, and hold them to the roll-up's."""
        made = self.bars.roll_up(DAY_ONE, STORED_RESOLUTIONS, counts_of(trades))
        expected = bars_of_day(table(sorted(trades)))
        assert made == {name: bars.num_rows for name, bars in expected.items()}
        for name, bars in expected.items():
            assert_same(bars, self.read(name))


def opened(server: Server, layout: Layout) -> Stores:
    """Open stores; whoever asks closes them."""
    return Stores(trade_store(server, layout, plan()), bar_store(server, layout, plan()))


@pytest.fixture
def stores(any_server: Server, any_layout: Layout) -> Iterator[Stores]:
    """Return empty stores on ``any_server``."""
    made = opened(any_server, any_layout)
    yield made
    made.trades.close()
    made.bars.close()


@pytest.fixture
def faked(fake_server: Fake, fresh_layout: Callable[[Server], Layout]) -> Iterator[Stores]:
    """Return empty stores on the fake server."""
    made = opened(fake_server, fresh_layout(fake_server))
    yield made
    made.trades.close()
    made.bars.close()


def test_bars_are_the_roll_ups(stores: Stores) -> None:
    """Whatever the trades are, and whatever was stored before, the server's bars are those of the roll-up."""

    @settings(deadline=None, max_examples=6)
    @given(day_of_trades())
    def check(trades: list[Trade]) -> None:
        stores.load(trades)
        stores.roll(trades)

    check()


EDGES = (0, MINUTE - 1, MINUTE, 5 * MINUTE - 1, 5 * MINUTE, HOUR - 1, HOUR, 23 * HOUR, DAY - MINUTE, DAY - 1)
DAYS: dict[str, list[Trade]] = {
    "no trade": [],
    "one trade": [("AAPL", START + 7 * HOUR, 1.25, 3.0, -1)],
    "edges of intervals": [("AAPL", START + edge, 10.0 + at, 1.5, 1) for at, edge in enumerate(EDGES)],
    "odd names": [(name, START + at * HOUR, 2.0, 0.1 * (at + 1), -1) for at, name in enumerate(sorted(ODD_NAMES))],
    "moved trades": [("AAPL", START + edge + 2 * MINUTE, 5.0, 1.0, 1) for edge in EDGES[:-2]],
    "no trade again": [],
}


def test_a_day_after_the_other(stores: Stores) -> None:
    """The day of each case in place of the one before: bars of trades that are gone, or have moved, are gone too."""
    for trades in DAYS.values():
        stores.load(trades)
        stores.roll(trades)
    stores.roll([])


def test_strays_that_only_show_afterwards(faked: Stores) -> None:
    """As many trades as before in other intervals: the bars they have left are found by their trades, and removed."""
    early = [("AAPL", START + at, 1.0, 1.0, 1) for at in range(3)]
    late = [("AAPL", START + HOUR + at, 1.0, 1.0, 1) for at in range(3)]
    faked.load(early)
    faked.roll(early)
    faked.load(late)
    assert faked.bars.roll_up(DAY_ONE, [MINUTES], counts_of(late)) == {"1m": 1}
    assert_same(bars_of_day(table(late))["1m"], faked.read("1m"))


def test_torn_bars_are_made_afresh(fake_server: Fake, faked: Stores) -> None:
    """A point that is no whole bar does not stay."""
    trades = DAYS["one trade"]
    faked.load(trades)
    write(fake_server, [f"ohlcv,symbol=AAPL open=1 {START}"], faked.bars._bucket(MINUTES))
    faked.roll(trades)


def test_bars_that_cannot_be_right(faked: Stores) -> None:
    """Where the stored trades are not those promised, no bars of them pass for right."""
    faked.load(DAYS["one trade"])
    with pytest.raises(StoreMismatchError, match=r"The 1m bars .* hold 1 trades and the day has 2: load the day again"):
        faked.bars.roll_up(DAY_ONE, [MINUTES], {"AAPL": 2})


def test_days_that_the_server_cannot_hold(faked: Stores) -> None:
    """Before its first instant there are no trades, so there are no bars."""
    assert faked.bars.roll_up(BEFORE_1970, [MINUTES], {}) == {"1m": 0}


def test_nothing_asked_for(faked: Stores) -> None:
    """Of no resolution there is nothing to make; a store that makes bars says so by its type."""
    assert faked.bars.roll_up(DAY_ONE, [], {"AAPL": 1}) == {}
    assert isinstance(faked.bars, RollsUp)


class Slow:
    """Answers scripts of up to so many nanoseconds, and writes down which."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.done: list[tuple[int, int]] = []

    def asker(self, asker: Asker, spans: dict[str, tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> Asker:
        """Return an asker that answers so."""

        def flux(text: str, *_: object) -> pa.Table:
            start, stop = spans[text]
            if stop - start > self.most:
                raise QueryTimeout("too slow")
            self.done.append((start, stop))
            return BARS.empty_table()

        monkeypatch.setattr(asker, "flux", flux)
        return asker


@pytest.mark.parametrize("most", [HOUR, 5 * HOUR, DAY])
def test_what_takes_too_long_is_sent_in_halves(
    fake_server: Fake, fresh_layout: Callable[[Server], Layout], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Each half is whole bars, and together they are the range; a single bar that takes too long is an error."""
    layout = fresh_layout(fake_server)
    edges = [START + hour * HOUR for hour in range(25)]
    spans = {chunk_script(HOURS, layout, a, b): (a, b) for a in edges for b in edges if a < b}
    connection = fake_server.connect()
    slow = Slow(most)
    asker = slow.asker(Asker(connection, 1.0), spans, monkeypatch)
    roll_up(asker, layout, HOURS, START, START + DAY)
    assert slow.done[0][0] == START
    assert slow.done[-1][1] == START + DAY
    assert all(one[1] == other[0] for one, other in zip(slow.done, slow.done[1:], strict=False))
    slow.most = HOUR - 1
    with pytest.raises(QueryTimeout):
        roll_up(asker, layout, HOURS, START, START + DAY)
    connection.close()


def test_the_storage_engine_aggregates(real_server: Server, real_layout: Layout) -> None:
    """A real server's plan has one read a column that aggregates in storage, and turnover's read alone does not."""
    stores = opened(real_server, real_layout)
    stores.load(DAYS["edges of intervals"])
    connection = real_server.connect()
    profiled = 'import "profiler"\noption profiler.enabledProfilers = ["operator"]\n'
    found = {}
    for name in ("1m", "5m"):
        script = profiled + chunk_script(RESOLUTIONS[name], real_layout, *day_bounds(DAY_ONE))
        reply = connection.send(
            "POST",
            "/api/v2/query",
            query={"org": connection.address.org},
            body=script.encode(),
            headers={"Content-Type": "application/vnd.flux"},
        )
        assert reply.passed
        found[name] = Counter(re.findall(r",(\*influxdb\.read\w+),", reply.body.decode()))
    assert found["1m"] == {"*influxdb.readWindowAggregateSource": 7, "*influxdb.readFilterSource": 1}
    assert found["5m"] == {"*influxdb.readWindowAggregateSource": 8}
    connection.close()
    stores.trades.close()
    stores.bars.close()
