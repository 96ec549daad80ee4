"""A service on a socket of its own, trades posted to it, and clients of its live stream.

What belongs here: connecting and posting. What does not: judging what is sent.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from ohlcv_assets.api.app import create_app
from ohlcv_assets.api.service import Service
from ohlcv_assets.api.serving import Server, listening, server_of
from ohlcv_assets.api.stream.hub import Hub
from ohlcv_assets.units import day_start
from ohlcv_assets_tests.api.sockets import until
from ohlcv_assets_tests.bars.made import Trade
from ohlcv_assets_tests.live.made import stored
from ohlcv_assets_tests.pipeline.made import THURSDAY

Frame = dict[str, Any]  # Any: JSON
SECONDS = 60
OPEN = day_start(THURSDAY)
BTC = "BTC-USD"
NO_CODE = 1006


@dataclass
class Running:
    """A service that runs in a thread.

    Attributes
    ----------
    service, hub, server, loop
        Its parts; the loop runs in the thread.
    port
        Of 127.0.0.1.
    """

    service: Service
    hub: Hub
    server: Server
    loop: asyncio.AbstractEventLoop
    port: int

    def connect(self, **more: Any) -> ClientConnection:  # Any: of the client
        """Return a connection that was not greeted yet."""
        found: ClientConnection = connect(f"ws://127.0.0.1:{self.port}/api/v1/stream", compression=None, **more)
        return found

    def post(self, *trades: Trade) -> None:
        """Store trades and publish them."""
        self.service.project.trade_store.append(stored(trades))
        self.publish(trades)

    def publish(self, trades: Sequence[Trade]) -> None:
        """Publish trades."""
        publishing = self.service.feed.publish(stored(trades))
        asyncio.run_coroutine_threadsafe(publishing, self.loop).result(SECONDS)


@contextmanager
def served(service: Service) -> Iterator[Running]:
    """Serve in a thread for as long as the context lasts."""
    listener = listening("127.0.0.1", 0)
    app = create_app(service)
    server = server_of(app)
    # Signals are for the main thread.
    server.capture_signals = contextmanager(lambda: iter([None]))  # type: ignore[method-assign]  # see above
    loop = asyncio.new_event_loop()
    port = listener.getsockname()[1]
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve([listener])))
    thread.start()
    until(lambda: server.started)
    try:
        yield Running(service, app.state.hub, server, loop, port)
    finally:
        server.should_exit = True
        thread.join(SECONDS)
        assert not thread.is_alive()
        loop.close()


def send(connection: ClientConnection, **frame: Any) -> None:  # Any: JSON
    """Send a frame."""
    connection.send(json.dumps(frame))


def heard(connection: ClientConnection, kind: str | None = None) -> Frame:
    """Return the next frame, or the next of a kind."""
    while True:
        frame: Frame = json.loads(connection.recv(SECONDS))
        if kind is None or frame["type"] == kind:
            return frame


def subscribed(connection: ClientConnection, number: int, symbol: str, resolution: str, **more: Any) -> Frame:
    """Subscribe to bars and return the snapshot."""
    send(connection, op="subscribe", id=number, channel="bars", symbol=symbol, resolution=resolution, **more)
    return heard(connection, "snapshot")


def trade(at: int, price: float = 100.0, symbol: str = BTC) -> Trade:
    """Return a trade of the day that is open, so many nanoseconds after midnight."""
    return symbol, OPEN + at, price, 1.0, 1


def closed_with(connection: ClientConnection) -> int:
    """Read until a connection is closed; return the code."""
    deadline = time.monotonic() + SECONDS
    try:
        while time.monotonic() < deadline:
            connection.recv(SECONDS)
    except ConnectionClosed as ended:
        return NO_CODE if ended.rcvd is None else ended.rcvd.code
    raise AssertionError("it is open still")
