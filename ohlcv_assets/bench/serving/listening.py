"""A lean WebSocket client: it reads frames of text and does nothing else.

What belongs here: the handshake, masks, frames. What does not: what is in them. https://www.rfc-editor.org/rfc/rfc6455

Two hundred listeners get tens of thousands of frames a second on the cores that the service needs as well.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from ohlcv_assets.errors import UserError

PATIENCE: Final = 30.0
_TEXT: Final = 0x1
_CLOSE: Final = 0x8
_FINAL: Final = 0x80
_SHORT: Final = 126
"""Lengths below this are in the second byte; this one says that two bytes follow, the next that eight do."""

_SWITCHED: Final = b"HTTP/1.1 101 "
_END: Final = b"\r\n\r\n"


class Listener(asyncio.Protocol):
    """One connection.

    Parameters
    ----------
    request
        The handshake, as it is sent.
    heard
        Called with the payload of every frame of text.
    """

    def __init__(self, request: bytes, heard: Callable[[bytes], None]) -> None:
        self._request = request
        self._heard = heard
        self._buffer = bytearray()
        self._switched = False
        self._transport: Any = None  # Any: uvloop's has a type of its own
        self.ended = asyncio.Event()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a WebSocket."""
        self._transport = transport
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read what comes."""
        self._buffer += data
        if not self._switched and not self._switch():
            return
        at = 0
        while (frame := _frame(self._buffer, at)) is not None:
            opcode, start, at = frame
            if opcode == _TEXT:
                self._heard(bytes(self._buffer[start:at]))
            elif opcode == _CLOSE:
                self._transport.close()
        del self._buffer[:at]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- as asyncio calls it
        """Tell whoever waits for the beginning that there is none."""
        self.ended.set()
        self._refuse("closed the connection")

    def say(self, text: bytes) -> None:
        """Send a frame of text; short ones are all that a listener says."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[number % 4] for number, byte in enumerate(text))
        length = bytes([0x80 | len(text)]) if len(text) < _SHORT else b"\xfe" + len(text).to_bytes(2, "big")
        self._transport.write(bytes([_FINAL | _TEXT]) + length + mask + masked)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _switch(self) -> bool:
        """Return whether the handshake is over."""
        end = self._buffer.find(_END)
        if end < 0:
            return False
        if not self._buffer.startswith(_SWITCHED):
            self._refuse(f"answered {bytes(self._buffer).split(b' ')[1].decode(errors='replace')}")
            return False
        del self._buffer[: end + len(_END)]
        self._switched = True
        self.ready.set_result(None)
        return True

    def _refuse(self, what: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(UserError(f"The service has no live stream for us: it {what}."))


async def listener(url: str, path: str, heard: Callable[[bytes], None]) -> Listener:
    """Return a connection whose handshake is over.

    Raises
    ------
    UserError
        The service has no such stream.
    """
    parts = urlsplit(url)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
    loop = asyncio.get_running_loop()
    _, made = await loop.create_connection(
        lambda: Listener("\r\n".join(lines).encode(), heard), parts.hostname or "", parts.port or 80
    )
    async with asyncio.timeout(PATIENCE):
        await made.ready
    return made


def _frame(buffer: bytearray, at: int) -> tuple[int, int, int] | None:
    """Return a frame's opcode and where its payload begins and ends; None where it is not complete."""
    if len(buffer) < at + 2:
        return None
    opcode, length, start = buffer[at] & 0x0F, buffer[at + 1] & 0x7F, at + 2
    if length >= _SHORT:
        more = 2 if length == _SHORT else 8
        if len(buffer) < start + more:
            return None
        length, start = int.from_bytes(buffer[start : start + more], "big"), start + more
    return (opcode, start, start + length) if len(buffer) >= start + length else None
