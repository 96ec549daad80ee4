"""One verdict of several: a day too large for memory is judged by parts.

What belongs here: putting verdicts of the same check together. What does not: judging.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ohlcv_assets.verify.verdict import MAX_DIFFERENCES, Scalar, Verdict


def merged(verdicts: Iterable[Verdict]) -> Verdict:
    """Return one verdict over the parts of a day: passed if all are, with numbers added up and first differences kept.

    Parameters
    ----------
    verdicts
        Of one check; at least one.
    """
    parts = list(verdicts)
    if len(parts) == 1:
        return parts[0]
    failed = [part for part in parts if not part.passed]
    summary = failed[0].summary if failed else f"All {len(parts)} parts of the day hold; the first: {parts[0].summary}"
    return Verdict(
        check=parts[0].check,
        passed=not failed,
        summary=summary,
        expected=_added(part.expected for part in parts),
        found=_added(part.found for part in parts),
        differences=tuple(row for part in parts for row in part.differences)[:MAX_DIFFERENCES],
        different=sum(part.different for part in parts),
    )


def _added(figures: Iterable[Mapping[str, Scalar]]) -> dict[str, Scalar]:
    total: dict[str, Scalar] = {}
    for figure in figures:
        for name, value in figure.items():
            held = total.get(name)
            if isinstance(value, int | float) and isinstance(held, int | float):
                total[name] = held + value
            else:
                total.setdefault(name, value)
    return total
