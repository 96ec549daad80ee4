"""Chunks: the parts of a range of time that bars are made by, one at a time, and what state each is in.

What belongs here: planning chunks, splitting one that is too large, the moves between states. What does not: what is
missing (``gaps``), where records of chunks are kept (``stores.chunks``), making bars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ohlcv_assets.units import Nanos

ChunkState = Literal["pending", "running", "done", "failed", "stale"]
"""``pending``: somebody has planned to make it; ``running``: somebody makes it, or was interrupted; ``done``: its bars
are those of its trades; ``failed``: given up for now; ``stale``: its trades have changed since."""

MOVES: Final[Mapping[ChunkState | None, frozenset[ChunkState]]] = {
    None: frozenset({"pending", "running"}),
    "pending": frozenset({"pending", "running"}),
    "running": frozenset({"pending", "running", "done", "failed"}),
    "done": frozenset({"pending", "running", "stale"}),
    "failed": frozenset({"pending", "running"}),
    "stale": frozenset({"pending", "running"}),
}
"""What a chunk in a state (None: nothing is recorded of it) may become; a run that was interrupted left it running."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A range of time ``[start, stop)``, nanoseconds UTC, never empty."""

    start: Nanos
    stop: Nanos

    def __post_init__(self) -> None:
        if self.stop <= self.start:
            raise ValueError(f"a span from {self.start} to {self.stop} is empty")

    @property
    def length(self) -> Nanos:
        """Nanoseconds from start to stop."""
        return Nanos(self.stop - self.start)


def moved(before: ChunkState | None, after: ChunkState) -> ChunkState:
    """Return the state that a chunk moves to.

    Raises
    ------
    ValueError
        It cannot become that.
    """
    if after not in MOVES[before]:
        raise ValueError(f"a chunk that is {before or 'not recorded'} cannot become {after}")
    return after


def plan(span: Span, first: Nanos, largest: Nanos) -> tuple[Span, ...]:
    """Cut a range into chunks: the first one small, each twice as long as the one before, up to the largest.

    A small first chunk shows at once whether it works at all, and something of the outcome.

    Parameters
    ----------
    span
        What to cut.
    first, largest
        Nanoseconds of the first and of the largest chunk, ``0 < first <= largest``.

    Returns
    -------
    tuple[Span, ...]
        In order and adjacent, together exactly ``span``; the last may be shorter than its turn.
    """
    if not 0 < first <= largest:
        raise ValueError(f"chunks from {first} to {largest} ns cannot be")
    chunks: list[Span] = []
    start, length = span.start, first
    while start < span.stop:
        stop = Nanos(min(start + length, span.stop))
        chunks.append(Span(start, stop))
        start, length = stop, Nanos(min(2 * length, largest))
    return tuple(chunks)


def split(span: Span, unit: Nanos) -> tuple[Span, Span] | None:
    """Cut a chunk in two at the multiple of a unit that is nearest to its middle.

    Parameters
    ----------
    span
        What to cut.
    unit
        Nanoseconds: a bar's duration or a day; what must stay whole.

    Returns
    -------
    tuple[Span, Span] | None
        The two parts, or None where no multiple of the unit lies inside.
    """
    middle = span.start + span.length // 2
    below = middle // unit * unit
    inside = [at for at in (below, below + unit) if span.start < at < span.stop]
    if not inside:
        return None
    at = Nanos(min(inside, key=lambda cut: abs(cut - middle)))
    return Span(span.start, at), Span(at, span.stop)
