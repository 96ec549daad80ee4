"""What became of every batch: nothing counts as written until the server has said so.

What belongs here: batches, their states, and the sums of those that are acknowledged. What does not: sending them.
Acknowledged batches are kept as sums only, so the ledger is never longer than what waits and is under way.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.stores.influxdb.writer.splitting import halves

BatchState = Literal["waiting", "sent", "unknown", "acknowledged", "split"]
"""``unknown``: sent at least once without an acknowledgement; the server may hold it or not."""


@dataclass(slots=True)
class Batch:
    """One request's worth of lines.

    Attributes
    ----------
    number
        Unique in its ledger, in order of admission.
    body
        Line protocol; emptied once acknowledged.
    rows
        Its lines.
    size
        Bytes of the body as it was admitted.
    attempts
        How often it was sent.
    state
        What is known of it.
    """

    number: int
    body: bytes
    rows: int
    size: int
    attempts: int = 0
    state: BatchState = "waiting"

    def __repr__(self) -> str:
        return f"Batch({self.number}, rows={self.rows}, bytes={self.size}, attempts={self.attempts}, {self.state})"


class Ledger:
    """The batches of one write; safe to use from several threads.

    Attributes
    ----------
    rows, bytes, batches
        Acknowledged.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.bytes = 0
        self.batches = 0
        self._numbers = 0
        self._admitted = 0
        self._open: dict[int, Batch] = {}
        self._lock = threading.Lock()

    @property
    def open(self) -> tuple[Batch, ...]:
        """Batches that are not acknowledged, in order."""
        with self._lock:
            return tuple(self._open[number] for number in sorted(self._open))

    def admit(self, body: bytes, rows: int) -> Batch:
        """Enter a new batch."""
        with self._lock:
            self._admitted += rows
            return self._enter(body, rows)

    def sent(self, batch: Batch) -> None:
        """Note that a batch goes out, for the first time or again."""
        batch.attempts += 1
        batch.state = "sent"

    def failed(self, batch: Batch) -> None:
        """Note that nobody knows what became of a batch."""
        batch.state = "unknown"

    def acknowledged(self, batch: Batch) -> int:
        """Note that the server holds a batch, let go of its body, and return the rows acknowledged so far."""
        with self._lock:
            del self._open[batch.number]
            batch.state = "acknowledged"
            batch.body = b""
            self.rows += batch.rows
            self.bytes += batch.size
            self.batches += 1
            return self.rows

    def split(self, batch: Batch) -> tuple[Batch, Batch]:
        """Put two batches in the place of one that holds several lines."""
        with self._lock:
            first, second = (self._enter(body, rows) for body, rows in halves(batch.body, batch.rows))
            del self._open[batch.number]
            batch.state = "split"
            batch.body = b""
            return first, second

    def settle(self) -> None:
        """Prove that everything admitted is acknowledged.

        Raises
        ------
        StoreMismatchError
            It is not; a fault of this package.
        """
        if self._open or self.rows != self._admitted:
            raise StoreMismatchError(
                f"{self._admitted - self.rows} of {self._admitted} lines were never acknowledged; load the same again, "
                "and report it, since this cannot happen."
            )

    def _enter(self, body: bytes, rows: int) -> Batch:
        self._numbers += 1
        batch = Batch(self._numbers, body, rows, len(body))
        self._open[batch.number] = batch
        return batch
