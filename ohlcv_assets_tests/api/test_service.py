"""What requests share: threads, closed days, readiness, bad days of the store."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ohlcv_assets.api import closed
from ohlcv_assets.api.closed import Closed, bars_closed, complete_until, trades_closed
from ohlcv_assets.api.pool import OverloadedError, Pool, TooSlowError
from ohlcv_assets.api.problems import problem_of
from ohlcv_assets.api.service import Service, open_service
from ohlcv_assets.api.telemetry import Telemetry
from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.errors import (
    InvalidDateError,
    StoreMismatchError,
    StoreUnavailableError,
    UnknownSymbolError,
)
from ohlcv_assets.project import open_project
from ohlcv_assets.stores.duckdb.lock import StoreLock
from ohlcv_assets.units import DAY, Nanos, day_bounds, day_start
from ohlcv_assets_tests.api.made import asking, close, service_in, settings_in
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, make
from ohlcv_assets_tests.secrets_guard import keep_secret

pytestmark = pytest.mark.integration


def until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# --- threads ----------------------------------------------------------------------------------------------------------


def test_so_many_questions_and_no_more() -> None:
    """Those that wait are bounded; a slow one counts until it ends, though nobody waits for it."""
    telemetry = Telemetry()
    pool = Pool(1, 1, 0.05, telemetry)
    go = threading.Event()

    async def ask() -> list[Any]:  # Any: answers and errors
        return await asyncio.gather(*(pool.ask("q", lambda: go.wait(120)) for _ in range(3)), return_exceptions=True)

    first, second, third = asyncio.run(ask())
    assert [type(one) for one in (first, second, third)] == [TooSlowError, TooSlowError, OverloadedError]
    value = telemetry.registry.get_sample_value
    assert value("ohlcv_store_questions_waiting") == 1, "the second was taken back before it began"
    assert value("ohlcv_store_question_failures_total", {"question": "q"}) == 2
    go.set()
    until(lambda: value("ohlcv_store_questions_waiting") == 0)
    assert asyncio.run(pool.ask("q", lambda: 5, 20)) == 5
    pool.close()


def test_errors_of_the_store_come_through_and_are_counted() -> None:
    """Those of ours are the store's, others are defects."""
    telemetry = Telemetry()
    pool = Pool(1, 1, 5, telemetry)

    def fail(error: Exception) -> None:
        raise error

    with pytest.raises(StoreUnavailableError):
        asyncio.run(pool.ask("q", lambda: fail(StoreUnavailableError("away"))))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(pool.ask("q", lambda: fail(ZeroDivisionError())))
    assert telemetry.registry.get_sample_value("ohlcv_store_question_failures_total", {"question": "q"}) == 1
    pool.close()


def test_what_many_ask_at_once_is_asked_once() -> None:
    """One call for all of them, its error too; who goes away takes nothing from the others; later it is asked anew."""
    pool = Pool(2, 2, 5, Telemetry())
    calls: list[int] = []
    begun, go = threading.Event(), threading.Event()

    def call() -> int:
        calls.append(1)
        begun.set()
        assert go.wait(120)
        if len(calls) == 2:
            raise StoreUnavailableError("away")
        return len(calls)

    async def ask() -> list[Any]:  # Any: answers and errors
        asking_now = [asyncio.create_task(pool.ask_once("same", "q", call)) for _ in range(50)]
        assert await asyncio.to_thread(begun.wait, 20)
        asking_now[0].cancel()
        go.set()
        return await asyncio.gather(*asking_now, return_exceptions=True)

    first = asyncio.run(ask())
    assert isinstance(first[0], asyncio.CancelledError)
    assert first[1:] == [1] * 49
    second = asyncio.run(ask())
    assert all(isinstance(one, StoreUnavailableError) for one in second[1:])
    assert len(calls) == 2

    async def leave() -> None:
        left = asyncio.create_task(pool.ask_once("same", "q", lambda: go.wait(120)))
        await asyncio.sleep(0)

        assert not left.done()

    asyncio.run(leave())
    pool.close()


# --- closed days ------------------------------------------------------------------------------------------------------


@pytest.fixture(name="looked")
def _looked(memory: Service) -> tuple[Service, Closed]:
    """Return a service and what is closed of it."""
    return memory, closed.look(memory.project)


def test_days_are_closed_where_trades_are_proved_and_bars_were_made_of_them(looked: tuple[Service, Closed]) -> None:
    """Friday and Saturday are; Thursday is not, and what is outside the dataset never changes."""
    service, found = looked
    project = service.project
    assert set(found.trades) == {FRIDAY, SATURDAY}
    assert list(found.bars) == ["1m", "5m", "15m", "1h", "1d"]
    assert all(set(days) == {FRIDAY, SATURDAY} for days in found.bars.values())
    thursday, friday = day_start(THURSDAY), day_start(FRIDAY)
    later = Nanos(friday + 10 * DAY)
    minute, month = RESOLUTIONS["1m"], RESOLUTIONS["1M"]
    assert bars_closed(found, project, minute, friday, later)
    assert not bars_closed(found, project, minute, Nanos(friday - 1), later)
    assert bars_closed(found, project, minute, Nanos(thursday - 9 * DAY), thursday)
    assert bars_closed(found, project, RESOLUTIONS["30m"], friday, later)
    assert bars_closed(found, project, RESOLUTIONS["1W"], friday, later), (
        "the week that began on Monday is not asked for"
    )
    assert not bars_closed(found, project, month, day_start(THURSDAY.replace(day=1)), later)
    assert trades_closed(found, project, friday, later)
    assert not trades_closed(found, project, thursday, later)
    assert complete_until(found, project, "1m") is None


def test_a_watermark_ends_at_the_first_gap(tmp_path: Path) -> None:
    """The days before it are complete; what follows it does not count."""
    service = service_in(tmp_path, (THURSDAY, SATURDAY))
    assert complete_until(closed.look(service.project), service.project, "1d") == THURSDAY
    whole = service_in(tmp_path / "whole", (THURSDAY, FRIDAY, SATURDAY))
    assert complete_until(closed.look(whole.project), whole.project, "1d") == SATURDAY


def test_bars_of_other_trades_or_of_part_of_a_day_close_nothing(memory: Service) -> None:
    """Only a whole day, done, of exactly the trades that are proved."""
    chunks = memory.project.chunks
    record = next(one for one in chunks.records() if one.resolution == "1m")
    start, stop = day_bounds(FRIDAY)
    changes: list[dict[str, Any]] = [  # Any: a record's fields
        {"state": "running"},
        {"stop": Nanos(stop - 1)},
        {"source_hash": "other"},
    ]
    for change in changes:
        chunks.mark([replace(record, **change)])
        assert FRIDAY not in closed.look(memory.project).bars["1m"]
        chunks.mark([record])
    chunks.mark([replace(record, start=Nanos(start + 1))])
    assert FRIDAY in closed.look(memory.project).bars["1m"]
    memory.project.trade_store.delete_day(FRIDAY)
    assert FRIDAY not in closed.look(memory.project).bars["1m"]


def test_what_was_closed_outlives_more_and_nothing_else() -> None:
    """Days may be added; a day that is gone or has other trades makes what was kept wrong."""
    one = Closed({FRIDAY: "a"}, {"1m": {FRIDAY: "a"}})
    more = Closed({FRIDAY: "a", SATURDAY: "b"}, {"1m": {FRIDAY: "a", SATURDAY: "b"}})
    assert one.outlives(one)
    assert one.outlives(more)
    assert not more.outlives(one)
    assert not one.outlives(Closed({FRIDAY: "c"}, {"1m": {FRIDAY: "a"}}))
    assert not one.outlives(Closed({FRIDAY: "a"}))
    assert Closed().outlives(one)


# --- readiness and bad days -------------------------------------------------------------------------------------------


def test_health_and_readiness(client: TestClient) -> None:
    """Alive without a store; ready with one, and how far its bars are complete."""
    assert client.get("/health").json() == {"status": "alive"}
    ready = client.get("/ready").json()
    assert ready["status"] == "ready"
    assert ready["proved_days"] == 5
    assert ready["complete_until"] == dict.fromkeys(("1m", "5m", "15m", "1h", "1d"), "2024-01-08")


def test_a_store_that_is_away_and_comes_back(memory: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not ready and 503 with when to come back, nothing of the machine in it; ready again as soon as it is there."""
    store: Any = memory.project.trade_store  # Any: one in memory

    def away() -> None:
        raise StoreUnavailableError("InfluxDB at http://10.1.2.3:8086 does not answer")

    with monkeypatch.context() as gone:
        gone.setattr(store, "day_records", away)
        gone.setattr(memory.project.bar_store, "read", lambda *_: away())
        with asking(memory) as client:
            for path in (
                "/ready",
                "/api/v1/ohlc?symbol=AAPL",
                "/udf/history?symbol=AAPL&resolution=1&from=0&to=9999999999",
            ):
                for _ in range(2):
                    reply = client.get(path)
                    assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
                    assert reply.json()["type"] == "urn:ohlcv:problem:store"
                    assert "10.1.2.3" not in reply.text
            assert client.get("/health").status_code == 200
            gone.undo()
            assert client.get("/ready").status_code == 200
            assert client.get("/api/v1/ohlc?symbol=AAPL").status_code == 200


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """The service starts all the same, says that it is not ready, and answers 503 before long."""
    given = {"store": "influxdb", "influx_url": "http://127.0.0.1:1", "influx_token": keep_secret("a token of nobody")}
    service = open_service(settings_in(tmp_path, serve_query_timeout=0.2, **given))
    began = time.monotonic()
    with asking(service) as client:
        for path in ("/ready", "/api/v1/ohlc?symbol=AAPL", "/api/v1/trades?symbol=AAPL", "/udf/quotes?symbols=AAPL"):
            reply = client.get(path)
            assert (reply.status_code, reply.json()["type"]) == (503, "urn:ohlcv:problem:store"), path
        assert client.get("/health").status_code == 200
    close(service)
    assert time.monotonic() - began < 60


def test_readiness_is_looked_at_again_where_the_last_look_is_old(memory: Service) -> None:
    """A service whose looks were held up asks before it says that it is ready."""
    with asking(memory) as client:
        memory.looked = None
        assert client.get("/ready").status_code == 200
        assert memory.looked is not None


def test_a_service_in_trouble_is_not_ready(memory: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as looks fail, whatever the last one that did not has found."""
    with asking(memory) as client:

        async def fails(_: Service) -> None:
            """Find nothing out."""

        monkeypatch.setattr(Service, "look", fails)
        memory.trouble = "the store is away"
        reply = client.get("/ready")
    assert (reply.status_code, "away" in reply.text) == (503, False)


def test_days_are_looked_at_again_and_again(tmp_path: Path) -> None:
    """What is proved while the service runs is seen."""
    service = service_in(tmp_path, (), serve_refresh=0.01)
    with asking(service):
        make(service.project, FRIDAY)
        until(lambda: FRIDAY in service.closed.bars.get("1d", {}))


def test_a_busy_service_says_so(tmp_path: Path) -> None:
    """503 where too many questions wait."""
    service = service_in(tmp_path, (), serve_threads=1, serve_waiting=0)
    with asking(service) as client:
        go = threading.Event()
        blocked = service.pool._threads.submit(go.wait, 20)
        service.pool._pending += 1
        reply = client.get("/api/v1/ohlc?symbol=AAPL")
        assert (reply.status_code, reply.json()["type"]) == (503, "urn:ohlcv:problem:busy")
        service.pool._pending -= 1
        go.set()
        blocked.result()


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (UnknownSymbolError("no X"), "unknown-symbol", "no X"),
        (InvalidDateError("no day"), "invalid", "no day"),
        (StoreMismatchError("/home/me holds"), "defect", "The store holds something"),
        (StoreUnavailableError("10.0.0.1"), "store", "The store did not answer"),
    ],
)
def test_errors_are_told_as_far_as_they_concern_a_client(error: Any, kind: str, told: str) -> None:  # Any: an error
    """Those of requests as they are, those of the machine in general terms."""
    problem = problem_of(error)
    assert problem.kind == kind
    assert problem.detail.startswith(told)


def test_the_store_is_impatient_for_a_service(tmp_path: Path) -> None:
    """It gives up before the service does."""
    service = open_service(settings_in(tmp_path, serve_query_timeout=2, serve_threads=12, store="memory"))
    inner = service.project.settings
    assert (inner.store_patience, inner.influx_query_timeout) == (1.6, 1.6)
    assert (inner.influx_timeout, inner.influx_deadline) == (1.6, 1.6)
    assert inner.influx_connections == 12
    service.pool.close()


def test_a_load_gets_in_while_a_service_runs(tmp_path: Path) -> None:
    """The embedded store is kept open for questions and given to whoever wants to load."""
    service = service_in(tmp_path, store="duckdb", serve_refresh=0.01, serve_query_timeout=0.5)
    with asking(service) as client:
        until(lambda: client.get("/api/v1/ohlc?symbol=AAPL").status_code == 200)
        other = StoreLock(service.project.dataset.root / "store.duckdb", 60)
        other.acquire()
        busy = client.get("/api/v1/ohlc?symbol=BTC-USD&resolution=1h")
        other.release()
        assert busy.status_code == 503
        make(open_project(settings_in(tmp_path, store="duckdb")), THURSDAY)
        until(lambda: THURSDAY in service.closed.bars["1m"])
        # A machine that is busy answers later than the little patience that 503 is shown with.
        until(lambda: client.get("/api/v1/ohlc?symbol=BTC-USD&resolution=1h").json().get("last_bar_complete", False))
