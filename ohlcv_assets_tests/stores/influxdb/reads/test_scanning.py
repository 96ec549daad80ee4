"""Whole trades come back in order and bounded, in however many pieces they have to be asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pytest

from ohlcv_assets.errors import StoreMismatchError, StoreQueryError
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.influxdb.reads import scanning
from ohlcv_assets.stores.influxdb.reads.scanning import fetch, last_instants, scan
from ohlcv_assets.units import day_bounds, day_start
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.reads.limited import BUCKET, Fits, Limited, write, write_trades
from ohlcv_assets_tests.stores.made import FIRST, Row, keys_of, made_day, rows_of

pytestmark = pytest.mark.integration

SYMBOLS = ("A", "B", "C", "D")
TRADES = made_day(FIRST, 60, SYMBOLS)
BOUNDS = day_bounds(FIRST)

Limit = Callable[[Fits], Limited]


@pytest.fixture
def limit(fake_server: Fake) -> Iterator[Limit]:
    """Return what makes askers of a server that holds a day of 60 trades of four symbols."""
    write_trades(fake_server, TRADES)
    connection = fake_server.connect()
    yield lambda fits: Limited(connection, fits)
    connection.close()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pages and the least of them small."""
    monkeypatch.setattr(scanning, "PAGE_ROWS", 130)
    monkeypatch.setattr(scanning, "LEAST_PAGE", 10)


def scanned(asker: Limited) -> list[Row]:
    """Scan the day; every piece has the right columns, some rows, and no more than a page."""
    pieces = list(scan(asker, BUCKET, *BOUNDS))
    assert all(piece.schema == STORED for piece in pieces)
    assert all(0 < piece.num_rows <= scanning.PAGE_ROWS for piece in pieces)
    return rows_of(pa.Table.from_batches(pieces, STORED))


def selects(asker: Limited) -> list[str]:
    """Return what was asked for whole trades."""
    return [text for _, text in asker.asked if text.startswith("SELECT")]


def no_groups(text: str) -> bool:
    """Return whether a question is about less than a group of symbols."""
    return ";" not in text


def short_pages(text: str) -> bool:
    """Return whether a question gets by with few rows."""
    return "SELECT" not in text or text.endswith(" LIMIT 16")


@pytest.mark.usefixtures("small_pages")
def test_symbols_that_fit_share_a_page(limit: Limit) -> None:
    """Small symbols are asked for together, as many as fit into a page."""
    asker = limit(lambda _: True)
    assert scanned(asker) == rows_of(TRADES)
    assert [text.count("SELECT") for text in selects(asker)] == [2, 2]


def test_a_large_symbol_comes_in_pages(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A symbol with more than a page is asked for page by page, also where it ends with a full one."""
    for rows, questions in ((25, 4 * 3), (20, 4 * 4), (60, 4 * 2)):
        monkeypatch.setattr(scanning, "PAGE_ROWS", rows)
        asker = limit(lambda _: True)
        assert scanned(asker) == rows_of(TRADES)
        assert len(selects(asker)) == questions


@pytest.mark.usefixtures("small_pages")
def test_groups_that_take_too_long(limit: Limit) -> None:
    """Symbols that take too long together are asked for one by one."""
    asker = limit(no_groups)
    assert scanned(asker) == rows_of(TRADES)
    assert [text.count("SELECT") for text in selects(asker)] == [2, 1, 1, 2, 1, 1]


@pytest.mark.usefixtures("small_pages")
def test_pages_that_take_too_long(limit: Limit) -> None:
    """Pages that take too long become smaller, and stay so for the symbol."""
    asker = limit(short_pages)
    assert scanned(asker) == rows_of(TRADES)
    # Two groups; of each symbol a page that is too large and four small ones.
    assert len(selects(asker)) == 2 + 4 * (1 + 4)


@pytest.mark.usefixtures("small_pages")
def test_the_least_page_fails(limit: Limit) -> None:
    """When the least page takes too long as well, the error names the query; what came before has been given out."""
    asker = limit(lambda text: "SELECT" not in text or ("'A'" in text and ";" not in text))
    given: list[pa.RecordBatch] = []

    def take_all() -> None:
        for batch in scan(asker, BUCKET, *BOUNDS):
            given.append(batch)  # noqa: PERF402 -- what came before the error is kept

    with pytest.raises(StoreQueryError, match=r"'scan'.*no answer in time"):
        take_all()
    assert rows_of(pa.Table.from_batches(given, STORED)) == [row for row in rows_of(TRADES) if row[0] == "A"]
    assert selects(asker)[-1].endswith(" LIMIT 10")


def test_keys_are_asked_for_in_halves(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys go into requests of a bounded number, and into halves of these where they take too long together."""
    rows = rows_of(TRADES)
    keys = keys_of((row[0], row[1]) for row in rows)
    monkeypatch.setattr(scanning, "KEYS", 64)
    asker = limit(lambda text: text.count("SELECT") <= 20)
    assert rows_of(fetch(asker, BUCKET, keys)) == rows
    # Of 64: 2 of 32, 4 of 16 pass; the last 48 in 2 of 24 and 4 of 12.
    assert sorted(text.count("SELECT") for text in selects(asker)) == sorted(
        3 * [64, 32, 32, 16, 16, 16, 16] + [48, 24, 24, 12, 12, 12, 12]
    )


def test_a_key_that_takes_too_long(limit: Limit) -> None:
    """When a single key takes too long, the error names the query."""
    asker = limit(lambda _: False)
    with pytest.raises(StoreQueryError, match=r"'fetch'.*no answer in time"):
        fetch(asker, BUCKET, keys_of([("A", 1), ("B", 2)]))


def test_keys_beyond_what_can_be_held(limit: Limit) -> None:
    """No trade can be stored there, so nobody is asked."""
    asker = limit(lambda _: True)
    found = fetch(asker, BUCKET, keys_of([("A", -(2**63)), ("A", 2**63 - 1)]))
    assert found.schema == STORED
    assert found.num_rows == 0
    assert asker.asked == []


def test_last_instants_of_a_day(limit: Limit) -> None:
    """One question for all symbols; of a day on which no trade can be stored nobody is asked."""
    asker = limit(lambda _: True)
    last: dict[str, int] = {}
    for symbol, ts, *_ in rows_of(TRADES):
        last[symbol] = max(last.get(symbol, ts), ts)
    assert last_instants(asker, BUCKET, *BOUNDS) == last
    assert len(asker.asked) == 1
    assert last_instants(asker, BUCKET, *day_bounds(dt.date(1600, 1, 1))) == {}
    assert len(asker.asked) == 1


def test_a_torn_trade_is_named(fake_server: Fake, limit: Limit) -> None:
    """A point without all fields is no trade: reading says which, and what to do."""
    at = day_start(FIRST)
    write(fake_server, [f"trades,symbol=B price=1,side=1i {at}"])
    complaint = rf"1 points of trades without amount, the first is B at {at} ns: load the day again"
    with pytest.raises(StoreMismatchError, match=complaint):
        scanned(limit(lambda _: True))
    with pytest.raises(StoreMismatchError, match=complaint):
        fetch(limit(lambda _: True), BUCKET, keys_of([("B", at)]))


def test_whoever_stops_early_leaves_nothing_behind(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan that is closed after its first piece has asked for one page more, and ends."""
    monkeypatch.setattr(scanning, "PAGE_ROWS", 10)
    asker = limit(lambda _: True)
    batches = scan(asker, BUCKET, *BOUNDS)
    assert next(batches).num_rows > 0
    batches.close()  # type: ignore[attr-defined] # a generator, as every scan is
    assert len(selects(asker)) <= 2


def test_keys_that_are_close_are_asked_for_by_ranges(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A range ends at a gap and at its widest; what else it holds is left out, and strangers give no row."""
    monkeypatch.setattr(scanning, "_KEYS_A_RANGE", 1)
    monkeypatch.setattr(scanning, "GAP", 10**15)
    rows = sorted(rows_of(TRADES))[::3]
    keys = keys_of([*((row[0], row[1]) for row in rows), ("A", BOUNDS[0] + 1)])
    assert rows_of(fetch(limit(lambda _: True), BUCKET, keys)) == rows
    instants = np.array([0, 5, 9, 30, 31, 45], np.int64)
    monkeypatch.setattr(scanning, "GAP", 10)
    monkeypatch.setattr(scanning, "WIDEST", 8)
    assert [(part.start, part.end) for part in scanning._ranges(instants)] == [(0, 6), (9, 10), (30, 32), (45, 46)]
    assert scanning._ranges(instants[:0]) == []
