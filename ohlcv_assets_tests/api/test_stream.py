"""The live stream, over sockets."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from ohlcv_assets.api.service import Service
from ohlcv_assets.api.stream import client, frames, hub, long
from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.errors import StoreUnavailableError
from ohlcv_assets.live import topics
from ohlcv_assets.units import DAY, HOUR, MINUTE, day_start
from ohlcv_assets_tests.api.listening import Running, heard, send, served, subscribed
from ohlcv_assets_tests.api.made import new_key, service_in
from ohlcv_assets_tests.api.sockets import until
from ohlcv_assets_tests.bars.made import Trade, columns
from ohlcv_assets_tests.live.made import stored
from ohlcv_assets_tests.pipeline.made import FRIDAY, THURSDAY, make

pytestmark = pytest.mark.integration

OPEN = day_start(THURSDAY)
BTC = "BTC-USD"
NO_CODE = 1006


def trade(at: int, price: float = 100.0, symbol: str = BTC) -> Trade:
    """Return a trade of the day that is open, so many nanoseconds after midnight."""
    return symbol, OPEN + at, price, 1.0, 1


@pytest.fixture
def running(memory: Service) -> Iterator[Running]:
    """Return a service that runs; Friday and Saturday are made, Thursday is open."""
    with served(memory) as found:
        yield found


@pytest.fixture
def connection(running: Running) -> Iterator[ClientConnection]:
    """Return a connection that was greeted."""
    with running.connect() as found:
        assert heard(found)["type"] == "hello"
        yield found


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


def closed_with(connection: ClientConnection) -> int:
    """Read until a connection is closed; return the code."""
    deadline = time.monotonic() + 20
    try:
        while time.monotonic() < deadline:
            connection.recv(20)
    except ConnectionClosed as ended:
        return NO_CODE if ended.rcvd is None else ended.rcvd.code
    raise AssertionError("it is open still")


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


# --- what cannot be understood or carried out -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number", "code"),
    [
        ("{", None, "malformed"),
        (b"\xff\xfe", None, "malformed"),
        ("[]", None, "invalid"),
        ("5", None, "invalid"),
        ('{"op":"dance","id":3}', 3, "invalid"),
        ('{"op":"subscribe","id":true,"channel":"bars","symbol":"BTC-USD","resolution":"1m"}', None, "invalid"),
        ('{"op":"subscribe","id":-1,"channel":"bars","symbol":"BTC-USD","resolution":"1m"}', None, "invalid"),
        ('{"op":"subscribe","id":4,"channel":"bars","symbol":"BTC-USD","resolution":"7m"}', 4, "invalid"),
        ('{"op":"subscribe","id":4,"channel":"bars","symbol":"BTC-USD"}', 4, "invalid"),
        ('{"op":"subscribe","id":4,"channel":"trades","symbol":"BTC-USD","resolution":"1m"}', 4, "invalid"),
        ('{"op":"subscribe","id":4,"channel":"news","symbol":"BTC-USD"}', 4, "invalid"),
        ('{"op":"subscribe","id":5,"channel":"bars","symbol":"NONE","resolution":"1m"}', 5, "unknown-symbol"),
    ],
)
def test_what_is_wrong_is_told(connection: ClientConnection, text: str | bytes, number: int | None, code: str) -> None:
    """With the subscription that it is about; the connection stays."""
    connection.send(text)
    frame = heard(connection)
    assert (frame["type"], frame["id"], frame["code"]) == ("error", number, code)
    assert frame["detail"].endswith(".")
    assert subscribed(connection, 1, BTC, "1m")["id"] == 1


def test_frames_and_subscriptions_are_bounded(
    running: Running, connection: ClientConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many subscriptions are refused; a frame that is too large ends the connection."""
    monkeypatch.setattr(client, "MOST_SUBSCRIPTIONS", 2)
    for number in (1, 2, 2):
        subscribed(connection, number, BTC, "1m")
    send(connection, op="subscribe", id=3, channel="trades", symbol=BTC)
    assert heard(connection, "error")["code"] == "invalid"
    connection.send("x" * (frames.LARGEST + 1))
    assert closed_with(connection) == 1009
    until(lambda: not running.hub.clients)


def test_who_asks_too_often_waits(tmp_path: Path) -> None:
    """Frames count as requests do."""
    with served(service_in(tmp_path, (), serve_rate=20)) as running, running.connect() as connection:
        heard(connection)
        began = time.monotonic()
        for _ in range(50):
            connection.send("{")
        for _ in range(50):
            heard(connection, "error")
        assert time.monotonic() - began > 0.4


def test_a_store_that_is_away_is_waited_for(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscription begins once the store is back."""
    monkeypatch.setattr(client, "AGAIN", 0.01)

    def fails(*_: object) -> None:
        raise StoreUnavailableError("away")

    with running.connect() as connection:
        heard(connection)
        with monkeypatch.context() as away:
            away.setattr(running.service.project.bar_store, "read", fails)
            send(connection, op="subscribe", id=1, channel="bars", symbol=BTC, resolution="1m")
            send(connection, op="subscribe", id=2, channel="bars", symbol=BTC, resolution="1m")
            send(connection, op="unsubscribe", id=2)
            time.sleep(0.05)
        assert heard(connection)["id"] == 1
    until(lambda: not running.hub.clients)


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Running]:
    """Return a service whose reads need a key, with a heartbeat that is quick."""
    service = service_in(tmp_path, (), serve_heartbeat=0.1)
    service.open_reads = False
    with served(service) as found:
        yield found


def test_a_key_opens_the_stream(guarded: Running) -> None:
    """In a frame, as pages must send it, or with the handshake."""
    key = new_key(guarded.service, "read")
    with guarded.connect() as connection:
        heard(connection)
        send(connection, op="authenticate", key=key)
        assert subscribed(connection, 1, BTC, "1m")["id"] == 1
    with guarded.connect(additional_headers={"Authorization": f"Bearer {key}"}) as connection:
        assert subscribed(connection, 1, BTC, "1m")["id"] == 1


def test_a_wrong_key_ends_the_connection(guarded: Running) -> None:
    """Wherever it comes; the error is told before."""
    wrong = "ohlcv_00000000_" + "x" * 43
    with guarded.connect(additional_headers={"X-API-Key": wrong}) as connection:
        assert heard(connection)["code"] == "key-required"
        assert closed_with(connection) == 1008
    with guarded.connect() as connection:
        heard(connection)
        send(connection, op="authenticate", key=wrong)
        assert heard(connection, "error")["code"] == "key-required"
        assert closed_with(connection) == 1008
    with guarded.connect() as connection:
        send(connection, op="subscribe", id=4, channel="bars", symbol=BTC, resolution="1m")
        assert heard(connection, "error")["id"] == 4
        assert closed_with(connection) == 1008


def test_who_says_nothing_is_not_waited_for(guarded: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection without a key lasts seconds."""
    monkeypatch.setattr(client, "INTRODUCTION", 0.05)
    with guarded.connect() as connection:
        assert closed_with(connection) == 1008


def test_a_revoked_key_ends_its_connections(guarded: Running) -> None:
    """Within a heartbeat, or the second that keys are remembered."""
    key = new_key(guarded.service, "read")
    with guarded.connect() as connection:
        send(connection, op="authenticate", key=key)
        subscribed(connection, 1, BTC, "1m")
        guarded.service.keys.revoke(key.split("_")[1])
        assert closed_with(connection) == 1008


def test_pages_of_other_sites_are_refused(tmp_path: Path) -> None:
    """Browsers say where a page comes from; its own and those of the settings may listen."""
    with served(service_in(tmp_path, (), serve_cors="https://chart.example")) as running:
        for origin in (f"http://127.0.0.1:{running.port}", "https://chart.example"):
            with running.connect(origin=origin) as connection:
                assert heard(connection)["type"] == "hello"
        for origin in ("https://evil.example", "null"):
            with pytest.raises(InvalidStatus, match="403"):
                running.connect(origin=origin)


# --- many, slow and silent clients ------------------------------------------------------------------------------------


def test_silence_is_broken(tmp_path: Path) -> None:
    """A sign of life where nothing else is sent."""
    with served(service_in(tmp_path, (), serve_heartbeat=0.1)) as running, running.connect() as connection:
        assert heard(connection)["heartbeat"] == 0.1
        for _ in range(3):
            assert abs(heard(connection)["ts"] / 1000 - time.time()) < 60


def test_there_are_so_many_clients_and_no_more(tmp_path: Path) -> None:
    """The next one is told to come back later."""
    with served(service_in(tmp_path, (), serve_streams=1)) as running:
        with running.connect() as first:
            heard(first)
            with running.connect() as second:
                assert closed_with(second) == 1013
        until(lambda: not running.hub.clients)
        with running.connect() as third:
            assert heard(third)["type"] == "hello"


def test_many_idle_clients(tmp_path: Path) -> None:
    """All get their bars and what changes."""
    with served(service_in(tmp_path, ())) as running, ExitStack() as stack:
        connections = [stack.enter_context(running.connect()) for _ in range(150)]
        for connection in connections:
            assert heard(connection)["type"] == "hello"
            send(connection, op="subscribe", id=1, channel="bars", symbol=BTC, resolution="1m")
        for connection in connections:
            heard(connection, "snapshot")
        running.post(trade(1))
        for connection in connections:
            assert heard(connection, "update")["seq"] == 1
        value = running.service.telemetry.registry.get_sample_value
        assert value("ohlcv_streams") == 150
        # The last frame may be read before it is counted.
        until(lambda: value("ohlcv_stream_frames_total", {"kind": "update"}) == 150)
        until(lambda: value("ohlcv_stream_lag_seconds_count") == 150)
        for connection in connections:
            connection.close()
        until(lambda: value("ohlcv_streams") == 0)


def test_a_client_that_stops_reading_is_cut_off(tmp_path: Path) -> None:
    """What it misses does not pile up, others are not held up, and it is told as far as it can be."""
    service = service_in(tmp_path, (), serve_stream_patience=0.3, serve_heartbeat=0.2)
    with served(service) as running, running.connect() as other:
        subscribed(other, 1, BTC, "1m")
        with running.connect(max_queue=1) as slow:
            send(slow, op="subscribe", id=1, channel="trades", symbol=BTC)
            value = service.telemetry.registry.get_sample_value
            until(lambda: value("ohlcv_stream_frames_total", {"kind": "snapshot"}) == 2)
            seq, deadline = 0, time.monotonic() + 60
            rows: list[Trade] = [trade(at) for at in range(3_000)]
            while value("ohlcv_streams_ended_total", {"code": "4000"}) != 1:
                assert time.monotonic() < deadline
                running.publish([trade(seq * MINUTE % DAY), *rows])
                seq += 1
            assert closed_with(slow) in {4000, NO_CODE}
        until(lambda: len(running.hub.clients) == 1)
        running.post(trade(DAY - 1))
        until(lambda: heard(other, "update")["bars"]["t"][-1] == (OPEN + DAY - MINUTE) // 10**6)


def test_trades_that_are_forgotten_end_a_slow_subscription(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars are caught up with, trades cannot be: the connection is closed as one that reads too slowly."""
    monkeypatch.setattr(topics, "MOST_TRADES", 2)
    with served(service_in(tmp_path, ())) as running, running.connect() as connection:
        send(connection, op="subscribe", id=1, channel="trades", symbol=BTC)
        heard(connection, "snapshot")
        topic = running.hub.topic(running.service.symbol(BTC), None)
        assert isinstance(topic, topics.TradeTopic)

        def burst() -> None:
            for at in range(4):
                topic.apply(columns([trade(at)]), 1.0)

        running.loop.call_soon_threadsafe(burst)
        assert closed_with(connection) == 4000
