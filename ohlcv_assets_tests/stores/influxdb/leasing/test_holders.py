"""Who holds a lease, and when others may take it."""

from __future__ import annotations

import dataclasses
import os
from typing import cast

import psutil
import pytest

from ohlcv_assets.stores.influxdb.leasing.holders import (
    HOLDERS,
    Mode,
    Terms,
    Watch,
    described,
    has_ended,
    properties_of,
)
from ohlcv_assets.stores.influxdb.leasing.labels import Label, Labels, ServerClock
from ohlcv_assets.stores.influxdb.leasing.processes import this_process

pytestmark = pytest.mark.unit

NOW = 1_700_000_000.0


class Shelf:
    """Labels of which only removing is asked."""

    def __init__(self) -> None:
        self.removed: list[str] = []
        self.ended: dict[str, tuple[str, float]] = {}

    def remove(self, identity: str) -> bool:
        """Remember what is removed."""
        self.removed.append(identity)
        return True


def lease(mode: Mode = "writing", expires: str = "1700000010", *, dead: bool = False) -> Label:
    """Return somebody's lease: of the process that started this one, or of one that is gone."""
    parent = psutil.Process(os.getppid())
    process = dataclasses.replace(this_process(), pid=parent.pid, started=parent.create_time())
    if dead:
        process = dataclasses.replace(process, started=process.started - 1000)
    return Label("1", "ohlcv/trades/day/2024-01-01", properties_of("somebody", process, mode, expires))


def test_a_lease_ends_in_time_or_with_its_process() -> None:
    """A lease lasts until it expires, the instant itself excluded, or until its process is gone."""
    assert not has_ended(lease(), NOW + 9)
    assert has_ended(lease(), NOW + 10)
    assert has_ended(lease(dead=True), NOW)


def test_what_this_process_gave_up_is_over() -> None:
    """A lease of this process lasts as long as somebody here still holds it, even if its label could not be removed."""
    label = Label("1", "x", properties_of("of this process", this_process(), "writing", "1700000010"))
    HOLDERS.add("of this process")
    assert not has_ended(label, NOW)
    HOLDERS.remove("of this process")
    assert has_ended(label, NOW)


@pytest.mark.parametrize(
    "changes", [{"expires": "soon"}, {"pid": "x"}, {"started": ""}, {"expires": None}, {"host": None}, {"place": None}]
)
def test_what_nobody_of_us_made_is_no_lease(changes: dict[str, str | None]) -> None:
    """A label that does not say all that a lease says keeps nobody out."""
    properties = {**lease().properties, **changes}
    label = Label("1", "x", {name: value for name, value in properties.items() if value is not None})
    assert has_ended(label, NOW)


def test_holders_are_named() -> None:
    """Whoever waits learns which process on which machine does what."""
    assert described(lease()) == f"Process {os.getppid()} on {this_process().host} writes to"
    assert described(lease("deleting")).endswith("deletes from")
    assert described(lease("idle")).endswith("holds")
    assert described(Label("1", "x", {})) == "Process ? on ? holds"


def test_only_the_idle_are_removed_at_once() -> None:
    """A holder that may have had requests under way is left alone for the grace, one renewed meanwhile altogether."""
    ticks = [0.0]
    shelf = Shelf()
    watch = Watch(cast("Labels", shelf), ServerClock(lambda: ticks[0]), Terms(grace=5, patience=60))
    assert watch.removed(lease("idle"), NOW + 20)
    assert not watch.removed(lease(), NOW + 9)
    assert not watch.removed(lease(), NOW + 10)
    ticks[0] = 4.9
    assert not watch.removed(lease(), NOW + 15)
    assert not watch.removed(lease(expires="1700000050"), NOW + 15)
    ticks[0] = 6.0
    assert not watch.removed(lease(), NOW + 16)
    ticks[0] = 11.0
    assert watch.removed(lease(), NOW + 21)
    assert shelf.removed == ["1", "1"]
    assert not watch.exhausted
    ticks[0] = 60.0
    assert watch.exhausted


def test_little_patience_sees_the_grace_pass() -> None:
    """Who waits less than the grace, again and again, is let in once it is over; a renewed lease has one of its own."""
    ticks = [0.0]
    shelf = Shelf()

    def waits(expires: str = "1700000010") -> bool:
        watch = Watch(cast("Labels", shelf), ServerClock(lambda: ticks[0]), Terms(grace=5, patience=2))
        return watch.removed(lease(expires=expires), NOW + 60)

    assert not waits()
    ticks[0] = 3.0
    assert not waits("1700000020")
    ticks[0] = 6.0
    assert not waits("1700000020")
    ticks[0] = 8.0
    assert waits("1700000020")


def test_pauses_grow_to_half_a_second() -> None:
    """Waiting begins with hundredths of a second, and asks at most twice a second in the end."""
    watch = Watch(cast("Labels", Shelf()), ServerClock(), Terms())
    pauses = [watch.pause() for _ in range(50)]
    assert pauses[0] <= 0.02
    assert max(pauses) <= 0.5
    assert min(pauses[10:]) >= 0.25
