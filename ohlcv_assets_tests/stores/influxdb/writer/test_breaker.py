"""A circuit breaker, step by step."""

from __future__ import annotations

import pytest

from ohlcv_assets.stores.influxdb.writer.breaker import FIRST_PAUSE, LONGEST_PAUSE, Breaker

pytestmark = pytest.mark.unit


def opened(at: float = 0.0) -> Breaker:
    """Return a breaker that has just opened."""
    breaker = Breaker(2)
    assert [breaker.failed(at, 1.0), breaker.failed(at, 1.0)] == [False, True]
    return breaker


def test_failures_in_a_row_open_it() -> None:
    """Only failures without a success in between count."""
    breaker = Breaker(3)
    for passed in (False, False, True, False, False):
        if passed:
            breaker.passed()
        else:
            assert not breaker.failed(0.0, 0.5)
    assert (breaker.state, breaker.turn(0.0)) == ("closed", "send")
    assert breaker.failed(0.0, 0.5)
    assert (breaker.state, breaker.openings) == ("open", 1)


def test_one_probes_while_the_others_wait() -> None:
    """After the pause one sender is told to probe, and nobody else does anything until it has reported."""
    breaker = opened()
    assert (breaker.turn(0.5), breaker.wait(0.25)) == ("wait", FIRST_PAUSE - 0.25)
    assert [breaker.turn(1.5), breaker.turn(1.5), breaker.turn(99.0)] == ["probe", "wait", "wait"]
    breaker.probed(2.0, 0.5, passed=True)
    assert (breaker.state, breaker.turn(2.0), breaker.wait(2.0)) == ("closed", "send", 0.0)


def test_failed_probes_wait_longer_each_time() -> None:
    """Pauses grow up to a bound while probes fail; that is one opening still."""
    breaker = opened()
    now, pauses = 0.0, []
    for _ in range(8):
        now += breaker.wait(now)
        assert breaker.turn(now) == "probe"
        breaker.probed(now, 1.0, passed=False)
        pauses.append(breaker.wait(now))
    assert pauses == [2.0, 4.0, 8.0, 16.0, *[LONGEST_PAUSE] * 4]
    assert breaker.openings == 1


def test_pauses_grow_over_probes_that_pass_without_a_write_that_does() -> None:
    """A canary that passes does not forget that writes keep failing; a write does."""
    breaker = opened()
    assert breaker.turn(1.0) == "probe"
    breaker.probed(1.0, 1.0, passed=True)
    assert [breaker.failed(1.0, 1.0), breaker.failed(1.0, 1.0)] == [False, True]
    assert (breaker.wait(1.0), breaker.openings) == (2.0, 2)
    breaker.passed()
    assert (breaker.state, breaker.turn(5.0)) == ("closed", "send")
    breaker.failed(5.0, 1.0)
    breaker.failed(5.0, 1.0)
    assert breaker.wait(5.0) == FIRST_PAUSE


def test_a_late_success_closes_it_before_the_probe_reports() -> None:
    """A write that was under way and came through counts for more than a probe that did not."""
    breaker = opened()
    assert breaker.turn(1.0) == "probe"
    breaker.passed()
    breaker.probed(2.0, 0.5, passed=False)
    assert breaker.state == "closed"


def test_late_failures_do_not_open_it_again() -> None:
    """What was still under way when it opened changes nothing."""
    breaker = opened()
    assert not breaker.failed(0.1, 1.0)
    assert (breaker.openings, breaker.wait(0.0)) == (1, FIRST_PAUSE)


def test_everybody_waits_as_long_as_the_server_asked() -> None:
    """A server's Retry-After holds all senders, not only the one that was told."""
    breaker = Breaker(9)
    breaker.hold(5.0)
    breaker.hold(3.0)
    assert (breaker.turn(4.0), breaker.wait(4.0), breaker.turn(5.0)) == ("wait", 1.0, "send")
