"""Gaps: how far bars reach without one, and what is missing or stale.

What belongs here: arithmetic of ranges, the watermark, judging a day's bars by what is known of them. What does not:
finding that out (``pipeline.bar_status``), making bars (``pipeline.heal``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ohlcv_assets.bars.chunks import ChunkState, Span
from ohlcv_assets.units import Nanos

Standing = Literal["complete", "missing", "stale", "waiting"]
"""``complete``: the bars are those of the trades; ``missing``: there are none, or not all; ``stale``: there are some,
but of other trades, or nobody knows of which; ``waiting``: there are no proved trades to make bars from."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one day at one resolution.

    Attributes
    ----------
    content
        Hash of the trades that the store provably holds; None where nothing is proved of the day.
    rows
        How many trades those are.
    state
        Of the chunk that the day was made in; None where nothing is recorded.
    source
        Hash of the trades that its bars were made from; empty where they had none.
    bars, trades
        Stored bars, and the trades they hold.
    """

    content: str | None
    rows: int
    state: ChunkState | None
    source: str
    bars: int
    trades: int


def judged(known: Known) -> tuple[Standing, str]:
    """Return how a day's bars stand and why, in a few words; they are complete for no reason."""
    some = known.bars > 0
    if known.content is None:
        return ("stale", "their trades are not proved to be stored") if some else ("waiting", "no proved trades")
    if known.rows == 0 and not some:
        return "complete", ""
    if known.state != "done" or known.source != known.content:
        return "stale" if some else "missing", _reason(known)
    if known.trades > known.rows:
        return "stale", "more trades in the bars than stored"
    return ("complete", "") if known.trades == known.rows else ("missing", "bars are gone")


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return what spans cover together: in order, none touching another."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start <= found[-1].stop:
            found[-1] = Span(found[-1].start, max(found[-1].stop, span.stop))
        else:
            found.append(span)
    return tuple(found)


def without(spans: Iterable[Span], holes: Iterable[Span]) -> tuple[Span, ...]:
    """Return what spans cover and holes do not: in order, none touching another."""
    left: list[Span] = []
    cuts = joined(holes)
    for span in joined(spans):
        start = span.start
        for cut in cuts:
            if cut.stop <= start or cut.start >= span.stop:
                continue
            if cut.start > start:
                left.append(Span(start, cut.start))
            start = cut.stop
        if start < span.stop:
            left.append(Span(start, span.stop))
    return tuple(left)


def within(spans: Iterable[Span], frame: Span) -> tuple[Span, ...]:
    """Return the parts of spans that lie in a frame, in their order."""
    bounds = ((max(span.start, frame.start), min(span.stop, frame.stop)) for span in spans)
    return tuple(Span(start, stop) for start, stop in bounds if start < stop)


def watermark(start: Nanos, complete: Sequence[Span]) -> Nanos:
    """Return how far it is complete without a gap, counted from an instant: that instant itself where it is not."""
    return next((span.stop for span in joined(complete) if span.start <= start < span.stop), start)


def _reason(known: Known) -> str:
    match known.state:
        case None:
            return "nothing is recorded of them" if known.bars > 0 else "never made"
        case "pending":
            return "planned"
        case "running":
            return "begun and not ended"
        case "failed":
            return "given up"
        case _:
            return "made from other trades"
