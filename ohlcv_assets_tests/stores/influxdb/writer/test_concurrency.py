"""How many requests are in flight."""

from __future__ import annotations

import threading

import pytest

from ohlcv_assets.stores.influxdb.writer.concurrency import WINDOW, Gate, Limit
from ohlcv_assets.stores.influxdb.writer.halt import Halted

pytestmark = pytest.mark.unit


def test_overload_halves_and_success_adds_one_at_a_time() -> None:
    """The limit halves at once and grows by one for each round of successes, never above the most."""
    limit = Limit(8)
    assert limit.value == 8
    assert limit.overloaded(1.0, 2.0)
    assert limit.value == 4
    grown = []
    for second in range(3, 40):
        limit.acknowledged(float(second), second + 0.1)
        grown.append(limit.value)
    assert (grown[0], grown[5], grown[-1]) == (4, 5, 8)


def test_it_never_falls_below_one() -> None:
    """However often it goes wrong, one request may be in flight."""
    limit = Limit(4, first=2)
    for second in range(10):
        assert limit.overloaded(float(second), float(second))
    assert limit.value == 1


def test_requests_that_failed_together_halve_once() -> None:
    """Outcomes of requests from before a halving say nothing about the time after it."""
    limit = Limit(8)
    assert limit.overloaded(1.0, 2.0)
    assert not limit.overloaded(1.5, 2.5)
    assert not limit.acknowledged(1.9, 2.6)
    assert limit.value == 4
    assert limit.overloaded(2.0, 3.0)


def feed(limit: Limit, latency: float, start: float) -> bool:
    """Let a window of requests take that long each; return whether the limit was halved."""
    halved = [limit.acknowledged(start + number, start + number + latency) for number in range(WINDOW)]
    return any(halved)


def test_rising_latency_halves() -> None:
    """A window several times slower than the fastest one seen, and slow in itself, counts as overload."""
    limit = Limit(8)
    assert not feed(limit, 0.5, 0.0)
    assert not feed(limit, 2.0, 100.0)
    assert feed(limit, 4.0, 200.0)
    assert limit.value == 4


def test_short_latencies_are_never_suspicious() -> None:
    """A hundred times nothing is still nothing."""
    limit = Limit(8)
    assert not feed(limit, 0.01, 0.0)
    assert not feed(limit, 1.5, 100.0)


def test_a_server_that_became_slower_for_good_is_not_held_down() -> None:
    """What counts as fast is forgotten little by little."""
    limit = Limit(8)
    feed(limit, 0.5, 0.0)
    halvings = [feed(limit, 4.0, 100.0 * number) for number in range(1, 20)]
    assert halvings[0]
    assert not any(halvings[6:])


def test_the_gate_keeps_to_the_limit_and_lets_go() -> None:
    """No more are inside than the limit says, also when it has changed; the peak is remembered."""
    limit = Limit(2)
    gate = Gate(limit)
    with gate.passage(), gate.passage():
        assert (gate.inside, gate.peak) == (2, 2)
        came = threading.Event()

        def late() -> None:
            with gate.passage():
                came.set()

        thread = threading.Thread(target=late)
        thread.start()
        assert not came.wait(0.05)
    thread.join()
    assert came.is_set()
    assert (gate.inside, gate.peak) == (0, 2)


def test_a_closed_gate_turns_everybody_away() -> None:
    """Those who wait and those who come are told that it is over."""
    gate = Gate(Limit(1))
    turned: list[bool] = []

    def wait() -> None:
        try:
            with gate.passage():
                turned.append(False)
        except Halted:
            turned.append(True)

    with gate.passage():
        thread = threading.Thread(target=wait)
        thread.start()
        gate.close()
        thread.join()
    wait()
    assert turned == [True, True]
