"""A lease that is kept from one use to the next: what it costs, who gets it, what is left of it."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from ohlcv_assets.errors import StoreBusyError
from ohlcv_assets.stores.influxdb.leasing import kept as kept_module
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.leasing.kept import KeptLease
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease
from ohlcv_assets.stores.influxdb.leasing.leases import Leases
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.integration

DAY = dt.date(2024, 1, 1)
NEXT = dt.date(2024, 1, 2)
TERMS = Terms(life=30.0, grace=0.2, patience=60.0)


@dataclass
class Both:
    """A lease that is kept, and what somebody else has of the same bucket."""

    kept: KeptLease
    other: Leases

    def seen(self) -> list[str]:
        """Return the names of what is held."""
        found, _ = self.other.labels.all(self.other.prefix)
        return sorted(f"{label.name.rpartition('/')[2]} {label.properties['mode']}" for label in found)

    def mark(self, *days: dt.date) -> object:
        """Use the lease once and return its mark."""
        with self.kept.holding(days) as lease:
            return lease.mark(days[0])


def _fail_unanswered(lease: DayLease) -> None:
    """Fail as one does who had no reply."""
    lease.unanswered()
    raise ZeroDivisionError


@contextmanager
def both_on(server: Server) -> Iterator[Both]:
    """Give the two, as of two processes."""
    scope = f"kept{time.time_ns()}"
    with ExitStack() as stack:
        made = []
        for _ in range(2):
            connection = server.connect(size=3, patience=1.0, timeout=5.0)
            stack.callback(connection.close)
            made.append(Leases(connection, scope, TERMS))
        yield Both(KeptLease(made[0]), made[1])


@pytest.fixture(name="both")
def _both(any_server: Server) -> Iterator[Both]:
    """Give the two on a fake server and on a real one."""
    with both_on(any_server) as both:
        yield both
    deadline = time.monotonic() + 60
    while any(thread.name == "kept-lease" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "no thread is left"
        time.sleep(0.01)


def test_it_is_given_back_where_it_is_not_to_be_kept(both: Both) -> None:
    """Held as by one who writes, and gone after every use."""
    with both.kept.holding([DAY, NEXT]) as lease:
        assert both.seen() == ["2024-01-01 writing", "2024-01-02 idle"]
        assert both.kept.held([DAY]) is lease
        assert both.kept.held([DAY, NEXT, dt.date(2024, 1, 3)]) is None
        elsewhere: list[object] = []
        thread = threading.Thread(target=lambda: elsewhere.append(both.kept.held([DAY])))
        thread.start()
        thread.join()
        assert elsewhere == [None], "another thread has to take its turn"
    assert both.seen() == []
    assert both.kept.held([DAY]) is None


def test_it_is_kept_between_uses(both: Both) -> None:
    """With one mark, days that were held before included; gone when it need not be kept any more."""
    with both.kept.keeping():
        first = both.mark(DAY)
        assert both.mark(DAY) == first
        assert both.seen() == ["2024-01-01 writing"]
        second = both.mark(NEXT)
        assert second != first, "for a moment it was not held"
        assert both.mark(DAY) == second
        assert both.seen() == ["2024-01-01 writing", "2024-01-02 idle"]
        with both.kept.keeping():
            pass
        assert both.mark(NEXT) == second
    assert both.seen() == []


def test_using_it_again_asks_the_server_nothing(fake_server: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what it is kept for; whether somebody waits is looked at now and then, here never."""
    monkeypatch.setattr(kept_module, "LOOK", 3_600.0)
    with both_on(fake_server) as both, both.kept.keeping():
        both.mark(DAY)
        before = fake_server.faults.count("/")
        for _ in range(20):
            both.mark(DAY)
        assert fake_server.faults.count("/") == before


@pytest.mark.parametrize("using", [False, True])
def test_whoever_waits_gets_it(both: Both, using: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Because they wait, whether it is in use all the time or not at all; and the next use waits for its turn."""
    monkeypatch.setattr(kept_module, "IDLE", 3_600.0)
    with both.kept.keeping():
        first = both.mark(DAY)
        over = threading.Event()

        def use() -> None:
            while not over.is_set():
                both.mark(DAY)

        thread = threading.Thread(target=use)
        if using:
            thread.start()
        with both.other.day(DAY) as lease, lease.deleting():
            assert "delete deleting" in both.seen()
        over.set()
        if using:
            thread.join()
        assert both.mark(DAY) != first


def test_whoever_deletes_gets_it(both: Both) -> None:
    """Though on another day: nobody deletes while somebody writes."""
    with both.kept.keeping():
        both.mark(DAY)
        with both.other.day(NEXT) as lease, lease.deleting():
            assert both.seen() == ["2024-01-02 idle", "delete deleting"]


def test_it_is_given_back_when_nobody_uses_it(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while."""
    monkeypatch.setattr(kept_module, "IDLE", 0.1)
    monkeypatch.setattr(kept_module, "LOOK", 0.02)
    with both.kept.keeping():
        first = both.mark(DAY)
        deadline = time.monotonic() + 60
        while both.seen():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert both.mark(DAY) != first


def test_many_days_are_not_kept(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one use go when it ends; those of several uses are not gathered beyond that."""
    monkeypatch.setattr(kept_module, "MOST_DAYS", 1)
    with both.kept.keeping():
        both.mark(DAY, NEXT)
        assert both.seen() == []
        both.mark(DAY)
        both.mark(NEXT)
        assert both.seen() == ["2024-01-02 writing"]


def test_an_error_gives_it_back(both: Both) -> None:
    """At once, unless something that was sent may still arrive: then after the grace."""
    with both.kept.keeping():
        with pytest.raises(ZeroDivisionError), both.kept.holding([DAY]):
            raise ZeroDivisionError
        assert both.seen() == []
        with pytest.raises(ZeroDivisionError), both.kept.holding([DAY]) as lease:
            _fail_unanswered(lease)
        assert both.seen() == ["2024-01-01 writing"]
        began = time.monotonic()
        with both.other.day(DAY):
            assert time.monotonic() - began >= TERMS.grace


def test_a_lease_that_was_lost_is_taken_anew(both: Both) -> None:
    """With another mark; whoever is in the middle of something is told."""
    with both.kept.keeping():
        first = both.mark(DAY)
        with both.kept.holding([DAY]) as lease:
            (label,) = both.other.labels.all(both.other.prefix)[0]
            both.other.labels.remove(label.id)
            lease.renew()
            with pytest.raises(StoreBusyError, match="somebody else has taken it over"):
                lease.check()
        assert both.mark(DAY) != first
        assert both.seen() == ["2024-01-01 writing"]


def test_a_lease_that_somebody_has_is_waited_for(both: Both) -> None:
    """And named where that takes too long; it is ours as soon as it is free."""
    both.kept._leases.terms = Terms(life=30.0, grace=0.2, patience=0.2)
    with both.kept.keeping():
        with both.other.day(DAY), pytest.raises(StoreBusyError, match="holds 2024-01-01"):
            both.mark(DAY)
        assert both.mark(DAY)


def test_a_server_that_is_away_wants_nothing(fake_server: Fake) -> None:
    """Whether somebody waits cannot be told then; the lease stays, and who waits tries again to say so."""
    with both_on(fake_server) as both, both.kept.keeping():
        with both.kept.holding([DAY]) as lease:
            fake_server.faults.add("answer", path="/api/v2/labels", method="GET", times=None)
            assert not lease.wanted()
            fake_server.faults.heal()
            assert not lease.wanted()
        fake_server.faults.add("answer", path="/api/v2/labels", method="PATCH")
        with both.other.day(DAY):
            assert both.seen() == ["2024-01-01 idle"]
