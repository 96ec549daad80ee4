"""What requests may ask: their parameters, with bounds and examples, and what texts mean.

What belongs here: parameters that several routes share. What does not: what is done with them.
"""

from __future__ import annotations

import inspect
import re
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import Depends, Query, Request

from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.api.service import Service
from ohlcv_assets.errors import InvalidDateError
from ohlcv_assets.instants import format_instant, parse_end, parse_start
from ohlcv_assets.units import Nanos

T = TypeVar("T")
ResolutionName = Literal["1m", "5m", "15m", "30m", "1h", "2h", "4h", "1d", "1W", "1M"]
StoredName = Literal["1m", "5m", "15m", "1h", "1d"]
Order = Literal["asc", "desc"]

_EPOCH: Final = re.compile(r"-?[0-9]{5,15}")
_LOST_PLUS: Final = re.compile(r"(T.*) ([0-9]{2}:[0-9]{2})$")
"""In an address a plus that is not escaped reads as a space."""

_MILLISECOND: Final = 1_000_000
_MOST_MILLISECONDS: Final = 9_214_646_400_000
"""2262-01-01: what nanoseconds in 64 bits can hold, rounded down to a year."""

WHEN_PATTERN: Final = r"^[0-9TtZz:.,+ \-]{5,40}$"

SymbolName = Annotated[
    str,
    Query(
        min_length=1,
        max_length=100,
        description="Name of the symbol; /api/v1/symbols lists them.",
        examples=["BTC-USD"],
    ),
]
Start = Annotated[
    str | None,
    Query(
        pattern=WHEN_PATTERN,
        description="Where the range begins: a day, a month, an RFC 3339 instant (UTC without an offset), or "
        "milliseconds since 1970. The dataset's beginning if absent.",
        examples=["2024-01-05"],
    ),
]
End = Annotated[
    str | None,
    Query(
        pattern=WHEN_PATTERN,
        description="Where the range ends: a day or month, included, or an instant or milliseconds, excluded. The "
        "dataset's end if absent.",
        examples=["2024-01-06"],
    ),
]
Ordered = Annotated[Order, Query(description="Oldest first, or newest first.", examples=["asc"])]
Cursor = Annotated[
    str | None,
    Query(
        pattern=r"^[A-Za-z0-9_\-]{1,200}$",
        description="`next_cursor` of the page before; all other parameters must be the same as there.",
    ),
]
Versioned = Annotated[
    str | None,
    Query(
        pattern="^[0-9a-f]{16}$",
        description="`version` of /api/v1/symbols: while it is the present one, an answer about closed days is "
        "immutable, so that it need never be asked for again. It changes nothing else.",
        examples=["0123456789abcdef"],
    ),
]
Formatted = Annotated[
    Literal["json", "csv", "arrow"] | None,
    Query(
        alias="format",
        description="Form of the answer; as the Accept header says if absent, or json.",
        examples=["json"],
    ),
]


async def service_of(request: Request) -> Service:
    """Return what all requests share; a coroutine, since FastAPI has a thread call what is none."""
    service: Service = request.app.state.service
    return service


Shared = Annotated[Service, Depends(service_of)]


def gathered(kind: type[T]) -> Any:  # Any: a marker that FastAPI reads
    """Return what documents the parameters of a ``QuickRoute``, which are the fields of a dataclass."""
    gather = partial(kind)
    gather.__signature__ = inspect.signature(kind, eval_str=True)  # type: ignore[attr-defined]  # what FastAPI reads
    return Depends(gather)


def parse_when(text: str, *, end: bool) -> Nanos:
    """Return the instant at which a range begins or ends.

    Raises
    ------
    InvalidDateError
        The text is no date, instant or number of milliseconds.
    """
    if _EPOCH.fullmatch(text):
        milliseconds = int(text)
        if abs(milliseconds) > _MOST_MILLISECONDS:
            raise InvalidDateError(f"{text} milliseconds are outside what nanosecond timestamps can hold.")
        return Nanos(milliseconds * _MILLISECOND)
    mended = _LOST_PLUS.sub(r"\1+\2", text) if " " in text else text
    return parse_end(mended) if end else parse_start(mended)


def parse_range(service: Service, start: str | None, end: str | None) -> tuple[Nanos, Nanos]:
    """Return the range asked for, half open; the dataset's own bounds where nothing is said.

    Raises
    ------
    InvalidDateError
        A text is no instant.
    ProblemError
        The range ends before it begins.
    """
    earliest, latest = service.bounds
    first = earliest if start is None else parse_when(start, end=False)
    last = latest if end is None else parse_when(end, end=True)
    if last < first:
        raise ProblemError(
            "invalid",
            f"The range ends at {format_instant(last)}, before it starts at {format_instant(first)}; swap the two.",
        )
    return first, last


def clipped(service: Service, start: Nanos, end: Nanos) -> tuple[Nanos, Nanos]:
    """Return the part of a range that the dataset has; empty, with both ends equal, where it has none of it."""
    earliest, latest = service.bounds
    first, last = max(start, earliest), min(end, latest)
    return (first, last) if first < last else (earliest, earliest)
