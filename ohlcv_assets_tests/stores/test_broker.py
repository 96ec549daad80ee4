"""Sessions: sharing, waiting, naming who is in the way, and files that are no store."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from ohlcv_assets.errors import MachineError, StoreBusyError, StoreError
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.duckdb import attachment, sql, trades
from ohlcv_assets.stores.duckdb.broker import Broker
from ohlcv_assets.stores.duckdb.failures import explained, lock_holder
from ohlcv_assets.stores.duckdb.lock import StoreLock
from ohlcv_assets.stores.duckdb.trades import DuckDBTradeStore
from ohlcv_assets.units import Nanos, day_start
from ohlcv_assets_tests.stores.made import ALL_TIME, FIRST, batches, day_number, made_day, promise, rows_of, stored

pytestmark = pytest.mark.integration


@pytest.fixture
def locked(broker: Broker) -> Iterator[StoreLock]:
    """Hold the store's lock as another process would."""
    lock = StoreLock(broker.path, 1)
    lock.acquire()
    yield lock
    lock.release()


def test_nothing_is_made_by_asking(broker: Broker) -> None:
    """Reading a store that is not there makes no file and has no size."""
    assert dict(DuckDBTradeStore(broker).counts(FIRST)) == {}
    assert broker.size_bytes() == 0
    assert list(broker.path.parent.iterdir()) == []


def test_sharing_a_store_makes_none_and_holds_what_is_there(broker: Broker) -> None:
    """Where there is no file nothing is held; where there is one, requests share its session."""
    with broker.shared():
        assert list(broker.path.parent.iterdir()) == []
    with broker.session():
        pass
    other = StoreLock(broker.path, 0.01)
    with broker.shared(), pytest.raises(StoreBusyError):
        other.acquire()
    other.acquire()
    other.release()


def test_size_is_that_of_the_file(broker: Broker) -> None:
    """A store reports the size of its file."""
    store = DuckDBTradeStore(broker)
    report = store.replace_day(promise(FIRST, made_day(FIRST, 10)), batches(made_day(FIRST, 10)))
    assert store.size_bytes() == broker.path.stat().st_size == report.detail["store_bytes"]
    store.close()


def test_sessions_nest_and_let_go(broker: Broker) -> None:
    """Sessions inside sessions share the attachment; after the last one anybody may open the file."""
    with broker.session() as outer, broker.session() as inner, Broker(broker.path).session() as other:
        for session in (outer, inner, other):
            assert session.rows(sql.VERSION) == [(sql.LAYOUT_VERSION,)]
    with duckdb.connect(str(broker.path)) as connection:
        assert connection.execute("SELECT count(*) FROM days").fetchall() == [(0,)]


def test_a_broker_may_be_closed_at_any_time(broker: Broker) -> None:
    """Closing during a session changes nothing for it; after closing, sessions go on."""
    with broker.session() as session:
        broker.close()
        assert session.rows("SELECT 1") == [(1,)]
    broker.close()
    with broker.session() as session:
        assert session.rows("SELECT 1") == [(1,)]


def test_what_others_do_to_the_file_shows(broker: Broker) -> None:
    """Whether they change it or put nothing in its place; opening it and reading is nothing."""
    store = DuckDBTradeStore(broker)
    seen = [store.changes([FIRST])]
    store.append(stored([("A", day_start(FIRST), 1.0, 1.0, 1)]))
    seen.append(store.changes([FIRST]))
    assert dict(store.counts(FIRST)) == {"A": 1}
    assert store.changes([FIRST]) == seen[-1] != seen[0]
    broker.close()
    with duckdb.connect(str(broker.path)) as other:
        assert other.execute("SELECT count(*) FROM trades").fetchall() == [(1,)]
    assert store.changes([FIRST]) == seen[-1]
    with duckdb.connect(str(broker.path)) as other:
        other.execute("UPDATE days SET rows = 1 WHERE false; CREATE TABLE foreign_one AS SELECT 1 AS one")
    seen.append(store.changes([FIRST]))
    with broker.session():
        broker.path.unlink()
    broker.close()
    seen.append(store.changes([FIRST]))
    store.append(stored([("A", day_start(FIRST), 1.0, 1.0, 1)]))
    seen.append(store.changes([FIRST]))
    assert all(one != other for one, other in pairwise(seen))
    assert seen[-1] not in seen[:-1]


def test_threads_load_at_once(broker: Broker) -> None:
    """Threads of a process that load different days at once all succeed."""
    patient = Broker(broker.path.with_name("patient.duckdb"), patience=30)
    store = DuckDBTradeStore(patient)

    def load(offset: int) -> int:
        table = made_day(day_number(offset), 500)
        return store.replace_day(promise(day_number(offset), table), batches(table)).written

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(load, range(-2, 4))) == [1500] * 6
    assert dict(store.counts_by_day()) == {day_number(offset): 1500 for offset in range(-2, 4)}
    patient.close()


def test_writers_of_one_process_take_turns(broker: Broker) -> None:
    """A thread that finds another one writing waits, and gives up after patience."""
    store = DuckDBTradeStore(broker)
    with broker.session() as session, session.transaction(), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.append, stored([("A", day_start(FIRST), 1.0, 1.0, 1)]))
        with pytest.raises(StoreBusyError, match="another thread of this process"):
            waiting.result()


def test_threads_wait_for_an_old_session_to_end(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its tenure an attachment takes no further threads while another process waits, which gets its turn."""
    monkeypatch.setattr(attachment, "_TENURE", -1.0)
    monkeypatch.setattr(StoreLock, "wanted", lambda _: True)
    store = DuckDBTradeStore(broker)
    with ThreadPoolExecutor(1) as pool:
        with broker.session(), broker.session():
            with pytest.raises(StoreBusyError, match="another thread of this process"):
                pool.submit(store.day_records).result()
            waiting = pool.submit(store.day_records)
        assert waiting.result() == {}


def test_holder_is_named_after_patience(broker: Broker, locked: StoreLock) -> None:
    """Whoever holds the lock is named by process and host; the one who waits for the turn is not in the way."""
    with pytest.raises(StoreBusyError, match=rf"process {os.getpid()} on \S+ \(since .*within 0.3 s"), broker.session():
        pytest.fail("the lock was held")
    locked.release()
    with broker.session() as session:
        assert session.waited >= 0


@pytest.mark.parametrize("note", ["", "[]", "{}", None])
def test_holder_without_a_note(broker: Broker, locked: StoreLock, note: str | None) -> None:
    """A note that is missing or unreadable is no reason for another error."""
    beside = Path(f"{broker.path}.holder")
    if note is None:
        beside.unlink()
    else:
        beside.write_text(note)
    with pytest.raises(StoreBusyError, match="another process"), broker.session():
        pytest.fail(f"{locked} was held")


def test_waiting_is_reported(broker: Broker, locked: StoreLock) -> None:
    """Seconds spent waiting for another process are in the report."""
    patient = DuckDBTradeStore(Broker(broker.path, patience=60))
    load = partial(patient.replace_day, promise(FIRST, made_day(FIRST, 10)), batches(made_day(FIRST, 10)))
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        while not locked.wanted():
            time.sleep(0.01)
        locked.release()
        report = loading.result()
    assert report.seconds >= report.waited > 0


def test_connection_of_this_process_outside_the_broker(broker: Broker) -> None:
    """A connection opened past the broker is recognised as this process's own."""
    with broker.session():
        pass
    with (
        duckdb.connect(str(broker.path)),
        pytest.raises(StoreBusyError, match="another connection of this process"),
        broker.session(),
    ):
        pytest.fail("the file was open")


@pytest.mark.parametrize("content", [b"", b"short", bytes(range(256)) * 1200])
def test_file_that_is_no_database(broker: Broker, content: bytes) -> None:
    """A file of other content is named and left alone."""
    broker.path.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged or is no DuckDB file"), broker.session():
        pytest.fail("there is nothing to open")
    assert broker.path.read_bytes() == content


def test_damaged_block_is_named(broker: Broker) -> None:
    """Flipped bits inside the file are found by DuckDB's checksums and said so."""
    store = DuckDBTradeStore(broker)
    store.replace_day(promise(FIRST, made_day(FIRST, 5000)), batches(made_day(FIRST, 5000)))
    whole = broker.path.read_bytes()
    broker.path.write_bytes(whole[:20_000] + bytes(byte ^ 255 for byte in whole[20_000:]))
    with pytest.raises(StoreError, match="damaged"):
        list(store.scan(*ALL_TIME))
    broker.path.write_bytes(whole)
    assert sum(store.counts(FIRST).values()) == 15_000


@pytest.mark.parametrize("statement", ["CREATE TABLE mine (a INTEGER)", "CREATE TABLE layout AS SELECT 99 AS version"])
def test_database_of_somebody_else(broker: Broker, statement: str) -> None:
    """A DuckDB file of another layout is named and left alone."""
    with duckdb.connect(str(broker.path)) as connection:
        connection.execute(statement)
    with pytest.raises(StoreError, match="not a store of layout 1"), broker.session():
        pytest.fail("that is no store")


def test_leftovers_of_a_killed_start_are_cleared(broker: Broker) -> None:
    """Half a file from a start that was killed is no obstacle."""
    for suffix in (".new", ".new.wal", ".wal"):
        Path(f"{broker.path}{suffix}").write_bytes(b"half")
    with broker.session() as session:
        assert session.rows(sql.RECORDS) == []


def test_statement_that_fails_ends_its_transaction(broker: Broker) -> None:
    """A mistake inside a transaction undoes it, is said in one sentence, and the next session works."""

    def mistake() -> None:
        with broker.session() as session, session.transaction():
            session.changed(sql.RECORD_DAY, [FIRST, "clean", "hash", 1])
            session.rows("SELECT * FROM nowhere")

    with pytest.raises(StoreError, match=r"could not carry out a step: .*nowhere"):
        mistake()
    assert dict(DuckDBTradeStore(broker).day_records()) == {}


def test_load_that_duckdb_refuses_leaves_the_day_as_it_was(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a statement of a load fails, the day keeps its trades and its record."""
    store = DuckDBTradeStore(broker)
    table = made_day(FIRST, 10)
    store.replace_day(promise(FIRST, table), batches(table))
    monkeypatch.setattr(sql, "insert_trades", lambda _: "SELECT nothing FROM incoming")
    with pytest.raises(StoreError, match="could not carry out a step"):
        store.replace_day(promise(FIRST, table, "other"), batches(table))
    assert store.day_records()[FIRST].content_hash == "hash"
    assert sum(store.counts(FIRST).values()) == 30


def test_transaction_that_is_over_cannot_be_undone(broker: Broker) -> None:
    """An error after the transaction has ended itself comes through as it is."""

    def mistake() -> None:
        with broker.session() as session, session.transaction():
            session.rows("ROLLBACK")
            raise LookupError

    with pytest.raises(LookupError):
        mistake()


@pytest.mark.parametrize("kind", [duckdb.IOException, duckdb.FatalException, duckdb.InternalException])
def test_broken_connection_is_thrown_away(broker: Broker, kind: type[duckdb.Error]) -> None:
    """After an error that invalidates DuckDB's instance the next session has a fresh one."""
    with pytest.raises(StoreError, match="gone wrong"), broker.session():
        raise kind("gone wrong")
    with broker.session() as session:
        assert session.rows("SELECT 1") == [(1,)]


def test_detaching_that_fails_is_told(broker: Broker) -> None:
    """Where the file cannot be let go properly, that is an error, and the next session works."""
    with pytest.raises(StoreError, match="could not carry out a step"), broker.session() as session:
        session.rows(f"DETACH {sql.ALIAS}")
    with broker.session() as session:
        assert session.rows(sql.RECORDS) == []


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (duckdb.IOException("No space left on device"), MachineError, "There is no room"),
        (duckdb.IOException("Permission denied"), MachineError, "cannot be opened for writing"),
        (duckdb.OutOfMemoryException("could not allocate"), MachineError, "OHLCV_DUCKDB_MEMORY"),
        (duckdb.IOException("Corrupt database file"), StoreError, "is damaged"),
        (duckdb.Error("Something\nsecond line"), StoreError, "carry out a step: Something"),
    ],
)
def test_errors_of_duckdb_are_one_sentence(
    tmp_path: Path, error: duckdb.Error, kind: type[Exception], sentence: str
) -> None:
    """What DuckDB refuses becomes one sentence that says what to do."""
    found = explained(error, tmp_path / "store.duckdb")
    assert type(found) is kind
    assert sentence in str(found)
    assert "\n" not in str(found)


def test_lock_without_a_process_number() -> None:
    """Where DuckDB does not say who holds the file, nobody is named."""
    assert lock_holder(duckdb.IOException("Could not set lock on file")) is None


def test_scan_pages_within_and_across_days(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages smaller than a day, and several days in a page, give every trade once and in order."""
    store = DuckDBTradeStore(broker)
    everything = []
    for offset, per_symbol in ((-3, 10), (-2, 5), (-1, 30), (0, 12), (1, 3)):
        table = made_day(day_number(offset), per_symbol)
        store.replace_day(promise(day_number(offset), table), batches(table))
        everything += rows_of(table)
    for rows in (1, 6, 15, 30, 1000):
        monkeypatch.setattr(trades, "PAGE_ROWS", rows)
        assert rows_of(pa.Table.from_batches(list(store.scan(*ALL_TIME)), STORED)) == sorted(everything)


def test_scan_holds_nothing_between_pages(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a consumer takes its time, others may load."""
    monkeypatch.setattr(trades, "PAGE_ROWS", 4)
    store = DuckDBTradeStore(broker)
    table = made_day(FIRST, 10)
    store.replace_day(promise(FIRST, table), batches(table))
    scan = store.scan(Nanos(day_start(FIRST)), Nanos(day_start(day_number(1))))
    next(scan)
    with duckdb.connect(str(broker.path)) as connection:
        assert connection.execute("SELECT count(*) FROM trades").fetchall() == [(30,)]
    assert sum(batch.num_rows for batch in scan) == 26


def test_deletion_is_proved(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades that are still there after deleting stop the load before anything is written."""
    store = DuckDBTradeStore(broker)
    store.append(stored([("A", day_start(FIRST), 1.0, 1.0, 1)]))
    monkeypatch.setattr(trades, "_delete", lambda *_: 0)
    table = made_day(FIRST, 10)
    with pytest.raises(StoreError, match="1 trades of 2024-01-31 were still there"):
        store.replace_day(promise(FIRST, table), batches(table))
    assert store.day_records()[FIRST].state == "dirty"


def test_trades_view_shows_all_months(broker: Broker) -> None:
    """Whoever opens the file finds all trades under one name."""
    store = DuckDBTradeStore(broker)
    for offset in (0, 1, -40):
        table = made_day(day_number(offset), 4)
        store.replace_day(promise(day_number(offset), table), batches(table))
    with duckdb.connect(str(broker.path)) as connection:
        found = connection.execute("SELECT symbol, count(*) FROM trades GROUP BY ALL ORDER BY ALL").fetchall()
    assert found == [("AAPL", 12), ("BTC-USD", 12), ("MSFT", 12)]
