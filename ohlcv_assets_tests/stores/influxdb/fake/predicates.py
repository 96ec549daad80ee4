"""Predicates of deletes.

What belongs here: ``name="value" AND ...``. What does not: conditions of queries.
"""

from __future__ import annotations

import re
from typing import Final

_TERM: Final = re.compile(r"""\s*(?:"([^"]+)"|([A-Za-z_][\w]*))\s*=\s*(?:"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)')\s*""")
_AND: Final = re.compile(r"and\b", re.IGNORECASE)


def tags_of(predicate: str) -> dict[str, str]:
    """Return the tags that a predicate asks for; empty for all points.

    Raises
    ------
    ValueError
        It holds something else than equalities joined by AND.
    """
    wanted: dict[str, str] = {}
    at = 0
    while at < len(predicate.rstrip()):
        if wanted:
            joined = _AND.match(predicate, at)
            if joined is None:
                raise ValueError(f"the logical operator OR is not supported yet at position {at}")
            at = joined.end()
        term = _TERM.match(predicate, at)
        if term is None:
            raise ValueError(f"bad predicate at position {at}")
        value = term[3] if term[3] is not None else term[4]
        wanted[term[1] or term[2]] = re.sub(r"\\(.)", r"\1", value)
        at = term.end()
    return wanted
