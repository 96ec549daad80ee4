"""Content by symbol and hour."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.market.schema import CONTENT, TRADES, TURNOVER
from ohlcv_assets.units import HOUR
from ohlcv_assets.verify.content import content, content_of, turnover_of
from ohlcv_assets_tests.bars.made import START, Trade, day_of_trades, table

pytestmark = pytest.mark.unit

TRADES_OF_A = table([("A", START, 10.0, 1.0, 1), ("A", START + 1, 11.0, 2.0, 1), ("A", START + HOUR, 9.0, 3.0, -1)])

SQL = """
    SELECT symbol, ns // 3600000000000 * 3600000000000 AS hour, count(*) AS trades,
        sum(price) AS price_sum, min(price) AS price_min, max(price) AS price_max,
        sum(amount) AS amount_sum, min(amount) AS amount_min, max(amount) AS amount_max,
        sum(side)::BIGINT AS side_sum
    FROM trades GROUP BY ALL ORDER BY ALL
"""


def by_sql(trades: pa.Table) -> pa.Table:
    """Return the content that DuckDB computes."""
    with duckdb.connect(":memory:") as connection:
        connection.from_arrow(trades.set_column(1, "ns", trades["ts"].cast(pa.int64()))).create_view("trades")
        table = connection.sql(SQL).to_arrow_table()
    content_by_sql: pa.Table = table.set_column(1, "hour", table["hour"].cast(CONTENT.field("hour").type)).cast(CONTENT)
    return content_by_sql


def test_content_by_hand() -> None:
    """Hours are labelled by their start and hold count, sums, extremes and the sum of sides."""
    found = content_of(TRADES_OF_A)

    assert found.schema.equals(CONTENT)
    assert found["hour"].cast(pa.int64()).to_pylist() == [START, START + HOUR]
    assert [found[name].to_pylist() for name in CONTENT.names[2:]] == [
        [2, 1],
        [21.0, 9.0],
        [10.0, 9.0],
        [11.0, 9.0],
        [3.0, 3.0],
        [1.0, 3.0],
        [2.0, 3.0],
        [2, -1],
    ]


def test_turnover_by_hand() -> None:
    """Price times amount, added up by symbol, symbols in order."""
    trades = table([("B", START, 2.0, 4.0, 1), ("A", START, 10.0, 1.0, 1), ("A", START + HOUR, 9.0, 3.0, -1)])
    assert turnover_of(trades).equals(pa.table({"symbol": ["A", "B"], "turnover": [37.0, 8.0]}, schema=TURNOVER))


def test_nothing_is_nothing() -> None:
    """No trades have no content, and an empty store holds that."""
    assert content_of(TRADES.empty_table()).equals(CONTENT.empty_table())
    assert turnover_of(TRADES.empty_table()).equals(TURNOVER.empty_table())
    assert content(TRADES.empty_table(), CONTENT.empty_table()).passed


@settings(max_examples=15, deadline=None)
@given(trades=day_of_trades(), data=st.data())
def test_sql_has_the_same_content(trades: list[Trade], data: st.DataObject) -> None:
    """Whatever the trades and the order a store adds them in, its content passes."""
    shuffled = data.draw(st.permutations(trades))

    verdict = content(table(trades), by_sql(table(shuffled)))

    assert verdict.passed, verdict.differences
    assert verdict.expected == verdict.found


@pytest.mark.parametrize("field", CONTENT.names[2:])
def test_each_figure_can_fail(field: str) -> None:
    """A figure that is off by a little more than rounding fails the check, which names it."""
    stored = content_of(TRADES_OF_A)
    values = stored[field].to_numpy().copy()
    values[1] += 1 if values.dtype == np.int64 else values[1] * 1e-15
    changed = stored.set_column(stored.schema.get_field_index(field), CONTENT.field(field), pa.array(values))

    verdict = content(TRADES_OF_A, changed)

    assert not verdict.passed
    assert [("A", "2024-03-15T01:00:00Z", field)] == [
        (row["symbol"], row["time"], row["field"]) for row in verdict.differences
    ]
    assert field in verdict.summary


def test_a_lost_hour_fails() -> None:
    """An hour that the store does not have is missing, one that the file does not have is extra."""
    stored = content_of(TRADES_OF_A)

    lost = content(TRADES_OF_A, stored.slice(1))
    gained = content(TRADES_OF_A.slice(2), stored)

    assert [(row["field"], row["time"]) for row in lost.differences] == [("missing", "2024-03-15T00:00:00Z")]
    assert [(row["field"], row["time"]) for row in gained.differences] == [("extra", "2024-03-15T00:00:00Z")]
    assert (lost.expected["trades"], lost.found["trades"]) == (3, 1)
