"""What any store of records of chunks must do, and how leases of chunks keep others out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.errors import StoreBusyError
from ohlcv_assets.stores.chunks import ERROR_LENGTH, ChunkRecord, Chunks, MemoryChunks
from ohlcv_assets.stores.duckdb.broker import Broker
from ohlcv_assets.stores.duckdb.chunks import DuckDBChunks
from ohlcv_assets.stores.influxdb.chunks import InfluxChunks
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.units import DAY, HOUR, Nanos, day_of, day_start
from ohlcv_assets_tests.servers import Server, drop_layout, made_layout
from ohlcv_assets_tests.stores.made import FIRST

pytestmark = pytest.mark.integration

START = day_start(FIRST)
PATIENCE = 0.4
Open = Callable[[], Chunks]
"""Opens the records once more, as another operator would."""


def days(first: int, count: int = 1) -> Span:
    """Return a span of days, counted from the first."""
    return Span(Nanos(START + first * DAY), Nanos(START + (first + count) * DAY))


def made(resolution: str, day: int, **changes: object) -> ChunkRecord:
    """Return the record of a day."""
    span = days(day)
    record = ChunkRecord(resolution, span.start, span.stop, "done", 100, 7, 1.25, 2, "", "abc")
    return replace(record, **changes)  # type: ignore[arg-type]  # fields vary


@pytest.fixture(params=["memory", "duckdb", "influxdb", "influxdb-real"])
def open_chunks(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Return what opens the same records of each kind, as often as it is asked to."""
    kind = str(request.param)
    with ExitStack() as stack:
        if kind == "memory":
            only = MemoryChunks(PATIENCE)
            yield lambda: only
            return
        if kind == "duckdb":
            broker = stack.enter_context(Broker(tmp_path / "it's a store.duckdb", patience=10))
            yield lambda: DuckDBChunks(broker, PATIENCE)
            return
        server: Server = request.getfixturevalue("real_server" if kind == "influxdb-real" else "fake_server")
        layout = made_layout(server)
        stack.callback(drop_layout, server, layout)

        def make() -> InfluxChunks:
            chunks = InfluxChunks(server.connect(None, 2), layout, Terms(patience=PATIENCE))
            stack.callback(chunks.close)
            return chunks

        yield make


@pytest.fixture
def chunks(open_chunks: Open) -> Chunks:
    """Return empty records."""
    return open_chunks()


def plain(records: object) -> list[ChunkRecord]:
    """Return records without the time they were recorded at."""
    return [replace(record, at=Nanos(0)) for record in records]  # type: ignore[attr-defined]  # a sequence of them


def test_nothing_is_recorded_at_first(chunks: Chunks) -> None:
    """Without records there are none, and there is nothing to forget."""
    assert list(chunks.records()) == []
    chunks.forget(days(0))
    chunks.mark([])
    assert list(chunks.records()) == []


def test_records_come_back_as_made(open_chunks: Open) -> None:
    """Every field is kept, for whoever opens them next; they come by start, then by resolution."""
    wanted = [
        made("1d", 0, state="failed", error='it said "no\\yes", twice\nand ended', seconds=3.0),
        made("1m", 0, source_hash="ä,=' x"),
        made("5m", 1, state="stale", rows_in=2**40),
    ]
    open_chunks().mark(reversed(wanted))
    other = open_chunks()
    kept = [replace(wanted[0], error='it said "no\\yes", twice and ended'), *wanted[1:]]
    assert plain(other.records()) == kept
    assert plain(other.records(days(1))) == kept[2:]
    assert plain(other.records(days(0))) == kept[:2]


def test_recording_again_replaces(chunks: Chunks) -> None:
    """There is one record for each resolution and start, whatever its length; forgetting leaves the others."""
    chunks.mark([made("1m", 0, state="running"), made("5m", 0), made("1m", 1)])
    long = made("1m", 0, stop=days(0, 3).stop)
    chunks.mark([long])
    assert plain(chunks.records()) == [long, made("5m", 0), made("1m", 1)]
    chunks.forget(days(0))
    assert plain(chunks.records()) == [made("1m", 1)]
    chunks.mark([made("5m", 0)])
    assert plain(chunks.records()) == [made("5m", 0), made("1m", 1)]


def test_records_carry_the_time_they_were_made_at(chunks: Chunks) -> None:
    """The store says when, whatever the record says."""
    chunks.mark([made("1m", 0, at=Nanos(5))])
    (found,) = chunks.records()
    assert day_of(found.at).year >= 2026


def test_long_errors_are_shortened(chunks: Chunks) -> None:
    """An error of any length is kept by its beginning."""
    chunks.mark([made("1m", 0, state="failed", error="x" * 10_000)])
    (found,) = chunks.records()
    assert found.error == "x" * ERROR_LENGTH


def test_many_records(chunks: Chunks) -> None:
    """A year of records at five resolutions is written at once and read at once."""
    names = ("1m", "5m", "15m", "1h", "1d")
    wanted = [made(name, day) for day in range(366) for name in names]
    chunks.mark(wanted)
    assert plain(chunks.records()) == sorted(wanted, key=lambda record: (record.start, record.resolution))


def test_a_lease_keeps_others_out(open_chunks: Open) -> None:
    """While somebody holds a range, nobody takes any part of it; another day or resolution is free."""
    one, other = open_chunks(), open_chunks()
    with one.lease(["1m", "5m"], days(0, 2)) as check:
        check()
        part = Span(Nanos(START + DAY + HOUR), Nanos(START + DAY + 2 * HOUR))
        with pytest.raises(StoreBusyError, match="1m bars of 2024-02-01"), other.lease(["1m"], part):
            pytest.fail("two hold it")
        with other.lease(["1m"], days(2)), other.lease(["1h"], days(0)):
            pass
    with other.lease(["5m", "1m", "1m"], days(0, 2)):
        pass


def test_a_lease_is_given_back_after_an_error(open_chunks: Open) -> None:
    """Whoever fails while holding a range gives it back, and so does one who got only half of it."""
    one, other = open_chunks(), open_chunks()
    with pytest.raises(RuntimeError, match="half way"), one.lease(["1m"], days(0)):
        raise RuntimeError("half way")
    with one.lease(["1m"], days(1)):
        with pytest.raises(StoreBusyError), other.lease(["1m"], days(0, 2)):
            pytest.fail("two hold it")
        with other.lease(["1m"], days(0)):
            pass


def test_one_at_a_time(open_chunks: Open) -> None:
    """Threads that want the same days in different orders get them one after the other."""
    inside, most, done = [0], [0], []
    lock = threading.Lock()

    def work(names: list[str]) -> None:
        chunks = open_chunks()
        for _ in range(3):
            try:
                with chunks.lease(names, days(0, 2)):
                    with lock:
                        inside[0] += 1
                        most[0] = max(most[0], inside[0])
                    with lock:
                        inside[0] -= 1
                        done.append(names)
            except StoreBusyError:
                pass

    threads = [threading.Thread(target=work, args=(names,)) for names in (["1m", "5m"], ["5m", "1m"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert len(done) >= 3
