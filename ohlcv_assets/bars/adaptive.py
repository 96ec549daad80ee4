"""Which resolution a range is answered at, where whoever asks leaves that to us.

What belongs here: the rules and their reasons. What does not: reading bars, limits of answers.

A chart of a year at one minute has half a million bars and a screen has two thousand pixels. So a wide range is
answered at a coarser resolution, never at a finer one, and the answer says so. Weeks and months stay what they are.
Every bound is exclusive: a range of exactly 30, 90 or 365 days is answered as asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ohlcv_assets.bars.resolutions import RESOLUTIONS, Resolution
from ohlcv_assets.units import DAY, Nanos

_ORDER: Final = tuple(RESOLUTIONS)
"""Names from fine to coarse."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes
    ----------
    days
        It holds for ranges of more days than that.
    given
        Name of the resolution that is given.
    asked
        Names of the resolutions in whose place it is given.
    """

    days: int
    given: str
    asked: tuple[str, ...]


def _finer_than(name: str) -> tuple[str, ...]:
    return _ORDER[: _ORDER.index(name)]


RULES: Final = (
    Rule(365, "1d", _finer_than("1d")),
    Rule(90, "1h", _finer_than("1h")),
    Rule(30, "15m", ("1m",)),
)
"""The first that holds decides."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was asked, what is given, and why they differ; the reason is empty where they do not."""

    asked: Resolution
    given: Resolution
    reason: str = ""

    @property
    def adapted(self) -> bool:
        """Whether something else is given than was asked."""
        return self.asked != self.given


def adapt(asked: Resolution, start: Nanos, end: Nanos) -> Choice:
    """Return the resolution for a range.

    Parameters
    ----------
    asked
        Any.
    start, end
        Nanoseconds UTC, half open.
    """
    span = end - start
    for rule in RULES:
        if span > rule.days * DAY and asked.name in rule.asked:
            return Choice(asked, RESOLUTIONS[rule.given], f"the range is longer than {rule.days} days")
    return Choice(asked, asked)


def coarser(resolution: Resolution) -> Resolution | None:
    """Return the next coarser resolution that is stored, which costs less to read; None where there is none."""
    above = _ORDER[_ORDER.index(resolution.name) + 1 :]
    return next((RESOLUTIONS[name] for name in above if RESOLUTIONS[name].stored), None)
