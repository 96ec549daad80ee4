"""Batches between the thread that makes them and the threads that send them.

What belongs here: waiting for room, and accounting for memory. What does not: what becomes of a batch (``ledger``).
"""

from __future__ import annotations

import threading
from collections import deque

from ohlcv_assets.stores.influxdb.writer.halt import Halted
from ohlcv_assets.stores.influxdb.writer.ledger import Batch


class BatchQueue:
    """First in, first out; bounded by number and by bytes. Safe to use from several threads.

    A batch's bytes are counted from ``put`` until ``release``, so the bound covers those that wait and those that are
    under way.

    Parameters
    ----------
    most_bytes
        Bytes of all batches; one that is larger than that goes alone.
    most_waiting
        Batches that wait to be sent.

    Attributes
    ----------
    held
        Bytes of all batches now.
    peak
        Most bytes at a time.
    """

    def __init__(self, most_bytes: int, most_waiting: int) -> None:
        self.held = 0
        self.peak = 0
        self._most_bytes = most_bytes
        self._most_waiting = most_waiting
        self._waiting: deque[Batch] = deque()
        self._finished = False
        self._closed = False
        self._changed = threading.Condition()

    def put(self, batch: Batch) -> None:
        """Add a batch, waiting for room.

        Raises
        ------
        Halted
            The queue was closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(batch.size))
            if self._closed:
                raise Halted
            self._waiting.append(batch)
            self.held += batch.size
            self.peak = max(self.peak, self.held)
            self._changed.notify_all()

    def get(self) -> Batch | None:
        """Take the oldest batch, waiting for one; None once there will be no more.

        Raises
        ------
        Halted
            The queue was closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._finished or len(self._waiting) > 0)
            if self._closed:
                raise Halted
            if not self._waiting:
                return None
            self._changed.notify_all()
            return self._waiting.popleft()

    def release(self, size: int) -> None:
        """Give back the bytes of a batch that is done with."""
        with self._changed:
            self.held -= size
            self._changed.notify_all()

    def finish(self) -> None:
        """Say that nothing more will be put."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def close(self) -> None:
        """Forget what waits, and turn away everybody who puts or gets."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        if len(self._waiting) >= self._most_waiting:
            return False
        return self.held == 0 or self.held + size <= self._most_bytes
