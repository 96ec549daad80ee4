"""One lease: renewed in time, renewed too late, and left with requests that may still arrive."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from ohlcv_assets.errors import StoreBusyError
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.leasing.labels import Label, ServerClock
from ohlcv_assets.stores.influxdb.leasing.lease import LeaseOverdueError
from ohlcv_assets.stores.influxdb.leasing.leases import Leases
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.integration

DAY = dt.date(2024, 1, 1)
QUICK = Terms(life=30.0, grace=0.2, patience=0.3)


@contextmanager
def opened(server: Server, scope: str, terms: Terms = QUICK, clock: ServerClock | None = None) -> Iterator[Leases]:
    """Give the leases of a scope, as one process has them."""
    connection = server.connect(size=2, patience=1.0, timeout=5.0)
    yield Leases(connection, scope, terms, clock=clock)
    connection.close()


@pytest.fixture
def scope() -> str:
    """Return a scope of the test's own."""
    return f"lease{time.time_ns()}"


@pytest.fixture
def other(any_server: Server, scope: str) -> Iterator[Leases]:
    """Return what somebody else has of it."""
    with opened(any_server, scope) as leases:
        yield leases


@pytest.fixture
def mine(any_server: Server, scope: str) -> Iterator[Leases]:
    """Return ours, with a lease that lasts for less long."""
    with opened(any_server, scope, Terms(life=3.0)) as leases:
        yield leases


class Ticks:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return what it is."""
        return self.now


def labels_of(leases: Leases) -> list[Label]:
    """Return all labels of a scope."""
    return leases.labels.all(leases.prefix)[0]


def test_it_is_renewed(mine: Leases, other: Leases) -> None:
    """Somebody who holds a day for longer than a lease lasts keeps it."""
    with mine.day(DAY) as lease:
        (first,) = labels_of(mine)
        while other.labels.all(other.prefix)[1] <= float(first.properties["expires"]):
            time.sleep(0.05)
        with pytest.raises(StoreBusyError), other.day(DAY):
            pytest.fail("two held it")
        lease.check()


def test_a_renewal_that_takes_too_long_is_none(fake_server: Fake, scope: str) -> None:
    """What was sent in time and answered after the end may have crossed somebody else's: it has to be taken anew."""
    ticks = Ticks()
    with opened(fake_server, scope, clock=ServerClock(ticks)) as leases:
        change = leases.labels.change

        def slow(id_: str, properties: Mapping[str, str], *, brisk: bool = False, patience: float = 0.0) -> bool:
            ticks.now = 35.0
            return change(id_, properties, brisk=brisk, patience=patience)

        with leases.day(DAY) as lease:
            (before,) = labels_of(leases)
            ticks.now = 20.0
            leases.labels.change = slow  # type: ignore[method-assign]  # takes its time
            assert not lease.renew()
            with pytest.raises(LeaseOverdueError):
                lease.check()
            assert lease.renew()
            lease.check()
            (after,) = labels_of(leases)
            assert after.id != before.id


def test_what_one_who_seems_idle_sent_is_waited_for(mine: Leases, other: Leases) -> None:
    """A request without a reply may still write: the day is left as one that is written to, until the grace is over."""
    with mine.day(DAY) as lease:
        lease.unanswered()
        assert [label.properties["mode"] for label in labels_of(mine)] == ["idle"]
    assert [label.properties["mode"] for label in labels_of(mine)] == ["writing"]
    other.terms = Terms(life=30.0, grace=0.2, patience=60.0)
    with other.day(DAY) as taken:
        assert taken.waited > 0
