"""Days of trades in InfluxDB: what is refused before anything changes, and what is put right.

What any store must do is in ``test_contract_trades``, what faults do in ``test_faults_network`` and its neighbours.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from ohlcv_assets.errors import StoreMismatchError, StoreRejectedError
from ohlcv_assets.stores.base import DayContent
from ohlcv_assets.stores.influxdb import deleting
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.leasing.leases import Leases
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.units import day_start
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.reads.limited import write
from ohlcv_assets_tests.stores.influxdb.stores import held, plan, trade_store
from ohlcv_assets_tests.stores.made import FIRST, batches, day_number, made_day, promise, rows_of, stored

pytestmark = pytest.mark.integration

MONTH = 30 * 86_400
START = day_start(FIRST)


@pytest.fixture
def store(fake_server: Fake, fresh_layout: Callable[..., Layout]) -> Iterator[InfluxTradeStore]:
    """Return an empty store that keeps for ever."""
    opened = trade_store(fake_server, fresh_layout(fake_server), plan())
    yield opened
    opened.close()


def untouchable() -> Iterator[pa.RecordBatch]:
    """Give batches that nobody may ask for."""
    yield from batches(pytest.fail("the batches were read although nothing may be written"))


def test_days_outside_the_retention_change_nothing(any_server: Server, fresh_layout: Callable[..., Layout]) -> None:
    """A day that would not be kept is refused before a record, a delete or a trade; so are single trades."""
    layout = fresh_layout(any_server, MONTH)
    store = trade_store(any_server, layout, plan())
    kept = store.first_kept_day()
    assert kept is not None
    lost = kept - dt.timedelta(days=1)
    with pytest.raises(StoreRejectedError, match=rf"keeps points for 30 days.*those of {lost}; nothing was written"):
        store.replace_day(DayContent(lost, "hash", {"A": 1}), untouchable())
    far_and_near = stored([("A", day_start(kept), 1.0, 1.0, 1), ("A", day_start(lost), 1.0, 1.0, 1)])
    with pytest.raises(StoreRejectedError, match=f"those of {lost}; nothing was written"):
        store.append(far_and_near)
    assert dict(store.day_records()) == {}
    assert dict(store.counts_by_day()) == {}
    trades = made_day(kept, 5)
    assert store.replace_day(promise(kept, trades), batches(trades)).written == 15
    assert dict(store.counts_by_day()) == {kept: 15}
    store.close()


def test_a_torn_day_is_replaced(fake_server: Fake, store: InfluxTradeStore) -> None:
    """Points that lack a field make a clean day count as another one: it is deleted and written again."""
    trades = made_day(FIRST, 10)
    store.replace_day(promise(FIRST, trades), batches(trades))
    write(fake_server, [f"trades,symbol=AAPL price=1 {START}"], store._bucket)
    report = store.replace_day(promise(FIRST, trades), batches(trades))
    assert (report.written, report.deleted) == (30, 31)
    assert held(store) == rows_of(trades)


def test_a_day_that_somebody_else_loads_meanwhile(store: InfluxTradeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waited for the day and finds it loaded with the same content writes nothing."""
    trades = made_day(FIRST, 10)
    days = Leases.days
    calls: list[int] = []

    def first_another(leases: Leases, names: list[dt.date]) -> object:
        calls.append(1)
        if len(calls) == 1:
            store.replace_day(promise(FIRST, trades), batches(trades))
        return days(leases, names)

    monkeypatch.setattr(Leases, "days", first_another)
    report = store.replace_day(promise(FIRST, trades), untouchable())
    assert (report.rows, report.written, report.deleted) == (30, 0, 0)
    assert len(calls) == 2


def test_deletes_that_take_nothing(fake_server: Fake, store: InfluxTradeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that says yes to a delete and keeps the trades: repeated, then an error and a dirty day."""
    monkeypatch.setattr(deleting, "DELETE_PAUSES", (0.0, 0.0, 0.0))
    trades, other = made_day(FIRST, 10), made_day(FIRST, 20, seed=1)
    store.replace_day(promise(FIRST, trades), batches(trades))
    fake_server.faults.add("answer", path="/api/v2/delete", times=2, status=204)
    assert store.replace_day(promise(FIRST, other, "other"), batches(other)).deleted == 30
    assert held(store) == rows_of(other)
    fake_server.faults.add("answer", path="/api/v2/delete", times=None, status=204)
    with pytest.raises(
        StoreMismatchError, match=r"^60 of the trades of 2024-01-31 in influxdb:http.* were still there"
    ):
        store.replace_day(promise(FIRST, trades), untouchable())
    assert store.day_records()[FIRST].state == "dirty"
    fake_server.faults.heal()
    store.replace_day(promise(FIRST, trades), batches(trades))
    assert held(store) == rows_of(trades)


@pytest.mark.parametrize("deleted", [0, 1])
def test_what_is_stored_is_counted(fake_server: Fake, store: InfluxTradeStore, deleted: int) -> None:
    """Trades that the server said it took and does not have fail the day, naming the symbol; it stays dirty."""
    trades = made_day(FIRST, 10)
    if deleted:
        store.append(trades.select(["symbol", "ts", "price", "amount", "side"]).slice(0, 5))
    fake_server.faults.add("answer", path="/api/v2/write", skip=1, status=204)
    with pytest.raises(StoreMismatchError, match=r"holds for 2024-01-31 0 trades where 30 were promised.*'AAPL'"):
        store.replace_day(promise(FIRST, trades), batches(trades))
    assert store.day_records()[FIRST].state == "dirty"


def test_clearing_takes_trades_and_records(store: InfluxTradeStore) -> None:
    """Everything goes, and the same days can be loaded afterwards."""
    for offset in (0, 1):
        trades = made_day(day_number(offset), 5)
        store.replace_day(promise(day_number(offset), trades), batches(trades))
    store.clear()
    assert dict(store.day_records()) == {}
    assert held(store) == []
    again = made_day(FIRST, 5)
    assert store.replace_day(promise(FIRST, again), batches(again)).written == 15
