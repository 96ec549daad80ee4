"""Keeping the file open between sessions, for as long as nobody else wants it.

What belongs here: one thread that holds a session and lets go when another process waits. What does not: sessions.

A service answers many small questions. Opening the file for each costs milliseconds and throws DuckDB's cache away;
keeping it open would keep loads out. So it is kept open and given away: whoever waits for the store holds the turn
(``lock``), which is looked at fifty times a second.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.stores.duckdb.broker import Broker

_LOOK: Final = 0.02
"""Seconds between two looks whether somebody waits."""

_LEAVE: Final = 0.25
"""Seconds that the store is left alone after it was given away: a load has several steps."""


@contextmanager
def kept_open(broker: Broker) -> Iterator[None]:
    """Keep a store open for as long as the context lasts, but for the time that others use it.

    A store that is not there yet is not made; what goes wrong is left to the sessions of those who ask.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_keep, args=(broker, ended), name="kept-open", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _keep(broker: Broker, ended: threading.Event) -> None:
    while not ended.is_set():
        if broker.exists:
            with suppress(OhlcvError), broker.session():
                while not ended.wait(_LOOK) and not broker.wanted():
                    pass
        ended.wait(_LEAVE)
