"""Chunks tile what they are made of, and move between their states only as they may."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ohlcv_assets.bars.chunks import MOVES, ChunkState, Span, moved, plan, split
from ohlcv_assets.units import DAY, MINUTE, Nanos

pytestmark = pytest.mark.unit

STATES: tuple[ChunkState, ...] = get_args(ChunkState)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Return a span of up to forty days anywhere."""
    start = draw(st.integers(-(10**18), 10**18))
    return Span(Nanos(start), Nanos(start + draw(st.integers(1, 40 * DAY))))


@given(span=spans(), first=st.integers(1, 40), more=st.integers(0, 40))
@settings(deadline=None, max_examples=40)
def test_a_plan_tiles_its_range(span: Span, first: int, more: int) -> None:
    """Chunks follow each other without gap or overlap, begin small, and none is larger than the largest."""
    unit, largest = Nanos(first * DAY), Nanos((first + more) * DAY)
    chunks = plan(span, unit, largest)
    assert chunks[0].start == span.start
    assert chunks[-1].stop == span.stop
    assert all(one.stop == other.start for one, other in itertools.pairwise(chunks))
    assert chunks[0].length <= unit
    assert all(chunk.length <= largest for chunk in chunks)
    assert all(chunk.length == min(unit * 2**at, largest) for at, chunk in enumerate(chunks[:-1]))


def test_a_plan_grows_from_the_first_chunk_to_the_largest() -> None:
    """Thirty days from one to seven are 1, 2, 4, 7, 7, 7 and what is left."""
    chunks = plan(Span(Nanos(0), Nanos(30 * DAY)), DAY, Nanos(7 * DAY))
    assert [chunk.length // DAY for chunk in chunks] == [1, 2, 4, 7, 7, 7, 2]


@pytest.mark.parametrize(("first", "largest"), [(0, 1), (2, 1), (-1, 1)])
def test_sizes_that_cannot_be(first: int, largest: int) -> None:
    """A chunk has a size, and the largest is at least the first."""
    with pytest.raises(ValueError, match="cannot be"):
        plan(Span(Nanos(0), DAY), Nanos(first), Nanos(largest))


@given(span=spans(), unit=st.sampled_from([MINUTE, DAY, Nanos(7 * DAY)]))
@settings(deadline=None, max_examples=40)
def test_a_split_tiles_its_chunk(span: Span, unit: Nanos) -> None:
    """The two parts are the chunk, cut at a whole unit; it stays whole only where no unit begins inside."""
    parts = split(span, unit)
    first_inside = (span.start // unit + 1) * unit
    if parts is None:
        assert first_inside >= span.stop
        return
    left, right = parts
    assert (left.start, right.stop) == (span.start, span.stop)
    assert left.stop == right.start
    assert left.stop % unit == 0
    assert abs(left.length - right.length) <= 2 * unit


def test_splitting_ends() -> None:
    """Seven days come apart into days, and a day into nothing smaller."""
    left = [Span(Nanos(3 * DAY), Nanos(10 * DAY))]
    days = []
    while left:
        span = left.pop()
        parts = split(span, DAY)
        left += parts or ()
        days += [] if parts else [span]
    assert sorted(day.start // DAY for day in days) == list(range(3, 10))
    assert all(day.length == DAY for day in days)


def test_an_empty_span_is_none() -> None:
    """A span has a length."""
    with pytest.raises(ValueError, match="is empty"):
        Span(DAY, DAY)


class Life(RuleBasedStateMachine):
    """A chunk that anything is tried with."""

    def __init__(self) -> None:
        super().__init__()
        self.state: ChunkState | None = None
        self.begun = False

    @rule(after=st.sampled_from(STATES))
    def move(self, after: ChunkState) -> None:
        """Only a run makes a chunk done or failed, and only what was done becomes stale."""
        if after in {"done", "failed"}:
            legal = self.state == "running"
        elif after == "stale":
            legal = self.state == "done"
        else:
            legal = True
        if not legal:
            with pytest.raises(ValueError, match=f"cannot become {after}"):
                moved(self.state, after)
            return
        self.state = moved(self.state, after)
        self.begun = self.begun or after == "running"

    @invariant()
    def never_done_without_a_run(self) -> None:
        """Make sure that what was never begun is not done, failed or stale."""
        assert self.begun or self.state in {None, "pending"}


Life.TestCase.settings = settings(deadline=None, max_examples=40)
TestLife = Life.TestCase


def test_every_state_can_be_left() -> None:
    """No state is a dead end: whatever happened, a chunk can be made again."""
    assert set(MOVES) == {None, *STATES}
    assert all("running" in after for after in MOVES.values())
