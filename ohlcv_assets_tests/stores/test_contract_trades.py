"""What any store of trades must do."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import pyarrow as pa
import pytest

from ohlcv_assets.errors import StoreError, StoreMismatchError, StoreRejectedError
from ohlcv_assets.market.schema import CONTENT, STORED, TURNOVER
from ohlcv_assets.progress import Progress
from ohlcv_assets.stores.base import BarStore, DayContent, DayRecord, SumsTurnover, TradeStore
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.units import DAY, HOUR, Nanos, day_bounds, day_start
from ohlcv_assets_tests.stores.made import (
    ALL_TIME,
    FIRST,
    batches,
    day_number,
    keys_of,
    made_day,
    plain,
    promise,
    rows_of,
    stored,
)

pytestmark = pytest.mark.integration

START = day_start(FIRST)
AWKWARD = (
    "",
    " ",
    "'; DROP TABLE days; --",
    '"quoted"',
    "a\\b%_",
    "Ünïcødé 🚀",
    "line\nbreak",
    "?",
    "$1",
    "ends in \\",
    "a,symbol=b price=1,side=1i 1\ntrades,symbol=c",
    "cr\rtab\tnul\x00",
    "%0A%FF%",
    "%FF",
    "#!~#price",
    '${x}") |> drop(columns: ["_time"])',
    "NULL",
)


@pytest.fixture
def trade_store(store_pair: tuple[TradeStore, BarStore]) -> TradeStore:
    """Return an empty store of trades."""
    return store_pair[0]


def untouchable() -> Iterator[pa.RecordBatch]:
    """Give batches that nobody may ask for."""
    yield from batches(pytest.fail("the batches were read although nothing was to do"))


def held(store: TradeStore) -> list[tuple[str, int, float, float, int]]:
    """Everything a store holds."""
    return rows_of(pa.Table.from_batches(list(store.scan(*ALL_TIME)), STORED))


def test_empty_store_holds_nothing(trade_store: TradeStore) -> None:
    """A store that nothing was written into answers every question with nothing."""
    assert dict(trade_store.counts(FIRST)) == {}
    assert dict(trade_store.counts_by_day()) == {}
    assert dict(trade_store.day_records()) == {}
    assert trade_store.content(FIRST).equals(CONTENT.empty_table())
    assert trade_store.fetch(keys_of([("AAPL", START)])).num_rows == 0
    assert trade_store.fetch(keys_of([])).schema == STORED
    assert list(trade_store.scan(*ALL_TIME)) == []
    assert list(trade_store.scan(*ALL_TIME, ["AAPL"])) == []
    assert trade_store.delete_day(FIRST) == 0
    assert trade_store.append(stored([])) == 0
    assert trade_store.name


def test_replace_day_stores_exactly_the_trades(trade_store: TradeStore) -> None:
    """Prices and instants come back bit-exact, the id stays behind, and the day is recorded clean."""
    trades = made_day(FIRST, 700)
    report = trade_store.replace_day(promise(FIRST, trades), batches(trades))
    assert (report.rows, report.written, report.deleted) == (2100, 2100, 0)
    assert report.seconds >= report.waited >= 0
    assert held(trade_store) == rows_of(trades)
    assert dict(trade_store.day_records()) == {FIRST: DayRecord(FIRST, "clean", "hash", 2100)}
    assert dict(trade_store.counts(FIRST)) == {"AAPL": 700, "BTC-USD": 700, "MSFT": 700}
    assert dict(trade_store.counts_by_day()) == {FIRST: 2100}


def test_replace_day_again_does_nothing(trade_store: TradeStore) -> None:
    """Where recorded hash and counts are equal and the data agree, the batches are not touched."""
    trades = made_day(FIRST, 10)
    trade_store.replace_day(promise(FIRST, trades), batches(trades))
    report = trade_store.replace_day(promise(FIRST, trades), untouchable())
    assert (report.rows, report.written, report.deleted) == (30, 0, 0)


def test_replace_day_ignores_zeros_in_the_promise(trade_store: TradeStore) -> None:
    """A symbol promised with zero trades and one left out are the same."""
    trades = made_day(FIRST, 10, ("AAPL",))
    content = DayContent(FIRST, "hash", {"AAPL": 10, "MSFT": 0})
    assert trade_store.replace_day(content, batches(trades)).written == 10
    assert trade_store.replace_day(content, untouchable()).written == 0


def test_replace_day_with_other_content_leaves_no_strays(trade_store: TradeStore) -> None:
    """Trades of the former content are gone, those of neighbouring days stay."""
    days = [day_number(offset) for offset in (-1, 0, 1)]
    for day in days:
        trades = made_day(day, 50)
        trade_store.replace_day(promise(day, trades), batches(trades))
    other = made_day(FIRST, 40, seed=1)
    report = trade_store.replace_day(promise(FIRST, other, "other"), batches(other))
    assert (report.written, report.deleted) == (120, 150)
    expected = sorted(rows_of(pa.concat_tables([made_day(days[0], 50), other, made_day(days[2], 50)])))
    assert held(trade_store) == expected
    assert trade_store.day_records()[FIRST].content_hash == "other"


def test_replace_day_repairs_what_was_changed_behind_its_record(trade_store: TradeStore) -> None:
    """Appended trades take the clean record away, and replacing brings the day back."""
    trades = made_day(FIRST, 20)
    trade_store.replace_day(promise(FIRST, trades), batches(trades))
    stray = stored([("AAPL", START + 5, 1.0, 1.0, 1)])
    trade_store.append(stray)
    assert FIRST not in trade_store.day_records()
    assert trade_store.replace_day(promise(FIRST, trades), batches(trades)).deleted == 61
    assert held(trade_store) == rows_of(trades)


def test_replace_day_without_trades(trade_store: TradeStore) -> None:
    """A day without trades is loaded, recorded and not written twice; it has no count."""
    content = DayContent(FIRST, "empty", {})
    assert trade_store.replace_day(content, iter([])).rows == 0
    assert trade_store.replace_day(content, untouchable()).rows == 0
    assert trade_store.day_records()[FIRST] == DayRecord(FIRST, "clean", "empty", 0)
    assert dict(trade_store.counts_by_day()) == {}


def test_replace_day_tells_how_far_it_is(trade_store: TradeStore) -> None:
    """An observer sees the trades of each batch added up to the promised total."""
    events: list[Progress] = []
    trades = made_day(FIRST, 100)
    trade_store.replace_day(promise(FIRST, trades), batches(trades, 60), events.append)
    assert [event.done for event in events] == sorted(event.done for event in events)
    last = events[-1]
    assert (last.stage, last.subject, last.done, last.total, last.unit) == ("load", "2024-01-31", 300, 300, "trades")


@pytest.mark.parametrize("counts", [{"AAPL": 9}, {"AAPL": 11}, {"AAPL": 10, "MSFT": 1}, {"MSFT": 10}])
def test_wrong_counts_leave_the_day_dirty(trade_store: TradeStore, counts: dict[str, int]) -> None:
    """A day whose trades are not those promised is refused and marked dirty, and can be loaded afterwards."""
    trades = made_day(FIRST, 10, ("AAPL",))
    with pytest.raises(StoreMismatchError, match=r"2024-01-31.* dirty"):
        trade_store.replace_day(DayContent(FIRST, "wrong", counts), batches(trades))
    record = trade_store.day_records()[FIRST]
    assert (record.state, record.content_hash) == ("dirty", "wrong")
    trade_store.replace_day(promise(FIRST, trades), batches(trades))
    assert held(trade_store) == rows_of(trades)
    assert trade_store.day_records()[FIRST].state == "clean"


def test_batches_that_fail_leave_no_false_record(trade_store: TradeStore) -> None:
    """An error of the batches comes through as it is, and nothing claims the day is loaded."""
    trades = made_day(FIRST, 30)

    def failing() -> Iterator[pa.RecordBatch]:
        yield from batches(trades.slice(0, 40))
        raise LookupError("the file broke off")

    with pytest.raises(LookupError, match="the file broke off"):
        trade_store.replace_day(promise(FIRST, trades), failing())
    record = trade_store.day_records().get(FIRST)
    assert record is None or record.state == "dirty"
    trade_store.replace_day(promise(FIRST, trades), batches(trades))
    assert held(trade_store) == rows_of(trades)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([("A", START, 1.0, 1.0, 1), ("A", START, 1.0, 1.0, 1)], "at row 1"),
        ([("A", START + 1, 1.0, 1.0, 1), ("A", START, 1.0, 1.0, 1)], "at row 1"),
        ([("B", START, 1.0, 1.0, 1), ("A", START + 1, 1.0, 1.0, 1)], "at row 1"),
        ([("A", START, 1.0, 1.0, 1), ("B", START, 1.0, 1.0, 1), ("A", START + 1, 1.0, 1.0, 1)], "at row 2"),
        ([("A", START - 1, 1.0, 1.0, 1)], "another day"),
        ([("A", START + DAY, 1.0, 1.0, 1)], "another day"),
    ],
)
@pytest.mark.parametrize("size", [1, 10])
def test_trades_out_of_order_are_refused(
    trade_store: TradeStore, rows: list[tuple[str, int, float, float, int]], complaint: str, size: int
) -> None:
    """Repeated, unsorted or foreign instants are named and not stored, within a batch and across batches."""
    trades = stored(rows)
    with pytest.raises(StoreError, match=complaint):
        trade_store.replace_day(promise(FIRST, trades), batches(trades, size))
    assert FIRST not in trade_store.day_records() or trade_store.day_records()[FIRST].state == "dirty"


@pytest.mark.parametrize("value", [0.0, -0.0, -1.0, float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("column", ["price", "amount"])
def test_values_no_store_takes_are_refused(trade_store: TradeStore, column: str, value: float) -> None:
    """Prices and amounts that are not finite and positive are named with symbol and instant, and not stored."""
    good = stored([("A", START, 1.0, 1.0, 1), ("B", START + 1, 1.0, 1.0, 1)])
    bad = good.set_column(good.column_names.index(column), STORED.field(column), pa.array([1.0, value]))
    complaint = f"The {column} of 'B' at 2024-01-31T00:00:00.000000001Z is {value}, a store takes only finite"
    with pytest.raises(StoreRejectedError, match=re.escape(complaint)):
        trade_store.replace_day(promise(FIRST, bad), batches(bad))
    assert FIRST not in trade_store.day_records() or trade_store.day_records()[FIRST].state == "dirty"
    with pytest.raises(StoreRejectedError, match=re.escape(complaint)):
        trade_store.append(bad)
    assert held(trade_store) == []


@pytest.mark.parametrize("side", [0, 2, -2, 127, -128])
def test_sides_no_store_takes_are_refused(trade_store: TradeStore, side: int) -> None:
    """A side other than +1 and -1 is named with symbol and instant."""
    bad = stored([("A", START, 1.0, 1.0, 1), ("A", START + 1, 1.0, 1.0, side)])
    with pytest.raises(StoreRejectedError, match=rf"The side of 'A' at .*01Z is {side}, a store takes only \+1"):
        trade_store.append(bad)


@pytest.mark.parametrize(
    "value", [5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 0.1 + 0.2, 9007199254740992.0]
)
def test_extreme_values_come_back_bit_exact(trade_store: TradeStore, value: float) -> None:
    """Subnormal, largest and many-digit doubles are stored as they are."""
    trades = stored([("A", START, value, value, -1)])
    trade_store.replace_day(promise(FIRST, trades), batches(trades))
    assert held(trade_store) == rows_of(trades)


def test_any_symbol_is_safe(trade_store: TradeStore) -> None:
    """Quotes, statements, wildcards and any Unicode in a symbol are stored and asked for like any other."""
    trades = made_day(FIRST, 5, sorted(AWKWARD))
    trade_store.replace_day(promise(FIRST, trades), batches(trades))
    assert dict(trade_store.counts(FIRST)) == dict.fromkeys(AWKWARD, 5)
    for symbol in AWKWARD:
        rows = [row for row in rows_of(trades) if row[0] == symbol]
        assert rows_of(pa.Table.from_batches(list(trade_store.scan(*ALL_TIME, [symbol])))) == rows
        assert rows_of(trade_store.fetch(keys_of([(symbol, rows[2][1])]))) == [rows[2]]
        assert {row["symbol"] for row in plain(trade_store.content(FIRST))} == set(AWKWARD)


def test_append_overwrites_by_symbol_and_instant(trade_store: TradeStore) -> None:
    """The last of several trades at the same key wins, within one table and over what is stored, over months."""
    later = day_start(day_number(1))
    assert trade_store.append(stored([("A", START, 1.0, 1.0, 1), ("A", START + 1, 2.0, 1.0, 1)])) == 2
    again = stored(
        [
            ("B", later, 5.0, 1.0, -1),
            ("A", START, 3.0, 1.0, -1),
            ("A", START, 4.0, 2.0, -1),
            ("A", START - 1, 6.0, 1.0, 1),
        ]
    )
    assert trade_store.append(again) == 3
    assert held(trade_store) == [
        ("A", START - 1, 6.0, 1.0, 1),
        ("A", START, 4.0, 2.0, -1),
        ("A", START + 1, 2.0, 1.0, 1),
        ("B", later, 5.0, 1.0, -1),
    ]
    assert dict(trade_store.counts_by_day()) == {day_number(-1): 1, FIRST: 2, day_number(1): 1}


def test_delete_day_takes_trades_and_record(trade_store: TradeStore) -> None:
    """Only that day goes, and deleting it again finds nothing."""
    for day in (FIRST, day_number(1)):
        trades = made_day(day, 10)
        trade_store.replace_day(promise(day, trades), batches(trades))
    assert trade_store.delete_day(FIRST) == 30
    assert trade_store.delete_day(FIRST) == 0
    assert trade_store.delete_day(day_number(400)) == 0
    assert list(trade_store.day_records()) == [day_number(1)]
    assert dict(trade_store.counts_by_day()) == {day_number(1): 30}
    assert dict(trade_store.counts(FIRST)) == {}


def test_content_summarises_by_symbol_and_hour(trade_store: TradeStore) -> None:
    """Counts, sums and extremes of each hour that has trades, hours cut to the nanosecond."""
    rows = [
        ("A", START + HOUR - 1, 1.5, 2.0, 1),
        ("A", START + HOUR, 0.5, 4.0, -1),
        ("A", START + 2 * HOUR - 1, 2.5, 1.0, -1),
        ("B", START + DAY - 1, 9.0, 1.0, 1),
    ]
    trade_store.append(stored([*rows, ("A", START + DAY, 7.0, 7.0, 1)]))
    content = trade_store.content(FIRST)
    assert content.schema == CONTENT
    values = [tuple(row.values()) for row in plain(content)]
    assert values == [
        ("A", START, 1, 1.5, 1.5, 1.5, 2.0, 2.0, 2.0, 1),
        ("A", START + HOUR, 2, 3.0, 0.5, 2.5, 5.0, 1.0, 4.0, -2),
        ("B", START + 23 * HOUR, 1, 9.0, 9.0, 9.0, 1.0, 1.0, 1.0, 1),
    ]
    assert trade_store.content(day_number(60)).num_rows == 0
    few = ("trades", "price_max", "side_sum")
    assert (
        trade_store.content(FIRST, few)
        .select(["symbol", "hour", *few])
        .equals(content.select(["symbol", "hour", *few]))
    )


def test_turnover_is_what_was_traded(trade_store: TradeStore) -> None:
    """A store that can adds up price times amount of each symbol's trades of the day, and of no other."""
    if not isinstance(trade_store, SumsTurnover):
        assert isinstance(trade_store, InfluxTradeStore)  # where it would cost ten times what all other figures do
        return
    assert trade_store.turnover(FIRST).equals(TURNOVER.empty_table())
    rows = [("B", START + DAY - 1, 9.0, 1.0, 1), ("A", START, 1.5, 2.0, 1), ("A", START + HOUR, 0.5, 4.0, -1)]
    trade_store.append(stored([*rows, ("A", START + DAY, 7.0, 7.0, 1), ("A", START - 1, 7.0, 7.0, 1)]))
    found = trade_store.turnover(FIRST)
    assert found.schema == TURNOVER
    assert plain(found) == [{"symbol": "A", "turnover": 5.0}, {"symbol": "B", "turnover": 9.0}]
    assert trade_store.turnover(day_number(60)).num_rows == 0


def test_fetch_by_exact_keys(trade_store: TradeStore) -> None:
    """Only keys that match in both symbol and instant give a row, once, sorted, over several days and months."""
    for day in (FIRST, day_number(1)):
        trades = made_day(day, 50)
        trade_store.replace_day(promise(day, trades), batches(trades))
    rows = held(trade_store)
    picked = [rows[index] for index in (0, 7, 120, 250, 299)]
    keys = [(row[0], row[1]) for row in reversed(picked)]
    near = [(rows[3][0], rows[3][1] + 1), ("nobody", rows[4][1]), (rows[5][0], START + 90 * DAY)]
    found = trade_store.fetch(keys_of([*keys, *near, keys[0]]))
    assert found.schema == STORED
    assert rows_of(found) == picked


def test_scan_is_half_open_and_sorted(trade_store: TradeStore) -> None:
    """A range over months gives its trades by (symbol, ts), the start included, the end not."""
    everything: list[tuple[str, int, float, float, int]] = []
    for offset in (-1, 0, 1):
        trades = made_day(day_number(offset), 30)
        trade_store.replace_day(promise(day_number(offset), trades), batches(trades))
        everything += rows_of(trades)
    everything.sort()
    instants = sorted(row[1] for row in everything)
    first, last = Nanos(instants[10]), Nanos(instants[-10])
    for symbols in (None, ["MSFT", "AAPL", "MSFT"], ["nobody"], []):
        found = list(trade_store.scan(first, last, symbols))
        assert all(batch.schema == STORED for batch in found)
        expected = [row for row in everything if first <= row[1] < last and (symbols is None or row[0] in symbols)]
        assert [row for batch in found for row in rows_of(pa.Table.from_batches([batch]))] == expected
    assert list(trade_store.scan(last, first)) == []
    assert list(trade_store.scan(first, first)) == []
    assert list(trade_store.scan(*day_bounds(dt.date(2030, 1, 1)))) == []


def test_instants_before_1970_fall_on_their_day(trade_store: TradeStore) -> None:
    """Days and hours before the epoch are cut downwards too."""
    day = dt.date(1969, 12, 31)
    trade_store.append(stored([("A", -1, 1.0, 1.0, 1), ("A", -DAY, 2.0, 1.0, 1), ("A", 0, 3.0, 1.0, 1)]))
    assert dict(trade_store.counts_by_day()) == {day: 2, dt.date(1970, 1, 1): 1}
    assert [row["hour"] for row in plain(trade_store.content(day))] == [-DAY, -HOUR]


def test_tables_of_another_shape_are_refused(trade_store: TradeStore) -> None:
    """A missing column, nulls and a type that cannot be cast are named."""
    good = stored([("A", START, 1.0, 1.0, 1)])
    with pytest.raises(StoreError, match="no column 'side'"):
        trade_store.append(good.drop_columns(["side"]))
    with pytest.raises(StoreError, match="'price' holds 1 nulls"):
        trade_store.append(good.set_column(2, "price", pa.array([None], pa.float64())))
    with pytest.raises(StoreError, match="'amount' is string"):
        trade_store.append(good.set_column(3, "amount", pa.array(["much"])))
    plain_symbols = good.set_column(0, "symbol", good.column("symbol").cast(pa.string()))
    assert trade_store.append(plain_symbols) == 1
