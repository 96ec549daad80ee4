"""Every trade of two streams is compared, wherever their pieces begin and end."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.market.schema import STORED
from ohlcv_assets.verify.exhaustive import every_trade
from ohlcv_assets.verify.verdict import MAX_DIFFERENCES

pytestmark = pytest.mark.unit
Row = tuple[str, int, float, float, int]
DAY = 1_704_412_800_000_000_000
ROWS: list[Row] = [(name, DAY + n * 1_000, 10.0 + n, 1.0, 1) for name in ("A", "B b", "ä") for n in range(20)]


def pieces(rows: list[Row], seed: int = 0) -> Iterator[pa.RecordBatch]:
    """Yield rows in pieces of random length, empty ones among them, each with a dictionary of its own."""
    chance = random.Random(seed)  # noqa: S311 -- any lengths will do
    at = 0
    while at < len(rows):
        size = chance.randint(0, 9)
        table = pa.Table.from_pylist(
            [dict(zip(STORED.names, row, strict=True)) for row in rows[at : at + size]], schema=STORED
        )
        yield from table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], schema=STORED)]
        at += size


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(0, len(ROWS) - 1)), st.sets(st.integers(0, len(ROWS) - 1)), st.integers(0, 99))
def test_every_difference_is_found(missing: set[int], changed: set[int], seed: int) -> None:
    """Missing, extra and changed trades are counted exactly, however both sides are cut."""
    held = [
        (*row[:2], row[2] + 0.5, *row[3:]) if at in changed else row for at, row in enumerate(ROWS) if at not in missing
    ]
    verdict = every_trade(pieces(ROWS, seed), pieces(held, seed + 1))
    assert verdict.different == len(missing) + len(changed - missing)
    assert verdict.passed == (verdict.different == 0)
    assert (verdict.expected["trades"], verdict.found["trades"]) == (len(ROWS), len(held))
    assert len(verdict.differences) == min(verdict.different, MAX_DIFFERENCES)
    turned = every_trade(pieces(held, seed), pieces(ROWS, seed))
    assert turned.different == verdict.different


def test_the_first_differences_are_named_in_order() -> None:
    """The sentence and the table name symbol, instant and field of the first of them."""
    moved = [(row[0], row[1] + (row[0] == "ä"), *row[2:]) for row in ROWS]
    turned = moved[3]
    moved[3] = (*turned[:4], -turned[4])
    verdict = every_trade(pieces(ROWS), pieces(moved))
    assert verdict.check == "every_trade"
    assert "41 differences" in verdict.summary
    assert verdict.summary.startswith("The trades of the store are not those of the file: ")
    assert (verdict.differences[0]["symbol"], verdict.differences[0]["field"]) == ("A", "side")


def test_equal_streams_pass() -> None:
    """Equal trades pass whatever the pieces; nothing against nothing passes too."""
    verdict = every_trade(pieces(ROWS, 1), pieces(ROWS, 2))
    assert verdict.passed
    assert verdict.summary == "All 60 trades were read back from the store bit for bit, and no other."
    assert every_trade([], []).passed


@pytest.mark.parametrize("turned", [False, True])
def test_one_side_without_trades_differs_in_all(turned: bool) -> None:
    """An empty store lacks every trade, a full one without a file has every trade too many."""
    sides = [pieces(ROWS), iter(())]
    verdict = every_trade(*reversed(sides)) if turned else every_trade(*sides)
    assert verdict.different == len(ROWS)
    assert {row["field"] for row in verdict.differences} == {"extra" if turned else "missing"}
