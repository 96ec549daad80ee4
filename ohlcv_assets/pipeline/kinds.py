"""The checks of a day by asset: name, what it proves, whether it blocks what comes after.

What belongs here: the list that Dagster, the command line and the documentation share. What does not: running them
(``checks``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class CheckKind:
    """One check of one asset.

    Attributes
    ----------
    name
        As the verdict carries it.
    proves
        What holds if it passes, for a reader of the user interface.
    blocking
        Whether assets after this one wait for it and are not made if it fails.
    """

    name: str
    proves: str
    blocking: bool = False


TRADES_CHECKS: Final = (
    CheckKind(
        "count_matches_plan",
        "The day file holds exactly the trades that the plan (or the record of the import) gives each symbol.",
    ),
    CheckKind(
        "schema_and_invariants",
        "Columns and types are right, (symbol, ts) strictly increases, every trade lies in its session, prices and "
        "amounts lie on their grids.",
    ),
    CheckKind("content_hash", "The trades, read back, have the hash that the file's footer promises."),
)
"""Checks of the day files."""

STORED_CHECKS: Final = (
    CheckKind(
        "count_per_symbol",
        "The store holds exactly as many trades of each symbol as the day file. Bars are not made if it fails.",
        blocking=True,
    ),
    CheckKind(
        "content",
        "For every symbol and hour, the count, sums and extremes that the store computes are those of the day file.",
    ),
    CheckKind(
        "sample",
        "A seeded random sample of trades, read back from the store by key, equals the day file in every field.",
    ),
)
"""Checks of the stored trades."""

EVERY_TRADE: Final = CheckKind(
    "every_trade",
    "Every trade, read back from the store's own files, equals the day file bit for bit, and there is no other.",
)
"""Check of the stored trades where that is quick; the others follow from it then."""

BAR_CHECKS: Final = (
    CheckKind(
        "totals",
        "Trades, volume, turnover, imbalance and extremes of the stored bars of each symbol add up to those of the "
        "stored trades (turnover: to that of the day file, where the store cannot add it up).",
    ),
    CheckKind("invariants", "Every stored bar is one that some trades could have made."),
    CheckKind(
        "equality",
        "The bars read back from the store equal bars that DuckDB SQL makes of the day file (where SQL made the stored "
        "ones, that the roll-up makes): prices exactly, sums within n x 2^-53 x sum|x|.",
    ),
    CheckKind(
        "chain",
        "The stored bars are those that the stored bars of the resolution below compose to; 1m bars, hour by hour, are "
        "what the store computes of its trades.",
    ),
)
"""Checks of the bars of each stored resolution."""
