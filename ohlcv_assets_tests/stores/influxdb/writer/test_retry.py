"""When to send again, and until when."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.stores.influxdb.failures import Failure
from ohlcv_assets.stores.influxdb.writer.retry import FIRST, LONGEST, Patience, backoff, pause

pytestmark = pytest.mark.unit

FAILURE = Failure("transient", None, "gone")


def test_bounds_double_up_to_the_longest() -> None:
    """The bound of a wait doubles with every attempt and stops growing."""
    assert [backoff(attempt, 1.0, 0.1, 1.0) for attempt in (1, 2, 3, 4, 5, 99)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


@given(attempt=st.integers(1, 10_000), draw=st.floats(0, 1, exclude_max=True))
@settings(deadline=None, max_examples=40)
def test_waits_are_fully_jittered(attempt: int, draw: float) -> None:
    """A wait lies anywhere between zero and its bound."""
    assert 0 <= backoff(attempt, draw) <= min(LONGEST, FIRST * 2 ** min(attempt, 30))


def test_a_server_that_names_a_time_is_given_it() -> None:
    """Retry-After is waited for, and a little more."""
    asked = Failure("overload", 503, "busy", retry_after=7.0)
    assert pause(asked, 1, 0.0, 100.0) == 7.0
    assert 7.0 < pause(asked, 9, 0.9, 100.0) < 7.0 + FIRST


def test_nobody_waits_beyond_the_deadline() -> None:
    """A wait ends with the deadline, whatever the server asks for."""
    assert pause(Failure("overload", 429, "busy", retry_after=600.0), 1, 0.5, 20.0) == 20.0
    assert pause(FAILURE, 1, 0.5, -3.0) == 0.0


def test_patience_is_counted_from_the_first_failure_on() -> None:
    """Idle time before a failure does not count; further failures do not begin anew; a success does."""
    patience = Patience(10.0)
    assert (patience.remaining(500.0), patience.last, patience.lost(500.0)) == (10.0, None, 0.0)
    patience.failed(FAILURE, 100.0)
    patience.failed(FAILURE, 108.0)
    assert (patience.remaining(109.0), patience.last, patience.lost(109.0)) == (1.0, FAILURE, 9.0)
    patience.succeeded(109.5)
    patience.succeeded(120.0)
    assert (patience.remaining(130.0), patience.lost(130.0)) == (10.0, 9.5)
