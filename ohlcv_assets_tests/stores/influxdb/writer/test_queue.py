"""The queue between the thread that makes batches and those that send them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.stores.influxdb.writer.halt import Halted
from ohlcv_assets.stores.influxdb.writer.ledger import Batch
from ohlcv_assets.stores.influxdb.writer.queue import BatchQueue

pytestmark = pytest.mark.unit


def batch(size: int, number: int = 1) -> Batch:
    """Return a batch of that many bytes."""
    return Batch(number, b"x" * size, 1, size)


def blocks(act: Callable[[], object]) -> Callable[[], bool]:
    """Start something that waits, prove that it does, and return what lets it finish and says whether it could."""
    done = threading.Event()

    def run() -> None:
        try:
            act()
        except Halted:
            return
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert not done.wait(0.05)

    def finished() -> bool:
        thread.join(10)
        return done.is_set()

    return finished


def test_first_in_first_out_until_there_is_no_more() -> None:
    """Batches come out in order, and then None for everybody."""
    queue = BatchQueue(100, 10)
    for number in range(3):
        queue.put(batch(10, number))
    queue.finish()
    taken = [queue.get() for _ in range(3)]
    assert [one.number for one in taken if one is not None] == [0, 1, 2]
    assert (queue.get(), queue.get()) == (None, None)


def test_bytes_count_until_they_are_released() -> None:
    """The bound covers what is under way: taking a batch makes no room, its acknowledgement does."""
    queue = BatchQueue(25, 10)
    queue.put(batch(10))
    queue.put(batch(10))
    finished = blocks(lambda: queue.put(batch(10)))
    assert queue.get() is not None
    assert (queue.held, queue.peak) == (20, 20)
    queue.release(10)
    assert finished()
    assert (queue.held, queue.peak) == (20, 20)


def test_number_is_bounded_too() -> None:
    """Small batches do not pile up: taking one makes room."""
    queue = BatchQueue(1000, 1)
    queue.put(batch(1))
    finished = blocks(lambda: queue.put(batch(1)))
    queue.get()
    assert finished()


def test_a_batch_larger_than_everything_goes_alone() -> None:
    """One that never fits is let in when nothing else is there, rather than never."""
    queue = BatchQueue(10, 10)
    queue.put(batch(3))
    finished = blocks(lambda: queue.put(batch(50)))
    queue.release(3)
    assert finished()
    assert queue.peak == 50


def test_closing_wakes_and_turns_away_everybody() -> None:
    """Nobody waits for a write that is over, and what waited is forgotten."""
    full = BatchQueue(10, 10)
    full.put(batch(10))
    putting = blocks(lambda: full.put(batch(10)))
    empty = BatchQueue(10, 10)
    getting = blocks(empty.get)
    for queue in (full, empty):
        queue.close()
    assert not putting()
    assert not getting()
    with pytest.raises(Halted):
        full.get()
    with pytest.raises(Halted):
        full.put(batch(1))


@given(sizes=st.lists(st.integers(1, 40), max_size=30), most=st.integers(10, 60))
@settings(deadline=None, max_examples=40)
def test_the_bound_holds_whatever_comes(sizes: list[int], most: int) -> None:
    """Held bytes never exceed the bound, but for a single batch that is larger."""
    queue = BatchQueue(most, 3)

    def take() -> None:
        while (one := queue.get()) is not None:
            queue.release(one.size)

    thread = threading.Thread(target=take)
    thread.start()
    for size in sizes:
        queue.put(batch(size))
    queue.finish()
    thread.join()
    assert queue.held == 0
    assert queue.peak <= max([most, *sizes])
