"""Parts of the live stream that a socket shows only by chance: frames nobody takes, ends, bars that are not at hand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ohlcv_assets.api.gate import Caller
from ohlcv_assets.api.stream.client import Client, Subscription, Ways
from ohlcv_assets.api.stream.frames import Subscribe
from ohlcv_assets.api.stream.hub import Hub
from ohlcv_assets.api.stream.long import LongBars
from ohlcv_assets.api.stream.socket import StreamSocket
from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.live.topics import Topic, TradeTopic
from ohlcv_assets.units import DAY, day_start
from ohlcv_assets_tests.api.made import service_in
from ohlcv_assets_tests.bars.made import columns
from ohlcv_assets_tests.pipeline.made import THURSDAY

pytestmark = pytest.mark.unit

MONDAY = day_start(THURSDAY) - 3 * DAY


class Wire:
    """What a client is sent; breaks where it is told to."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.codes: list[int] = []
        self.broken = False

    async def send(self, text: str) -> None:
        """Send a frame."""
        if self.broken:
            raise OSError("gone")
        self.texts.append(text)

    async def close(self, code: int, _: str) -> None:
        """Close."""
        self.codes.append(code)
        if self.broken:
            raise RuntimeError("closed already")

    def send_now(self, text: str) -> bool:
        """Send a frame without waiting."""
        if self.broken:
            return False
        self.texts.append(f"now {text}")
        return True


def client_on(folder: Path) -> tuple[Client, Wire, Hub]:
    """Return a client that may read."""
    hub, wire = Hub(service_in(folder, ())), Wire()
    return Client(hub, Caller("somebody", "read"), None, Ways(wire.send, wire.close)), wire, hub


@pytest.mark.parametrize("broken", [False, True])
def test_an_end_is_an_end(tmp_path: Path, broken: bool) -> None:
    """Told once; nothing is sent after it; a connection that is gone is no error."""

    async def run() -> Wire:
        client, wire, _ = client_on(tmp_path)
        wire.broken = broken
        await client.greet()
        client.end(4000, "slow")
        client.end(1008, "key")
        await asyncio.sleep(0)
        await client.greet()
        await client.gone()
        return wire

    wire = asyncio.run(run())
    assert wire.codes == [4000]
    assert len(wire.texts) == (0 if broken else 1)


def test_news_that_were_sent_are_no_news(tmp_path: Path) -> None:
    """Woken for what it was sent already, a client sends nothing."""

    async def run() -> Wire:
        client, wire, _ = client_on(tmp_path)
        request = Subscribe(op="subscribe", id=1, channel="trades", symbol="BTC-USD")
        one = Subscription(client, request, TradeTopic("BTC-USD", 0))
        one.wake()
        await asyncio.sleep(0.01)
        await client.gone()
        return wire

    assert asyncio.run(run()).texts == []


def test_a_frame_is_made_once_for_all() -> None:
    """Those that have the same number and are as far get the same text."""
    topic = TradeTopic("A", 0)
    topic.apply(columns([("A", 1, 1.0, 1.0, 1)]), 1.0)
    assert topic.frame(1, 0) is topic.frame(1, 0)
    assert topic.frame(2, 0) != topic.frame(1, 0)


def test_a_topic_of_no_kind_has_nothing_to_say() -> None:
    """Kinds say what changed."""
    topic = Topic("A", 0)
    with pytest.raises(NotImplementedError):
        topic.frame(1, 0)
    with pytest.raises(NotImplementedError):
        topic.changed(0)


def test_a_week_whose_days_are_not_at_hand_is_none(tmp_path: Path) -> None:
    """Without days in the store, or with a day that changed and does not run any more."""
    service = service_in(tmp_path, (THURSDAY,))
    bars = LongBars(service, service.symbol("BTC-USD"), RESOLUTIONS["1W"])
    week, before = np.array([MONDAY], np.int64), np.array([MONDAY - 7 * DAY], np.int64)

    async def run() -> None:
        await bars.load(np.concatenate([before, week]))
        assert bars(before) is None
        found = bars(week)
        assert found is not None
        assert found["ts"].tolist() == [MONDAY]
        bars.note(np.array([MONDAY + 4 * DAY], np.int64))
        assert bars(week) is None

    asyncio.run(run())
    service.pool.close()


def test_a_socket_without_a_handshake_ends_as_uvicorn_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that were accepted are told that the service stops."""
    ended: list[Any] = []  # Any: sockets
    monkeypatch.setattr(WebSocketsSansIOProtocol, "shutdown", lambda found: ended.append(found))  # noqa: PLW0108 -- a method
    found = cast("Any", StreamSocket.__new__(StreamSocket))  # Any: without a connection
    found.handshake_complete = False
    found.shutdown()
    assert ended == [found]


def test_news_are_sent_at_once_where_nothing_waits(tmp_path: Path) -> None:
    """Without a task; in turn where a frame is on its way, or the connection does not take it."""
    one, wire, hub = client_on(tmp_path)
    one._ways = Ways(wire.send, wire.close, wire.send_now)
    topic = TradeTopic("BTC-USD", 0)
    asked = Subscribe(op="subscribe", id=1, channel="trades", symbol="BTC-USD")
    following = Subscription(one, asked, topic)
    topic.followers.add(following)

    async def run() -> None:
        topic.apply(columns([("A", 0, 1.0, 1.0, 1)]), 0.0)
        assert (len(wire.texts), one._writer, following.sent) == (1, None, 1)
        async with one._turn:
            topic.apply(columns([("A", 1, 1.0, 1.0, 1)]), 0.0)
            assert (len(wire.texts), following.sent) == (1, 1)
        assert one._writer is not None
        await one._writer
        one._ways = Ways(wire.send, wire.close)
        topic.apply(columns([("A", 2, 1.0, 1.0, 1)]), 0.0)
        assert one._writer is not None
        await one._writer
        following.wake()
        assert one._writer is not None, "nothing is new"
        await one._writer

    asyncio.run(run())
    assert [text.partition("{")[0] for text in wire.texts] == ["now ", "", ""]
    assert following.sent == topic.seq == 3
    hub.service.pool.close()


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 70_000])
def test_a_frame_of_any_length_is_a_frame(length: int) -> None:
    """As the library reads it that the other side may use."""
    text = "x" * length
    assert _read(_sent(text)) == text


def _sent(text: str) -> bytes:
    """Return what a socket sends."""
    written: list[bytes] = []
    found = _socket(written)
    assert found.send_now(text)
    return b"".join(written)


def _socket(written: list[bytes]) -> Any:  # Any: without a connection
    """Return a socket whose handshake is over."""
    found = cast("Any", StreamSocket.__new__(StreamSocket))  # Any: as above
    found.handshake_complete, found.close_sent, found.disconnected = True, False, False
    found.writable = asyncio.Event()
    found.writable.set()
    found.conn = SimpleNamespace(state=State.OPEN)
    found.transport = SimpleNamespace(write=written.append, is_closing=lambda: False)
    return found


def _read(frame: bytes) -> str:
    """Return the text of a frame, read by the client's side of the library."""
    client = ClientProtocol(parse_uri("ws://here"), state=State.OPEN, max_size=None)
    client.receive_data(frame)
    (event,) = client.events_received()
    assert isinstance(event, Frame)
    assert (event.opcode, event.fin) == (Opcode.TEXT, True)
    return bytes(event.data).decode()


def test_nothing_is_sent_at_once_to_one_who_is_behind_or_goes() -> None:
    """Whoever wants to send has to wait, or hears of the end, as ever."""
    written: list[bytes] = []
    for change in (
        {"handshake_complete": False},
        {"close_sent": True},
        {"disconnected": True},
        {"writable": asyncio.Event()},
        {"conn": SimpleNamespace(state=State.CLOSING)},
        {"transport": SimpleNamespace(is_closing=lambda: True)},
    ):
        found = _socket(written)
        for name, value in change.items():
            setattr(found, name, value)
        assert not found.send_now("x")
    assert written == []


def test_a_sign_of_life_goes_at_once_where_nothing_waits(tmp_path: Path) -> None:
    """Otherwise in turn; none where something was sent a moment ago."""
    one, wire, hub = client_on(tmp_path)
    one._ways = Ways(wire.send, wire.close, wire.send_now)

    async def run() -> None:
        one.look(one._last, "{early}", 1.0)
        one.look(one._last + 100, "{first}", 1.0)
        one._ways = Ways(wire.send, wire.close)
        one.look(one._last + 100, "{second}", 1.0)
        assert one._writer is not None
        await one._writer

    asyncio.run(run())
    assert wire.texts == ["now {first}", "{second}"]
    hub.service.pool.close()
