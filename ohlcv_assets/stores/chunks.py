"""What is recorded of chunks of bars, and who may make which: the protocol, its values, and a store in memory.

What belongs here: what any store of such records must do, held by one contract test suite. What does not: deciding what
a record means (``bars.gaps``), making bars (``pipeline``).

A record is kept for each (resolution, start); recording again replaces it. A day that is made whole has the record that
starts with it. Whoever makes bars while trades still come in extends one record a day rather than making one a run, so
that there are never more than a few records a day.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Final, Protocol

from ohlcv_assets.bars.chunks import ChunkState, Span
from ohlcv_assets.errors import StoreBusyError
from ohlcv_assets.units import SECOND, Nanos, day_of, days_between

ERROR_LENGTH: Final = 500
"""Characters that are kept of an error."""

NEVER: Final = Nanos(0)
"""When a record was made that nobody has kept yet."""

EVER: Final = Span(Nanos(-(2**62)), Nanos(2**62))
"""From 1823 to 2116: all that has a record."""


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """What is recorded of one chunk.

    Attributes
    ----------
    resolution, start, stop
        Which one: nanoseconds UTC, half open.
    state
        See ``bars.chunks.ChunkState``.
    rows_in, rows_out
        Trades or bars that it was made from, and bars that it gave.
    seconds
        How long that took.
    attempts
        How often it was tried until it was done or given up.
    error
        Why it failed; empty where it did not.
    source_hash
        Content hash of the trades it was made from; empty where they have none, as long as more of them come in.
    at
        When this was recorded, nanoseconds by the store's clock; set by ``mark``.
    """

    resolution: str
    start: Nanos
    stop: Nanos
    state: ChunkState
    rows_in: int = 0
    rows_out: int = 0
    seconds: float = 0.0
    attempts: int = 0
    error: str = ""
    source_hash: str = ""
    at: Nanos = NEVER


Check = Callable[[], None]
"""Makes sure that a lease is still ours; raises StoreBusyError or an OSError where it is not."""


class Chunks(Protocol):
    """Records of chunks of one dataset, and leases of them."""

    def records(self, span: Span = EVER) -> Sequence[ChunkRecord]:
        """Return the records of the chunks that start in a span, by start, then by resolution."""
        ...

    def mark(self, records: Iterable[ChunkRecord]) -> None:
        """Record chunks, each in place of what was recorded of its (resolution, start)."""
        ...

    def forget(self, span: Span) -> None:
        """Leave nothing recorded of the chunks that start in a span."""
        ...

    def lease(self, resolutions: Iterable[str], span: Span) -> AbstractContextManager[Check]:
        """Hold a range at some resolutions, so that nobody else makes any part of it meanwhile.

        Held is every UTC day that the range touches, at each of the resolutions, across processes and, where the store
        is a server, across machines. Whoever dies gives back what was held: at once where others can see that the
        process is gone, by the server's clock where they cannot. It is not reentrant.

        Raises
        ------
        StoreBusyError
            Somebody else held part of it for longer than the store's patience.
        """
        ...


def days_held(resolutions: Iterable[str], span: Span) -> list[tuple[str, str]]:
    """Return (day, resolution) of all that a lease holds, in the order that everybody takes them in."""
    names = sorted(set(resolutions))
    days = days_between(day_of(span.start), day_of(Nanos(span.stop - 1)))
    return [(day.isoformat(), name) for day in days for name in names]


def shortened(error: str) -> str:
    """Return an error as it is recorded: on one line, of bounded length."""
    return " ".join(error.split())[:ERROR_LENGTH]


class MemoryChunks:
    """Records in a dictionary; safe to use from several threads."""

    def __init__(self, patience: float = 10.0) -> None:
        self._patience = patience
        self._records: dict[tuple[Nanos, str], ChunkRecord] = {}
        self._held: set[tuple[str, str]] = set()
        self._changed = threading.Condition()

    def records(self, span: Span = EVER) -> Sequence[ChunkRecord]:
        """Return the records of the chunks that start in a span."""
        with self._changed:
            return [found for (start, _), found in sorted(self._records.items()) if span.start <= start < span.stop]

    def mark(self, records: Iterable[ChunkRecord]) -> None:
        """Record chunks."""
        at = Nanos(int(time.time() * SECOND))
        with self._changed:
            for record in records:
                kept = replace(record, at=at, error=shortened(record.error))
                self._records[record.start, record.resolution] = kept

    def forget(self, span: Span) -> None:
        """Leave nothing recorded of the chunks that start in a span."""
        with self._changed:
            self._records = {key: found for key, found in self._records.items() if not span.start <= key[0] < span.stop}

    @contextmanager
    def lease(self, resolutions: Iterable[str], span: Span) -> Iterator[Check]:
        """Hold a range at some resolutions among the threads of this process."""
        wanted = days_held(resolutions, span)
        with self._changed:
            if not self._changed.wait_for(lambda: self._held.isdisjoint(wanted), self._patience):
                raise busy(next(key for key in wanted if key in self._held), "another thread", self._patience)
            self._held.update(wanted)
        try:
            yield always_ours
        finally:
            with self._changed:
                self._held.difference_update(wanted)
                self._changed.notify_all()


def busy(key: tuple[str, str], holder: str, patience: float) -> StoreBusyError:
    """Return the error that says who holds what."""
    day, resolution = key
    return StoreBusyError(
        f"The {resolution} bars of {day} are being made by {holder}, which did not end within {patience:g} s: wait for "
        "it, then run the same again."
    )


def always_ours() -> None:
    """Pass: a lease in memory, or by a lock of the operating system, ends with its process and not before."""
