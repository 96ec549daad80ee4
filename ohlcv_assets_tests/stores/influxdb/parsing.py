"""A plain reader of line protocol, written from its grammar, to read back what is sent.

What belongs here: lines to measurement, tags, fields and time, refusing whatever is not well formed. What does not:
anything the writing side uses.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from ohlcv_assets_tests.stores.made import Row


@dataclass(frozen=True)
class Point:
    """One line: fields are floats or whole numbers, in the order written."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, float | int]
    ts: int


def points_of(body: bytes) -> list[Point]:
    """Read a body; every line ends in a newline, and a newline is nowhere else."""
    assert body.endswith(b"\n")
    return [_point(line) for line in body.decode().removesuffix("\n").split("\n")]


def rows_of_points(points: Iterable[Point]) -> list[Row]:
    """Return points of trades as rows, the tag's text for the symbol."""
    found = []
    for point in points:
        assert point.measurement == "trades"
        assert list(point.tags) == ["symbol"]
        price, amount, side = (point.fields[name] for name in ("price", "amount", "side"))
        assert len(point.fields) == 3
        assert isinstance(side, int)
        found.append((point.tags["symbol"], point.ts, float(price), float(amount), side))
    return found


def cut(table: pa.Table, places: Iterable[int]) -> list[pa.Table]:
    """Cut a table before some rows."""
    bounds = [0, *sorted(places), table.num_rows]
    return [table.slice(first, end - first) for first, end in itertools.pairwise(bounds)]


def _point(line: str) -> Point:
    key, fields, ts = _split(line, " ")
    measurement, *tags = _split(key, ",")
    pairs = [_split(tag, "=") for tag in tags]
    assert all(len(pair) == 2 for pair in pairs)
    return Point(
        measurement,
        {_plain(name): _plain(value) for name, value in pairs},
        dict(_field(text) for text in fields.split(",")),
        int(ts),
    )


def _field(text: str) -> tuple[str, float | int]:
    name, value = text.split("=")
    return name, int(value[:-1]) if value.endswith("i") else float(value)


def _split(text: str, separator: str) -> list[str]:
    """Cut at separators that no backslash precedes."""
    parts, current, position = [], "", 0
    while position < len(text):
        if text[position] == "\\" and text[position + 1] in ", =":
            current += text[position : position + 2]
            position += 2
            continue
        if text[position] == separator:
            parts.append(current)
            current = ""
        else:
            current += text[position]
        position += 1
    return [*parts, current]


def _plain(text: str) -> str:
    assert not text.endswith("\\")
    for special in ", =":
        text = text.replace(f"\\{special}", special)
    return text
