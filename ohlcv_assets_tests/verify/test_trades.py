"""Rules of the rows of a day file."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ohlcv_assets.market.schema import STORED, TRADES
from ohlcv_assets.market.symbols import Symbol
from ohlcv_assets.market.universe import universe_from_symbols
from ohlcv_assets.units import DAY, HOUR, MINUTE, Lots, Ticks
from ohlcv_assets.verify.trades import schema_and_invariants
from ohlcv_assets.verify.verdict import MAX_DIFFERENCES, Verdict
from ohlcv_assets_tests.bars.made import DAY_ONE, START, Trade, table

pytestmark = pytest.mark.unit

COIN = Symbol("COIN", "crypto", "24/7", 100, 10_000, Lots(1), Ticks(1000), 0.5, 1.0, 1.0)
STOCK = replace(COIN, name="STOCK", asset_class="stock", calendar="XNYS", lots_per_unit=1)
UNIVERSE = universe_from_symbols([COIN, STOCK])
OPEN = START + 13 * HOUR + 30 * MINUTE

GOOD: list[Trade] = [
    ("COIN", START, 10.01, 0.0001, 1),
    ("COIN", START + 1, 10.02, 0.5, -1),
    ("COIN", START + DAY - 1, 10.03, 1.0, 1),
    ("STOCK", OPEN, 20.0, 100.0, 1),
    ("STOCK", OPEN + 6 * HOUR + 30 * MINUTE - 1, 20.01, 1.0, -1),
]


def check(trades: list[Trade], day: dt.date = DAY_ONE) -> Verdict:
    """Return the verdict on trades of the two symbols."""
    return schema_and_invariants(table(trades), UNIVERSE, day)


def changed(row: int, **values: float | str) -> list[Trade]:
    """Return the good trades with some values of one of them changed."""
    one: dict[str, Any] = dict(zip(("name", "ts", "price", "amount", "side"), GOOD[row], strict=True))
    one |= values
    trades = list(GOOD)
    trades[row] = (one["name"], one["ts"], one["price"], one["amount"], one["side"])
    return trades


def test_good_trades_pass() -> None:
    """Trades that obey every rule pass, and the sentence says how many."""
    verdict = check(GOOD)

    assert verdict.passed
    assert verdict.summary == "All 5 trades of 2024-03-15 are sorted, unique, in session, on their grids and complete."
    assert (verdict.expected, verdict.found) == ({"rows": 5, "broken_rules": 0},) * 2


def test_a_day_without_trades_passes() -> None:
    """No rows break no rule."""
    assert check([]).passed


@pytest.mark.parametrize(
    ("row", "values", "rule"),
    [
        (1, {"ts": START}, "strictly after the trade before"),
        (0, {"ts": START - 1}, "within the day"),
        (2, {"ts": START + DAY}, "within the day"),
        (3, {"ts": OPEN - 1}, "in session"),
        (4, {"ts": OPEN + 6 * HOUR + 30 * MINUTE}, "in session"),
        (1, {"side": 0}, "side +1 or -1"),
        (1, {"side": -128}, "side +1 or -1"),
        (1, {"price": 0.0}, "price positive and finite"),
        (1, {"price": -10.01}, "price positive and finite"),
        (1, {"price": np.inf}, "price positive and finite"),
        (1, {"amount": np.nan}, "amount positive and finite"),
        (1, {"price": 10.015}, "on the price grid"),
        (1, {"price": np.nextafter(10.02, 11)}, "on the price grid"),
        (1, {"amount": 0.00005}, "on the amount grid"),
        (3, {"amount": 0.5}, "on the amount grid"),
        (4, {"name": "OTHER"}, "a symbol of the universe"),
        (0, {"name": "STOCK"}, "sorted by symbol"),
    ],
)
def test_each_rule_can_be_broken(row: int, values: dict[str, float | str], rule: str) -> None:
    """A trade that breaks a rule fails the check, which names rule, symbol, time and value."""
    verdict = check(changed(row, **values))

    assert not verdict.passed
    assert (verdict.found[rule] or 0) >= 1  # type: ignore[operator]  # a count is a number
    shown = [difference for difference in verdict.differences if difference["rule"] == rule]
    assert set(shown[0]) == {"rule", "symbol", "time", "value"}
    assert rule in verdict.summary


def test_closed_days() -> None:
    """A stock has no trades on a Saturday; a coin may."""
    saturday = [(name, ts + DAY, price, amount, side) for name, ts, price, amount, side in GOOD]

    verdict = check(saturday, dt.date(2024, 3, 16))

    assert (verdict.different, verdict.found["in session"]) == (2, 2)


def test_ids() -> None:
    """Ids count up by one from any start, or from the one that is expected."""
    trades = table(GOOD)
    at = trades.schema.get_field_index("trade_id")

    def with_ids(*ids: int) -> pa.Table:
        return trades.set_column(at, TRADES.field(at), pa.array(ids, pa.int64()))

    first = {"COIN": 7, "STOCK": 3}
    assert schema_and_invariants(with_ids(7, 8, 9, 3, 4), UNIVERSE, DAY_ONE).passed
    assert schema_and_invariants(with_ids(7, 8, 9, 3, 4), UNIVERSE, DAY_ONE, first).passed
    assert not schema_and_invariants(with_ids(7, 8, 9, 4, 5), UNIVERSE, DAY_ONE, first).passed
    assert not schema_and_invariants(with_ids(-1, 0, 1, 3, 4), UNIVERSE, DAY_ONE).passed
    gap = schema_and_invariants(with_ids(7, 8, 10, 3, 4), UNIVERSE, DAY_ONE)
    assert gap.summary == (
        "1 broken rule in 5 trades of 2024-03-15 (one more than the id before 1); first: COIN "
        "2024-03-15T23:59:59.999999999Z breaks 'one more than the id before' with trade_id 10."
    )


def test_scattered_symbols_are_still_judged_one_by_one() -> None:
    """Rows out of order by symbol fail for that, and other rules still see each symbol's rows together."""
    verdict = check([*GOOD[3:], *GOOD[:3]])

    assert verdict.found == {"rows": 5, "broken_rules": 1, "sorted by symbol": 1}


def test_many_broken_rules_show_the_first() -> None:
    """Everything is counted, the first rows are shown."""
    trades: list[Trade] = [("COIN", START + n, 10.0, 1.0, 0) for n in range(50)]

    verdict = check(trades)

    assert (verdict.different, len(verdict.differences)) == (50, MAX_DIFFERENCES)


def test_columns() -> None:
    """A missing, an additional and a differently typed column are named with what was expected."""
    trades = table(GOOD)

    missing = schema_and_invariants(trades.select(STORED.names), UNIVERSE, DAY_ONE)
    more = schema_and_invariants(trades.append_column("venue", trades["side"]), UNIVERSE, DAY_ONE)
    text = trades.set_column(0, "symbol", trades["symbol"].cast(pa.string()))
    typed = schema_and_invariants(text, UNIVERSE, DAY_ONE)

    assert not missing.passed
    assert "column 6 should be trade_id: int64 and is nothing" in missing.summary
    assert more.differences == ({"column": "column 7", "expected": "nothing", "found": "venue: int8"},)
    assert typed.differences[0]["found"] == "symbol: string"


def test_nulls() -> None:
    """A value that is missing is named with its column."""
    trades = table(GOOD)
    holed = trades.set_column(2, "price", pa.array([None, 1.0, 1.0, 1.0, 1.0]))

    verdict = schema_and_invariants(holed, UNIVERSE, DAY_ONE)

    assert not verdict.passed
    assert verdict.summary == (
        "The day file's columns are not those of trades: price should be without nulls and is without 1 of its values."
    )
