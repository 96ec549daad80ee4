"""Whatever the order of requests, a day has one holder and nobody deletes while somebody writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.errors import StoreBusyError
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease, LeaseOverdueError
from ohlcv_assets_tests.stores.influxdb.leasing.lease_model import KilledError, Model, Turns, kept

pytestmark = pytest.mark.unit

TAKE = DayLease.take
DAYS = (dt.date(2024, 1, 1), dt.date(2024, 1, 2))
TERMS = Terms(life=30.0, grace=5.0, patience=10_000.0)
SEEDS = st.integers(0, 10**9)
TASKS = st.lists(st.tuples(st.sampled_from(DAYS), st.booleans()), min_size=3, max_size=4)

Task = tuple[dt.date, bool]
"""A day to load, and whether something is to be deleted first."""


@dataclass
class Scene:
    """Who is inside what, and what went wrong."""

    model: Model = field(default_factory=Model)
    leases: dict[int, DayLease] = field(default_factory=dict)
    inside: dict[int, tuple[Literal["deleting", "writing"], dt.date]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def holds(self, me: int) -> bool:
        """Whether the server has a label of somebody's lease."""
        holder = self.leases[me]._holder
        return any(label["properties"]["holder"] == holder for label in self.model.labels.values())

    def request(self, me: int) -> bool:
        """Do what a holder's request does: return False where it has to wait, note where it must not have been."""
        try:
            self.leases[me].check()
        except LeaseOverdueError:
            return False
        mine, day = self.inside[me]
        others = {other: what for other, what in self.inside.items() if other != me and self.holds(other)}
        met = [what for what, of_day in others.values() if "deleting" in {mine, what} or of_day == day]
        if met or not self.holds(me):
            self.wrong.append(f"{me} is {mine} {day}, its lease is {self.holds(me)}, while others are {others}")
        return True

    def load(self, me: int, day: dt.date, *, delete: bool, clock_is_off: float = 0.0) -> None:
        """Replace a day, with three requests in every part."""
        with self.model.leases(TERMS, clock_is_off).day(day) as lease:
            self.leases[me] = lease
            if delete:
                with lease.deleting():
                    self._requests(me, "deleting", day)
            with lease.writing():
                self._requests(me, "writing", day)

    def _requests(self, me: int, what: Literal["deleting", "writing"], day: dt.date) -> None:
        self.inside[me] = what, day
        try:
            for _ in range(3):
                while not self.request(me):
                    self.model.sleep(0.1)
                self.model.step()
        finally:
            del self.inside[me]


def play(
    seed: int,
    tasks: Sequence[Task],
    *,
    clocks: Sequence[float] = (0.0,) * 4,
    kills: Mapping[int, int] | None = None,
    stops: Mapping[int, tuple[int, float]] | None = None,
) -> tuple[Scene, list[BaseException | None]]:
    """Have some load days in an order made up from the seed; return the scene and how each of them ended."""
    scene = Scene()

    def participant(me: int, day: dt.date, delete: bool) -> Callable[[], None]:
        return lambda: scene.load(me, day, delete=delete, clock_is_off=clocks[me])

    with mock.patch.object(DayLease, "take", kept(scene.model, TAKE)):
        turns = Turns(scene.model, seed)
        ends = turns.run([participant(me, *task) for me, task in enumerate(tasks)], kills or {}, stops or {})
    return scene, ends


@settings(max_examples=40, deadline=None)
@given(SEEDS, TASKS, st.lists(st.sampled_from([-3600.0, 0.0, 3600.0]), min_size=4, max_size=4))
def test_nobody_meets(seed: int, tasks: list[Task], clocks: list[float]) -> None:
    """Holders of one day, writers and deleters keep apart in every order, all come to their end, clocks an hour off."""
    for more in range(3):
        scene, ends = play(seed + more, tasks, clocks=clocks)
        assert scene.wrong == []
        assert ends == [None] * len(tasks)
        assert scene.model.labels == {}


def test_a_writer_and_deleters_keep_apart() -> None:
    """The same for the hardest case in many orders: others delete while one only writes."""
    for seed in range(60):
        scene, ends = play(seed, [(DAYS[0], True), (DAYS[1], False), (DAYS[1], True)])
        assert scene.wrong == []
        assert ends == [None] * 3


@settings(max_examples=40, deadline=None)
@given(SEEDS, TASKS, st.integers(1, 30))
def test_the_dead_are_followed(seed: int, tasks: list[Task], steps: int) -> None:
    """Whoever is killed at any point is followed by the others once the lease has ended, never before."""
    scene, ends = play(seed, [(DAYS[0], True), *tasks[1:]], kills={0: steps})
    assert scene.wrong == []
    assert isinstance(ends[0], KilledError | None)
    assert ends[1:] == [None] * (len(tasks) - 1)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.booleans(), st.integers(1, 25), st.floats(20, 60))
def test_whoever_is_stopped_for_too_long_stops(seed: int, delete: bool, step: int, seconds: float) -> None:
    """A process stopped at any point goes on only where its lease is still its own, and says so otherwise."""
    for more in range(3):
        tasks = [(DAYS[0], delete), (DAYS[0], False), (DAYS[0], True)]
        scene, ends = play(seed + more, tasks, stops={0: (step, seconds)})
        assert scene.wrong == []
        assert isinstance(ends[0], StoreBusyError | None)
        assert ends[1:] == [None, None]
