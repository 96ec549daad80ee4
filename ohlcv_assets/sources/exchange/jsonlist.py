"""Cutting a JSON list of objects into its objects without reading it whole.

What belongs here: where objects begin and end, by braces outside of strings. What does not: what is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ohlcv_assets.errors import ImportFileError
from ohlcv_assets.sources.exchange.opening import BLOCK_BYTES, damaged

_OPEN: Final = ord("{")
_CLOSE: Final = ord("}")
_QUOTE: Final = ord('"')
_ESCAPE: Final = ord("\\")
_MOST_OBJECT: Final = 64 << 20


@dataclass(frozen=True)
class Objects:
    """Texts within some bytes: text i runs from ``starts[i]`` to the next start, or to the end of the data.

    Attributes
    ----------
    data
        UTF-8.
    starts
        Shape (objects,), int: offsets of the first bytes.
    lines
        Shape (objects,), int: line numbers from 1.
    """

    data: bytes
    starts: NDArray[np.int64]
    lines: NDArray[np.int64]

    def texts(self) -> pa.Array[Any]:  # Any: the stubs cannot tell a string array
        """Return the texts, uncopied; bytes that are no UTF-8 are replaced."""
        data, starts = self.data, self.starts
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            bounds = [*starts.tolist(), len(data)]
            pieces = [data[a:b].decode("utf-8", "replace") for a, b in pairwise(bounds)]
            return pa.array(pieces, pa.string())
        offsets = np.append(starts, len(data)).astype(np.int32)
        return pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets.tobytes()), pa.py_buffer(data))


def object_blocks(stream: IO[bytes], where: str, size: int = BLOCK_BYTES) -> Iterator[Objects]:
    """Yield the objects of a JSON list in pieces.

    Raises
    ------
    ImportFileError
        The list does not end, or an object in it does not, or is too long to be a trade.
    """
    rest, line, last = b"", 1, b""
    while True:
        with damaged(where):
            data = stream.read(size)
        if data == b"":
            break
        last = data.rstrip()[-1:] or last
        data = rest + data
        starts, end = _cut(data)
        if len(starts) > 0:
            breaks = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
            yield Objects(data[:end], starts, line + np.searchsorted(breaks, starts))
        line += data.count(b"\n", 0, end)
        rest = data[end:]
        if len(rest) > _MOST_OBJECT:
            raise ImportFileError(f"{where}, line {line}: an object does not end within {_MOST_OBJECT >> 20} MB.")
    if b"{" in rest or last != b"]":
        raise ImportFileError(f"{where}, line {line}: the list of trades is cut off: fetch the file again.")


def _cut(data: bytes) -> tuple[NDArray[np.int64], int]:
    """Return where whole objects begin, and where the last of them ends."""
    letters = np.frombuffer(data, np.uint8)
    inside = np.cumsum((letters == _QUOTE) & ~_escaped(letters)) & 1
    opening = (letters == _OPEN) & (inside == 0)
    closing = (letters == _CLOSE) & (inside == 0)
    depth = np.cumsum(opening.astype(np.int32) - closing.astype(np.int32))
    ends = np.flatnonzero(closing & (depth == 0)) + 1
    starts = np.flatnonzero(opening & (depth == 1))[: len(ends)]
    return starts, int(ends[-1]) if len(ends) > 0 else 0


def _escaped(letters: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell of every byte whether an odd number of backslashes stands before it."""
    at = np.arange(len(letters))
    last_other = np.maximum.accumulate(np.where(letters != _ESCAPE, at, -1))
    odd: NDArray[np.bool_] = ((at - last_other) & 1).astype(np.bool_)
    return np.concatenate((np.zeros(1, np.bool_), odd[:-1])) if len(letters) > 0 else odd
