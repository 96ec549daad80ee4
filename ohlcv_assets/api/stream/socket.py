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


class StreamSocket(WebSocketsSansIOProtocol):
    """A WebSocket that never waits for a client in order to end."""

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
