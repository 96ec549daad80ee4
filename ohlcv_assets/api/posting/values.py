"""Columns of posted trades, from the values of JSON to arrays.

What belongs here: what a value may be in itself. What does not: what it may be for its symbol (``parsing``).

The usual column is read at once. One with anything unusual in it is read value by value, which gives the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ohlcv_assets.api.posting.mistakes import Mistakes, shown
from ohlcv_assets.errors import InvalidDateError
from ohlcv_assets.instants import parse_start
from ohlcv_assets.market.schema import TS_TYPE

Given = Sequence[Any]
"""Values of one field; Any: JSON."""

INSTANT: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
"""RFC 3339, up to nine digits of a second."""

ID: Final = r"[!-~]{1,64}"
"""Ids of trades: printable, without spaces."""

_USUAL: Final = r"^(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$"
_INSTANT: Final = re.compile(INSTANT)
_ID: Final = re.compile(ID)
_NUMBERS: Final = frozenset({int, float})
_INT64: Final = np.iinfo(np.int64)


def symbols(given: Given, numbers: Mapping[str, int], mistakes: Mistakes) -> NDArray[np.int32]:
    """Return the numbers of symbols; -1 for what is none."""
    found = np.array([numbers.get(name, -1) if type(name) is str else -1 for name in given], np.int32)
    mistakes.add("symbol", found < 0, lambda row: f"there is no symbol {shown(given[row])}")
    return found


def instants(given: Given, mistakes: Mistakes) -> NDArray[np.int64]:
    """Return nanoseconds since 1970; 0 for what is no instant."""
    kinds = set(map(type, given))
    found = _texts(given) if kinds == {str} else _integers(given) if kinds == {int} else None
    if found is None:
        single = [_instant(value) for value in given]
        wrong = np.array([value is None for value in single], np.bool_)
        mistakes.add(
            "ts",
            wrong,
            lambda row: (
                f"{shown(given[row])} is no instant; write 2024-01-05T14:30:00.123456789Z, or nanoseconds since "
                "1970 as an integer"
            ),
        )
        found = np.array([0 if value is None else value for value in single], np.int64)
    return found


def decimals(name: str, given: Given, mistakes: Mistakes) -> NDArray[np.float64]:
    """Return numbers; NaN for what is none."""
    if set(map(type, given)) <= _NUMBERS:
        return np.array(given, np.float64)
    wrong = np.array([type(value) not in _NUMBERS for value in given], np.bool_)
    mistakes.add(name, wrong, lambda row: f"{shown(given[row])} is no number")
    return np.array([np.nan if bad else value for value, bad in zip(given, wrong, strict=True)], np.float64)


def sides(given: Given, mistakes: Mistakes) -> NDArray[np.int8]:
    """Return +1 and -1; 0 for what is no side."""
    found = np.array([value if type(value) in _NUMBERS and value in (1, -1) else 0 for value in given], np.int8)
    mistakes.add(
        "side",
        found == 0,
        lambda row: f"{shown(given[row])} is no side; write 1 (bought) or -1 (sold)",
    )
    return found


def ids(given: Given, mistakes: Mistakes) -> None:
    """Note what is no id; None is none, which is right."""
    wrong = [value is not None and (type(value) is not str or _ID.fullmatch(value) is None) for value in given]
    mistakes.add(
        "id",
        np.array(wrong, np.bool_),
        lambda row: f"{shown(given[row])} is no id; write 1 to 64 printable characters, no spaces",
    )


def _texts(given: Given) -> NDArray[np.int64] | None:
    """Return instants written in the usual way; None where one is not."""
    texts = pa.array(given, pa.string())
    if not pc.all(pc.match_substring_regex(texts, _USUAL)).as_py():
        return None
    try:
        return np.asarray(texts.cast(TS_TYPE).cast(pa.int64()))
    except pa.ArrowInvalid:
        return None


def _integers(given: Given) -> NDArray[np.int64] | None:
    try:
        return np.array(given, np.int64)
    except OverflowError:
        return None


def _instant(value: Any) -> int | None:  # Any: JSON
    if type(value) is int and _INT64.min <= value <= _INT64.max:
        return value
    if type(value) is str and _INSTANT.fullmatch(value) is not None:
        try:
            return parse_start(value)
        except InvalidDateError:
            return None
    return None
