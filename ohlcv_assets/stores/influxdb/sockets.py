"""The sockets of a pool of connections, so that requests under way can be broken off from another thread.

What belongs here: knowing which sockets there are. What does not: when to break off.
"""

from __future__ import annotations

import socket
import threading
import weakref
from contextlib import suppress
from typing import Any

import urllib3


class Sockets:
    """The sockets of some pools; safe to use from several threads."""

    def __init__(self) -> None:
        self._known: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()

    def watch(self, pool: urllib3.HTTPConnectionPool) -> None:
        """Know every socket that a pool opens from now on."""
        base: Any = pool.ConnectionCls  # Any: a class that is known at run time only, http's or https's
        add = self.add

        class Watched(base):  # type: ignore[misc] # as just said
            def connect(self) -> None:
                super().connect()
                add(self.sock)

        pool.ConnectionCls = Watched

    def shut(self) -> None:
        """Break all of them off: whoever reads or writes gets an error at once, and a later request opens new ones."""
        with self._lock:
            known = list(self._known)
        for each in known:
            with suppress(OSError):
                # The method of the plain socket: TLS would take itself apart under the thread that is reading.
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    def add(self, opened: socket.socket) -> None:
        """Know a socket."""
        with self._lock:
            self._known.add(opened)
