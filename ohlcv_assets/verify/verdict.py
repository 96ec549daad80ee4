"""A verdict: passed or not, what was expected, what was found, and where they first differ.

What belongs here: the value type. What does not: any comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one check of one day.

    Attributes
    ----------
    check
        Name of the check, for example ``count_per_symbol``.
    passed
        Whether the check holds.
    summary
        One sentence for a reader who sees nothing else, with the figures that matter.
    expected, found
        The compared figures, by a short name: totals, hashes, counts.
    differences
        The first differences as rows of one table (same keys in each), at most ``MAX_DIFFERENCES``.
    different
        How many differences there are in all.
    """

    check: str
    passed: bool
    summary: str
    expected: Mapping[str, Scalar] = field(default_factory=dict)
    found: Mapping[str, Scalar] = field(default_factory=dict)
    differences: tuple[Mapping[str, Scalar], ...] = ()
    different: int = 0


MAX_DIFFERENCES = 20
