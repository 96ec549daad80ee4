"""Stores against the simplest model there is: a dictionary from (symbol, ts) to a trade."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.base import BarStore, TradeStore
from ohlcv_assets.units import DAY, Nanos, day_of, day_start
from ohlcv_assets_tests.stores.made import ALL_TIME, FIRST, Key, Row, day_number, promise, rows_of, stored

pytestmark = pytest.mark.integration

Change = tuple[Literal["replace", "append", "delete"], int, list[Row]]
Model = dict[Key, Row]

SYMBOLS = st.sampled_from(["A", "B'", "ä", "", "a\\", "x,y =#"])
OFFSETS = st.sampled_from([0, 1, 17, DAY // 2, DAY - 1])
PRICES = st.floats(min_value=0, exclude_min=True, allow_nan=False, allow_infinity=False)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Draw one change to a store: what, on which of three days, with which trades."""
    kind: Literal["replace", "append", "delete"] = draw(st.sampled_from(("replace", "append", "delete")))
    day = draw(st.integers(0, 2))
    start = day_start(day_number(day))
    row = st.tuples(SYMBOLS, OFFSETS.map(lambda offset: start + offset), PRICES, PRICES, st.sampled_from([-1, 1]))
    return kind, day, draw(st.lists(row, max_size=6))


def apply(store: TradeStore, model: Model, change: Change) -> None:
    """Make the same change to a store and to the model."""
    kind, offset, rows = change
    day = day_number(offset)
    mine = {key for key in model if day_of(Nanos(key[1])) == day}
    fresh = {(row[0], row[1]): row for row in rows}
    if kind == "append":
        assert store.append(stored(rows)) == len(fresh)
        model.update(fresh)
        return
    for key in mine:
        del model[key]
    if kind == "delete":
        assert store.delete_day(day) == len(mine)
        return
    trades = stored(sorted(fresh.values(), key=lambda row: row[:2]))
    assert store.replace_day(promise(day, trades, repr(rows)), iter(trades.to_batches())).rows == len(fresh)
    model.update(fresh)


SCRIPTS = st.lists(changes(), max_size=8)
WANTED = st.lists(st.tuples(SYMBOLS, OFFSETS), max_size=5)
QUIET = [HealthCheck.function_scoped_fixture]


@pytest.mark.parametrize("make_pair", ["memory", "duckdb", "influxdb", "influxdb-bulk"], indirect=True)
@settings(max_examples=25, deadline=None, suppress_health_check=QUIET)
@given(script=SCRIPTS, wanted=WANTED)
def test_store_equals_a_dictionary(
    make_pair: Callable[[Path], tuple[TradeStore, BarStore]], script: list[Change], wanted: list[tuple[str, int]]
) -> None:
    """After any sequence of changes, everything a store tells is what the dictionary holds, bit for bit."""
    require_equal(make_pair, script, wanted)


@pytest.mark.parametrize("make_pair", ["influxdb-real", "influxdb-real-client", "influxdb-real-bulk"], indirect=True)
@settings(max_examples=10, deadline=None, suppress_health_check=QUIET)
@given(script=SCRIPTS, wanted=WANTED)
def test_a_real_server_equals_a_dictionary(
    make_pair: Callable[[Path], tuple[TradeStore, BarStore]], script: list[Change], wanted: list[tuple[str, int]]
) -> None:
    """As the fake one does, which more scripts are tried on."""
    require_equal(make_pair, script, wanted)


def require_equal(
    make_pair: Callable[[Path], tuple[TradeStore, BarStore]], script: list[Change], wanted: list[tuple[str, int]]
) -> None:
    """Fail unless a store holds after some changes what the dictionary holds."""
    model: Model = {}
    with tempfile.TemporaryDirectory() as folder:
        store = make_pair(Path(folder))[0]
        for change in script:
            apply(store, model, change)
        rows = [row for _, row in sorted(model.items())]
        found = rows_of(pa.Table.from_batches(list(store.scan(*ALL_TIME)), STORED))
        assert list(map(repr, found)) == list(map(repr, rows))
        assert dict(store.counts_by_day()) == Counter(day_of(Nanos(ts)) for _, ts in model)
        mine = [row for row in rows if day_of(Nanos(row[1])) == FIRST]
        assert dict(store.counts(FIRST)) == Counter(row[0] for row in mine)
        keys = {(symbol, day_start(FIRST) + offset) for symbol, offset in wanted}
        table = pa.table(
            {"symbol": [key[0] for key in keys], "ts": pa.array([key[1] for key in keys], pa.timestamp("ns"))}
        )
        assert rows_of(store.fetch(table)) == [row for row in mine if row[:2] in keys] if keys else True
