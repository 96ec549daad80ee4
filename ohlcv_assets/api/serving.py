"""Running the application: its socket, signals, connections that are too slow, and uvicorn's own log lines.

What belongs here: everything between the application and the network. What does not: the application (``app``), the
command (``cli.serve``). Why uvicorn: docs/decisions/0007-http-server.md.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import ChangeReload

from ohlcv_assets.api.stream.frames import LARGEST
from ohlcv_assets.api.stream.socket import StreamSocket
from ohlcv_assets.api.warming import settle
from ohlcv_assets.errors import SettingsError
from ohlcv_assets.logs import get_logger
from ohlcv_assets.settings import variable

if TYPE_CHECKING:
    from types import FrameType

    from starlette.types import ASGIApp

KEEP_ALIVE: Final = 75
"""Seconds that a connection without a request is kept."""

HEADERS_IN: Final = 10.0
"""Seconds that a client has for the headers of a request."""

MOST_HEADERS: Final = 65_536
"""Most bytes of a request's line and headers."""

LAST_ANSWERS: Final = 10
"""Seconds that requests under way have when the service is stopped."""

BACKLOG: Final = 2_048

PINGS: Final = 30.0
"""Seconds between two looks whether the other end of a WebSocket is still there."""


class Server(uvicorn.Server):
    """A server that ends without an error when it is told to."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on Ctrl-C and on SIGTERM; the second time at once."""
        before = {sign: signal.signal(sign, self.handle_exit) for sign in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sign, handler in before.items():
                signal.signal(sign, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- as signal handlers are called
        """Let requests end, or do not wait for them where that was said twice."""
        self.force_exit = self.should_exit
        self.should_exit = True


class Protocol(HttpToolsProtocol):
    """Connections whose requests must come in time and within a size; whoever dawdles is cut off."""

    _timer: asyncio.TimerHandle | None = None
    _left: int = MOST_HEADERS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before the headers are complete."""
        waiting = self._timer is not None
        super().data_received(data)
        if waiting and self._timer is not None:
            self._left -= len(data)
            if self._left < 0:
                self._cut_off()

    def on_message_begin(self) -> None:
        """Begin to wait for a request's headers."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """Wait no more: what follows has limits of its own."""
        self._stop_waiting()
        super().on_headers_complete()

    def _wait(self) -> None:
        self._stop_waiting()
        self._left = MOST_HEADERS
        self._timer = self.loop.call_later(HEADERS_IN, self._cut_off)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut_off(self) -> None:
        self._stop_waiting()
        self.transport.close()


class LogLines(logging.Handler):
    """Passes what uvicorn logs on to our log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a line as ours."""
        error = record.exc_info[1] if record.exc_info else None
        get_logger("server").log(record.levelno, record.getMessage(), **({"exc_info": error} if error else {}))


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    SettingsError
        The address or the port cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"The service cannot listen on {host} port {port} ({error.strerror or error}): choose others with --host "
            "and --port."
        ) from None


def address_of(listener: socket.socket) -> str:
    """Return the address under which a socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_of(app: ASGIApp) -> Server:
    """Return a server of an application."""
    return Server(
        uvicorn.Config(
            app,
            http=Protocol,
            ws=StreamSocket,
            ws_max_size=LARGEST,
            ws_ping_interval=PINGS,
            ws_ping_timeout=PINGS,
            # Frames are small and sent to many: compressing each of them for each is not worth its memory and time.
            ws_per_message_deflate=False,
            log_config=None,
            access_log=False,
            server_header=False,
            # Who asks is told by the connection: a header can say anything.
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=LAST_ANSWERS,
        )
    )


def run(app: ASGIApp, listener: socket.socket, beside: Callable[[], None] = settle) -> None:
    """Serve until told to stop, then let requests under way end.

    Parameters
    ----------
    app, listener
        What is served, and where.
    beside
        Called in a thread at the start; requests do not wait for it, the end of the process does.
    """
    settle()
    # Not a daemon: a thread that is stopped within a library's native code takes the process down with SIGABRT.
    threading.Thread(target=beside, name="warming").start()
    with _own_log_lines():
        server_of(app).run([listener])


def run_reloading(listener: socket.socket, overrides: Mapping[str, object]) -> None:
    """Serve, starting anew whenever the package's code changes; for working on it.

    Parameters
    ----------
    listener
        Where; every new process takes it over.
    overrides
        Settings that outrank all other sources; they reach the new process by its environment.
    """
    os.environ.update({variable(name): str(value) for name, value in overrides.items()})
    config = uvicorn.Config(
        "ohlcv_assets.api.app:app_from_environment",
        factory=True,
        http=Protocol,
        ws=StreamSocket,
        ws_max_size=LARGEST,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        reload=True,
        reload_dirs=[str(Path(__file__).parents[1])],
    )
    ChangeReload(config, target=uvicorn.Server(config).run, sockets=[listener]).run()


@contextmanager
def _own_log_lines() -> Iterator[None]:
    logger, handler = logging.getLogger("uvicorn.error"), LogLines()
    level, spreads = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = spreads
