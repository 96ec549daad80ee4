"""Random samples."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.market.schema import STORED, TRADES
from ohlcv_assets.verify.sample import sample, sample_keys
from ohlcv_assets_tests.bars.made import START, Trade, table

pytestmark = pytest.mark.unit


def many(counts: dict[str, int]) -> pa.Table:
    """Return trades by symbol in a chunk each."""
    chunks: list[list[Trade]] = [
        [(name, START + n, 1.0 + n, 1.0, 1) for n in range(count)] for name, count in counts.items()
    ]
    return pa.concat_tables([table(chunk) for chunk in chunks])


def test_in_proportion() -> None:
    """Symbols give picks in proportion to their trades, the smallest at least one, and over the whole day."""
    picks = sample_keys(many({"A": 6000, "B": 3000, "C": 1}), seed=1, size=91)

    assert Counter({"A": 60, "B": 30, "C": 1}) == Counter(picks["symbol"].to_pylist())
    of_a = [
        price
        for name, price in zip(*picks.select(["symbol", "price"]).to_pydict().values(), strict=True)
        if name == "A"
    ]
    assert all(100 * part < price <= 100 * (part + 1) for part, price in enumerate(of_a))


def test_seeds() -> None:
    """The same seed gives the same picks, another seed others."""
    trades = many({"A": 1000, "B": 1000})

    assert sample_keys(trades, 1, 50).equals(sample_keys(trades, 1, 50))
    assert not sample_keys(trades, 1, 50).equals(sample_keys(trades, 2, 50))


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(1, 50), max_size=8), size=st.integers(0, 60), seed=st.integers(0, 2**40)
)  # fmt: skip
def test_size(counts: list[int], size: int, seed: int) -> None:
    """As many as asked for and no trade twice; all where there are no more; none of none."""
    trades = many({f"S{n}": count for n, count in enumerate(counts)}) if counts else TRADES.empty_table()

    picks = sample_keys(trades, seed, size)

    assert picks.schema.equals(STORED)
    assert min(size, trades.num_rows) == picks.num_rows
    keys = list(zip(picks["symbol"].to_pylist(), picks["ts"].cast(pa.int64()).to_pylist(), strict=True))
    assert sorted(set(keys)) == keys
    if size >= len(counts):
        assert len(counts) == len(set(picks["symbol"].to_pylist()))


def test_equal_rows_pass() -> None:
    """Rows that come back as they were pass, in any order; so do no rows."""
    picks = sample_keys(many({"A": 100, "B": 100}), 1, 20)

    verdict = sample(picks, pa.concat_tables([picks.slice(10), picks.slice(0, 10)]))

    assert verdict.passed
    assert verdict.summary == "All 20 trades picked at random from 2 symbols were read back bit for bit."
    assert sample(STORED.empty_table(), STORED.empty_table()).passed


@pytest.mark.parametrize("field", ["symbol", "ts", "price", "amount", "side"])
def test_each_field_can_fail(field: str) -> None:
    """A change of any field of one row fails the check, which names the row and the field."""
    picks = table([("A", START, 1.0, 1.0, 1), ("B", START, 1.0, 1.0, 1)]).select(STORED.names)
    other = table([("A", START, 1.0, 1.0, 1), ("C", START + 1, 1.5, 1.5, -1)])

    changed = picks.set_column(STORED.get_field_index(field), STORED.field(field), other[field])
    verdict = sample(picks, changed)

    fields = ["missing", "extra"] if field in {"symbol", "ts"} else [field]
    assert not verdict.passed
    assert [row["field"] for row in verdict.differences] == fields
    assert verdict.differences[0]["symbol"] == "B"
    assert "B 2024-03-15T00:00:00Z" in verdict.summary
