"""What the OpenAPI document says of ``POST /api/v1/trades``: bodies, answers, problems.

What belongs here: descriptions. What does not: the route, and reading a body, which ``posting`` does without these
models; tests hold the two to each other.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ohlcv_assets.api.documented import Responses, body, problems
from ohlcv_assets.api.posting.values import ID, INSTANT

LINES: Final = "application/x-ndjson"
KEY_PATTERN: Final = r'^("[ !#-\[\]-~]{1,255}"|[!#-\[\]-~]{1,255})$'


class PostedTrade(BaseModel):
    """A trade to be stored."""

    model_config = ConfigDict(extra="forbid")

    symbol: str = Field(description="Name of the symbol.", min_length=1, max_length=100)
    ts: Annotated[str, Field(pattern=f"^{INSTANT}$")] | Annotated[int, Field(ge=-(2**63), lt=2**63)] = Field(
        description="Instant: RFC 3339 with up to nine digits of a second, or nanoseconds since 1970 as an integer."
    )
    price: float = Field(description="Price, a multiple of the symbol's tick size.", gt=0)
    amount: float = Field(description="Amount in units, a multiple of the symbol's lot size.", gt=0)
    side: Literal[1, -1] = Field(description="1: buyer-initiated; -1: seller-initiated.")
    id: Annotated[str, Field(pattern=f"^{ID}$")] | None = Field(
        default=None, description="The poster's id of the trade, unique for its symbol."
    )


class PostedTrades(BaseModel):
    """Trades to be stored."""

    model_config = ConfigDict(extra="forbid")

    trades: list[PostedTrade] = Field(description="The trades.", min_length=1)


class Outcomes(BaseModel):
    """What became of each trade, in the order of the body; both columns are equally long."""

    outcome: list[Literal["stored", "moved", "duplicate"]] = Field(
        description="stored: at its own instant; moved: stored at the next free nanosecond, another trade having its "
        "own; duplicate: stored before."
    )
    ts: list[str] = Field(description="Where the trade is stored, RFC 3339 with nine digits of a second, UTC.")


class Posted(BaseModel):
    """What became of posted trades."""

    count: int = Field(description="Trades of the body.", ge=1)
    stored: int = Field(description="Trades that are new, those moved among them.", ge=0)
    moved: int = Field(description="Trades stored later than their own instant, by a nanosecond or more.", ge=0)
    duplicates: int = Field(description="Trades that were stored before.", ge=0)
    columns: Outcomes = Field(description="Trade by trade.")


_TRADE: Final = {
    "symbol": "BTC-USD",
    "ts": "2024-01-05T14:30:00.123456789Z",
    "price": 44001.5,
    "amount": 0.25,
    "side": 1,
    "id": "a-1",
}
_OTHER: Final = {"symbol": "AAPL", "ts": 1704465000123456790, "price": 181.25, "amount": 100, "side": -1}
_OUTCOME: Final = {
    "count": 2,
    "stored": 1,
    "moved": 0,
    "duplicates": 1,
    "columns": {
        "outcome": ["stored", "duplicate"],
        "ts": ["2024-01-05T14:30:00.123456789Z", "2024-01-05T14:30:00.123456790Z"],
    },
}
_LINES_EXAMPLE: Final = (
    '{"symbol":"BTC-USD","ts":"2024-01-05T14:30:00.123456789Z","price":44001.5,"amount":0.25,"side":1}\n'
    '{"symbol":"AAPL","ts":1704465000123456790,"price":181.25,"amount":100,"side":-1}\n'
)
_ONE: Final = {"$ref": "#/components/schemas/PostedTrade"}

BODY: Final[dict[str, Any]] = {  # Any: JSON
    "description": "One trade, a list of trades, or an object with a list of them; or one trade a line.",
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "anyOf": [
                    _ONE,
                    {"type": "array", "items": _ONE, "minItems": 1},
                    {"$ref": "#/components/schemas/PostedTrades"},
                ]
            },
            "examples": {
                "one": {"summary": "One trade", "value": _TRADE},
                "several": {"summary": "Several", "value": [_TRADE, _OTHER]},
                "object": {"summary": "In an object", "value": {"trades": [_TRADE, _OTHER]}},
            },
        },
        LINES: {"schema": {"type": "string"}, "example": _LINES_EXAMPLE},
    },
}
"""The body of a request."""


def _replies() -> Responses:
    found = body("All of it was stored before; nothing is new.", Posted, _OUTCOME, cached=False)
    found[201] = body("Stored, but for what was stored before.", Posted, _OUTCOME, cached=False)[200]
    again = {"description": "true where the request was answered before.", "schema": {"type": "string"}}
    for status in (200, 201):
        found[status]["headers"] = {"Idempotent-Replayed": again}
    kinds = ("malformed", "not-allowed", "closed", "conflict", "body-too-large", "media-type", "rejected", "key-reused")
    return found | problems(*kinds, "busy", "timed-out")


REPLIES: Final = _replies()
"""All that may be answered."""
