"""What is left to do after a restore is done, in order, by the end of the load."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import cast

import pytest

from ohlcv_assets.stores.influxdb.bulk.settling import Settling
from ohlcv_assets.stores.influxdb.leasing.closings import Closing

pytestmark = pytest.mark.unit


class Told:
    """A mark that tells when it is taken back, after it is let."""

    def __init__(self, story: list[str], error: Exception | None = None) -> None:
        self.let = threading.Event()
        self._story = story
        self._error = error

    def end(self) -> None:
        """Take it back."""
        self.let.wait()
        self._story.append("ended")
        if self._error is not None:
            raise self._error


@contextmanager
def held(story: list[str]) -> Iterator[None]:
    """Tell when what is held is given back."""
    try:
        yield
    finally:
        story.append("given back")


def begun(settling: Settling, told: Told, story: list[str]) -> None:
    """Begin to settle."""
    with ExitStack() as stack:
        stack.enter_context(held(story))
        settling.begin(cast("Closing", told), stack.pop_all())


def test_the_mark_first_and_beside_other_things() -> None:
    """The mark is taken back under the lease; whoever began it goes on meanwhile, and waits at the end."""
    story: list[str] = []
    told = Told(story)
    with Settling() as settling:
        settling.wait()
        begun(settling, told, story)
        story.append("went on")
        told.let.set()
    assert story == ["went on", "ended", "given back"]


def test_a_mark_that_stays() -> None:
    """Whoever waits is told; the lease is given back all the same."""
    story: list[str] = []
    told = Told(story, ValueError("no answer"))
    told.let.set()
    with Settling() as settling:
        begun(settling, told, story)
        with pytest.raises(ValueError, match="no answer"):
            settling.wait()
    assert story == ["ended", "given back"]
