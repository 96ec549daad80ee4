"""What is wrong with posted trades, gathered so that one answer tells all of it.

What belongs here: gathering and the problem. What does not: finding mistakes (``parsing``, ``values``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.api.problems import ProblemError

MOST_TOLD: Final = 100
"""Mistakes that an answer lists; how many there are it says as well."""

WHOLE: Final = ""
"""The field of a mistake that concerns a trade as a whole: nothing more is said of the trade."""

_LONGEST: Final = 60


class Mistakes:
    """Mistakes by trade and field, the first of each."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str], Callable[[int], str]] = {}
        self._spoiled: set[int] = set()

    def add(self, name: str, wrong: NDArray[np.bool_], text: Callable[[int], str]) -> None:
        """Note a mistake in a field of some trades, unless one of the same field is known.

        Parameters
        ----------
        name
            The field.
        wrong
            True for each trade that has it.
        text
            Returns what is wrong, of a trade by its number.
        """
        for row in np.flatnonzero(wrong).tolist():
            if row not in self._spoiled and (row, name) not in self._found:
                self._found[row, name] = text
        if name == WHOLE:
            self._spoiled.update(np.flatnonzero(wrong).tolist())

    def raise_any(self, trades: int) -> None:
        """Raise ProblemError for all that was found among so many trades, or do nothing where nothing was."""
        if not self._found:
            return
        listed = sorted(self._found.items(), key=lambda one: one[0])
        told = [{"trade": row, "field": name or None, "problem": text(row)} for (row, name), text in listed[:MOST_TOLD]]
        (row, name), text = listed[0]
        rows = len({row for row, _ in self._found})
        of = f"{rows} of {trades} trades" if trades > 1 else "the trade"
        raise ProblemError(
            "invalid",
            f"Nothing was stored because of {of}; trade {row}{name and f', {name}'}: {text(row)}.",
            {"mistakes": len(listed), "problems": told},
        )


def shown(value: Any) -> str:  # Any: JSON
    """Return a value as a mistake names it."""
    text = ascii(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
