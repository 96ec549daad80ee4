"""Asking about a range of time, in smaller parts where the whole takes too long.

What belongs here: cutting, and the order of falling back: smaller ranges, single symbols, an error. What does not:
what is asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self, TypeVar

from ohlcv_assets.stores.influxdb.reads.asking import QueryTimeout
from ohlcv_assets.units import DAY, HOUR

Answer = TypeVar("Answer")

FIRST_NS: Final = -106_751 * DAY
END_NS: Final = 106_751 * DAY
"""The whole days that InfluxDB can hold, 1677-09-22 to 2262-04-10. Queries leave the parts of days before and after
out: Flux 0.200 never returns from windows over them."""

PARTS: Final = 6
"""Parts that a range is asked in once the whole took too long."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is asked about at once: a range of time, and one symbol or all.

    Attributes
    ----------
    start, end
        Nanoseconds UTC, half open.
    symbol
        None for all.
    """

    start: int
    end: int
    symbol: str | None = None

    @property
    def span(self) -> tuple[int, int]:
        """Its range."""
        return self.start, self.end

    def ranges(self) -> list[Self]:
        """Return the part cut at full hours into up to ``PARTS``; empty where it is an hour or less."""
        hours = -(-(self.end - self.start) // HOUR)
        if hours <= 1:
            return []
        step = -(-hours // PARTS) * HOUR
        first = self.start // HOUR * HOUR + step
        cuts = [self.start, *range(first, self.end, step), self.end]
        return [replace(self, start=start, end=end) for start, end in itertools.pairwise(cuts)]


def whole_part(start: int, end: int) -> Part | None:
    """Return a range, cut to what InfluxDB can hold; None where nothing is left of it."""
    first, stop = max(start, FIRST_NS), min(end, END_NS)
    return Part(first, stop) if first < stop else None


def in_parts(part: Part, ask: Callable[[Part], Answer], symbols: Callable[[Part], Sequence[str]]) -> Iterator[Answer]:
    """Yield the answers about a part: one, or those about smaller ranges, or about single symbols.

    Parameters
    ----------
    part
        What to ask about.
    ask
        Asks; raises ``QueryTimeout`` where it is too much.
    symbols
        Returns the symbols that a part may have.

    Raises
    ------
    QueryTimeout
        An hour of one symbol was too much.
    """
    try:
        answer = ask(part)
    except QueryTimeout:
        smaller = part.ranges()
        if not smaller and part.symbol is not None:
            raise
        for piece in smaller or [replace(part, symbol=symbol) for symbol in symbols(part)]:
            yield from in_parts(piece, ask, symbols)
    else:
        yield answer
