"""What any store of bars must do."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS, STORED_RESOLUTIONS, resolution_of
from ohlcv_assets.errors import StoreError, StoreRejectedError, UserError
from ohlcv_assets.stores.base import BarStore, TradeStore
from ohlcv_assets.stores.tables import COVERAGE
from ohlcv_assets.units import HOUR, Nanos, day_bounds, day_start
from ohlcv_assets_tests.stores.made import ALL_TIME, FIRST, day_number, made_bars, plain

pytestmark = pytest.mark.integration

HOURS = resolution_of("1h")


@pytest.fixture
def bar_store(store_pair: tuple[TradeStore, BarStore]) -> BarStore:
    """Return an empty store of bars."""
    return store_pair[1]


def test_empty_store_holds_no_bars(bar_store: BarStore) -> None:
    """A store that nothing was written into answers with empty tables of the right columns."""
    for resolution in STORED_RESOLUTIONS:
        assert bar_store.read(resolution, *ALL_TIME).equals(BARS.empty_table())
        assert bar_store.coverage(resolution).equals(COVERAGE.empty_table())
        assert bar_store.delete_day(resolution, FIRST) == 0


def test_bars_come_back_as_written(bar_store: BarStore) -> None:
    """Every stored resolution keeps its own bars, exactly."""
    for resolution in STORED_RESOLUTIONS:
        bars = made_bars(resolution, FIRST, level=len(resolution.name))
        assert bar_store.write(resolution, FIRST, bars) == bars.num_rows
    for resolution in STORED_RESOLUTIONS:
        found = bar_store.read(resolution, *day_bounds(FIRST))
        assert found.schema == BARS
        assert plain(found) == plain(made_bars(resolution, FIRST, level=len(resolution.name)))


def test_writing_replaces_the_day(bar_store: BarStore) -> None:
    """Bars of the former content are gone, those of other days and resolutions stay; writing again changes nothing."""
    quarters = resolution_of("15m")
    bar_store.write(quarters, FIRST, made_bars(quarters, FIRST))
    for offset in (-1, 0, 1):
        bar_store.write(HOURS, day_number(offset), made_bars(HOURS, day_number(offset)))
    fewer = made_bars(HOURS, FIRST, ("MSFT",), level=9.0).slice(3, 4)
    for _ in range(2):
        assert bar_store.write(HOURS, FIRST, fewer) == 4
        assert plain(bar_store.read(HOURS, *day_bounds(FIRST))) == plain(fewer)
    assert bar_store.read(HOURS, *ALL_TIME).num_rows == 48 + 4 + 48
    assert bar_store.read(quarters, *ALL_TIME).num_rows == 192


def test_write_many_writes_all_or_nothing(bar_store: BarStore) -> None:
    """Several resolutions of a day go in together; where one is refused, none has changed."""
    bars = {name: made_bars(RESOLUTIONS[name], FIRST) for name in ("1h", "1d")}
    assert bar_store.write_many(FIRST, bars) == 48 + 2
    other = made_bars(HOURS, FIRST, level=5.0)
    with pytest.raises(StoreError, match="another day"):
        bar_store.write_many(FIRST, {"1h": other, "1d": made_bars(RESOLUTIONS["1d"], day_number(1))})
    assert plain(bar_store.read(HOURS, *ALL_TIME)) == plain(bars["1h"])
    assert bar_store.write_many(FIRST, {}) == 0
    with pytest.raises(UserError, match="no resolution '3m'"):
        bar_store.write_many(FIRST, {"3m": other})


def test_bars_are_sorted_on_the_way_in(bar_store: BarStore) -> None:
    """Bars may come in any order; repeated ones are refused."""
    bars = made_bars(HOURS, FIRST)
    bar_store.write(HOURS, FIRST, bars.take(list(reversed(range(bars.num_rows)))))
    assert plain(bar_store.read(HOURS, *ALL_TIME)) == plain(bars)
    with pytest.raises(StoreError, match="without repetition"):
        bar_store.write(HOURS, FIRST, pa.concat_tables([bars, bars.slice(0, 1)]))


@pytest.mark.parametrize(
    ("column", "value"), [("open", 0.0), ("low", -1.0), ("close", float("nan")), ("volume", 0.0), ("turnover", 1e999)]
)
def test_values_no_store_takes_are_refused(bar_store: BarStore, column: str, value: float) -> None:
    """Prices and volumes that are not finite and positive, and turnovers that are not finite, are named."""
    bars = made_bars(HOURS, FIRST, ("A",))
    values = bars.column(column).to_pylist()
    values[3] = value
    bad = bars.set_column(bars.column_names.index(column), BARS.field(column), pa.array(values, pa.float64()))
    with pytest.raises(StoreRejectedError, match=f"The {column} of 'A' at 2024-01-31T03:00:00Z is {value}, a store"):
        bar_store.write(HOURS, FIRST, bad)
    assert bar_store.read(HOURS, *ALL_TIME).num_rows == 0


def test_derived_resolutions_are_not_stored(bar_store: BarStore) -> None:
    """A resolution that is derived at read time is refused everywhere."""
    derived = RESOLUTIONS["2h"]
    for refused in (
        lambda: bar_store.write(derived, FIRST, BARS.empty_table()),
        lambda: bar_store.read(derived, *ALL_TIME),
        lambda: bar_store.coverage(derived),
        lambda: bar_store.delete_day(derived, FIRST),
    ):
        with pytest.raises(StoreError, match="2h are derived"):
            refused()


def test_read_is_half_open_and_by_symbol(bar_store: BarStore) -> None:
    """A range gives the bars that open in it, of the symbols asked for."""
    for offset in (0, 1):
        bar_store.write(HOURS, day_number(offset), made_bars(HOURS, day_number(offset), ("A'B", "C", "Z")))
    start = Nanos(day_start(FIRST) + 20 * HOUR)
    end = Nanos(day_start(FIRST) + 26 * HOUR)
    opens = [start + step * HOUR for step in range(6)]
    for symbols, names in ((None, ["A'B", "C", "Z"]), (["Z", "A'B", "Z"], ["A'B", "Z"]), (["nobody"], []), ([], [])):
        found = plain(bar_store.read(HOURS, start, end, symbols))
        assert [(row["symbol"], row["ts"]) for row in found] == [(name, ts) for name in names for ts in opens]
    assert bar_store.read(HOURS, end, start).num_rows == 0


def test_coverage_counts_bars_and_trades(bar_store: BarStore) -> None:
    """Coverage gives each day and symbol with its bars and their trades, sorted."""
    for offset in (1, 0):
        bar_store.write(HOURS, day_number(offset), made_bars(HOURS, day_number(offset)))
    found = bar_store.coverage(HOURS)
    assert found.schema == COVERAGE
    first, second = sum(range(1, 25)), sum(range(25, 49))
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        (FIRST, "AAPL", 24, first),
        (FIRST, "BTC-USD", 24, second),
        (day_number(1), "AAPL", 24, first),
        (day_number(1), "BTC-USD", 24, second),
    ]


def test_delete_day_takes_one_resolution(bar_store: BarStore) -> None:
    """Deleting takes one resolution's bars of one day."""
    for name in ("1h", "1d"):
        for offset in (0, 1):
            bar_store.write(RESOLUTIONS[name], day_number(offset), made_bars(RESOLUTIONS[name], day_number(offset)))
    assert bar_store.delete_day(HOURS, FIRST) == 48
    assert bar_store.delete_day(HOURS, FIRST) == 0
    assert bar_store.read(HOURS, *ALL_TIME).num_rows == 48
    assert bar_store.read(RESOLUTIONS["1d"], *ALL_TIME).num_rows == 4


def test_an_empty_day_of_bars(bar_store: BarStore) -> None:
    """Writing no bars empties the day."""
    bar_store.write(HOURS, FIRST, made_bars(HOURS, FIRST))
    assert bar_store.write(HOURS, FIRST, BARS.empty_table()) == 0
    assert bar_store.coverage(HOURS).num_rows == 0
