"""Days of bars in InfluxDB: what is sent, what is deleted first, what is counted.

What any store must do is in ``test_contract_bars``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import pytest

from ohlcv_assets.bars.resolutions import BARS, resolution_of
from ohlcv_assets.errors import StoreMismatchError, StoreQueryError
from ohlcv_assets.stores.influxdb import bars, deleting
from ohlcv_assets.stores.influxdb.bars import InfluxBarStore
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.reads import scanning
from ohlcv_assets.units import HOUR, Nanos, day_bounds, day_start
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.pairs import bar_store
from ohlcv_assets_tests.stores.influxdb.reads.limited import Limited, index, one_symbol, within, write
from ohlcv_assets_tests.stores.influxdb.stores import plan
from ohlcv_assets_tests.stores.made import ALL_TIME, FIRST, day_number, made_bars, plain

pytestmark = pytest.mark.integration

HOURS = resolution_of("1h")
DELETES = "/api/v2/delete"
WRITES = "/api/v2/write"


@pytest.fixture
def store(fake_server: Fake, fresh_layout: Callable[..., Layout]) -> Iterator[InfluxBarStore]:
    """Return an empty store."""
    opened = bar_store(fake_server, fresh_layout(fake_server), plan())
    yield opened
    opened.close()


def test_bars_that_are_there_are_not_sent(fake_server: Fake, store: InfluxBarStore) -> None:
    """Writing the same again sends and deletes nothing; changed and added bars overwrite without a delete."""
    seen = fake_server.faults
    day = made_bars(HOURS, FIRST)
    store.write(HOURS, FIRST, day.slice(0, 10))
    writes = seen.count(WRITES)
    store.write(HOURS, FIRST, day.slice(0, 10))
    assert seen.count(WRITES) == writes
    store.write(HOURS, FIRST, made_bars(HOURS, FIRST, level=7.0))
    assert plain(store.read(HOURS, *ALL_TIME)) == plain(made_bars(HOURS, FIRST, level=7.0))
    assert seen.count(DELETES) == 0
    store.write(HOURS, FIRST, day.slice(1))
    assert plain(store.read(HOURS, *ALL_TIME)) == plain(day.slice(1))
    assert seen.count(DELETES) == 1


def test_torn_bars_are_replaced(fake_server: Fake, store: InfluxBarStore) -> None:
    """A point that is no whole bar is named when read, counted when deleted, and gone when the day is written."""
    day = made_bars(HOURS, FIRST)
    torn = [f"ohlcv,symbol=AAPL open=1 {day_start(FIRST) + 1}"]

    def torn_day() -> None:
        store.write(HOURS, FIRST, day)
        write(fake_server, torn, store._bucket(HOURS))
        with pytest.raises(StoreMismatchError, match=r"points of bars without .*AAPL"):
            store.read(HOURS, *day_bounds(FIRST))

    torn_day()
    assert store.write(HOURS, FIRST, day) == 48
    assert plain(store.read(HOURS, *ALL_TIME)) == plain(day)
    torn_day()
    assert store.delete_day(HOURS, FIRST) == 49
    assert store.read(HOURS, *ALL_TIME).num_rows == 0


def test_deletes_that_take_nothing(fake_server: Fake, store: InfluxBarStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that says yes to a delete and keeps the bars is found out."""
    monkeypatch.setattr(deleting, "DELETE_PAUSES", (0.0, 0.0))
    store.write(HOURS, FIRST, made_bars(HOURS, FIRST))
    fake_server.faults.add("answer", path=DELETES, times=None, status=204)
    with pytest.raises(StoreMismatchError, match=r"^48 of the 1h bars of 2024-01-31 in InfluxDB at http"):
        store.delete_day(HOURS, FIRST)


def test_days_beyond_what_can_be_held(fake_server: Fake, store: InfluxBarStore) -> None:
    """No bar can be stored on them: there is nothing to read, to count or to delete, and nobody is asked."""
    long_ago = dt.date(1600, 1, 1)
    assert store.delete_day(HOURS, long_ago) == 0
    assert store.read(HOURS, *day_bounds(long_ago)).equals(BARS.empty_table())
    assert fake_server.faults.count("/query") == fake_server.faults.count("/api/v2/query") == 0


def test_large_and_small_reads_agree(fake_server: Fake, store: InfluxBarStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bars are read in one request, many are counted first and read page by page, with the same result."""
    for offset in (0, 1):
        store.write(HOURS, day_number(offset), made_bars(HOURS, day_number(offset)))
    start, end = Nanos(day_start(FIRST) + 5 * HOUR), Nanos(day_start(FIRST) + 40 * HOUR)
    questions = fake_server.faults.count("/query")
    small = store.read(HOURS, start, end, ["BTC-USD", "AAPL"])
    assert fake_server.faults.count("/query") == questions + 1
    assert small.num_rows == 2 * 35
    # All symbols in one request more, after the index was asked for them.
    assert plain(store.read(HOURS, start, end)) == plain(small)
    assert fake_server.faults.count("/query") == questions + 3
    assert fake_server.faults.count("/api/v2/query") == 0
    for module in (bars, scanning):
        monkeypatch.setattr(module, "PAGE_ROWS", 20)
    assert plain(store.read(HOURS, start, end)) == plain(small)
    assert fake_server.faults.count("/api/v2/query") > 0


def test_coverage_is_asked_for_in_parts(store: InfluxBarStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all of it takes too long it is cut; the figures of a day that was cut are added up."""
    for offset in (0, 1):
        store.write(HOURS, day_number(offset), made_bars(HOURS, day_number(offset)))
    whole = store.coverage(HOURS)
    monkeypatch.setattr(bars, "FIRST_NS", day_start(day_number(-1)))
    monkeypatch.setattr(bars, "END_NS", day_start(day_number(3)))
    for fits in (within(7 * HOUR), one_symbol):
        limited = Limited(store._connection, fits)
        store._asker = limited
        assert store.coverage(HOURS).equals(whole)
        assert len(limited.texts("coverage")) > 10


def test_coverage_of_what_another_program_wrote(fake_server: Fake, store: InfluxBarStore) -> None:
    """A number of trades that is none is told with its symbol and day, and who must delete it."""
    fraction = [f"ohlcv,symbol=AAPL open=1,trades=1.5 {day_start(FIRST)}"]
    write(fake_server, fraction, store._bucket(HOURS))
    with pytest.raises(StoreMismatchError, match=rf"AAPL on {FIRST} whose trades add up to 1\.5, .* whole number"):
        store.coverage(HOURS)


def test_coverage_that_never_comes(store: InfluxBarStore) -> None:
    """When the smallest part takes too long as well, the error names the query."""
    store.write(HOURS, FIRST, made_bars(HOURS, FIRST))
    store._asker = Limited(store._connection, index)
    with pytest.raises(StoreQueryError, match=r"'coverage'.*no answer in time"):
        store.coverage(HOURS)
