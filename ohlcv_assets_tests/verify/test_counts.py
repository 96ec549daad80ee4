"""Counts and hashes."""

from __future__ import annotations

import pytest

from ohlcv_assets.verify.counts import content_hash, count_matches_plan, counts_per_symbol
from ohlcv_assets.verify.verdict import MAX_DIFFERENCES

pytestmark = pytest.mark.unit


def test_equal_counts_pass() -> None:
    """Equal counts pass; a symbol without trades may be left out on either side."""
    verdict = count_matches_plan({"A": 2, "B": 1, "C": 0}, {"A": 2, "B": 1, "D": 0})

    assert verdict.passed
    assert verdict.summary == "The day file has the 3 trades of 2 symbols that the plan has."
    assert (verdict.expected, verdict.found) == ({"trades": 3}, {"trades": 3})
    assert (verdict.differences, verdict.different) == ((), 0)


def test_each_side_is_named() -> None:
    """A plan is compared with a file, a file with the store, and each check has its own name."""
    assert count_matches_plan({}, {}).check == "count_matches_plan"
    verdict = counts_per_symbol({}, {})
    assert verdict.check == "count_per_symbol"
    assert verdict.summary == "The store has the 0 trades of 0 symbols that the day file has."


def test_differences_are_named_even_if_totals_agree() -> None:
    """Counts that differ by symbol fail though they add up to the same; each symbol is shown."""
    verdict = counts_per_symbol({"A": 2, "B": 1}, {"A": 1, "C": 2})

    assert not verdict.passed
    assert verdict.different == 3
    assert verdict.differences == (
        {"symbol": "A", "expected": 2, "found": 1, "difference": -1},
        {"symbol": "B", "expected": 1, "found": 0, "difference": -1},
        {"symbol": "C", "expected": 0, "found": 2, "difference": 2},
    )
    assert verdict.summary == (
        "The store has 3 trades where the day file has 3; 3 of 3 symbols differ, the first is A: expected 2, found 1."
    )


def test_only_the_first_differences_are_shown() -> None:
    """However many symbols differ, all are counted and only the first are shown."""
    verdict = counts_per_symbol({f"S{n:03d}": 1 for n in range(100)}, {})

    assert (verdict.different, len(verdict.differences)) == (100, MAX_DIFFERENCES)


def test_hashes() -> None:
    """Equal hashes pass; another hash says that the file was changed and what to do."""
    assert content_hash("ab" * 32, "ab" * 32).passed
    verdict = content_hash("ab" * 32, "cd" * 32)
    assert not verdict.passed
    assert "changed after it was written" in verdict.summary
    assert (verdict.expected, verdict.found) == ({"content_hash": "ab" * 32}, {"content_hash": "cd" * 32})
