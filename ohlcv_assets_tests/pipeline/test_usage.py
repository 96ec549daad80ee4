"""What a step cost is measured, on any system, whether the step went well or not."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from ohlcv_assets.pipeline import usage as module
from ohlcv_assets.pipeline.usage import Usage, measured, peak_memory

pytestmark = pytest.mark.unit


def test_time_memory_and_bytes_of_the_body_are_measured(tmp_path: Path) -> None:
    """Work shows in processor time, a large array in the peak, a file in the bytes."""
    path = tmp_path / "file"
    with measured() as usage:
        path.write_bytes(bytes(3_000_000))
        path.read_bytes()
        np.random.default_rng(1).random(5_000_000).sort()
    assert usage.seconds > 0
    assert usage.cpu_seconds > 0
    assert usage.peak_memory > 40_000_000
    if sys.platform == "linux":
        assert usage.bytes_in >= 3_000_000
        assert usage.bytes_out >= 3_000_000


def test_a_step_that_fails_is_measured_too() -> None:
    """The error passes, the figures are there."""
    kept: list[Usage] = []

    def step() -> None:
        with measured() as usage:
            kept.append(usage)
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        step()
    assert kept[0].seconds > 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process begin a new peak")
def test_the_peak_is_that_of_the_step() -> None:
    """An earlier, larger step does not show in a later one."""
    with measured() as large:
        np.ones(25_000_000).sum()
    with measured() as small:
        pass
    assert small.peak_memory < large.peak_memory


@pytest.mark.parametrize(("platform", "unit"), [("darwin", 1), ("linux", 1024)])
def test_systems_without_proc_give_the_peak_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, unit: int
) -> None:
    """The fallback counts in the unit of its system, and a status without the line is no answer."""
    empty = tmp_path / "status"
    empty.write_text("Name:\tpython\n")
    monkeypatch.setattr(sys, "platform", platform)
    for path in (tmp_path / "none", empty):
        monkeypatch.setattr(module, "_STATUS", path)
        monkeypatch.setattr(module, "_PEAK_RESET", tmp_path / "no folder" / "clear_refs")
        with measured():
            pass
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        assert before <= peak_memory() <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def test_systems_without_counters_give_no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not count, 0 is told and nothing fails."""

    def hidden(_process: psutil.Process) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "io_counters", hidden)
    with measured() as usage:
        pass
    assert (usage.bytes_in, usage.bytes_out) == (0, 0)
