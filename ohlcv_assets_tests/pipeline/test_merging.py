"""One verdict over the parts of a day."""

from __future__ import annotations

import pytest

from ohlcv_assets.pipeline.merging import merged
from ohlcv_assets.verify.verdict import MAX_DIFFERENCES, Verdict

pytestmark = pytest.mark.unit


def part(trades: int, differences: int = 0, **more: str | None) -> Verdict:
    """Return a verdict on a part, failed where there are differences."""
    rows = tuple({"symbol": f"S{number}"} for number in range(min(differences, MAX_DIFFERENCES)))
    figures = {"trades": trades, **more}
    return Verdict("content", differences == 0, f"{trades} trades.", figures, figures, rows, differences)


def test_a_single_part_is_the_verdict() -> None:
    """A day in one piece is judged as it is."""
    only = part(3)
    assert merged(iter([only])) is only


def test_numbers_are_added_and_texts_kept() -> None:
    """Totals are those of the whole day; what is no number is the first part's."""
    whole = merged([part(3, columns="a, b"), part(4, columns="c", note=None)])
    assert whole.passed
    assert whole.expected == whole.found == {"trades": 7, "columns": "a, b", "note": None}
    assert whole.summary == "All 2 parts of the day hold; the first: 3 trades."


def test_one_bad_part_fails_the_day() -> None:
    """The summary is that of the first bad part; all differences count, the first are kept."""
    whole = merged([part(1), part(2, 15), part(3, 30)])
    assert (whole.check, whole.passed, whole.summary) == ("content", False, "2 trades.")
    assert whole.different == 45
    assert len(whole.differences) == MAX_DIFFERENCES
