"""Bad days of loading processes: killed, many at once, without rights, without an answer; with real processes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from ohlcv_assets.stores.base import DayRecord
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.units import day_start
from ohlcv_assets_tests.servers import Server, drop_bucket, make_bucket, make_token
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.faults import Loading, Order
from ohlcv_assets_tests.stores.influxdb.stores import GRACE, held, plan, trade_store
from ohlcv_assets_tests.stores.made import FIRST, batches, day_number, made_day, promise, rows_of, stored

pytestmark = pytest.mark.integration

KILLS = 5
PER_SYMBOL = 2_000


def order(server: Server, layout: Layout, **changes: Any) -> Order:
    """Return what a process is to do; Any: fields of Order."""
    prefix = layout.trades.name.removesuffix("trades")
    given: dict[str, Any] = {"mode": "load", "per_symbol": PER_SYMBOL, "token": server.operator_token, **changes}
    return Order(url=server.url, org=server.org, prefix=prefix, **given)


@contextmanager
def opened(server: Server, layout: Layout, token: str | None = None) -> Iterator[InfluxTradeStore]:
    """Open the store in this process, patient enough to outlast the lease of somebody who was killed."""
    with ExitStack() as stack:
        store = trade_store(server, layout, plan(), token, patience=60.0)
        stack.callback(store.close)
        yield store


def require_exactly(store: InfluxTradeStore, offsets: list[int], seed: int) -> None:
    """Fail unless the store holds exactly those days, recorded clean, and loading them again does nothing."""
    days = {day_number(offset): made_day(day_number(offset), PER_SYMBOL, seed=seed) for offset in offsets}
    assert sorted(held(store)) == sorted(row for table in days.values() for row in rows_of(table))
    clean = {day: DayRecord(day, "clean", str(seed), 3 * PER_SYMBOL) for day in days}
    assert dict(store.day_records()) == clean
    for day, table in days.items():
        assert store.replace_day(promise(day, table, str(seed)), iter([])).written == 0


def once_there(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it did not come to pass")


def test_killed_loaders_leave_nothing_behind(real_server: Server, real_layout: Layout) -> None:
    """After SIGKILL at random points clean records are true, and loading again gives exactly the content."""
    chance = random.Random(3)  # noqa: S311 -- moments, not secrets
    with opened(real_server, real_layout) as store:
        for attempt in range(KILLS):
            seed = attempt // 2
            slow = {"rows_per_second": 12_000, "carrier": ("native", "client")[attempt % 2]}
            with Loading(order(real_server, real_layout, offsets=[0, 1], seed=seed, plan=slow)) as process:
                # Whoever was killed before while writing is waited for.
                time.sleep(chance.uniform(0.0, 1.2) + (GRACE if attempt else 0.0))
                process.kill()
            for record in store.day_records().values():
                if record.state == "clean":
                    table = made_day(record.day, PER_SYMBOL, seed=int(record.content_hash))
                    assert dict(store.counts(record.day)) == dict(promise(record.day, table).counts)
        with Loading(order(real_server, real_layout, offsets=[0, 1], seed=7)) as process:
            assert process.said() == "done"
        require_exactly(store, [0, 1], 7)


def test_two_loaders_on_one_day(real_server: Server, real_layout: Layout) -> None:
    """Two processes that load the same days, with both writers, do it once after the other: no error, no loss."""
    orders = [
        order(real_server, real_layout, offsets=offsets, seed=7, plan={"carrier": carrier, "rows_per_second": 20_000})
        for offsets, carrier in (([0, 1], "native"), ([1, 0], "client"))
    ]
    with Loading(orders[0]) as one, Loading(orders[1]) as other:
        assert (one.said(), other.said()) == ("done", "done")
    with opened(real_server, real_layout) as store:
        require_exactly(store, [0, 1], 7)


def test_two_contents_for_one_day(real_server: Server, real_layout: Layout) -> None:
    """Of two processes with different content for one day the later one wins whole; nothing of the other is left."""
    orders = [order(real_server, real_layout, seed=seed, plan={"rows_per_second": 20_000}) for seed in (1, 2)]
    with Loading(orders[0]) as one, Loading(orders[1]) as other:
        assert (one.said(), other.said()) == ("done", "done")
    with opened(real_server, real_layout) as store:
        require_exactly(store, [0], int(store.day_records()[FIRST].content_hash))


def test_a_token_revoked_half_way(any_server: Server, any_layout: Layout) -> None:
    """The load stops at once and says what to do about the token; a new token heals the day."""
    rights = [
        {"action": action, "resource": {"type": kind}}
        for kind in ("buckets", "labels", "orgs")
        for action in ("read", "write")
    ]
    identity, token = make_token(any_server, rights)
    slow = {"rows_per_second": 3_000}
    with opened(any_server, any_layout) as store:
        with Loading(order(any_server, any_layout, token=token, plan=slow)) as process:
            once_there(lambda: sum(store.counts(FIRST).values()) > 0)
            path = f"/api/v2/authorizations/{identity}"
            store._connection.call("DELETE", path, doing="revoke a token")
            kind, sentence = process.said().split("|")
        assert kind == "StoreAccessError"
        assert "OHLCV_INFLUX_TOKEN" in sentence
        assert token not in sentence
        assert store.day_records()[FIRST].state == "dirty"
    with opened(any_server, any_layout, make_token(any_server, rights)[1]) as healed:
        table = made_day(FIRST, PER_SYMBOL)
        healed.replace_day(promise(FIRST, table, "0"), batches(table))
        require_exactly(healed, [0], 0)


def test_a_bucket_deleted_half_way(any_server: Server, any_layout: Layout) -> None:
    """The load stops at once and says how to make what is missing; with the bucket there again the day heals."""
    name = any_layout.trades.name
    with opened(any_server, any_layout) as store:
        with Loading(order(any_server, any_layout, plan={"rows_per_second": 3_000})) as process:
            once_there(lambda: sum(store.counts(FIRST).values()) > 0)
            drop_bucket(store._connection, name)
            kind, sentence = process.said().split("|")
        assert kind == "StoreAccessError"
        assert "ohlcv influx setup" in sentence
        make_bucket(store._connection, name)
        assert store.day_records()[FIRST].state == "dirty"
        table = made_day(FIRST, PER_SYMBOL)
        store.replace_day(promise(FIRST, table, "0"), batches(table))
        require_exactly(store, [0], 0)


def test_a_trade_at_exactly_midnight_survives(any_server: Server, any_layout: Layout) -> None:
    """Replacing and deleting a day leaves alone what lies one nanosecond before it and at the very next midnight."""
    around = [
        ("AAPL", day_start(FIRST) - 1, 1.0, 2.0, 1),
        ("AAPL", day_start(day_number(1)), 3.0, 4.0, -1),
    ]
    inside = [("AAPL", day_start(FIRST), 5.0, 6.0, 1), ("AAPL", day_start(day_number(1)) - 1, 7.0, 8.0, -1)]
    with opened(any_server, any_layout) as store:
        store.append(stored(around))
        for content in (inside, inside[:1], inside[1:]):
            table = stored(content)
            store.replace_day(promise(FIRST, table, repr(content)), iter(table.to_batches()))
            assert sorted(held(store)) == sorted(around + content)
        assert store.delete_day(FIRST) == 1
        assert sorted(held(store)) == sorted(around)


def test_memory_stays_bounded_while_the_server_hangs(fake_server: Fake, fresh_layout: Callable[..., Layout]) -> None:
    """A loader whose server takes nothing reads no more than its ceiling and then stops; measured in a process."""
    layout = fresh_layout(fake_server)
    # A small day goes in: what is set up once counts for no growth. Of the other one the first record goes in too.
    fake_server.faults.add("swallow", skip=4, times=None)
    limits = {"memory": 1_000_000, "batch_lines": 1_000, "timeout": 0.5, "deadline": 3.0}
    with Loading(order(fake_server, layout, mode="flood", plan=limits)) as process:
        kind, taken, growth = process.said().split("|")
    assert kind == "StoreUnavailableError"
    assert int(taken) < 40_000
    assert int(growth) < 30_000_000
