"""Naming processes, and telling whether they are gone."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ohlcv_assets.stores.influxdb.leasing import processes
from ohlcv_assets.stores.influxdb.leasing.processes import is_dead, this_process

pytestmark = pytest.mark.unit


def test_this_process_lives() -> None:
    """A process is not dead to itself, and is named the same every time."""
    assert this_process() == this_process()
    assert not is_dead(this_process())


def test_a_later_process_of_the_same_id_is_another() -> None:
    """Ids are given out again: the start of the process tells."""
    me = this_process()
    assert is_dead(dataclasses.replace(me, started=me.started - 60))
    assert not is_dead(dataclasses.replace(me, started=me.started + 1))


def test_what_cannot_be_seen_is_not_known_to_be_dead() -> None:
    """A process of another machine, another boot or another container may run."""
    assert not is_dead(dataclasses.replace(this_process(), place="elsewhere", pid=2**22 + 1))


def test_ended_and_unreaped_processes_are_dead() -> None:
    """A process that was killed is dead, before its parent takes notice and after."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    held = dataclasses.replace(this_process(), pid=child.pid, started=psutil.Process(child.pid).create_time())
    assert not is_dead(held)
    child.kill()
    assert child.stdin is not None
    child.stdin.close()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert is_dead(held)
    child.wait()
    assert is_dead(held)


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Forget the place before the test and, once its patches are undone, after it."""
    processes._place.cache_clear()
    yield
    processes._place.cache_clear()


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("case", ["another system", "nothing to read"])
def test_places_without_proc(case: str) -> None:
    """Where the system does not tell its boot, machine and time of boot have to do."""
    with pytest.MonkeyPatch.context() as patch:
        if case == "another system":
            patch.setattr(sys, "platform", "darwin")
        else:
            patch.setattr(Path, "read_text", _refuse)
        found = this_process()
    assert found.place.startswith(found.host)


def _refuse(*_arguments: object, **_more: object) -> str:
    raise OSError
