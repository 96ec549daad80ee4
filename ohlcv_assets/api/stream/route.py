"""The route of the live stream.

What belongs here: a WebSocket from its handshake to its end. What does not: what is said meanwhile (``client``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi import APIRouter
from starlette.websockets import WebSocket

from ohlcv_assets.api.gate import key_of
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.api.stream import frames
from ohlcv_assets.api.stream.client import NO_KEY, Client, Ways, cannot_now
from ohlcv_assets.api.stream.socket import SEND_NOW

if TYPE_CHECKING:
    from ohlcv_assets.api.stream.hub import Hub

router = APIRouter()
ROUTE: Final = "/api/v1/stream"
_OVERLOADED: Final = 1013


async def stream(socket: WebSocket) -> None:
    """Serve a client until it goes or is told to."""
    hub: Hub = socket.app.state.hub
    await socket.accept()
    problem: ProblemError | None = socket.scope["state"].get("problem")
    if problem is not None:
        await socket.send_text(frames.error(None, problem))
        await socket.close(NO_KEY, problem.detail)
        return
    if len(hub.clients) >= hub.service.settings.serve_streams:
        hub.service.telemetry.streams_ended.labels(str(_OVERLOADED)).inc()
        await socket.close(_OVERLOADED, "There are too many clients; come back later.")
        return
    state = socket.scope["state"]
    ways = Ways(socket.send_text, socket.close, state.get(SEND_NOW, cannot_now))
    client = Client(hub, state["caller"], key_of(socket.headers), ways)
    hub.clients.add(client)
    hub.service.telemetry.streams.inc()
    try:
        await client.greet()
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                break
            text = message.get("text")
            await client.take(message.get("bytes") or b"" if text is None else text)
    finally:
        hub.clients.discard(client)
        hub.service.telemetry.streams.dec()
        await client.gone()


router.add_websocket_route(ROUTE, stream)
