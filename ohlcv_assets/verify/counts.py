"""Counts and hashes: the cheapest checks, and the ones that stop everything else.

What belongs here: comparisons of counts by symbol, and of content hashes. What does not: reading trades.
"""

from __future__ import annotations

from collections.abc import Mapping

from ohlcv_assets.verify.verdict import MAX_DIFFERENCES, Scalar, Verdict


def count_matches_plan(expected: Mapping[str, int], found: Mapping[str, int]) -> Verdict:
    """Compare the rows of a day file with the plan or the import record.

    Parameters
    ----------
    expected, found
        Trades by symbol; a symbol left out counts as zero.
    """
    return _counts("count_matches_plan", "the plan", "the day file", expected, found)


def counts_per_symbol(expected: Mapping[str, int], found: Mapping[str, int]) -> Verdict:
    """Compare the trades in the store with the day file.

    Parameters
    ----------
    expected, found
        Trades by symbol; a symbol left out counts as zero.
    """
    return _counts("count_per_symbol", "the day file", "the store", expected, found)


def content_hash(expected: str, found: str, remedy: str = "replace it with --force") -> Verdict:
    """Compare the hash in a day file's footer with the hash of the rows that were read from it.

    Parameters
    ----------
    expected, found
        Hex text.
    remedy
        What to do about a file with another hash.
    """
    passed = expected == found
    summary = (
        f"The day file's content has the hash its footer says: {found[:16]}."
        if passed
        else f"The day file's content has the hash {found[:16]} but its footer says {expected[:16]}: the file was "
        f"changed after it was written; {remedy}."
    )
    return Verdict("content_hash", passed, summary, {"content_hash": expected}, {"content_hash": found})


def _counts(check: str, source: str, place: str, expected: Mapping[str, int], found: Mapping[str, int]) -> Verdict:
    names = sorted({*expected, *found})
    pairs = [(name, expected.get(name, 0), found.get(name, 0)) for name in names]
    wrong = [pair for pair in pairs if pair[1] != pair[2]]
    totals = sum(expected.values()), sum(found.values())
    if not wrong:
        traded = sum(1 for _, promised, _ in pairs if promised != 0)
        summary = f"{place.capitalize()} has the {totals[0]:,} trades of {traded} symbols that {source} has."
    else:
        name, promised, held = wrong[0]
        summary = (
            f"{place.capitalize()} has {totals[1]:,} trades where {source} has {totals[0]:,}; {len(wrong)} of "
            f"{len(names)} symbols differ{'s' if len(wrong) == 1 else ''}, the first is {name}: "
            f"expected {promised:,}, found {held:,}."
        )
    rows: list[Mapping[str, Scalar]] = [
        {"symbol": name, "expected": promised, "found": held, "difference": held - promised}
        for name, promised, held in wrong[:MAX_DIFFERENCES]
    ]
    return Verdict(check, not wrong, summary, {"trades": totals[0]}, {"trades": totals[1]}, tuple(rows), len(wrong))
