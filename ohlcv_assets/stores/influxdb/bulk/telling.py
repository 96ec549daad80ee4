"""What happened during a bulk load, by the names that a load by lines has for it.

What belongs here: counting. What does not: deciding anything by it.
"""

from __future__ import annotations

import time

from ohlcv_assets.stores.influxdb.tsm.encoding import TsmFile
from ohlcv_assets.stores.influxdb.writer.story import Meter, WriteStory
from ohlcv_assets.stores.influxdb.writer.usage import ClientUsage, ServerUsage, server_process


class Teller:
    """Counts what one load does.

    Parameters
    ----------
    url
        The server's address, whose processor time is told where it is on this machine.
    """

    def __init__(self, url: str) -> None:
        self._began = time.perf_counter()
        self._client = ClientUsage()
        self._server = ServerUsage(server_process(url))
        self._meter = Meter()
        self._rows = self._bytes = self._files = self._failed = self._peak = 0

    def sent(self, size: int, seconds: float, *, passed: bool) -> None:
        """Count a request of some bytes."""
        self._meter.sent(size, again=self._failed > 0)
        self._peak = max(self._peak, size)
        self._failed = 0 if passed else self._failed + 1
        if passed:
            self._meter.acknowledged(seconds)

    def loaded(self, file: TsmFile) -> None:
        """Count a file that is there."""
        self._failed = 0
        self._rows += file.rows
        self._bytes += file.size
        self._files += 1

    def story(self) -> WriteStory:
        """Return what has happened so far."""
        self._client.sample()
        return WriteStory(
            rows=self._rows,
            bytes=self._bytes,
            batches=self._files,
            seconds=time.perf_counter() - self._began,
            peak_in_flight=min(1, self._files),
            peak_held=self._peak,
            cpu_seconds=self._client.cpu_seconds(),
            peak_memory=self._client.peak,
            server_cpu_seconds=self._server.cpu_seconds(),
            server_memory=self._server.memory(),
            **self._meter.figures(),
        )
