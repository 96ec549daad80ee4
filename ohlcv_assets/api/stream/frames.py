"""Frames of the live stream: what a client may send, and how what it is sent is written.

What belongs here: their form. What does not: what is done with them (``client``).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ohlcv_assets.api.parameters import ResolutionName
from ohlcv_assets.api.problems import ProblemError

PROTOCOL: Final = 1
LARGEST: Final = 16_384
"""Bytes of a frame that a client sends, at most."""

_LARGEST_NUMBER: Final = 2**53 - 1
Number = Annotated[int, Field(ge=0, le=_LARGEST_NUMBER)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Authenticate(_Strict):
    """Says who sends."""

    op: Literal["authenticate"]
    key: Annotated[str, Field(max_length=200)]


class Place(_Strict):
    """The last frame that was applied."""

    stream: Annotated[str, Field(max_length=100)]
    seq: Number


class Subscribe(_Strict):
    """Asks for a topic."""

    op: Literal["subscribe"]
    id: Number
    channel: Literal["bars", "trades"]
    symbol: Annotated[str, Field(min_length=1, max_length=100)]
    resolution: ResolutionName | None = None
    resume: Place | None = None


class Unsubscribe(_Strict):
    """Wants no more of it."""

    op: Literal["unsubscribe"]
    id: Number


Request = Authenticate | Subscribe | Unsubscribe
_REQUESTS: Final[TypeAdapter[Request]] = TypeAdapter(Annotated[Request, Field(discriminator="op")])


class BadFrameError(Exception):
    """A frame that is none of those.

    Attributes
    ----------
    number
        The subscription that it was about; None where it does not say.
    problem
        What is wrong.
    """

    def __init__(self, number: int | None, problem: ProblemError) -> None:
        super().__init__(problem.detail)
        self.number = number
        self.problem = problem


def request_of(text: str | bytes) -> Request:
    """Read a frame of a client.

    Raises
    ------
    BadFrameError
        It cannot be understood.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadFrameError(None, ProblemError("malformed", "The frame is no JSON document.")) from None
    try:
        found = _REQUESTS.validate_python(document)
    except ValidationError as error:
        raise BadFrameError(_number_of(document), ProblemError("invalid", _said(error))) from None
    if isinstance(found, Subscribe) and (found.channel == "bars") == (found.resolution is None):
        problem = ProblemError("invalid", "Bars are subscribed to with a resolution, trades without one.")
        raise BadFrameError(found.id, problem)
    return found


def hello(stream: str, heartbeat: float) -> str:
    """Return the first frame of a connection."""
    return _text({"type": "hello", "protocol": PROTOCOL, "stream": stream, "heartbeat": heartbeat})


def snapshot(request: Subscribe, seq: int, body: str, *, resumed: bool) -> str:
    """Return the frame that answers a subscription; ``body`` is JSON already."""
    named = {"symbol": request.symbol} | ({} if request.resolution is None else {"resolution": request.resolution})
    head = _text({"type": "snapshot", "id": request.id, "seq": seq, "resumed": resumed} | named)
    return f'{head[:-1]},"{request.channel}":{body}}}'


def heartbeat(milliseconds: int) -> str:
    """Return a sign of life."""
    return _text({"type": "heartbeat", "ts": milliseconds})


def error(number: int | None, problem: ProblemError) -> str:
    """Return the frame that tells a problem."""
    return _text({"type": "error", "id": number, "code": problem.kind, "detail": problem.detail})


def _number_of(document: object) -> int | None:
    number = document.get("id") if isinstance(document, dict) else None
    known = isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= _LARGEST_NUMBER
    return number if known else None


def _said(failed: ValidationError) -> str:
    """Return in one sentence what is wrong with a frame."""
    first = failed.errors(include_url=False, include_input=False)[0]
    # The first part of a place is the kind of frame it was taken for.
    place = ".".join(str(part) for part in first["loc"][1:])
    return f"{place or 'The frame'}: {first['msg'][0].lower()}{first['msg'][1:]}."


def _text(document: object) -> str:
    return orjson.dumps(document).decode()
