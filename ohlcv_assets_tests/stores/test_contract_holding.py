"""What any store of trades must do for whoever looks first and adds then: nobody comes in between."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from ohlcv_assets.stores.base import BarStore, TradeStore
from ohlcv_assets.units import SECOND, day_start
from ohlcv_assets_tests.stores.made import FIRST, batches, day_number, keys_of, made_day, promise, rows_of, stored

pytestmark = pytest.mark.integration

START = day_start(FIRST)
NEXT = day_number(1)


@pytest.fixture
def trade_store(store_pair: tuple[TradeStore, BarStore]) -> TradeStore:
    """Return an empty store of trades."""
    return store_pair[0]


def one(price: float, at: int = 0) -> pa.Table:
    """Return one trade so long after the first day began."""
    return stored([("A", START + at, price, 1.0, 1)])


def test_nobody_comes_between_looking_and_adding(trade_store: TradeStore) -> None:
    """Another thread that adds to the day waits; what the holder adds meanwhile is there before it."""
    trade_store.append(one(1.0))
    with ThreadPoolExecutor(1) as pool:
        with trade_store.holding([FIRST, NEXT]):
            other = pool.submit(trade_store.append, one(2.0, 5))
            assert trade_store.append(one(3.0, 5), free=True) == 1
            found = trade_store.fetch(keys_of([("A", START + 5)]))
            assert rows_of(found) == [("A", START + 5, 3.0, 1.0, 1)]
            assert not other.done()
        assert other.result(20) == 1
    assert rows_of(trade_store.fetch(keys_of([("A", START + 5)])))[0][2] == 2.0


def test_marks_tell_whether_anybody_else_was_there(trade_store: TradeStore) -> None:
    """A mark that is the same means the same trades and the same record, but for what the holder added."""
    trade_store.append(one(1.0))
    with trade_store.holding([FIRST]) as hold:
        before = hold.mark(FIRST)
        assert hold.mark(FIRST) == before
        trade_store.append(one(2.0, 1), free=True)
        after = hold.mark(FIRST)
    trades = made_day(FIRST, 5)
    changes: list[Callable[[], object]] = [
        lambda: trade_store.append(one(5.0, SECOND)),
        lambda: trade_store.replace_day(promise(FIRST, trades), batches(trades)),
        lambda: trade_store.delete_day(FIRST),
    ]
    for number, change in enumerate(changes):
        change()
        with trade_store.holding([FIRST]) as hold:
            assert hold.mark(FIRST) != after, number
            after = hold.mark(FIRST)


def test_changes_by_others_show(trade_store: TradeStore) -> None:
    """Loads and deletes of a day tell themselves, once they are done; other days may stay as they are."""
    trades = made_day(FIRST, 5)
    assert set(trade_store.changes([FIRST, NEXT])) == {FIRST, NEXT}
    assert trade_store.changes([]) == {}
    seen = [trade_store.changes([FIRST])]
    assert trade_store.changes([FIRST]) == seen[0], "nobody was there"
    changes: list[Callable[[], object]] = [
        lambda: trade_store.replace_day(promise(FIRST, trades), batches(trades)),
        lambda: trade_store.delete_day(FIRST),
        lambda: trade_store.replace_day(promise(FIRST, trades), batches(trades)),
    ]
    for number, change in enumerate(changes):
        change()
        found = trade_store.changes([FIRST])
        assert found not in seen, number
        assert trade_store.changes([FIRST]) == found
        seen.append(found)


def test_what_is_added_in_holds_is_what_is_stored(trade_store: TradeStore) -> None:
    """Months, days and records are right however often the same day is added to, and after others changed it."""
    trades = made_day(FIRST, 5)
    later = day_start(NEXT)
    for number in range(3):
        with trade_store.holding([FIRST, NEXT]):
            rows = [("B", START + number, 1.0, 1.0, 1), ("A", later + number, 2.0, 1.0, -1)]
            assert trade_store.append(stored(rows), free=True) == 2
        assert trade_store.day_records() == {}
        if number == 1:
            trade_store.replace_day(promise(FIRST, trades), batches(trades))
            assert list(trade_store.day_records()) == [FIRST]
    assert dict(trade_store.counts(FIRST)) == {"AAPL": 5, "B": 1, "BTC-USD": 5, "MSFT": 5}
    assert dict(trade_store.counts(NEXT)) == {"A": 3}


def test_an_error_ends_a_hold(trade_store: TradeStore) -> None:
    """Whoever comes next need not wait."""
    with pytest.raises(ZeroDivisionError), trade_store.holding([FIRST]):
        raise ZeroDivisionError
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(trade_store.append, one(1.0)).result(20) == 1


def test_the_last_instants_of_a_day(trade_store: TradeStore) -> None:
    """Of each symbol that has a trade on that day, to the nanosecond; other days do not count."""
    assert dict(trade_store.last_instants(FIRST)) == {}
    rows = [("A", START - 1, 1.0, 1.0, 1), ("A", START + 7, 1.0, 1.0, 1), ("A", START + 3, 1.0, 1.0, 1)]
    trade_store.append(stored([*rows, ("it's b,=", START + 9, 1.0, 1.0, -1), ("A", day_start(NEXT), 1.0, 1.0, 1)]))
    assert dict(trade_store.last_instants(FIRST)) == {"A": START + 7, "it's b,=": START + 9}
    assert dict(trade_store.last_instants(day_number(90))) == {}
