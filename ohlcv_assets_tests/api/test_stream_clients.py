"""The live stream's clients: what they may, what they get wrong, many of them, slow ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from ohlcv_assets.api.stream import client, frames
from ohlcv_assets.errors import StoreUnavailableError
from ohlcv_assets.live import topics
from ohlcv_assets.units import DAY, MINUTE
from ohlcv_assets_tests.api.listening import (
    BTC,
    NO_CODE,
    OPEN,
    Running,
    closed_with,
    heard,
    send,
    served,
    subscribed,
    trade,
)
from ohlcv_assets_tests.api.made import new_key, service_in
from ohlcv_assets_tests.api.sockets import until
from ohlcv_assets_tests.bars.made import Trade, columns

pytestmark = pytest.mark.integration

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

    asked: list[object] = []

    def fails(resolution: object, *_: object) -> None:
        asked.append(resolution)
        raise StoreUnavailableError("away")

    with running.connect() as connection:
        heard(connection)
        with monkeypatch.context() as away:
            away.setattr(running.service.project.bar_store, "read", fails)
            send(connection, op="subscribe", id=1, channel="bars", symbol=BTC, resolution="1m")
            send(connection, op="subscribe", id=2, channel="bars", symbol=BTC, resolution="1m")
            send(connection, op="unsubscribe", id=2)
            until(lambda: len(asked) > 3 and [[*one._beginning] for one in running.hub.clients] == [[1]])
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
            while value("ohlcv_streams_ended_total", {"code": "4000"}) != 1:
                assert time.monotonic() < deadline
                # Other ones each time: nobody is told of a trade twice.
                rows: list[Trade] = [trade(1 + seq * 3_000 + at) for at in range(3_000)]
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
            with monkeypatch.context() as busy:
                busy.setattr(client.Client, "_sent_now", lambda *_: False)
                for at in range(4):
                    topic.apply(columns([trade(at)]), 1.0)

        running.loop.call_soon_threadsafe(burst)
        assert closed_with(connection) == 4000
