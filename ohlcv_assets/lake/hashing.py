"""The content hash of a day: what its trades are, however they were chunked, encoded or compressed.

What belongs here: the definition and a streaming computation. What does not: where the hash is kept.

The hash is BLAKE2b-256 over a heading, then ``<bytes of name>:<name>:<rows>`` and a line feed for every symbol in file
order, then the BLAKE2b-256 digests of the columns ``ts``, ``price``, ``amount``, ``side`` and ``trade_id``, each over
the column's values of the whole day as raw little-endian bytes.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, cast

import pyarrow as pa

_HEADING: Final = b"ohlcv day content 1\n"
_COLUMNS: Final = ("ts", "price", "amount", "side", "trade_id")
_SIZE: Final = 32


class ContentHash:
    """A content hash in the making. Feed it the day in order, one symbol at a time."""

    def __init__(self) -> None:
        self._columns = {name: hashlib.blake2b(digest_size=_SIZE) for name in _COLUMNS}
        self.counts: dict[str, int] = {}

    def update(self, symbol: str, rows: pa.Table | pa.RecordBatch) -> None:
        """Take in the next rows, all of one symbol."""
        self.counts[symbol] = self.counts.get(symbol, 0) + rows.num_rows
        for name, digest in self._columns.items():
            column = rows.column(name)
            for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
                digest.update(_raw(chunk))

    def hexdigest(self) -> str:
        """Return the hash of what has been taken in so far, 64 hexadecimal digits."""
        whole = hashlib.blake2b(_HEADING, digest_size=_SIZE)
        for symbol, rows in self.counts.items():
            name = symbol.encode()
            whole.update(b"%d:%b:%d\n" % (len(name), name, rows))
        for digest in self._columns.values():
            whole.update(digest.digest())
        return whole.hexdigest()


def _raw(values: pa.Array[Any]) -> memoryview:  # Any: a column of any fixed width
    """Return the values of a fixed-width column without nulls as bytes, uncopied."""
    if len(values) == 0:  # then there may be no buffer at all
        return memoryview(b"")
    width = values.type.bit_width // 8
    return memoryview(cast("pa.Buffer", values.buffers()[1]))[
        values.offset * width : (values.offset + len(values)) * width
    ]
