"""Services on a real socket.

What belongs here: serving in a thread, and waiting for something. What does not: clients.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ohlcv_assets.api.app import create_app
from ohlcv_assets.api.service import Service
from ohlcv_assets.api.serving import listening, server_of


@contextmanager
def running(service: Service, port: int = 0) -> Iterator[tuple[str, int]]:
    """Serve in a thread for as long as the context lasts; give host and port."""
    listener = listening("127.0.0.1", port)
    server = server_of(create_app(service))
    # Signals are for the main thread.
    server.capture_signals = contextmanager(lambda: iter([None]))  # type: ignore[method-assign]  # see above
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    until(lambda: server.started)
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
