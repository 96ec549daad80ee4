"""Keeping below a number of rows a second."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.stores.influxdb.writer.throttle import Throttle, throttle_of

pytestmark = pytest.mark.unit


def test_batches_are_spaced() -> None:
    """The first goes at once, each further one when the rows before it have had their time."""
    throttle = Throttle(100)
    assert [throttle.delay(50, 0.0), throttle.delay(100, 0.0), throttle.delay(1, 0.0)] == [0.0, 0.5, 1.5]


def test_idle_time_is_not_saved_up() -> None:
    """Whoever comes late does not get to send more at a time."""
    throttle = Throttle(100)
    throttle.delay(50, 0.0)
    assert [throttle.delay(100, 60.0), throttle.delay(100, 60.0)] == [0.0, 1.0]


@given(batches=st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 5)), min_size=2, max_size=20))
@settings(deadline=None, max_examples=40)
def test_the_rate_is_kept_whatever_comes(batches: list[tuple[int, float]]) -> None:
    """Between the first batch and any later one no more rows go than the rate allows."""
    throttle = Throttle(200)
    now, sent, start = 0.0, 0, batches[0][1]
    for rows, idle in batches:
        now += idle
        now += throttle.delay(rows, now)
        assert sent <= 200 * (now - start) + 1e-6 * sent
        sent += rows


def test_a_process_has_one_throttle_for_a_rate() -> None:
    """All writers of a process keep to the limit together."""
    assert throttle_of(12_345) is throttle_of(12_345)
