"""What is told of bars: how far they are complete, for each symbol, and what is wrong with them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.pipeline.bar_status import LAST_RUNS, DayRange, Reach, bar_status
from ohlcv_assets.pipeline.steps import file_day, load_day
from ohlcv_assets.project import Project
from ohlcv_assets.stores.base import BarStore
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.units import DAY, HOUR, MINUTE, Nanos, day_bounds, day_start
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, make

pytestmark = pytest.mark.integration

DAYS = (THURSDAY, FRIDAY, SATURDAY)
MINUTES = RESOLUTIONS["1m"]


@pytest.fixture(name="full")
def _full(project: Project) -> Project:
    """Return a project whose three days are made."""
    make(project, *DAYS)
    return project


def last_bar(store: BarStore, day: dt.date, symbol: str) -> int:
    """Return when a symbol's last 1m bar of a day opens."""
    bars = store.read(MINUTES, *day_bounds(day), [symbol])
    return int(bars.column("ts").cast(pa.int64()).to_numpy().max())


def one_day(day: dt.date, reason: str) -> tuple[DayRange, ...]:
    """Return the range of one day."""
    return (DayRange(day, day, reason),)


def test_all_is_complete(full: Project) -> None:
    """Bars reach to the end of the trades, without lag or gap, at every resolution and for every symbol."""
    found = bar_status(full)
    assert [status.resolution for status in found] == [resolution.name for resolution in STORED_RESOLUTIONS]
    end = day_bounds(SATURDAY)[1]
    for status in found:
        assert status.reach.complete_until == end
        assert (status.reach.lag, status.reach.missing, status.reach.stale) == (0, (), ())
        assert (status.waiting, status.failed) == ((), ())
        assert status.trades == sum(sum(full.trade_store.counts(day).values()) for day in DAYS)
        assert status.bars == full.bar_store.read(RESOLUTIONS[status.resolution], day_start(THURSDAY), end).num_rows
        assert {reach.complete_until for reach in status.symbols.values()} == {end}
        assert set(status.symbols) == {symbol.name for symbol in full.dataset.universe.symbols}
        assert [run.start for run in status.last_runs] == [day_start(day) for day in reversed(DAYS)]
        assert status.seconds > 0
    assert len(DAYS) <= LAST_RUNS


def test_the_last_bar_of_each_symbol(full: Project) -> None:
    """A stock's last bar is Friday's, a crypto pair's is Saturday's, though both are complete until Sunday."""
    (status,) = bar_status(full, resolutions=[MINUTES], symbols=["AAPL", "BTC-USD"])
    assert list(status.symbols) == ["AAPL", "BTC-USD"]
    assert status.symbols["AAPL"].last_bar == last_bar(full.bar_store, FRIDAY, "AAPL")
    assert status.symbols["BTC-USD"].last_bar == last_bar(full.bar_store, SATURDAY, "BTC-USD")
    assert status.reach.last_bar == max(reach.last_bar or 0 for reach in status.symbols.values())


def test_a_symbol_that_never_traded(full: Project) -> None:
    """A symbol without a bar has no last one, and is complete all the same."""
    (status,) = bar_status(full, resolutions=[MINUTES], symbols=["NOBODY"])
    assert status.symbols["NOBODY"] == Reach(day_bounds(SATURDAY)[1], None, Nanos(0), (), ())


def test_the_watermark_stops_at_the_first_gap(full: Project) -> None:
    """What is complete after a gap does not count; the lag is from there to the end of the trades."""
    full.bar_store.delete_day(MINUTES, FRIDAY)
    minutes, fives = bar_status(full, resolutions=STORED_RESOLUTIONS[:2])
    assert minutes.reach.complete_until == day_start(FRIDAY)
    assert minutes.reach.lag == 2 * DAY
    assert minutes.reach.missing == one_day(FRIDAY, "bars are gone")
    assert minutes.reach.last_bar is not None
    assert minutes.reach.last_bar < day_start(FRIDAY)
    assert fives.reach.complete_until == day_bounds(SATURDAY)[1]


def test_a_symbol_is_not_held_back_by_others(full: Project) -> None:
    """Where one symbol's bars are gone, the others are complete; where nobody knows what there should be, none is."""
    bars = full.bar_store.read(MINUTES, *day_bounds(FRIDAY))
    kept = [name != "AAPL" for name in bars.column("symbol").to_pylist()]
    full.bar_store.write(MINUTES, FRIDAY, bars.filter(kept_mask(kept)))
    (status,) = bar_status(full, resolutions=[MINUTES])
    assert status.symbols["AAPL"].missing == one_day(FRIDAY, "bars are gone")
    assert status.symbols["AAPL"].complete_until == day_start(FRIDAY)
    assert status.symbols["BTC-USD"].missing == ()
    assert status.symbols["BTC-USD"].complete_until == day_bounds(SATURDAY)[1]
    full.lake.delete(FRIDAY)
    (status,) = bar_status(full, resolutions=[MINUTES])
    assert status.symbols["BTC-USD"].missing == one_day(FRIDAY, "bars are gone")


def test_days_that_are_not_loaded_are_waiting(project: Project) -> None:
    """It counts from the first trades; days without proved trades are told, and there is nothing to lag behind."""
    nothing = bar_status(project)[0]
    assert nothing.reach == Reach(None, None, Nanos(0), (), ())
    assert nothing.waiting == (DayRange(THURSDAY, SATURDAY, "no proved trades"),)
    assert (nothing.last_runs, nothing.seconds) == ((), 0.0)
    make(project, FRIDAY)
    status = bar_status(project)[0]
    assert status.reach.complete_until == day_start(SATURDAY)
    assert status.reach.lag == 0
    assert [days.first for days in status.waiting] == [THURSDAY, SATURDAY]


def test_nothing_is_complete_before_the_first_bars(project: Project) -> None:
    """Where the first day with trades has no bars the watermark stands at its beginning."""
    for day in (THURSDAY, FRIDAY):
        file_day(project, day)
        load_day(project, day)
    status = bar_status(project)[0]
    assert status.reach.complete_until == day_start(THURSDAY)
    assert status.reach.last_bar is None
    assert status.reach.lag == 2 * DAY
    assert status.reach.missing == (DayRange(THURSDAY, FRIDAY, "never made"),)


def test_only_bars_and_no_trades(full: Project) -> None:
    """Where no day's trades are proved any more, all bars are stale and nothing is complete."""
    for day in DAYS:
        full.trade_store.delete_day(day)
    status = bar_status(full)[0]
    assert [days.reason for days in status.reach.stale] == ["their trades are not proved to be stored"]
    assert status.reach.complete_until == day_start(THURSDAY)
    assert status.reach.last_bar is None


def test_failures_and_runs_are_told(full: Project) -> None:
    """A failed chunk is told with its error; the latest runs come first."""
    (record,) = [found for found in of(full.chunks.records(), "1m") if found.start == day_start(FRIDAY)]
    full.chunks.mark([replace(record, state="failed", error="no luck", attempts=3)])
    status = bar_status(full)[0]
    assert [(run.error, run.attempts) for run in status.failed] == [("no luck", 3)]
    assert status.last_runs[0].state == "failed"
    assert status.reach.stale == one_day(FRIDAY, "given up")


def test_bars_made_while_trades_come_in(full: Project) -> None:
    """A day of which only a part was made, of trades without a hash, is complete so far and no gap."""
    day = full.lake.read(SATURDAY)
    full.trade_store.append(day.slice(0, 1))
    start = day_start(SATURDAY)
    until = Nanos(start + 14 * HOUR + 35 * MINUTE)
    live = [ChunkRecord(one.name, start, until, "done") for one in STORED_RESOLUTIONS]
    full.chunks.mark(live)
    status = bar_status(full)[0]
    assert status.reach.complete_until == until
    assert status.reach.lag == 0
    assert (status.reach.missing, status.reach.stale) == ((), ())
    assert status.waiting == one_day(SATURDAY, "trades are still coming in")
    assert status.reach.last_bar is not None
    assert start <= status.reach.last_bar < until
    early = Nanos(start + MINUTE)
    full.chunks.mark(replace(record, stop=early) for record in live)
    saturday = full.bar_store.read(MINUTES, *day_bounds(SATURDAY))
    first = saturday.group_by("symbol").aggregate([("ts", "min")])
    opens = dict(
        zip(first.column("symbol").to_pylist(), first.column("ts_min").cast(pa.int64()).to_pylist(), strict=True)
    )
    late = max(opens, key=lambda name: opens[name] or 0)
    assert late is not None
    again = bar_status(full, symbols=[late])[0]
    assert again.symbols[late].last_bar == last_bar(full.bar_store, FRIDAY, late)


def test_the_hash_of_a_part_says_nothing_of_the_day(full: Project) -> None:
    """Once the trades of a day are proved, bars that were made of it while they came in are to be made again."""
    (record,) = [found for found in of(full.chunks.records(), "1m") if found.start == day_start(SATURDAY)]
    full.chunks.mark([replace(record, stop=Nanos(record.start + HOUR))])
    assert bar_status(full)[0].reach.stale == one_day(SATURDAY, "nothing is recorded of them")


def test_no_days_at_all(full: Project) -> None:
    """Asked about no day, there is nothing to tell."""
    status = bar_status(full, [])[0]
    assert (status.bars, status.reach.complete_until) == (0, None)


def test_a_symbol_without_a_bar_before_the_watermark(full: Project) -> None:
    """A symbol that trades only after the mark has no last bar before it."""
    full.bar_store.delete_day(MINUTES, THURSDAY)
    status = bar_status(full)[0]
    assert status.reach.complete_until == day_start(THURSDAY)
    assert status.symbols["AAPL"].last_bar is None


def test_the_last_bar_where_hours_are_gone(full: Project) -> None:
    """Fine bars are found without the hours that tell where to look."""
    before = bar_status(full)[0]
    for day in DAYS:
        full.bar_store.delete_day(RESOLUTIONS["1h"], day)
    assert bar_status(full)[0] == before


def kept_mask(kept: Sequence[bool]) -> pa.BooleanArray:
    """Return a mask of rows."""
    return pa.array(kept, pa.bool_())


def of(records: Sequence[ChunkRecord], resolution: str) -> list[ChunkRecord]:
    """Return the records of one resolution."""
    return [record for record in records if record.resolution == resolution]
