"""Rows of numbers in MessagePack as columns, without an object for each number.

What belongs here: the one regular reply that is worth compiled code, a single series of rows of 64-bit numbers without
a gap. What does not: any other reply, which is read by a library for MessagePack (``reading``), and errors.

The server answers a statement of InfluxQL by one document whose rows are its greater part by far. They are cut out and
read by a loop over bytes; what is left, an empty list in their place, is small and read by the library, which proves
that the cut was made in the right place. Whatever is not as expected is not read at all.
https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import ormsgpack
from numpy.typing import NDArray

from ohlcv_assets.generate.kernels import compiled

TIME: Final = "time"
"""The column that every reply begins with, nanoseconds since 1970."""

IRREGULAR: Final = -1
"""In place of an offset: the bytes are no such rows."""

MOST_FIELDS: Final = 14
"""Fields beside the time; longer rows have a longer mark, which is not looked for."""

_WHOLE, _DOUBLE = 0, 1
_HALF: Final = 0x80
_NEVER: Final = np.uint8(0xC1)
"""The one mark that MessagePack does not use."""

_UNSIGNED: Final = np.uint8(0xCF)
"""Mark of a whole number of 64 bits without a sign, which may not fit."""

_NO_NUMBER: Final = 1 << 60
"""In place of a width: more than there can be."""

_WIDTHS: Final = np.full((2, 256), _NO_NUMBER)
"""By kind and mark: how many bytes follow it."""
_WIDTHS[_WHOLE, :0x80] = _WIDTHS[_WHOLE, 0xE0:] = 0
_WIDTHS[_WHOLE, 0xCC:0xD4] = [1, 2, 4, 8, 1, 2, 4, 8]
_WIDTHS[_DOUBLE, 0xCB] = 8

_BEGIN: Final = np.zeros(256, np.int64)
"""By mark: the number that it holds itself."""
_BEGIN[:0x80] = np.arange(0x80)
_BEGIN[0xE0:] = np.arange(-0x20, 0)

_SIGNED: Final = np.zeros(256, np.bool_)
_SIGNED[0xD0:0xD4] = True

_VALUES: Final = b"\xa6values"
_NONE: Final = b"\x90"
_SHORT: Final = 0x90
_LONG: Final = {0xDC: 2, 0xDD: 4}
"""Marks of lists of more than 15 entries, and in how many bytes their number follows."""


@dataclass(frozen=True, slots=True)
class Series:
    """The rows of one series.

    Attributes
    ----------
    tags
        Its tags.
    columns
        By name, ``TIME`` among them: int64 or float64, equally long.
    """

    tags: Mapping[str, str]
    columns: Mapping[str, NDArray[Any]]  # Any: one of two types


def series_of(body: bytes, floats: Mapping[str, bool]) -> Series | None:
    """Return the rows of a reply to one statement that found one series; None where it is not as regular as that.

    Parameters
    ----------
    body
        The whole reply.
    floats
        The fields that were selected, in their order: whether each is of float64, or of int64.
    """
    key = body.find(_VALUES)
    if key < 0 or len(floats) > MOST_FIELDS:
        return None
    begin, rows = _list_at(body, key + len(_VALUES))
    names = (TIME, *floats)
    if rows < 1 or rows > len(body) // len(names):
        return None
    cells = np.empty((len(names), rows), np.int64)
    end = read_rows(np.frombuffer(body, np.uint8), begin, np.array([_WHOLE, *floats.values()], np.int64), cells)
    if end == IRREGULAR or not (cells[0, 1:] > cells[0, :-1]).all():
        return None
    tags = _tags(body[: key + len(_VALUES)] + _NONE + body[end:], names)
    if tags is None:
        return None
    kinds = (False, *floats.values())
    columns = [cells[at].view(np.float64) if kind else cells[at] for at, kind in enumerate(kinds)]
    return Series(tags, dict(zip(names, columns, strict=True)))


def warm_up() -> None:
    """Compile the kernel, or load it from disk."""
    row = [0, 0.5, 1]
    series = {"tags": {}, "columns": [TIME, "a", "b"], "values": [row]}
    series_of(ormsgpack.packb({"results": [{"series": [series]}]}), {"a": True, "b": False})


@compiled
def read_rows(data: NDArray[np.uint8], at: int, kinds: NDArray[np.int64], out: NDArray[np.int64]) -> int:
    """Read rows of numbers.

    Parameters
    ----------
    data
        Bytes that hold them.
    at
        Where the first one begins.
    kinds
        Of each column: 0 for whole numbers, 1 for doubles.
    out
        Shape (columns, rows); doubles come as their bits.

    Returns
    -------
    int
        Where the last one ends; ``IRREGULAR`` where something else is among them, or there are fewer.
    """
    size, (columns, rows) = len(data), out.shape
    for row in range(rows):
        if at >= size or data[at] != _SHORT + columns:
            return IRREGULAR
        at += 1
        for column in range(columns):
            mark = data[at] if at < size else _NEVER
            at += 1
            width = _WIDTHS[kinds[column], mark]
            if at + width > size:
                return IRREGULAR
            value = _BEGIN[mark]
            if _SIGNED[mark] and data[at] >= _HALF:
                value = np.int64(-1)
            for step in range(width):
                value = (value << 8) | np.int64(data[at + step])
            if mark == _UNSIGNED and value < 0:
                return IRREGULAR
            out[column, row] = value
            at += width
    return at


def _list_at(body: bytes, at: int) -> tuple[int, int]:
    """Return where the entries of a list begin, and how many there are; none where there is no list."""
    mark = body[at] if at < len(body) else 0
    if mark in _LONG:
        begin = at + 1 + _LONG[mark]
        return begin, int.from_bytes(body[at + 1 : begin])
    return at + 1, mark - _SHORT if mark & 0xF0 == _SHORT else 0


def _tags(document: bytes, names: Sequence[str]) -> Mapping[str, str] | None:
    """Return the tags of the only series of a reply whose rows were cut out; None where it is another reply."""
    try:
        found: Any = ormsgpack.unpackb(document)  # Any: as MessagePack has it
        (result,) = found["results"]
        (series,) = result["series"]
        if result.get("error") or result.get("partial") or series["columns"] != list(names) or series["values"]:
            return None
        tags: Mapping[str, str] = series["tags"]
    except (ValueError, LookupError, TypeError):
        return None
    return tags
