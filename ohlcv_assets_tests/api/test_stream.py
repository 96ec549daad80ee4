"""The live stream, over sockets."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from ohlcv_assets.api.service import Service
from ohlcv_assets.api.stream import client, hub, long
from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.errors import StoreUnavailableError
from ohlcv_assets.live import topics
from ohlcv_assets.units import DAY, HOUR, MINUTE
from ohlcv_assets_tests.api.listening import (
    BTC,
    OPEN,
    Running,
    closed_with,
    heard,
    send,
    served,
    subscribed,
    trade,
)
from ohlcv_assets_tests.api.made import service_in
from ohlcv_assets_tests.api.sockets import until
from ohlcv_assets_tests.live.made import stored
from ohlcv_assets_tests.pipeline.made import FRIDAY, THURSDAY, make

pytestmark = pytest.mark.integration


def asked(running: Running, symbol: str, resolution: str) -> dict[str, list[Any]]:  # Any: JSON
    """Return all bars as an answer has them."""
    found: dict[str, list[Any]] = answer(  # Any: as above
        running, f"/api/v1/ohlc?symbol={symbol}&resolution={resolution}&adaptive=false"
    )["columns"]
    return found


def answer(running: Running, path: str) -> dict[str, Any]:  # Any: JSON
    """Return what is answered."""
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}{path}", timeout=20) as reply:
        found: dict[str, Any] = json.loads(reply.read())  # Any: as above
        return found


# --- bars and trades --------------------------------------------------------------------------------------------------


def test_bars_as_they_change_at_every_resolution(running: Running, connection: ClientConnection) -> None:
    """The latest bars first, then those that change, numbered; the same as the service answers at that time."""
    expected = {}
    for number, name in enumerate(RESOLUTIONS):
        first = subscribed(connection, number, BTC, name)
        assert (first["id"], first["seq"], first["resumed"], first["symbol"]) == (number, 0, False, BTC)
        answer = asked(running, BTC, name)
        assert first["bars"] == {key: column[-10:] for key, column in answer.items()}
        expected[number] = name
    for step, posted in enumerate(([trade(5), trade(MINUTE)], [trade(HOUR, 120.0)], [trade(7, 90.0)]), 1):
        running.post(*posted)
        # The week and the month begin before the dataset, so neither has a bar.
        updates = {frame["id"]: frame for frame in (heard(connection, "update") for _ in range(8))}
        assert sorted(updates) == list(range(8))
        for number, update in updates.items():
            assert (update["prev"], update["seq"]) == (step - 1, step)
            assert_among(update["bars"], asked(running, BTC, expected[number]))


def assert_among(bars: dict[str, list[Any]], answer: dict[str, list[Any]]) -> None:  # Any: JSON
    """Hold bars to be those of an answer."""
    assert bars["t"]
    for row, opens in enumerate(bars["t"]):
        at = answer["t"].index(opens)
        assert {key: column[row] for key, column in bars.items()} == {key: column[at] for key, column in answer.items()}


def test_weeks_and_months_run_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Composed of the store's days and the one that runs; read again after a while."""
    service = service_in(tmp_path, (FRIDAY,), start=THURSDAY.replace(day=1))
    with served(service) as running, running.connect() as connection:
        for number, name in enumerate(("1W", "1M")):
            assert subscribed(connection, number, BTC, name)["bars"]["n"] == asked(running, BTC, name)["n"]
        for age in (100.0, 100.0, 0.0):
            monkeypatch.setattr(long, "AGE", age)
            running.post(trade(int(age) + time.monotonic_ns() % 1_000_000))
            for _ in range(2):
                frame = heard(connection, "update")
                assert_among(frame["bars"], asked(running, BTC, ("1W", "1M")[frame["id"]]))


def test_a_long_bar_that_cannot_be_read_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its followers get a snapshot as soon as the store is back."""
    monkeypatch.setattr(client, "AGAIN", 0.01)
    service = service_in(tmp_path, (), start=THURSDAY.replace(day=1))
    with served(service) as running, running.connect() as connection:
        subscribed(connection, 1, BTC, "1W")
        with monkeypatch.context() as away:

            async def fails(*_: object) -> None:
                raise StoreUnavailableError("away")

            away.setattr(long.LongBars, "load", fails)
            running.post(trade(1))
            again = heard(connection, "snapshot")
        assert (again["seq"], again["resumed"], again["bars"]["n"]) == (1, False, [1])


def test_trades_as_they_come(running: Running, connection: ClientConnection) -> None:
    """With the columns that answers have; nothing of before."""
    send(connection, op="subscribe", id=7, channel="trades", symbol=BTC)
    first = heard(connection)
    assert (first["type"], first["seq"], first["trades"]["ts"]) == ("snapshot", 0, [])
    assert "resolution" not in first
    running.post(trade(5, 101.5), ("AAPL", OPEN + 1, 1.0, 1.0, 1))
    found = heard(connection)
    assert found == {
        "type": "trades",
        "id": 7,
        "prev": 0,
        "seq": 1,
        "trades": {"ts": ["2024-01-04T00:00:00.000000005Z"], "price": [101.5], "amount": [1.0], "side": [1]},
    }
    assert answer(running, f"/api/v1/trades?symbol={BTC}&limit=1")["columns"] == found["trades"]


def test_posted_trades_show_after_a_restart(memory: Service, tmp_path: Path) -> None:
    """A service that starts finds days with trades and without bars; numbers of the run before mean nothing to it."""
    with served(memory) as running, running.connect() as connection:
        before = heard(connection)["stream"]
        running.post(trade(5), trade(MINUTE))
        until(lambda: asked(running, BTC, "1m")["t"][:2] == [OPEN // 10**6, (OPEN + MINUTE) // 10**6])
        running.server.should_exit = True
        assert closed_with(connection) == 1001
    again = service_in(tmp_path / "again", ())
    again = replaced(again, memory)
    with served(again) as running, running.connect() as connection:
        assert heard(connection)["stream"] != before
        frame = subscribed(connection, 1, BTC, "1m", resume={"stream": before, "seq": 0})
        assert not frame["resumed"]
        assert asked(running, BTC, "1m")["t"][:2] == [OPEN // 10**6, (OPEN + MINUTE) // 10**6]


def replaced(service: Service, before: Service) -> Service:
    """Return a service with the stores of the one before."""
    service.project.__dict__.update(trade_store=before.project.trade_store, bar_store=before.project.bar_store)
    return service


def test_a_closed_day_that_gets_trades_is_open_at_once(running: Running) -> None:
    """Answers that were kept are forgotten; what is answered has the trades and is not complete."""
    path = f"/api/v1/ohlc?symbol={BTC}&resolution=1d&start=2024-01-05&end=2024-01-05"
    before = answer(running, path)
    assert (before["last_bar_complete"], len(running.service.shelf)) == (True, 1)
    running.post(trade(DAY + 1))
    until(lambda: FRIDAY not in running.service.closed.trades)
    after = answer(running, path)
    assert after["columns"]["n"][0] == before["columns"]["n"][0] + 1
    assert not after["last_bar_complete"]
    # Once its bars are made of proved trades again it is as before.
    make(running.service.project, FRIDAY)
    looking = asyncio.run_coroutine_threadsafe(running.service.look(), running.loop)
    looking.result(20)
    assert answer(running, path) == before


def test_days_of_an_earlier_run_are_looked_for_until_the_store_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is away at the start is asked again."""
    service = service_in(tmp_path, (), serve_refresh=0.01)
    service.project.trade_store.append(stored([trade(5)]))
    count, asked_for = service.project.trade_store.counts_by_day, list[int]()

    def fails_at_first() -> Any:  # Any: counts
        asked_for.append(1)
        if len(asked_for) < 3:
            raise StoreUnavailableError("away")
        return count()

    monkeypatch.setattr(service.project.trade_store, "counts_by_day", fails_at_first)
    with served(service) as running:
        until(lambda: len(asked_for) == 3)
        until(lambda: asked(running, BTC, "1m")["n"] == [1])


def test_where_all_days_are_closed_none_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting a year of trades takes a while."""
    service = service_in(tmp_path, (FRIDAY,), start=FRIDAY, end=FRIDAY)
    counted: list[int] = []
    monkeypatch.setattr(service.project.trade_store, "counts_by_day", lambda: counted.append(1))
    with served(service) as running:
        assert answer(running, "/ready")["status"] == "ready"
    assert counted == []


def test_posted_trades_show_in_every_answer(running: Running) -> None:
    """Those of TradingView's protocol as well."""
    running.post(trade(5, 123.0))
    start = OPEN // 10**9
    path = f"/udf/history?symbol={BTC}&resolution=1&from={start}&to={start + 60}"
    assert answer(running, path)["c"] == [123.0]
    running.post(("AAPL", OPEN + 3 * DAY - 1, 77.0, 1.0, 1))
    assert answer(running, "/udf/quotes?symbols=AAPL")["d"][0]["v"]["lp"] == 77.0


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_who_comes_back_misses_nothing(running: Running) -> None:
    """What changed since is sent, each bar as a whole, once; with nothing missed, nothing."""
    with running.connect() as connection:
        stream = heard(connection)["stream"]
        subscribed(connection, 1, BTC, "1m")
        running.post(trade(0))
        seen = heard(connection, "update")["seq"]
    for at in (1, MINUTE, 2, 3):
        running.post(trade(at))
        running.loop.call_soon_threadsafe(running.service.feed.deliver)
    topic = running.hub.topic(running.service.symbol(BTC), RESOLUTIONS["1m"])
    until(lambda: topic.seq >= seen + 4)
    with running.connect() as connection:
        frame = subscribed(connection, 1, BTC, "1m", resume={"stream": stream, "seq": seen})
        assert (frame["resumed"], frame["seq"], frame["bars"]["n"]) == (True, topic.seq, [4, 1])
        frame = subscribed(connection, 2, BTC, "1m", resume={"stream": stream, "seq": topic.seq})
        assert (frame["resumed"], frame["bars"]["t"]) == (True, [])
        for seq in (topic.seq + 1, 10**6):
            assert not subscribed(connection, 3, BTC, "1m", resume={"stream": stream, "seq": seq})["resumed"]
        running.post(trade(9))
        told = set[int]()
        while told != {1, 2, 3}:
            update = heard(connection, "update")
            if update["seq"] == topic.seq:
                told.add(update["id"])


def test_what_is_forgotten_cannot_be_resumed(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many changed bars are remembered; a topic that nobody follows goes, and its numbers are not used again."""
    monkeypatch.setattr(topics, "MOST_BARS", 2)
    with running.connect() as connection:
        stream = heard(connection)["stream"]
        subscribed(connection, 1, BTC, "1m")
        for at in range(4):
            running.post(trade(at * MINUTE))
            heard(connection, "update")
        assert not subscribed(connection, 2, BTC, "1m", resume={"stream": stream, "seq": 1})["resumed"]
        assert subscribed(connection, 2, BTC, "1m", resume={"stream": stream, "seq": 2})["resumed"]
        monkeypatch.setattr(hub, "LINGER", -1.0)
        send(connection, op="unsubscribe", id=1)
        send(connection, op="unsubscribe", id=2)
        until(lambda: running.hub._born == 4)
        monkeypatch.setattr(hub, "LINGER", 300.0)
        frame = subscribed(connection, 1, BTC, "1m", resume={"stream": stream, "seq": 3})
        assert (frame["resumed"], frame["seq"]) == (False, 4)


def test_whoever_follows_a_day_that_does_not_run_any_more_begins_anew(tmp_path: Path) -> None:
    """Bars of which the last state is not at hand are not made up."""
    service = service_in(tmp_path, (), serve_live_days=1)
    with served(service) as running, running.connect() as connection:
        stream = heard(connection)["stream"]
        subscribed(connection, 1, BTC, "1m")
        for at in range(2):
            running.post(trade(at))
            heard(connection, "update")
        running.post(trade(0, symbol="AAPL"))
        until(lambda: [key[0] for key in service.feed._held] == ["AAPL"])
        frame = subscribed(connection, 1, BTC, "1m", resume={"stream": stream, "seq": 0})
        assert (frame["resumed"], frame["bars"]["n"]) == (False, [2])


def test_a_subscription_can_be_replaced_and_ended(running: Running, connection: ClientConnection) -> None:
    """One number is one subscription; after the end nothing of it comes."""
    subscribed(connection, 1, BTC, "1m")
    assert subscribed(connection, 1, BTC, "1h")["resolution"] == "1h"
    running.post(trade(HOUR))
    assert heard(connection, "update")["bars"]["t"] == [(OPEN + HOUR) // 10**6]
    send(connection, op="unsubscribe", id=1)
    send(connection, op="unsubscribe", id=1)
    subscribed(connection, 2, BTC, "1d")
    running.post(trade(2 * HOUR))
    assert heard(connection, "update")["id"] == 2
