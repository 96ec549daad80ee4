"""What a write costs: processor time and memory of this process, and of the server where it runs on this machine.

What belongs here: reading those figures. What does not: adding them up (``story``).

A server in a container, behind a proxy or on another machine has no figures here, and nothing is said about it.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import psutil

_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_FORWARDERS: Final = frozenset({"docker-proxy", "rootlesskit", "rootlessport", "slirp4netns", "ssh", "sshd"})
"""Programs that listen in another's name."""

_LOOKING_AGAIN: Final = 60.0
_found: Final[dict[str, tuple[psutil.Process | None, float]]] = {}
_lock: Final = threading.Lock()


class ClientUsage:
    """Processor time and memory of this process since the object was made.

    Attributes
    ----------
    peak
        Most resident bytes at any ``sample``.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._started = time.process_time()
        self.peak = 0
        self.sample()

    def sample(self) -> None:
        """Look at the memory now."""
        self.peak = max(self.peak, int(self._process.memory_info().rss))

    def cpu_seconds(self) -> float:
        """Return the processor seconds of all threads of this process so far."""
        return time.process_time() - self._started


class ServerUsage:
    """Processor time and memory of a server on this machine since the object was made.

    Parameters
    ----------
    process
        The server's process; None where there is none to look at.
    """

    def __init__(self, process: psutil.Process | None) -> None:
        self._process = process
        self._started = self._cpu() or 0.0

    def cpu_seconds(self) -> float | None:
        """Return the server's processor seconds so far; None where there is nothing to look at."""
        now = self._cpu()
        # After a restart under the same port the process is another one, and this one is gone.
        return None if now is None else max(0.0, now - self._started)

    def memory(self) -> int | None:
        """Return the server's resident bytes; None where there is nothing to look at."""
        if self._process is None:
            return None
        with suppress(psutil.Error):
            return int(self._process.memory_info().rss)
        return None

    def _cpu(self) -> float | None:
        if self._process is None:
            return None
        with suppress(psutil.Error):
            times = self._process.cpu_times()
            return float(times.user + times.system)
        return None


def server_process(url: str) -> psutil.Process | None:
    """Return the process that listens at an address, where it is on this machine and may be seen.

    Looking for it takes tens of milliseconds, so it is looked for again only when it is gone, and not more than once a
    minute where there was none.

    Parameters
    ----------
    url
        ``http://host:port``; names other than ``localhost`` are not looked up.
    """
    now = time.monotonic()
    with _lock:
        process, then = _found.get(url, (None, float("-inf")))
        gone = now - then > _LOOKING_AGAIN if process is None else not process.is_running()
        if gone:
            process = _listener(url)
            _found[url] = process, now
        return process


def _listener(url: str) -> psutil.Process | None:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    # Operating systems differ in what they let one see, and in how they say no.
    with suppress(psutil.Error, OSError, RuntimeError):
        if not _is_here(parts.hostname or ""):
            return None
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and connection.pid and address and address.port == port:
                return _server(connection.pid)
    return None


def _is_here(host: str) -> bool:
    if host in _LOCAL:
        return True
    addresses = (address for several in psutil.net_if_addrs().values() for address in several)
    families = {socket.AF_INET, socket.AF_INET6}
    return any(address.family in families and address.address == host for address in addresses)


def _server(pid: int) -> psutil.Process | None:
    if pid == os.getpid():
        return None
    process = psutil.Process(pid)
    return None if process.name() in _FORWARDERS else process
