"""The next item is made while the present one is used, and nothing else changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ohlcv_assets.stores.influxdb.reads.ahead import ahead

pytestmark = pytest.mark.unit


def test_items_come_in_order() -> None:
    """All items come, in order; none gives none."""
    assert list(ahead(iter(range(50)))) == list(range(50))
    assert list(ahead(iter([None, None]))) == [None, None]
    assert list(ahead(iter(()))) == []


def test_one_item_is_made_ahead_and_no_more() -> None:
    """While an item is used the next is made, and the one after it is not."""
    made: list[int] = []
    second = threading.Event()

    def items() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    found = ahead(items())
    assert next(found) == 0
    assert second.wait(10)
    assert made == [0, 1]
    assert next(found) == 1


def test_an_error_comes_where_its_item_would() -> None:
    """Items before an error are handed out first."""

    def items() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(LookupError, match="no more"):
        next(found)


def test_no_thread_is_left_behind() -> None:
    """Whoever stops early leaves no thread."""
    found = ahead(iter(range(10)))
    next(found)
    assert any(thread.name.startswith("ahead") for thread in threading.enumerate())
    found.close()  # type: ignore[attr-defined]  # a generator
    assert not any(thread.name.startswith("ahead") for thread in threading.enumerate())
