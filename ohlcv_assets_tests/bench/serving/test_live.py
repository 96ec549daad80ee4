"""Trades posted until seen: matched, timed, and missed where they do not come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ohlcv_assets.bench.serving import live
from ohlcv_assets.bench.serving.listening import _frame, listener
from ohlcv_assets.bench.serving.live import PATH, STREAM, Load, Topic, Watch, live_figures
from ohlcv_assets.errors import UserError
from ohlcv_assets_tests.bench.serving.test_client import settled

pytestmark = pytest.mark.unit

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
SYMBOLS = [
    {"symbol": "BTC-USD", "calendar": "24/7", "tick_size": 0.01, "lot_size": 0.00001},
    {"symbol": "AAPL", "calendar": "XNYS", "tick_size": 0.01, "lot_size": 1},
]


def frame(text: bytes, opcode: int = 1) -> bytes:
    """Return a frame as a server sends it."""
    if len(text) < 126:
        return bytes([0x80 | opcode, len(text)]) + text
    size = 2 if len(text) < 65_536 else 8
    return bytes([0x80 | opcode, 126 if size == 2 else 127]) + len(text).to_bytes(size, "big") + text


def unmasked(data: bytes) -> bytes:
    """Return the text of a client's frame."""
    at = 4 if data[1] & 0x7F == 126 else 2
    mask, text = data[at : at + 4], data[at + 4 :]
    return bytes(byte ^ mask[number % 4] for number, byte in enumerate(text))


class Standin(asyncio.Protocol):
    """Takes trades, and tells listeners how many there are: as much of the service as is needed.

    Parameters
    ----------
    shows
        Whether listeners are told.
    takes
        Whether trades are taken.
    """

    def __init__(self, shows: list[Any], *, tells: bool = True, takes: bool = True) -> None:
        self._listeners = shows
        self._tells, self._takes = tells, takes
        self._left = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport: Any = transport  # Any: asyncio's base has no write()

    def data_received(self, data: bytes) -> None:
        """Answer."""
        head, _, body = data.partition(b"\r\n\r\n")
        if self in self._listeners:
            said = json.loads(unmasked(data))
            assert said == {"op": "subscribe", "id": 1, "channel": "bars", "symbol": "BTC-USD", "resolution": "1m"}
            self.send({"type": "snapshot", "id": 1, "bars": {"n": []}})
        elif head.startswith(f"GET {STREAM}".encode()):
            self._listeners.append(self)
            self._transport.write(SWITCH + frame(b'{"type":"hello"}'))
        elif head.startswith(b"POST"):
            assert b"X-API-Key: secret" in head
            lines = [json.loads(line) for line in body.splitlines()]
            Standin.posted += len(lines)
            for one in self._listeners if self._tells else ():
                one.send({"type": "update", "id": 1, "bars": {"n": [Standin.posted]}})
            self.reply(b"{}")
        elif b"openapi" in head:
            self.reply(json.dumps({"paths": {PATH: {"post": {}} if self._takes else {}}}).encode())
        else:
            self.reply(json.dumps({"symbols": SYMBOLS}).encode())

    posted = 0

    def send(self, document: object) -> None:
        """Send a frame."""
        self._transport.write(frame(json.dumps(document).encode()))

    def reply(self, body: bytes) -> None:
        """Send a reply."""
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def on_standin(use: Callable[[str], Awaitable[None]], **how: bool) -> None:
    """Do something with the address of a stand-in."""

    async def main() -> None:
        Standin.posted = 0
        shows: list[Any] = []
        server = await asyncio.get_running_loop().create_server(lambda: Standin(shows, **how), "127.0.0.1", 0)
        async with server:
            await use(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await settled()

    asyncio.run(main())


LOAD = Load(rate=1_000, each=10, seconds=0.05, listeners=3)


def test_posted_until_seen() -> None:
    """Every listener sees every request; the figures say how late, at which rate, how often."""

    async def use(url: str) -> None:
        p99, p50 = await live_figures(url, "secret", 0, LOAD)
        assert Standin.posted == 60
        assert (p99.target, p50.target, p99.unit) == (60, None, "ms")
        assert 0 < p50.value <= p99.value
        assert "in requests of 10, 3 listeners" in p99.method

    on_standin(use)


def test_a_service_that_takes_no_trades_has_no_figures() -> None:
    """It is said in the log."""

    async def use(url: str) -> None:
        assert await live_figures(url, "secret", 0, LOAD) == []

    on_standin(use, takes=False)


def test_trades_that_nobody_sees_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure of half of them is none."""
    monkeypatch.setattr(live, "_PATIENCE", 0.02)

    async def use(url: str) -> None:
        with pytest.raises(UserError, match="3 of 3 listeners did not see all trades"):
            await live_figures(url, "secret", 0, LOAD)

    on_standin(use, tells=False)


def test_a_listener_that_is_refused_says_why() -> None:
    """By the stream, in its words."""
    watch = Watch(Topic("BTC-USD", 0.01, 1))
    with pytest.raises(UserError, match="The stream refused: No such symbol"):
        watch.heard(b'{"type":"error","detail":"No such symbol."}')


def test_a_trade_is_on_the_grid() -> None:
    """Of price and amount."""
    trade = json.loads(Topic("X", 0.01, 0.00001).line(5, 3))
    assert trade == {"symbol": "X", "ts": 5, "price": 1000.03, "amount": 0.00004, "side": -1}


@pytest.mark.parametrize("size", [3, 200, 70_000])
def test_frames_of_any_length_are_heard(size: int) -> None:
    """However they are cut on their way; a close ends the connection, and other frames are nobody's business."""
    heard: list[bytes] = []
    sent = frame(b"ping", 9) + frame(b"x" * size) + frame(b"", 8)
    said = asyncio.Event()

    class Pieces(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport: Any = transport  # Any: asyncio's base has no write()

        def data_received(self, data: bytes) -> None:
            if data.startswith(b"GET /s"):
                self._transport.write(SWITCH[:5])
                rest = SWITCH[5:] + sent
                for number, cut in enumerate(range(0, len(rest), 1 + len(rest) // 30)):
                    piece = rest[cut : cut + 1 + len(rest) // 30]
                    asyncio.get_running_loop().call_later(0.001 * (number + 1), self._transport.write, piece)
            else:
                assert unmasked(data) == b"y" * 130
                said.set()

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Pieces, "127.0.0.1", 0)
        async with server, asyncio.timeout(20):
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            one = await listener(url, "/s", heard.append)
            one.say(b"y" * 130)
            await said.wait()
            await one.ended.wait()
        await settled()

    asyncio.run(main())
    assert heard == [b"x" * size]


def test_a_frame_that_is_not_complete_is_none_yet() -> None:
    """Wherever it was cut: within its length, or within its payload."""
    for whole in (frame(b"x" * 3), frame(b"x" * 200), frame(b"x" * 70_000)):
        for cut in (0, 1, 2, 3, len(whole) - 1):
            assert _frame(bytearray(whole[:cut]), 0) is None
        assert _frame(bytearray(whole), 0) == (1, whole.index(b"x"), len(whole))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "answered 404"),
        (b"", "closed the connection"),
        (b"HTTP", "closed the connection"),
    ],
)
def test_a_service_without_a_stream_is_told(answer: bytes, said: str) -> None:
    """With what it did instead."""

    class Refuses(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            to: Any = transport  # Any: asyncio's base has no write()
            to.write(answer)
            to.close()

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Refuses, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(UserError, match=f"no live stream for us: it {said}"):
                await listener(url, "/s", lambda _: None)
        await settled()

    asyncio.run(main())
