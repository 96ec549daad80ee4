"""Bars made again whatever is recorded of them: resolution by resolution, under leases and records like any others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.errors import OutsideDatasetError
from ohlcv_assets.pipeline.heal import remake
from ohlcv_assets.pipeline.recording import day_records
from ohlcv_assets.pipeline.steps import load_day, roll_up_day
from ohlcv_assets.progress import Progress
from ohlcv_assets.project import Project
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, change_bars, make

pytestmark = pytest.mark.unit

HOURS = RESOLUTIONS["1h"]


def test_made_again_though_they_are_done(friday: Project) -> None:
    """Right bars are made once more and recorded anew, wrong ones are right afterwards; only those asked for."""
    before = day_records(friday, FRIDAY)
    change_bars(friday, HOURS, FRIDAY, "high", 0, 2.0)
    right = friday.bar_store.read(RESOLUTIONS["1d"], *day_bounds(FRIDAY))
    healed = remake(friday, [FRIDAY], [RESOLUTIONS["1d"], HOURS])
    assert (healed.succeeded, healed.chunks, healed.days, healed.made_by_others) == (True, 2, 2, 0)
    assert friday.bar_store.read(RESOLUTIONS["1d"], *day_bounds(FRIDAY)).equals(right)
    after = day_records(friday, FRIDAY)
    assert {found.state for found in after.values()} == {"done"}
    assert after["1m"] == before["1m"]
    assert healed.bars == after["1h"].rows_out + after["1d"].rows_out


def test_each_resolution_in_chunks_of_its_own(project: Project) -> None:
    """The chain comes from below whatever the order asked for; the finest in the smallest chunks."""
    make(project, THURSDAY, FRIDAY, SATURDAY)
    told: list[Progress] = []
    healed = remake(project, project.dataset.days, STORED_RESOLUTIONS[::-1], observer=told.append)
    assert healed.chunks == 2 + 1 + 1 + 1 + 1
    lasts = [event.detail["last"] for event in told if event.stage == "heal"]
    assert lasts[1:3] == ["2024-01-04 1m", "2024-01-05 1m"]
    assert lasts[-1] == "2024-01-04 1d"
    assert all(float(event.detail["seconds_left"]) >= 0 for event in told if event.stage == "heal")


def test_days_without_proved_trades_wait(friday: Project) -> None:
    """There is nothing to make their bars of; a day that the dataset lacks is refused."""
    healed = remake(friday, [THURSDAY, FRIDAY], STORED_RESOLUTIONS)
    assert (healed.waiting, healed.days, healed.succeeded) == ([THURSDAY], len(STORED_RESOLUTIONS), True)
    nothing = remake(friday, [THURSDAY], STORED_RESOLUTIONS)
    assert (nothing.chunks, nothing.waiting) == (0, [THURSDAY])
    with pytest.raises(OutsideDatasetError):
        remake(friday, [FRIDAY.replace(month=3)], STORED_RESOLUTIONS)


def test_tasks_rest_meanwhile(friday: Project) -> None:
    """Those of the resolutions that are made, by hand or by a step, and no others."""
    log: list[str] = []

    @contextmanager
    def pausing(resolutions: Sequence[Resolution]) -> Iterator[None]:
        log.append("+".join(one.name for one in resolutions))
        yield
        log.append("resumed")

    paused = replace(friday, pausing=pausing)
    remake(paused, [FRIDAY], [HOURS])
    assert log == ["1h", "resumed"]
    load_day(paused, FRIDAY)
    roll_up_day(paused, FRIDAY, [HOURS, RESOLUTIONS["1d"]])
    assert log[2:] == ["1h+1d", "resumed"]
