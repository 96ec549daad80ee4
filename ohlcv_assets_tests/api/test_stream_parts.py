"""Parts of the live stream that a socket shows only by chance: frames nobody takes, ends, bars that are not at hand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ohlcv_assets.api.gate import Caller
from ohlcv_assets.api.stream.client import Client, Subscription
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


def client_on(folder: Path) -> tuple[Client, Wire, Hub]:
    """Return a client that may read."""
    hub, wire = Hub(service_in(folder, ())), Wire()
    return Client(hub, Caller("somebody", "read"), None, wire.send, wire.close), wire, hub


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
