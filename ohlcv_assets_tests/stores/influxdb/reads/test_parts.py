"""What takes too long is asked in smaller parts, until there are none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.stores.influxdb.reads.asking import QueryTimeout
from ohlcv_assets.stores.influxdb.reads.parts import END_NS, FIRST_NS, PARTS, Part, in_parts, whole_part
from ohlcv_assets.units import DAY, HOUR

pytestmark = pytest.mark.unit

INSTANTS = st.integers(FIRST_NS, END_NS)


def no_symbols(_part: Part) -> list[str]:
    """Know no symbols."""
    return []


@settings(deadline=None, max_examples=40)
@given(INSTANTS, INSTANTS)
def test_ranges_cover_the_part(one: int, other: int) -> None:
    """The ranges follow each other without gaps, are cut at full hours, and are few; an hour is not cut."""
    part = Part(min(one, other), max(one, other) + 1)
    ranges = part.ranges()
    if part.end - part.start <= HOUR:
        assert ranges == []
        return
    assert (ranges[0].start, ranges[-1].end) == (part.start, part.end)
    assert [piece.start for piece in ranges[1:]] == [piece.end for piece in ranges[:-1]]
    assert all(piece.start % HOUR == 0 for piece in ranges[1:])
    assert all(piece.start < piece.end for piece in ranges)
    assert 2 <= len(ranges) <= PARTS + 1


def test_ranges_keep_the_symbol() -> None:
    """The ranges of a symbol's part are that symbol's."""
    assert {piece.symbol for piece in Part(0, DAY, "A").ranges()} == {"A"}


def test_a_range_is_cut_to_what_the_server_can_hold() -> None:
    """Bounds beyond any instant give all that can be held; nothing is left of ranges outside or the wrong way round."""
    assert whole_part(-(2**63), 2**63 - 1) == Part(FIRST_NS, END_NS)
    assert whole_part(-5, 7) == Part(-5, 7)
    for start, end in ((5, 5), (6, 5), (-(2**70), FIRST_NS), (END_NS, 2**70)):
        assert whole_part(start, end) is None


def too_long_for(fits: Callable[[Part], bool], asked: list[Part]) -> Callable[[Part], Part]:
    """Return a question that takes too long where a part does not fit."""

    def ask(part: Part) -> Part:
        asked.append(part)
        if not fits(part):
            raise QueryTimeout("too long")
        return part

    return ask


def test_one_answer_where_the_whole_passes() -> None:
    """Nothing is cut without need."""
    asked: list[Part] = []
    assert list(in_parts(Part(0, DAY), too_long_for(lambda _: True, asked), no_symbols)) == [Part(0, DAY)]
    assert asked == [Part(0, DAY)]


def test_smaller_ranges_in_order() -> None:
    """A year that passes in hours only is asked in ever smaller ranges, whose answers come in order."""
    asked: list[Part] = []
    answers = list(
        in_parts(Part(0, 20 * DAY), too_long_for(lambda part: part.end - part.start <= 2 * HOUR, asked), no_symbols)
    )
    assert [part.start for part in answers] == sorted(part.start for part in answers)
    assert (answers[0].start, answers[-1].end) == (0, 20 * DAY)
    assert sum(part.end - part.start for part in answers) == 20 * DAY


def test_symbols_one_by_one() -> None:
    """An hour that takes too long is asked symbol by symbol."""
    answers = list(
        in_parts(Part(0, 2 * HOUR), too_long_for(lambda part: part.symbol is not None, []), lambda _: ["A", "B"])
    )
    assert [(part.start, part.symbol) for part in answers] == [(0, "A"), (0, "B"), (HOUR, "A"), (HOUR, "B")]


def test_the_smallest_part_fails() -> None:
    """What takes too long for one symbol and one hour cannot be asked."""
    with pytest.raises(QueryTimeout, match="too long"):
        list(in_parts(Part(0, HOUR), too_long_for(lambda _: False, []), lambda _: ["A"]))
