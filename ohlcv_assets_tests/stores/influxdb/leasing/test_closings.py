"""Marks about shards that a restore closes, as their setter and their readers see them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator

import pytest

from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.leasing import closings as marks
from ohlcv_assets.stores.influxdb.leasing.closings import Closings, Seen
from ohlcv_assets.stores.influxdb.leasing.holders import Terms, Watch, properties_of
from ohlcv_assets.stores.influxdb.leasing.labels import Label
from ohlcv_assets.stores.influxdb.leasing.leases import Leases
from ohlcv_assets.stores.influxdb.leasing.processes import this_process
from ohlcv_assets_tests.servers import Server

pytestmark = pytest.mark.integration

QUICK = Terms(life=30.0, grace=0.3, patience=1.0)
WEEK = (0, 7)
NEXT = (7, 14)
BOTH = (6, 8)


@pytest.fixture
def leases(any_server: Server) -> Iterator[Leases]:
    """Return the leases of a scope of the test's own."""
    connection: Connection = any_server.connect(size=2, patience=1.0, timeout=5.0)
    yield Leases(connection, f"closings{time.time_ns()}", QUICK)
    connection.close()


@pytest.fixture
def closings(leases: Leases) -> Closings:
    """Return the marks of that scope."""
    return Closings(leases)


@pytest.fixture
def seen(closings: Closings) -> Callable[[], Seen]:
    """Return one reader's look."""
    watch = closings.watch()
    return lambda: closings.look(watch)


def test_a_restore_is_seen_while_it_lasts_and_afterwards(
    leases: Leases, closings: Closings, seen: Callable[[], Seen]
) -> None:
    """What is asked about the shard is told of it before, during and after; what is asked about others never."""
    before = seen()
    assert (dict(before.marks), dict(before.busy)) == ({}, {})
    with leases.shard(12):
        closing = closings.of_shard(12, WEEK)
        closing.begin()
        during = seen()
        lease = during.closed(BOTH)
        assert lease is not None
        assert lease.name == f"{leases.prefix}shard/12"
        assert during.closed(NEXT) is None
        closing.end()
        after = seen()
    assert after.closed(WEEK) is None
    assert len({tuple(look.of(WEEK).items()) for look in (before, during, after)}) == 3
    assert before.of(NEXT) == during.of(NEXT) == after.of(NEXT) == {}


def test_no_two_restores_look_alike(leases: Leases, closings: Closings, seen: Callable[[], Seen]) -> None:
    """A restore that begins and ends between two looks shows all the same, and each shard has a mark of its own."""
    looks = []
    for shard, span in ((12, WEEK), (12, WEEK), (13, NEXT)):
        with leases.shard(shard):
            closing = closings.of_shard(shard, span)
            closing.begin()
            closing.end()
        looks.append(seen())
    first, second, third = looks
    assert first.of(WEEK) != second.of(WEEK)
    assert second.of(WEEK) == third.of(WEEK)
    assert third.of(NEXT) != second.of(NEXT) == {}


def test_who_left_a_request_behind(leases: Leases, closings: Closings, seen: Callable[[], Seen]) -> None:
    """A request that was not answered may be at work: the shard counts as closed until lease and grace are over."""
    with leases.shard(12) as lease:
        closing = closings.of_shard(12, WEEK)
        closing.begin()
        closing.unanswered()
        lease.unanswered()
        closing.begin()
        closing.end()
        assert seen().closed(WEEK) is not None
    assert seen().closed(WEEK) is not None
    time.sleep(QUICK.grace)
    assert seen().closed(WEEK) is None


def test_who_is_gone(leases: Leases, closings: Closings, seen: Callable[[], Seen]) -> None:
    """A mark without a lease stands for nothing, nor does one whose setter has been gone for long."""
    closings.put("begun", 12, WEEK)
    assert seen().closed(WEEK) is None
    gone = dataclasses.replace(this_process(), started=this_process().started - 1000)
    leases.labels.create(f"{leases.prefix}shard/12", properties_of("somebody", gone, "writing", "99999999999"))
    assert seen().closed(WEEK) is not None
    time.sleep(QUICK.grace)
    assert seen().closed(WEEK) is None


def test_one_who_comes_long_after(
    leases: Leases, closings: Closings, seen: Callable[[], Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sees a mark of long ago for the first time does not wait a grace out."""
    closings.put("begun", 12, WEEK)
    leases.labels.create(f"{leases.prefix}shard/12", properties_of("somebody", this_process(), "writing", "0"))
    assert seen().closed(WEEK) is not None
    monkeypatch.setattr(marks, "SURELY_OVER", -2.0)
    fresh: Watch = closings.watch()
    assert closings.look(fresh).closed(WEEK) is None


def test_old_marks_are_forgotten(closings: Closings, seen: Callable[[], Seen], monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark goes when another is set long after it; the one that is set stays."""
    closings.put("done", 12, WEEK)
    closings.put("done", 13, NEXT)
    assert list(seen().marks) == [WEEK, NEXT]
    monkeypatch.setattr(marks, "KEPT", -2.0)
    closings.put("done", 13, NEXT)
    assert list(seen().marks) == [NEXT]


def test_two_who_set_the_first_mark(leases: Leases, closings: Closings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both marks are there afterwards, whoever made the label, and where somebody removed it meanwhile."""
    named, other = leases.labels.named, Closings(leases)
    turns: list[Callable[[], object]] = [lambda: other.put("done", 13, NEXT)]

    def crossed(name: str) -> object:
        found = named(name)
        while turns:
            turns.pop()()
        return found

    monkeypatch.setattr(leases.labels, "named", crossed)
    closings.put("done", 12, WEEK)
    assert sorted(closings.look(closings.watch()).marks) == [WEEK, NEXT]

    label, _ = named(closings.name)
    assert label is not None
    gone = label.id
    turns.append(lambda: leases.labels.remove(gone))
    closings.put("done", 12, WEEK)
    assert list(closings.look(closings.watch()).marks) == [WEEK]


def test_marks_of_a_bucket_that_is_no_more(leases: Leases, closings: Closings, seen: Callable[[], Seen]) -> None:
    """They are removed, and nothing happens where there are none."""
    closings.forget()
    closings.put("done", 12, WEEK)
    closings.forget()
    assert dict(seen().marks) == {}
    assert leases.labels.all(closings.name)[0] == []


def test_a_label_that_is_ready(
    leases: Leases, closings: Closings, seen: Callable[[], Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has made it ready begins without looking for it; who finds it gone makes it again."""
    closings.ready()
    closings.ready()
    other = Closings(leases)
    other.ready()
    assert seen().marks == {}
    with leases.shard(12):
        with monkeypatch.context() as patched:
            patched.setattr(leases.labels, "named", None)
            closings.begin(12, WEEK)
            assert seen().closed(WEEK) is not None
        other.forget()
        assert seen().closed(WEEK) is None
        closings.begin(12, WEEK)
        assert seen().closed(WEEK) is not None


def test_two_who_make_the_label(leases: Leases, closings: Closings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two who make it at the same time finds the other's."""
    labels, looks = leases.labels, [False]
    named, create = labels.named, labels.create

    def looked(name: str) -> tuple[Label | None, float]:
        return named(name) if looks.pop() else (None, 0.0)

    other = create(closings.name, {})
    assert other is not None
    looks = [True, False]
    monkeypatch.setattr(labels, "named", looked)
    closings.ready()
    assert looks == []
    assert closings._id == other.id
