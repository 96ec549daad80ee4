"""``GET /api/v1/ohlc``: bars of a symbol, at the resolution asked for or at one that suits the range.

What belongs here: the request and the answer. What does not: rules of resolutions (``bars.adaptive``), reading
(``reading``), forms (``bodies``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

import pyarrow as pa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from ohlcv_assets.api import bodies
from ohlcv_assets.api.answers import Answer, respond
from ohlcv_assets.api.closed import bars_closed
from ohlcv_assets.api.cursors import Place, cursor_of, place_of
from ohlcv_assets.api.documented import problems, rows
from ohlcv_assets.api.gate import Documented
from ohlcv_assets.api.parameters import (
    Cursor,
    End,
    Formatted,
    Order,
    Ordered,
    ResolutionName,
    Shared,
    Start,
    SymbolName,
    Versioned,
    clipped,
    gathered,
    parse_range,
)
from ohlcv_assets.api.pool import TooSlowError
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.api.quick import QuickRoute
from ohlcv_assets.api.reading import BarReader, last_open
from ohlcv_assets.api.service import Service
from ohlcv_assets.bars.adaptive import Choice, adapt, coarser
from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS, Resolution
from ohlcv_assets.bars.slots import fill_slots, slots
from ohlcv_assets.errors import StoreQueryError
from ohlcv_assets.instants import format_instant
from ohlcv_assets.market.symbols import Symbol
from ohlcv_assets.units import Nanos

router = APIRouter(prefix="/api/v1", tags=["bars"], dependencies=Documented, route_class=QuickRoute)
MOST_A_PAGE: Final = 50_000
ROUTE: Final = "/api/v1/ohlc"


class BarColumns(BaseModel):
    """Bars, column by column; all columns are equally long."""

    t: list[int] = Field(description="Open time, milliseconds since 1970, UTC; a bar covers [t, t + resolution).")
    o: list[float] = Field(description="Open.")
    h: list[float] = Field(description="High.")
    l: list[float] = Field(description="Low.")  # noqa: E741 -- the field's usual letter
    c: list[float] = Field(description="Close.")
    v: list[float] = Field(description="Volume in units.")
    n: list[int] = Field(description="Trades.")
    vw: list[float | None] = Field(description="Volume-weighted average price; null for a filled bar.")
    q: list[float] = Field(description="Turnover: the sum of price times amount.")
    i: list[int] = Field(description="Imbalance: buyer-initiated less seller-initiated trades.")


class Bars(BaseModel):
    """Bars of a symbol, and how they came about."""

    symbol: str = Field(description="Name of the symbol.")
    requested_resolution: ResolutionName = Field(description="What was asked.")
    resolution: ResolutionName = Field(description="What is given.")
    adapted: bool = Field(description="Whether the two differ.")
    reason: str | None = Field(description="Why they differ.")
    fallback: str | None = Field(description="What was done because the store took too long: coarser bars, or parts.")
    start: str = Field(description="Beginning of the range, RFC 3339.")
    end: str = Field(description="End of the range, excluded.")
    order: Order = Field(description="Oldest first, or newest first.")
    fill: str = Field(description="What intervals without a trade are answered with: none or previous.")
    count: int = Field(description="How many bars there are.", ge=0)
    truncated: bool = Field(description="Whether the range has more than limit.")
    next_cursor: str | None = Field(description="Where the next page begins.")
    last_bar_complete: bool = Field(description="Whether the latest of these bars will not change any more.")
    columns: BarColumns = Field(description="The bars.")


_EXAMPLE: Final = {
    "symbol": "BTC-USD",
    "requested_resolution": "1m",
    "resolution": "1m",
    "adapted": False,
    "reason": None,
    "fallback": None,
    "start": "2024-01-05T14:30:00Z",
    "end": "2024-01-05T14:31:00Z",
    "order": "asc",
    "fill": "none",
    "count": 1,
    "truncated": False,
    "next_cursor": None,
    "last_bar_complete": True,
    "columns": {
        "t": [1704465000000],
        "o": [44001.5],
        "h": [44010.0],
        "l": [43990.25],
        "c": [44005.0],
        "v": [1.25],
        "n": [3],
        "vw": [44001.2],
        "q": [55001.5],
        "i": [1],
    },
}
_CSV: Final = (
    "symbol,ts,open,high,low,close,volume,turnover,trades,imbalance,vwap\n"
    "BTC-USD,2024-01-05T14:30:00.000000000Z,44001.5,44010,43990.25,44005,1.25,55001.5,3,1,44001.2\n"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for bars."""

    symbol: SymbolName
    resolution: Annotated[ResolutionName, Query(description="Length of a bar.", examples=["1m"])] = "1m"
    start: Start = None
    end: End = None
    limit: Annotated[
        int | None,
        Query(
            ge=1,
            le=MOST_A_PAGE,
            description="Most bars of the answer; more are handed out page by page.",
            examples=[1000],
        ),
    ] = None
    order: Ordered = "asc"
    cursor: Cursor = None
    form: Formatted = None
    adaptive: Annotated[
        bool,
        Query(description="Answer a wide range at a coarser resolution; false: as asked, or 422.", examples=[True]),
    ] = True
    fill: Annotated[
        str,
        Query(
            pattern="^(none|previous)$",
            description="previous: for each interval of a session without a trade a bar at the close before, volume 0.",
            examples=["none"],
        ),
    ] = "none"
    version: Versioned = None


@dataclass(frozen=True, slots=True)
class Page:
    """Bars that answer a request, ascending.

    Attributes
    ----------
    bars
        The page itself.
    more
        Whether the range has more.
    choice
        Which resolution they are of.
    fallback
        What was done because the store took too long.
    since
        The earliest instant that the page depends on.
    edge
        Open time of the bar or interval that it ends with; None where it has none.
    """

    bars: pa.Table
    more: bool
    choice: Choice
    fallback: str | None
    since: Nanos
    edge: Nanos | None


@router.get(
    "/ohlc",
    summary="Bars of a symbol",
    response_class=Response,
    responses=rows("Bars, labelled by their open time; no row where there was no trade.", Bars, _EXAMPLE, _CSV)
    | problems("unknown-symbol", "too-many-rows", "busy", "timed-out"),
)
async def ohlc(request: Request, service: Shared, asked: Annotated[Asked, gathered(Asked)]) -> Response:
    """Return the bars of a symbol that open in a range.

    Wide ranges are answered at a coarser resolution, which the answer says with its reason: one day above 365 days, one
    hour above 90 days, 15 minutes above 30 days where one minute was asked. Weeks and months stay as they are.
    """
    symbol, version = service.symbol(asked.symbol), service.version
    start, end = parse_range(service, asked.start, asked.end)
    resolution = RESOLUTIONS[asked.resolution]
    choice = adapt(resolution, start, end) if asked.adaptive else Choice(resolution, resolution)
    first, last = clipped(service, start, end)
    if asked.cursor is not None:
        place = place_of(asked.cursor, _named(asked))
        choice = _same_as_before(choice, place)
        first, last = _after(asked, place, first, last)
    if asked.limit is None:
        _refuse_too_many(service, symbol, choice.given, first, last)
    page = await _page(service, symbol, asked, choice, first, last)
    since = Nanos(min(page.since, first))
    closed = service.is_still(version) and bars_closed(service.closed, service.project, page.choice.given, since, last)
    form = bodies.media_type_of(asked.form, request.headers.get("accept", ""))
    about = _about(service, asked, page, start, end)
    service.telemetry.rows.labels(ROUTE).inc(page.bars.num_rows)
    headers = _headers(about) if form != "json" else {}
    # What was given for lack of time may be better the next time.
    answer = Answer(
        _body(form, asked, page, about), bodies.MEDIA_TYPES[form], closed and page.fallback is None, headers
    )
    return respond(request, service, answer)


def _same_as_before(choice: Choice, place: Place) -> Choice:
    """Return the choice of the pages before, which may have been made for lack of time."""
    given = RESOLUTIONS.get(place.resolution, choice.given)
    if given == choice.given:
        return choice
    return replace(choice, given=given, reason="the pages before have it")


def _after(asked: Asked, place: Place, start: Nanos, end: Nanos) -> tuple[Nanos, Nanos]:
    """Return what is left of a range after a page."""
    first, last = (max(start, place.at + 1), end) if asked.order == "asc" else (start, min(end, place.at))
    return (Nanos(first), Nanos(last)) if first < last else (start, start)


def _named(asked: Asked) -> str:
    """Return what a cursor is good for."""
    parts = (asked.symbol, asked.resolution, asked.adaptive, asked.start, asked.end, asked.order, asked.fill)
    return "bars " + " ".join(map(str, parts))


def _refuse_too_many(service: Service, symbol: Symbol, resolution: Resolution, start: Nanos, end: Nanos) -> None:
    most = service.settings.serve_rows
    if resolution.duration is not None and (end - start) // resolution.duration < most:
        return  # not even a market that never closes has so many
    expected = len(slots(resolution, symbol.calendar, start, end))
    if expected > most:
        raise ProblemError(
            "too-many-rows",
            f"That would be {expected} rows of {resolution.name}, over the limit of {most}: ask "
            "for less, page by page with limit=, or for a coarser resolution.",
            {"rows": expected},
        )


async def _page(service: Service, symbol: Symbol, asked: Asked, choice: Choice, start: Nanos, end: Nanos) -> Page:
    """Read a page; coarser where that takes too long and whoever asks leaves it to us, in parts where not."""
    slow: list[str] = []
    while True:
        less = coarser(choice.given) if asked.adaptive and asked.cursor is None else None
        reader = BarReader(service, symbol, choice.given, splits=less is None)
        try:
            page = await _read(reader, asked, choice, start, end)
        except (TooSlowError, StoreQueryError):
            if less is None:
                raise
            slow.append(choice.given.name)
            choice = replace(choice, given=less)
            continue
        said = [f"{' and '.join(slow)} bars took too long to read"] if slow else []
        reason = "; ".join([*filter(None, [choice.reason]), *said])
        parts = [f"read in {reader.parts} parts"] if reader.parts > 0 else []
        return replace(page, choice=replace(choice, reason=reason), fallback="; ".join(said + parts) or None)


async def _read(reader: BarReader, asked: Asked, choice: Choice, start: Nanos, end: Nanos) -> Page:
    """Read a page at one resolution."""
    if asked.fill == "previous":
        return await _filled(reader, asked, choice, start, end)
    if asked.limit is None:
        bars = await reader.fetch(start, end)
    elif asked.order == "asc":
        bars = await reader.first(asked.limit + 1, start, end)
    else:
        bars = await reader.last(asked.limit + 1, start, end)
    kept, more = _cut(bars, asked)
    edge = None if kept.num_rows == 0 else Nanos(int(bodies.nanos(kept["ts"])[-1 if asked.order == "asc" else 0]))
    return Page(kept, more, choice, None, start, edge)


async def _filled(reader: BarReader, asked: Asked, choice: Choice, start: Nanos, end: Nanos) -> Page:
    """Read a page with a bar for every interval of a session."""
    opens = slots(choice.given, reader.symbol.calendar, start, end)
    more = asked.limit is not None and len(opens) > asked.limit
    if more and asked.order == "asc":
        opens, end = opens[: asked.limit], Nanos(int(opens[asked.limit or 0]))
    elif more:
        opens = opens[-(asked.limit or 0) :]
        start = Nanos(int(opens[0]))
    bars = await reader.fetch(start, end)
    earliest = reader.service.bounds[0]
    before = await reader.last(1, earliest, start)
    close = None if before.num_rows == 0 else float(before["close"][-1].as_py())
    since = earliest if before.num_rows == 0 else last_open(before)
    filled = fill_slots(bars, reader.symbol.name, opens, close)
    edge = None if len(opens) == 0 else Nanos(int(opens[-1 if asked.order == "asc" else 0]))
    return Page(filled, more, choice, None, since, edge)


def _cut(bars: pa.Table, asked: Asked) -> tuple[pa.Table, bool]:
    """Return as many bars as were asked for, and whether there are more."""
    if asked.limit is None or bars.num_rows <= asked.limit:
        return bars, False
    return bars.slice(0 if asked.order == "asc" else bars.num_rows - asked.limit, asked.limit), True


def _about(service: Service, asked: Asked, page: Page, start: Nanos, end: Nanos) -> dict[str, Any]:  # Any: JSON
    """Return what an answer says beside its bars."""
    cursor, complete = None, True
    if page.bars.num_rows > 0:
        latest = last_open(page.bars)
        complete = bars_closed(service.closed, service.project, page.choice.given, latest, Nanos(latest + 1))
    if page.more and page.edge is not None:
        cursor = cursor_of(Place(_named(asked), page.edge, page.choice.given.name))
    return {
        "symbol": asked.symbol,
        "requested_resolution": page.choice.asked.name,
        "resolution": page.choice.given.name,
        "adapted": page.choice.adapted,
        "reason": page.choice.reason or None,
        "fallback": page.fallback,
        "start": format_instant(start),
        "end": format_instant(end),
        "order": asked.order,
        "fill": asked.fill,
        "count": page.bars.num_rows,
        "truncated": page.more,
        "next_cursor": cursor,
        "last_bar_complete": complete,
    }


def _headers(about: dict[str, Any]) -> dict[str, str]:  # Any: JSON
    """Return what a form without room for it says in headers."""
    named = {
        "X-Ohlcv-Resolution": about["resolution"],
        "X-Ohlcv-Reason": about["reason"],
        "X-Ohlcv-Fallback": about["fallback"],
        "X-Ohlcv-Next-Cursor": about["next_cursor"],
    }
    return {name: value for name, value in named.items() if value is not None}


def _body(form: bodies.Format, asked: Asked, page: Page, about: dict[str, Any]) -> bytes:  # Any: JSON
    bars = page.bars if asked.order == "asc" else bodies.reversed_rows(page.bars)
    if form == "csv":
        return bodies.bars_csv(bars)
    if form == "arrow":
        return bodies.bars_arrow(bars.cast(BARS), about)
    return bodies.bars_json(bars, about)
