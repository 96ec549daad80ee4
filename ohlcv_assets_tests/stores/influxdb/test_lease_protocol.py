"""Whatever the order of requests, a day has one holder and nobody deletes while somebody writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import StoreBusyError
from ohlcv_assets.stores.influxdb.holders import Terms
from ohlcv_assets.stores.influxdb.leases import DayLease, LeaseOverdueError, Leases
from ohlcv_assets_tests.stores.influxdb.lease_model import KilledError, Model, Turns, kept

pytestmark = pytest.mark.unit

TAKE = DayLease.take
DAYS = (dt.date(2024, 1, 1), dt.date(2024, 1, 2))
TERMS = Terms(life=30.0, grace=5.0, patience=10_000.0)
ORDERS = st.lists(st.integers(0, 11), min_size=1, max_size=120)


@dataclass
class Scene:
    """Who is inside what, and what went wrong."""

    model: Model
    deleting: set[int] = field(default_factory=set)
    writing: dict[int, dt.date] = field(default_factory=dict)
    done: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def request(self, me: int, lease: DayLease) -> bool:
        """Do what a holder's request does: nothing unless the lease is ours; return False where it has to wait."""
        try:
            lease.check()
        except LeaseOverdueError:
            return False
        others = {other: day for other, day in self.writing.items() if other != me}
        if me in self.deleting and (others or self.deleting != {me}):
            self.wrong.append(f"{me} deletes while {others} write and {self.deleting} delete")
        if me in self.writing and (self.deleting or self.writing[me] in others.values()):
            self.wrong.append(f"{me} writes while {others} write and {self.deleting} delete")
        return True

    def load(self, me: int, leases: Leases, day: dt.date, *, delete: bool) -> None:
        """Replace a day, with three requests in every part."""
        with leases.day(day) as lease:
            if delete:
                with lease.deleting():
                    self._inside(me, lease, lambda: self.deleting.add(me), lambda: self.deleting.discard(me))
            with lease.writing():
                enter = lambda: self.writing.__setitem__(me, day)  # noqa: E731 -- two of a kind
                self._inside(me, lease, enter, lambda: self.writing.pop(me, None))
        self.done.append(me)

    def _inside(self, me: int, lease: DayLease, enter: Callable[[], object], leave: Callable[[], object]) -> None:
        try:
            enter()
            for _ in range(3):
                while not self.request(me, lease):
                    self.model.sleep(0.1)
                self.model.step()
        finally:
            # A process that is killed leaves too: what it sent before is over when the grace is.
            leave()


def _run(turns: Turns, participants: list[Callable[[], None]], kills: dict[int, int]) -> list[BaseException | None]:
    with mock.patch.object(DayLease, "take", kept(turns.model, TAKE)):
        return turns.run(participants, kills)


@settings(max_examples=40, deadline=None)
@given(
    ORDERS,
    st.lists(st.tuples(st.sampled_from(DAYS), st.booleans()), min_size=2, max_size=4),
    st.lists(st.sampled_from([-3600.0, 0.0, 3600.0]), min_size=4, max_size=4),
)
def test_nobody_meets(order: list[int], tasks: list[tuple[dt.date, bool]], clocks: list[float]) -> None:
    """Holders of one day, writers and deleters keep apart in every order, all come to their end, clocks an hour off."""
    scene = Scene(Model())
    turns = Turns(scene.model, order)

    def participant(me: int, day: dt.date, delete: bool) -> Callable[[], None]:
        leases = scene.model.leases(TERMS, clocks[me])
        return lambda: scene.load(me, leases, day, delete=delete)

    ends = _run(turns, [participant(me, *task) for me, task in enumerate(tasks)], {})
    assert scene.wrong == []
    assert ends == [None] * len(tasks)
    assert sorted(scene.done) == list(range(len(tasks)))
    assert scene.model.labels == {}


@settings(max_examples=40, deadline=None)
@given(ORDERS, st.integers(1, 30), st.booleans())
def test_the_dead_are_followed(order: list[int], steps: int, delete: bool) -> None:
    """Whoever is killed at any point is followed by the others once the lease has ended, never before."""
    scene = Scene(Model())
    turns = Turns(scene.model, order)

    def participant(me: int) -> Callable[[], None]:
        leases = scene.model.leases(TERMS)
        return lambda: scene.load(me, leases, DAYS[0], delete=delete or me == 2)

    ends = _run(turns, [participant(me) for me in range(3)], {0: steps})
    assert scene.wrong == []
    assert isinstance(ends[0], KilledError | None)
    assert ends[1:] == [None, None]
    assert set(scene.done) >= {1, 2}


@settings(max_examples=40, deadline=None)
@given(ORDERS, st.floats(1, 100))
def test_whoever_sleeps_too_long_stops(order: list[int], nap: float) -> None:
    """A holder that was stopped for long goes on only where nobody has taken its lease, and says so otherwise."""
    scene = Scene(Model())
    turns = Turns(scene.model, order)

    def sleeper() -> None:
        leases = scene.model.leases(TERMS)
        with leases.day(DAYS[0]) as lease, lease.writing():
            scene.writing[0] = DAYS[0]
            scene.request(0, lease)
            del scene.writing[0]  # What was sent before is over when the grace is.
            scene.model.nap(nap)
            scene.writing[0] = DAYS[0]
            try:
                while not scene.request(0, lease):
                    scene.model.sleep(0.01)
            finally:
                del scene.writing[0]

    def follower() -> None:
        scene.load(1, scene.model.leases(TERMS), DAYS[0], delete=True)

    ends = _run(turns, [sleeper, follower], {})
    assert scene.wrong == []
    assert isinstance(ends[0], StoreBusyError | None)
    assert ends[1] is None
