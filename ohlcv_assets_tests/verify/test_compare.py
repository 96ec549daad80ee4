"""Tables compared row by row."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.bars.rollup import bars_of_trades
from ohlcv_assets.verify.compare import differences, instant_text
from ohlcv_assets.verify.verdict import MAX_DIFFERENCES
from ohlcv_assets_tests.bars.made import START, Trade, day_of_trades, table

pytestmark = pytest.mark.unit

KEYS = ("symbol", "ts")
EXACT = ("price", "amount", "side")


@pytest.mark.parametrize(
    ("ts", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (START + 1, "2024-03-15T00:00:00.000000001Z"),
        (START + 1_500_000_000, "2024-03-15T00:00:01.5Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
    ],
)
def test_instants_as_text(ts: int, text: str) -> None:
    """Instants are shown to the nanosecond and no longer than need be."""
    assert text == instant_text(ts)


def test_missing_and_extra_rows() -> None:
    """A row that only one side has is named by symbol and time."""
    left = table([("A", START, 1.0, 1.0, 1), ("B", START, 1.0, 1.0, 1)])
    right = table([("A", START, 1.0, 1.0, 1), ("C", START + 1, 1.0, 1.0, 1)])

    found = differences(left, right, keys=KEYS, exact=EXACT)

    assert found.total == 2
    assert found.by_field == {"missing": 1, "extra": 1}
    assert [(row["symbol"], row["field"], row["expected"], row["found"]) for row in found.first] == [
        ("B", "missing", "a row", "none"),
        ("C", "extra", "none", "a row"),
    ]
    assert found.sentence() == (
        "2 differences (missing 1, extra 1); first: B 2024-03-15T00:00:00Z, missing: expected a row, found none."
    )


def test_a_row_held_twice_is_extra() -> None:
    """A key that one side has twice is one row too many."""
    once = table([("A", START, 1.0, 1.0, 1)])

    found = differences(once, pa.concat_tables([once, once]), keys=KEYS, exact=EXACT)

    assert found.by_field == {"extra": 1}


def test_exact_means_every_bit() -> None:
    """One bit of a price, shown so that it can be seen; the sentence counts in the singular."""
    left = table([("A", START, 0.1 + 0.2, 1.0, 1)])
    right = table([("A", START, 0.3, 1.0, 1)])

    found = differences(left, right, keys=KEYS, exact=EXACT)

    assert found.sentence() == (
        "1 difference (price 1); first: A 2024-03-15T00:00:00Z, price: expected 0.30000000000000004, found 0.3."
    )
    assert found.first[0]["allowed"] == "exact"


@pytest.mark.parametrize(("steps", "same"), [(0, True), (4, True), (5, False), (-5, False)])
def test_sums_may_differ_by_their_roundings(steps: int, same: bool) -> None:
    """The sum of 2 numbers near one may be off by 4 x 2^-53 and no more; more numbers may be off by more."""
    bars = bars_of_trades(table([("A", START, 1.0, 0.5, 1), ("A", START + 1, 1.0, 0.5, 1)]), RESOLUTIONS["1m"])
    at = bars.schema.get_field_index("volume")
    # 2^-53 apart cannot be written above one, so the found sum lies below where steps are odd.
    moved = bars.set_column(
        at, bars.schema.field(at), pa.array([1.0 - steps * 2.0**-53 if steps > 0 else 1.0 + abs(steps) * 2.0**-52])
    )

    found = differences(bars, moved, keys=KEYS, exact=("trades",), sums=("volume",))

    assert same == (found.total == 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_what_is_no_number_is_no_sum(value: float | None) -> None:
    """NaN, infinity or nothing in place of a sum is a difference."""
    bars = bars_of_trades(table([("A", START, 1.0, 0.5, 1)]), RESOLUTIONS["1m"])
    at = bars.schema.get_field_index("volume")
    moved = bars.set_column(at, "volume", pa.array([value], pa.float64()))

    assert differences(bars, moved, keys=KEYS, exact=("trades",), sums=("volume",)).by_field == {"volume": 1}


def test_first_differences_in_order() -> None:
    """All differences are counted, the first by symbol and time are shown."""
    trades: list[Trade] = [(name, START + n, 1.0, 1.0, 1) for name in ("A", "B") for n in range(30)]
    wrong: list[Trade] = [(name, ts, price, 2.0, -1) for name, ts, price, _, _ in trades]

    found = differences(table(trades), table(wrong), keys=KEYS, exact=EXACT)

    assert found.by_field == {"amount": 60, "side": 60}
    assert len(found.first) == MAX_DIFFERENCES
    assert [row["symbol"] for row in found.first] == ["A"] * MAX_DIFFERENCES
    assert [row["field"] for row in found.first[:4]] == ["amount", "side"] * 2


@settings(max_examples=40, deadline=None)
@given(trades=day_of_trades(), data=st.data())
def test_order_of_rows_does_not_matter(trades: list[Trade], data: st.DataObject) -> None:
    """The same rows in any order have no differences."""
    shuffled = data.draw(st.permutations(trades))

    assert differences(table(trades), table(shuffled), keys=KEYS, exact=EXACT).total == 0
