"""The watermark never passes a gap, ranges add up, and bars count as complete only where everything agrees."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.chunks import ChunkState, Span
from ohlcv_assets.bars.gaps import Known, Standing, joined, judged, watermark, within, without
from ohlcv_assets.units import Nanos

pytestmark = pytest.mark.unit

END = 60


def span(start: int, stop: int) -> Span:
    """Return a span."""
    return Span(Nanos(start), Nanos(stop))


SPANS = st.lists(
    st.tuples(st.integers(0, END - 1), st.integers(1, 12)).map(lambda pair: span(pair[0], pair[0] + pair[1])),
    max_size=12,
)


def covered(spans: tuple[Span, ...] | list[Span]) -> set[int]:
    """Return every instant that spans cover."""
    return {at for one in spans for at in range(one.start, one.stop)}


def are_apart(spans: tuple[Span, ...]) -> bool:
    """Return whether spans are in order and none touches the next."""
    return all(one.stop < other.start for one, other in itertools.pairwise(spans))


@given(spans=SPANS)
@settings(deadline=None, max_examples=40)
def test_joined_spans_cover_the_same(spans: list[Span]) -> None:
    """Joining changes nothing but how it is told."""
    found = joined(spans)
    assert covered(found) == covered(spans)
    assert are_apart(found)


@given(spans=SPANS, holes=SPANS)
@settings(deadline=None, max_examples=40)
def test_without_takes_exactly_the_holes(spans: list[Span], holes: list[Span]) -> None:
    """What is left is what is covered and no hole."""
    found = without(spans, holes)
    assert covered(found) == covered(spans) - covered(holes)
    assert are_apart(found)


@given(spans=SPANS, start=st.integers(0, END), length=st.integers(1, 30))
@settings(deadline=None, max_examples=40)
def test_within_keeps_to_its_frame(spans: list[Span], start: int, length: int) -> None:
    """Parts inside a frame are all that is covered inside of it."""
    assert covered(within(spans, span(start, start + length))) == covered(spans) & set(range(start, start + length))


@given(spans=SPANS, start=st.integers(0, END))
@settings(deadline=None, max_examples=40)
def test_the_watermark_never_passes_a_gap(spans: list[Span], start: int) -> None:
    """All from the beginning to the watermark is complete, and the watermark itself is not."""
    mark = watermark(Nanos(start), spans)
    assert set(range(start, mark)) <= covered(spans)
    assert mark not in covered(spans)


GOOD = Known("abc", 10, "done", "abc", 4, 10)


@pytest.mark.parametrize(
    ("changes", "standing", "reason"),
    [
        ({}, "complete", ""),
        ({"trades": 9}, "missing", "bars are gone"),
        ({"trades": 0, "bars": 0}, "missing", "bars are gone"),
        ({"trades": 11}, "stale", "more trades in the bars than stored"),
        ({"source": "old"}, "stale", "made from other trades"),
        ({"source": "old", "bars": 0, "trades": 0}, "missing", "made from other trades"),
        ({"state": "stale"}, "stale", "made from other trades"),
        ({"state": "pending"}, "stale", "planned"),
        ({"state": "running"}, "stale", "begun and not ended"),
        ({"state": "failed", "bars": 0, "trades": 0}, "missing", "given up"),
        ({"state": None, "source": ""}, "stale", "nothing is recorded of them"),
        ({"state": None, "source": "", "bars": 0, "trades": 0}, "missing", "never made"),
        ({"content": None, "rows": 0}, "stale", "their trades are not proved to be stored"),
        ({"content": None, "rows": 0, "bars": 0, "trades": 0}, "waiting", "no proved trades"),
        ({"rows": 0, "bars": 0, "trades": 0, "state": None}, "complete", ""),
        ({"rows": 0}, "stale", "more trades in the bars than stored"),
    ],
)
def test_how_a_day_stands(changes: dict[str, object], standing: Standing, reason: str) -> None:
    """Each thing that can be wrong with a day's bars has its name."""
    assert judged(dataclasses.replace(GOOD, **changes)) == (standing, reason)  # type: ignore[arg-type]  # fields vary


@given(
    content=st.sampled_from([None, "a", "b"]),
    state=st.sampled_from([None, "pending", "running", "done", "failed", "stale"]),
    source=st.sampled_from(["", "a", "b"]),
    counts=st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)),
)
@settings(deadline=None, max_examples=40)
def test_complete_means_that_everything_agrees(
    content: str | None, state: ChunkState | None, source: str, counts: tuple[int, int, int]
) -> None:
    """Bars are complete only where they hold as many trades as are proved, and were made of just these."""
    rows, bars, trades = counts
    standing, reason = judged(Known(content, rows, state, source, bars, trades))
    assert (standing == "complete") == (not reason)
    if standing == "complete":
        assert content is not None
        assert (state == "done" and source == content and rows == trades) or rows == bars == 0
