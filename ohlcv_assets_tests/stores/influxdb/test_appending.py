"""Trades added to held days of InfluxDB: what that costs, and what is left where it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from ohlcv_assets.errors import StoreUnavailableError
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.units import day_start
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.stores import GRACE, held, plan, trade_store
from ohlcv_assets_tests.stores.made import FIRST, batches, made_day, promise, stored

pytestmark = pytest.mark.integration

START = day_start(FIRST)
WRITE = "/api/v2/write"


@pytest.fixture
def stores(fake_server: Fake, fresh_layout: Callable[..., Layout]) -> Iterator[list[InfluxTradeStore]]:
    """Return two stores on the same empty buckets, as two processes have them."""
    layout = fresh_layout(fake_server)
    opened = [trade_store(fake_server, layout, plan(deadline=1.0)) for _ in range(2)]
    yield opened
    for store in opened:
        store.close()


def append(store: InfluxTradeStore, at: int) -> None:
    """Add a trade within a hold."""
    with store.holding([FIRST]):
        store.append(stored([("A", START + at, 1.0, 1.0, 1)]), free=True)


def test_one_request_for_each_time(fake_server: Fake, stores: list[InfluxTradeStore]) -> None:
    """While the lease is kept: the record of the day is taken away once, and whether it may be kept is asked once."""
    store, _ = stores
    with store.keeping():
        append(store, 0)
        before = {path: fake_server.faults.count(path) for path in (WRITE, "/")}
        for at in range(1, 11):
            append(store, at)
        assert fake_server.faults.count(WRITE) - before[WRITE] == 10
        assert fake_server.faults.count("/") - before["/"] <= 13, "but for looks whether somebody waits"
    assert len(held(store)) == 11


def test_a_day_that_was_made_meanwhile_loses_its_record(stores: list[InfluxTradeStore]) -> None:
    """Somebody else loads the day between two times: the next trade makes it unproved again, and is there."""
    store, other = stores
    trades = made_day(FIRST, 5)
    with store.keeping():
        append(store, 0)
        other.replace_day(promise(FIRST, trades), batches(trades))
        assert list(other.day_records()) == [FIRST]
        append(store, 1)
        assert other.day_records() == {}
    assert dict(store.counts(FIRST)) == {"A": 1, "AAPL": 5, "BTC-USD": 5, "MSFT": 5}


def test_what_may_still_arrive_is_waited_for(fake_server: Fake, stores: list[InfluxTradeStore]) -> None:
    """A write without a reply ends the lease, and whoever is next waits the grace out, the same process included."""
    store, other = stores
    with store.keeping():
        append(store, 0)
        fake_server.faults.add("reset", path=WRITE, times=None)
        with pytest.raises(StoreUnavailableError):
            append(store, 1)
        fake_server.faults.heal()
        with other._leases.day(FIRST) as lease:
            assert lease.waited >= GRACE / 2
        append(store, 2)


def test_a_write_that_was_sent_twice_keeps_the_lease(fake_server: Fake, stores: list[InfluxTradeStore]) -> None:
    """What may still arrive is what is there; others wait for it once the lease is given back."""
    store, other = stores
    with store.keeping():
        append(store, 0)
        fake_server.faults.add("reset", path=WRITE)
        append(store, 1)
        with store.holding([FIRST]) as hold:
            mark = hold.mark(FIRST)
        append(store, 2)
        with store.holding([FIRST]) as hold:
            assert hold.mark(FIRST) == mark
    with other._leases.day(FIRST) as lease:
        assert lease.waited >= GRACE / 2
    assert len(held(store)) == 3


def test_own_trades_are_nothing_new_and_those_of_others_are(stores: list[InfluxTradeStore]) -> None:
    """Whether somebody else adds now, has added since, or has added in between two own trades."""
    store, other = stores
    append(store, 0)
    mine = store.changes([FIRST])
    append(store, 1)
    assert store.changes([FIRST]) == mine
    append(other, 2)
    after = store.changes([FIRST])
    assert after != mine
    assert store.changes([FIRST]) == after
    append(store, 3)
    assert store.changes([FIRST]) not in (mine, after), "it was other before, which was not looked at"
    unseen = store.changes([FIRST])
    append(other, 4)
    append(store, 5)
    assert store.changes([FIRST]) != unseen


def test_a_day_that_somebody_holds_may_change_at_any_time(stores: list[InfluxTradeStore]) -> None:
    """It differs each time, for others; and a last time when it was given back, unless nothing was added."""
    store, other = stores
    with store.keeping():
        append(store, 0)
        assert store.changes([FIRST]) == store.changes([FIRST])
        seen = [other.changes([FIRST]) for _ in range(3)]
        assert all(one != two for one, two in pairwise(seen))
    assert other.changes([FIRST]) == other.changes([FIRST]) != seen[-1]
