"""Every trade of a day file against every trade that the store gives back, in one pass and in bounded memory.

What belongs here: comparing two streams of trades. What does not: reading either of them.

Both sides are sorted by (symbol, ts). As long as they are equal they are compared piece by piece as they lie; where
they are not, what either side has up to the lesser of the two last keys is compared by key, and the rest waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ohlcv_assets.market.schema import STORED
from ohlcv_assets.verify.compare import Differences, Row, differences
from ohlcv_assets.verify.verdict import MAX_DIFFERENCES, Verdict

Key = tuple[str, int]

_PLAIN: Final = pa.schema([field.with_type(pa.string()) if field.name == "symbol" else field for field in STORED])
"""Batches of one stream may come with dictionaries of their own."""

_VALUES: Final = ("price", "amount", "side")


def every_trade(expected: Iterable[pa.RecordBatch], found: Iterable[pa.RecordBatch]) -> Verdict:
    """Compare all trades of a day; nothing may differ by a single bit, none may be missing and none too many.

    Parameters
    ----------
    expected
        ``market.schema.TRADES`` or ``STORED`` of the day file, sorted by (symbol, ts).
    found
        ``market.schema.STORED`` as the store gave it, sorted so. No more than a batch or two of either side is held.
    """
    ours, theirs = _Stream(expected), _Stream(found)
    total: Counter[str] = Counter()
    first: list[Row] = []
    while ours.fill() | theirs.fill():
        if _same_so_far(ours, theirs):
            continue
        until = min(stream.last for stream in (ours, theirs) if stream.rest.num_rows > 0)
        wrong = differences(ours.take_until(until), theirs.take_until(until), keys=("symbol", "ts"), exact=_VALUES)
        total.update(wrong.by_field)
        first.extend(wrong.first[: MAX_DIFFERENCES - len(first)])
    return _verdict(ours.rows, theirs.rows, Differences(total.total(), total, tuple(first)))


class _Stream:
    """One side: what has come and is not compared yet.

    Attributes
    ----------
    rest
        Trades that wait to be compared.
    rows
        How many have come in all.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self.rest = _PLAIN.empty_table()
        self.rows = 0
        self._batches: Iterator[pa.RecordBatch] = iter(batches)

    def fill(self) -> bool:
        """See that something waits, and return whether anything does: nothing is left otherwise."""
        while self.rest.num_rows == 0:
            batch = next(self._batches, None)
            if batch is None:
                return False
            self.rest = pa.Table.from_batches([batch]).select(_PLAIN.names).cast(_PLAIN)
            self.rows += batch.num_rows
        return True

    @property
    def last(self) -> Key:
        """Key of the last trade that waits."""
        row = self.rest.slice(self.rest.num_rows - 1)
        return row["symbol"][0].as_py(), row["ts"].cast(pa.int64())[0].as_py()

    def take(self, rows: int) -> pa.Table:
        """Return the first rows that wait; they wait no longer."""
        taken, self.rest = self.rest.slice(0, rows), self.rest.slice(rows)
        return taken

    def take_until(self, key: Key) -> pa.Table:
        """Return what waits up to a key, that one included; it waits no longer."""
        symbols: Any = self.rest["symbol"]  # Any: the published types know no comparison with a text
        before, same = np.asarray(pc.less(symbols, pa.scalar(key[0]))), np.asarray(pc.equal(symbols, pa.scalar(key[0])))
        instants = np.asarray(self.rest["ts"].cast(pa.int64()))
        return self.take(int(np.count_nonzero(before | (same & (instants <= key[1])))))


def _same_so_far(ours: _Stream, theirs: _Stream) -> bool:
    """Compare as many rows as wait on both sides; take them away and return True where they are equal."""
    rows = min(ours.rest.num_rows, theirs.rest.num_rows)
    if rows == 0 or not ours.rest.slice(0, rows).equals(theirs.rest.slice(0, rows)):
        return False
    ours.take(rows)
    theirs.take(rows)
    return True


def _verdict(promised: int, held: int, wrong: Differences) -> Verdict:
    passed = wrong.total == 0
    summary = (
        f"All {promised:,} trades were read back from the store bit for bit, and no other."
        if passed
        else f"The trades of the store are not those of the file: {wrong.sentence()}"
    )
    return Verdict("every_trade", passed, summary, {"trades": promised}, {"trades": held}, wrong.first, wrong.total)
