"""Which day a worker does next."""

from __future__ import annotations

import datetime as dt

import pytest

from ohlcv_assets.orchestration.lanes import Lanes

pytestmark = pytest.mark.unit
MONDAY = dt.date(2024, 1, 1)
DAYS = [MONDAY + dt.timedelta(days=number) for number in range(7)]


def test_a_worker_stays_on_its_lane() -> None:
    """Two workers are on lanes of their own, and one whose lane is done helps where most is left."""
    lanes = Lanes(DAYS, lambda day: day < DAYS[2])
    assert [lanes.next(worker) for worker in "abab"] == [DAYS[0], DAYS[2], DAYS[1], DAYS[3]]
    assert [lanes.next(worker) for worker in "abaa"] == [DAYS[4], DAYS[5], DAYS[6], None]
    assert lanes.next("c") is None


def test_days_of_one_lane_are_done_in_order() -> None:
    """Whoever asks gets the next one; a lane whose worker is gone is done by others."""
    lanes = Lanes(DAYS, lambda _day: None)
    assert [lanes.next(worker) for worker in "abcdefg"] == DAYS
    assert lanes.next("a") is None
    assert Lanes([], lambda _day: None).next("a") is None


def test_nothing_more_is_begun() -> None:
    """After it is time to stop, nobody gets another day."""
    lanes = Lanes(DAYS, lambda day: day < DAYS[2])
    lanes.next("a")
    lanes.clear()
    assert lanes.next("a") is lanes.next("b") is None
