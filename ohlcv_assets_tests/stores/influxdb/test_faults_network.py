"""Bad days between loader and server: every fault of the proxy, with both writers, ends in the right content."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import pytest

from ohlcv_assets.errors import StoreAccessError, StoreRejectedError, StoreUnavailableError
from ohlcv_assets.stores.base import DayRecord
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.units import DAY, day_start
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.faulty import What
from ohlcv_assets_tests.stores.influxdb.proxy import Proxy
from ohlcv_assets_tests.stores.influxdb.stores import held, plan, trade_store
from ohlcv_assets_tests.stores.made import FIRST, batches, day_number, made_day, promise, rows_of, stored

pytestmark = pytest.mark.integration

Faults = list[tuple[What, dict[str, Any]]]
"""Entries of a script; Any: fields of Fault."""

_SAYS: Final = b'{"code":"internal error","message":"unexpected error writing points to database: %s"}'

FAULTS: Final[dict[str, Faults]] = {
    "reset after the body": [("reset", {"times": 3})],
    "reset within the body": [("refuse", {"times": 3})],
    "swallowed reply": [("swallow", {"times": 2})],
    "late beyond the time-out": [("pass", {"times": 1, "delay": 1.5}), ("pass", {"times": 1, "skip": 2, "delay": 1.5})],
    "429": [("answer", {"times": 3, "status": 429, "headers": {"Retry-After": "0"}})],
    "500 time-out": [("answer", {"times": 2, "status": 500, "body": _SAYS % b"timeout"})],
    "500 cache": [("answer", {"times": 2, "status": 500, "body": _SAYS % b"cache-max-memory-size exceeded: (1/1)"})],
    "503": [("answer", {"times": 3, "status": 503})],
    "truncated reply": [("truncate", {"times": 3})],
    "idle connections closed": [("close", {"times": None})],
    "delivered twice": [("twice", {"times": None})],
    "questions cut short": [("truncate", {"path": "/api/v2/query", "times": 2}), ("reset", {"path": "/query"})],
    "leases cut short": [("reset", {"path": "/api/v2/labels", "times": 2, "method": "POST"})],
    "deletes cut short": [("reset", {"path": "/api/v2/delete"}), ("truncate", {"path": "/api/v2/delete", "part": 0.3})],
}

FLAKY: Final[Faults] = [
    ("reset", {}),
    ("refuse", {}),
    ("truncate", {}),
    ("close", {}),
    ("twice", {}),
    ("answer", {"status": 503}),
    ("answer", {"status": 500, "body": _SAYS % b"timeout"}),
]


@dataclass
class Proxied:
    """A proxy before a server, and what opens a store through it."""

    proxy: Proxy
    layout: Layout
    make: Callable[..., InfluxTradeStore]


@pytest.fixture(params=["fake-native", "real-native", "real-client"])
def proxied(request: pytest.FixtureRequest) -> Iterator[Proxied]:
    """Return a proxy before the fake server, and before a real one for each of the two writers."""
    kind, carrier = request.param.split("-")
    server: Server = request.getfixturevalue(f"{kind}_server")
    # Asked for after the server, and so gone before it.
    layout: Layout = request.getfixturevalue("fresh_layout")(server)
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(server.url))
        before = Server(proxy.url, server.org, server.operator_token)

        def make(**changes: Any) -> InfluxTradeStore:
            """Open a store; Any: fields of LoadPlan."""
            store = trade_store(before, layout, plan(carrier, **{"timeout": 1.0, **changes}))
            stack.callback(store.close)
            return store

        yield Proxied(proxy, layout, make)


@pytest.mark.parametrize("name", FAULTS)
def test_a_load_comes_through(proxied: Proxied, name: str) -> None:
    """A day that replaces another one is exactly there after faults in the middle of it, its neighbour untouched."""
    proxy, make = proxied.proxy, proxied.make
    store = make()
    before, after, neighbour = made_day(FIRST, 100), made_day(FIRST, 1_200, seed=1), made_day(day_number(1), 50)
    store.replace_day(promise(day_number(1), neighbour), batches(neighbour))
    store.replace_day(promise(FIRST, before, "before"), batches(before))
    for what, fields in FAULTS[name]:
        proxy.add(what, **fields)
    report = store.replace_day(promise(FIRST, after, "after"), batches(after))
    assert not [fault for fault in proxy.script if fault.times is not None], "not all faults were met"
    assert (report.rows, report.written, report.deleted) == (3_600, 3_600, 300)
    assert sorted(held(store)) == sorted(rows_of(after) + rows_of(neighbour))
    assert store.day_records()[FIRST] == DayRecord(FIRST, "clean", "after", 3_600)
    assert int(report.detail["rows"]) == 3_600


def test_everything_flaky(proxied: Proxied) -> None:
    """Replacing, appending and deleting come through a line on which one exchange in eight fails, whichever it is."""
    proxy, make = proxied.proxy, proxied.make
    store = make()
    chance = random.Random(11)  # noqa: S311 -- which exchanges fail, not secrets
    for _ in range(60):
        what, fields = FLAKY[chance.randrange(len(FLAKY))]
        proxy.add(what, path="/", skip=chance.randrange(15), **fields)
    days = [made_day(day_number(offset), 300, seed=offset) for offset in range(3)]
    for offset, table in enumerate(days):
        store.replace_day(promise(day_number(offset), table, f"{offset}"), batches(table))
    other = made_day(FIRST, 250, seed=9)
    store.replace_day(promise(FIRST, other, "other"), batches(other))
    live = stored([("AAPL", day_start(day_number(1)), 1.5, 2.5, -1)])
    assert store.append(live) == 1
    assert store.delete_day(day_number(2)) == 900
    proxy.heal()
    assert sorted(held(store)) == sorted(rows_of(other) + rows_of(days[1]) + rows_of(live))
    assert dict(store.day_records()) == {FIRST: DayRecord(FIRST, "clean", "other", 750)}


def test_a_hanging_server_is_given_up_at_the_deadline(proxied: Proxied) -> None:
    """Without any answer the load ends with one sentence, the day stays dirty, and running it again heals it."""
    proxy, make = proxied.proxy, proxied.make
    store = make(deadline=1.0, timeout=0.5)
    table = made_day(FIRST, 400)
    proxy.add("swallow", times=None)
    # The records of days are written by the same path, so the very first request already hangs.
    with pytest.raises(StoreUnavailableError, match="nothing is lost"):
        store.replace_day(promise(FIRST, table), batches(table))
    proxy.heal()
    patient, slow = make(), make(deadline=2.0)
    proxy.add("swallow", times=None, skip=1)
    with pytest.raises(StoreUnavailableError, match="could not write the trades of 2024-01-31"):
        slow.replace_day(promise(FIRST, table), batches(table))
    assert patient.day_records()[FIRST].state == "dirty"
    proxy.heal()
    patient.replace_day(promise(FIRST, table), batches(table))
    assert sorted(held(patient)) == sorted(rows_of(table))


@pytest.mark.parametrize("status", [401, 404])
def test_access_is_refused_at_once(proxied: Proxied, status: int) -> None:
    """A refusal in the middle of a load stops it without a second try and with the remedy; later the day heals."""
    proxy, make = proxied.proxy, proxied.make
    store = make(connections=1)
    table = made_day(FIRST, 1_000)
    proxy.add("answer", skip=3, times=None, status=status, body=b'{"message":"no"}')
    with pytest.raises(StoreAccessError, match=r"ohlcv influx (setup|doctor)"):
        store.replace_day(promise(FIRST, table), batches(table))
    assert proxy.count("/api/v2/write", status) == 1
    proxy.heal()
    assert store.day_records()[FIRST].state == "dirty"
    store.replace_day(promise(FIRST, table), batches(table))
    assert sorted(held(store)) == sorted(rows_of(table))


def test_a_field_of_another_type_fails_the_day(proxied: Proxied) -> None:
    """What the server drops is named with its number, the day stays dirty, and goes in once the culprit is gone."""
    store = proxied.make(connections=1)
    connection = store._connection
    target = {"org": connection.address.org, "bucket": proxied.layout.trades.name}
    # A day of the same week, and so of the same shard, whose writer got the type of `amount` wrong.
    line = f"trades,symbol=AAPL amount=1i {day_start(FIRST) - DAY}".encode()
    connection.call("POST", "/api/v2/write", doing="poison", query=target, body=line)
    table = made_day(FIRST, 300)
    with pytest.raises(StoreRejectedError, match=r"field type conflict.*amount.*dropped=\d+"):
        store.replace_day(promise(FIRST, table), batches(table))
    assert store.day_records()[FIRST].state == "dirty"
    assert store.delete_day(day_number(-1)) in {0, 1}
    everything = {"start": "1970-01-01T00:00:00Z", "stop": "2100-01-01T00:00:00Z"}
    connection.call("POST", "/api/v2/delete", doing="heal", query=target, document=everything)
    store.replace_day(promise(FIRST, table), batches(table))
    assert sorted(held(store)) == sorted(rows_of(table))
