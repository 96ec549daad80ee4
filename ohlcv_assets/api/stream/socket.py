"""WebSockets on uvicorn: how they end when the service does, or when nobody reads.

What belongs here: what uvicorn does otherwise. What does not: what is said over them (``client``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

GOING_AWAY: Final = 1001
LAST_WORDS: Final = 2.0
"""Seconds that a client who is told to go has to read that."""


SEND_NOW: Final = "send_now"
"""Name in a connection's state of what sends a frame without waiting."""

_TEXT: Final = 0x81
"""A frame of text, whole. https://www.rfc-editor.org/rfc/rfc6455#section-5.2"""

_SHORT: Final = 126
"""Lengths below this are in the second byte; this one says that two bytes follow, the next that eight do."""

_MEDIUM: Final = 65_536


class StreamSocket(WebSocketsSansIOProtocol):
    """A WebSocket that never waits for a client in order to end, and need not wait in order to send."""

    async def run_asgi(self) -> None:
        """Run the application, which finds in its state how to send without waiting."""
        self.scope["state"][SEND_NOW] = self.send_now
        await super().run_asgi()

    def send_now(self, text: str) -> bool:
        """Send a frame of text; return False, and send nothing, where the client is behind or the connection ends.

        A hundred listeners are sent the same at the same moment: doing so by messages of ASGI, each in a task of its
        own, takes five times as long.
        """
        ready = self.handshake_complete and self.writable.is_set() and not (self.close_sent or self.disconnected)
        if not ready or self.conn.state is not State.OPEN or self.transport.is_closing():
            return False
        payload = text.encode()
        self.transport.write(_head(len(payload)) + payload)
        return True

    def shutdown(self) -> None:
        """Say that the service stops, and do not wait for long."""
        if self.handshake_complete and not self.close_sent and self.conn.state is State.OPEN:
            self.stop_keepalive()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": GOING_AWAY})
            self._close_without_waiting(GOING_AWAY, "The service stops.")
            self.transport.close()
        else:
            super().shutdown()

    async def send(self, message: ASGISendEvent) -> None:
        """Send as ever; but a close goes before all that the client does not read."""
        stuck = not self.writable.is_set() and not self.disconnected
        if stuck and message["type"] == "websocket.close" and not self.close_sent and self.conn.state is State.OPEN:
            code, reason = message.get("code", 1000), message.get("reason", "") or ""
            self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
            self._close_without_waiting(code, reason)
            return
        await super().send(message)

    def _close_without_waiting(self, code: int, reason: str) -> None:
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.loop.call_later(LAST_WORDS, self.transport.abort)


def _head(length: int) -> bytes:
    """Return what comes before the payload of a frame of text."""
    if length < _SHORT:
        return bytes((_TEXT, length))
    if length < _MEDIUM:
        return bytes((_TEXT, _SHORT)) + length.to_bytes(2, "big")
    return bytes((_TEXT, _SHORT + 1)) + length.to_bytes(8, "big")
