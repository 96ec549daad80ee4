"""``/udf/history``, ``/udf/quotes`` and ``/udf/marks``: bars, last prices, and sessions that end early.

What belongs here: these endpoints. What does not: reading bars (``bars``).

A client's count outranks its ``from``: where the range has fewer bars, earlier ones are added, so that a weekend or a
long gap never looks like the end of history. ``no_data`` without ``nextTime`` means that there is nothing earlier.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from ohlcv_assets.api.answers import Answer, respond
from ohlcv_assets.api.bodies import json_bytes, nanos, numbers
from ohlcv_assets.api.documented import body, problems
from ohlcv_assets.api.gate import Documented
from ohlcv_assets.api.parameters import Shared, clipped
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.api.reading import last_open
from ohlcv_assets.api.service import Service
from ohlcv_assets.api.udf.bars import UdfBars
from ohlcv_assets.api.udf.naming import EXCHANGES, resolution_of, sessions_of, symbol_named
from ohlcv_assets.bars.in_sessions import first_sessions
from ohlcv_assets.bars.labels import bar_numbers, open_times
from ohlcv_assets.bars.resolutions import RESOLUTIONS
from ohlcv_assets.errors import UnknownSymbolError
from ohlcv_assets.market.calendars import Session
from ohlcv_assets.units import DAY, SECOND, Nanos, day_start

router = APIRouter(prefix="/udf", tags=["TradingView"], dependencies=Documented)
ROUTE: Final = "/udf/history"
LATEST: Final = 9_214_646_400
"""2262-01-01, beyond which nanoseconds do not reach; earlier than 1678 is read as 1678."""

_EARLIEST: Final = -9_214_560_000
_LEAST_COUNT: Final = 2
"""Front ends want two bars at least."""

_MOST_QUOTES: Final = 100
_MONTH: Final = 31 * DAY

SymbolParameter = Annotated[
    str, Query(min_length=1, max_length=120, description="Name, with or without its exchange.", examples=["AAPL"])
]
ResolutionParameter = Annotated[
    str,
    Query(
        min_length=1,
        max_length=4,
        pattern="^[0-9]*[DWM]?$",
        description="1, 5, 15, 30, 60, 120, 240, 1D, 1W or 1M.",
        examples=["60"],
    ),
]
FromParameter = Annotated[
    int,
    Query(alias="from", ge=-(10**11), le=10**11, description="Beginning, seconds since 1970.", examples=[1704412800]),
]
ToParameter = Annotated[
    int, Query(ge=-(10**11), le=10**11, description="End, excluded, seconds since 1970.", examples=[1704499200])
]


class History(BaseModel):
    """Bars, column by column."""

    model_config = ConfigDict(extra="allow")

    s: str = Field(description="ok, or no_data.")
    t: list[int] = Field(default=[], description="Open times, seconds since 1970; of days 00:00 UTC.")
    o: list[float] = Field(default=[], description="Open.")
    h: list[float] = Field(default=[], description="High.")
    l: list[float] = Field(default=[], description="Low.")  # noqa: E741 -- the protocol's letter
    c: list[float] = Field(default=[], description="Close.")
    v: list[float] = Field(default=[], description="Volume.")
    nextTime: int | None = Field(default=None, description="With no_data: the last bar before the range.")  # noqa: N815 -- the protocol's name


class Quotes(BaseModel):
    """Last prices."""

    s: str = Field(description="Always ok.")
    d: list[dict[str, Any]] = Field(description="One a name, in their order.")  # Any: JSON


class Marks(BaseModel):
    """Marks on bars, column by column."""

    id: list[int] = Field(description="One a mark.")
    time: list[int] = Field(description="Of the bar, seconds since 1970.")
    color: list[str] = Field(description="Of the mark.")
    text: list[str] = Field(description="What it says.")
    label: list[str] = Field(description="One letter on it.")
    labelFontColor: list[str] = Field(description="Of the letter.")  # noqa: N815 -- the protocol's name
    minSize: list[int] = Field(description="Of the mark.")  # noqa: N815 -- the protocol's name


_HISTORY: Final = {"s": "ok", "t": [1704465000], "o": [182.1], "h": [182.6], "l": [181.9], "c": [182.4], "v": [1200.0]}
_QUOTE: Final = {
    "lp": 182.4,
    "ch": 0.3,
    "chp": 0.16,
    "open_price": 182.1,
    "high_price": 182.6,
    "low_price": 181.9,
    "prev_close_price": 182.1,
    "volume": 1200.0,
    "short_name": "AAPL",
    "exchange": "XNYS",
    "description": "AAPL (stock)",
}
_MARKS: Final = {
    "id": [19907],
    "time": [1720015200],
    "color": ["orange"],
    "text": ["The session of 2024-07-03 ends early."],
    "label": ["E"],
    "labelFontColor": ["white"],
    "minSize": [14],
}


@router.get(
    "/history",
    summary="Bars",
    response_class=Response,
    responses=body("Bars, ascending; always of the resolution asked for.", History, _HISTORY)
    | problems("unknown-symbol", "too-many-rows", "busy", "timed-out"),
)
async def history(
    request: Request,
    service: Shared,
    symbol: SymbolParameter,
    resolution: ResolutionParameter,
    start: FromParameter,
    to: ToParameter,
    countback: Annotated[
        int | None, Query(ge=0, le=100_000, description="How many bars at least; outranks `from`.", examples=[300])
    ] = None,
) -> Response:
    """Return the bars of a range, and as many before it as make ``countback``."""
    if to < start:
        raise ProblemError("invalid", f"The range ends at {to}, before it starts at {start}; swap the two.")
    reader = UdfBars(service, symbol_named(service, symbol), resolution_of(resolution))
    count = None if countback is None or countback == 0 else max(countback, _LEAST_COUNT)
    first, last, version = _instant(start), _instant(to), service.version
    bars, since = await reader.history(first, last, count)
    document = _columns(bars) if bars.num_rows > 0 else await _no_data(reader, first, count)
    earliest = service.bounds[0] if bars.num_rows == 0 else since
    closed = service.is_still(version) and reader.closed(Nanos(min(earliest, first)), last)
    service.telemetry.rows.labels(ROUTE).inc(bars.num_rows)
    return respond(request, service, Answer(json_bytes(document), closed=closed))


@router.get(
    "/quotes",
    summary="Last prices",
    response_class=Response,
    responses=body(
        "One a name; an unknown name is told in its place.",
        Quotes,
        {"s": "ok", "d": [{"s": "ok", "n": "AAPL", "v": _QUOTE}]},
    )
    | problems("busy", "timed-out"),
)
async def quotes(
    request: Request,
    service: Shared,
    symbols: Annotated[
        str,
        Query(min_length=1, max_length=4_000, description="Names with commas between them.", examples=["AAPL,BTC-USD"]),
    ],
) -> Response:
    """Return the last day's prices of some symbols, and how they changed since the day before."""
    names = symbols.split(",")
    if len(names) > _MOST_QUOTES:
        raise ProblemError("invalid", f"At most {_MOST_QUOTES} symbols are quoted at a time.")
    found = await asyncio.gather(*(_quote(service, name) for name in names))
    return respond(request, service, Answer(json_bytes({"s": "ok", "d": found})))


@router.get(
    "/marks",
    summary="Marks on bars",
    response_class=Response,
    responses=body("Sessions that end early.", Marks, _MARKS) | problems("unknown-symbol"),
)
async def marks(
    request: Request,
    service: Shared,
    symbol: SymbolParameter,
    start: FromParameter,
    to: ToParameter,
    resolution: ResolutionParameter,
) -> Response:
    """Return a mark on the last bar of each session that ends before its usual hour."""
    found, reader = symbol_named(service, symbol), resolution_of(resolution)
    first, last = clipped(service, _instant(start), Nanos(_instant(to) + 1))
    sessions = sessions_of(found.calendar, Nanos(first - _MONTH), Nanos(last + _MONTH))
    times = {session: _marked_bar(session, sessions, reader.name) for session in sessions if session.early_close}
    chosen = [(session, at) for session, at in times.items() if first <= at < last]
    document = {
        "id": [day_start(session.day) // DAY for session, _ in chosen],
        "time": [at // SECOND for _, at in chosen],
        "color": ["orange"] * len(chosen),
        "text": [f"The session of {session.day} ends early." for session, _ in chosen],
        "label": ["E"] * len(chosen),
        "labelFontColor": ["white"] * len(chosen),
        "minSize": [14] * len(chosen),
    }
    return respond(request, service, Answer(json_bytes(document)))


def _instant(seconds: int) -> Nanos:
    """Return an instant; front ends ask from long before there was anything."""
    return Nanos(min(max(seconds, _EARLIEST), LATEST) * SECOND)


def _columns(bars: pa.Table) -> dict[str, Any]:  # Any: JSON
    columns = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}
    return {"s": "ok", "t": nanos(bars["ts"]) // SECOND} | {key: numbers(bars[name]) for key, name in columns.items()}


async def _no_data(reader: UdfBars, start: Nanos, count: int | None) -> dict[str, Any]:  # Any: JSON
    """Return what is said where there are no bars: with a count there is nothing earlier either."""
    if count is None:
        before = await reader.last(1, start)
        if before.num_rows > 0:
            return {"s": "no_data", "nextTime": last_open(before) // SECOND}
    return {"s": "no_data"}


async def _quote(service: Service, name: str) -> dict[str, Any]:  # Any: JSON
    try:
        symbol = symbol_named(service, name)
    except UnknownSymbolError:
        return {"s": "error", "n": name, "errmsg": f"There is no symbol {name!r}.", "v": {}}
    days = await UdfBars(service, symbol, RESOLUTIONS["1d"]).last(2, service.bounds[1])
    about = {
        "short_name": symbol.name,
        "exchange": EXCHANGES[symbol.calendar].value,
        "description": f"{symbol.name} ({symbol.asset_class})",
    }
    if days.num_rows == 0:
        return {"s": "error", "n": name, "errmsg": f"There are no bars of {symbol.name} yet.", "v": about}
    last = days.slice(days.num_rows - 1).to_pylist()[0]
    before = float(days["close"][0].as_py()) if days.num_rows > 1 else float(last["open"])
    values = {
        "lp": last["close"],
        "ch": round(last["close"] - before, 10),
        "chp": round(100 * (last["close"] - before) / before, 4),
        "open_price": last["open"],
        "high_price": last["high"],
        "low_price": last["low"],
        "prev_close_price": before,
        "volume": last["volume"],
    }
    return {"s": "ok", "n": name, "v": values | about}


def _marked_bar(session: Session, sessions: tuple[Session, ...], resolution: str) -> Nanos:
    """Return the open time of a session's last bar, as front ends have it."""
    chosen = RESOLUTIONS[resolution]
    if chosen.duration is not None and chosen.duration < DAY:
        return Nanos(session.open + (session.close - 1 - session.open) // chosen.duration * chosen.duration)
    opens = open_times(bar_numbers(np.array([day_start(session.day)], np.int64), chosen), chosen)
    return Nanos(int(first_sessions(opens, sessions)[0]))
