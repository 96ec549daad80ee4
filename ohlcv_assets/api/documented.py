"""What the OpenAPI document says of replies: every status, media type and example, and the models of bodies.

What belongs here: descriptions. What does not: the bodies, which hot routes write themselves and tests hold to this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ohlcv_assets.api.bodies import ARROW
from ohlcv_assets.api.problems import KINDS, MEDIA_TYPE, URN

Responses = dict[int | str, dict[str, Any]]  # Any: as FastAPI has it


class Problem(BaseModel):
    """RFC 9457 problem details; ``s`` and ``errmsg`` are what TradingView's clients look for."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="urn:ohlcv:problem: and the kind.")
    title: str = Field(description="What the kind is.")
    status: int = Field(description="The reply's status.", ge=400, le=599)
    detail: str = Field(description="One sentence on what is wrong and what to do.")
    instance: str = Field(description="urn:ohlcv:request: and the request's id, as log lines have it.")
    s: str = Field(description="Always error.")
    errmsg: str = Field(description="The same as detail.")


_DETAILS: Final[Mapping[str, str]] = {
    "malformed": "The body is no JSON document.",
    "key-required": "This needs a key: send it as X-API-Key, or as Authorization: Bearer.",
    "not-allowed": "This needs a key of the role admin; yours allows less.",
    "not-found": "There is no such page.",
    "unknown-symbol": "There is no symbol 'BTCUSD' in this dataset; did you mean BTC-USD?",
    "unknown-job": "There is no job of that id; jobs are remembered until the service stops, the latest 100 of them.",
    "method": "The address takes GET.",
    "no-tasks": "Tasks are InfluxDB's, and the store in force is duckdb.",
    "under-way": "A job of the kind heal is running already: 0123456789abcdef.",
    "closed": "Nothing was stored because of the trade; trade 0: 2024-01-05 is closed, its trades being proved or "
    "loaded, and this is none of them.",
    "conflict": "Nothing was stored because of 1 of 2 trades; trade 0: the id 'a-1' stands for another trade.",
    "body-too-large": "A body has at most 1000000 bytes.",
    "address-too-long": "An address has at most 8000 bytes.",
    "media-type": "Trades are posted as application/json or application/x-ndjson, not compressed.",
    "wrong-host": "The service does not go by the name that it was called by.",
    "invalid": "The range ends before it starts; swap the two.",
    "rejected": "The store does not take all of this, and would not the next time; some of it may be stored. Its "
    "operator can tell why.",
    "key-reused": "The idempotency key was sent with another body before; use a new one.",
    "too-many-rows": "That would be 527040 rows, over the limit of 100000.",
    "too-many-requests": "At most 1000 requests a second are answered; wait a moment.",
    "defect": "The service has a defect; its log says more under this request's id.",
    "store": "The store did not answer the question; ask again in a moment.",
    "busy": "The service is busy; ask again in a moment.",
    "timed-out": "The answer took longer than 30 s; ask for less at a time.",
}

_ALWAYS: Final = ("address-too-long", "wrong-host", "invalid", "too-many-requests", "defect", "store")
_GUARDED: Final = ("key-required",)


def problems(*kinds: str, guarded: bool = True) -> Responses:
    """Return the problems that a route may end in, those that all may among them."""
    found: Responses = {}
    for kind in (*_ALWAYS, *(_GUARDED if guarded else ()), *kinds):
        status, title = KINDS[kind]
        entry = found.setdefault(status, {"description": title, "content": {MEDIA_TYPE: {"examples": {}}}})
        content = entry["content"][MEDIA_TYPE]
        content["schema"] = {"$ref": "#/components/schemas/Problem"}
        content["examples"][kind] = {"summary": title, "value": example_problem(kind)}
    for answered, entry in found.items():
        if answered in {429, 503}:
            entry["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}}}
        if answered == KINDS["key-required"][0]:
            entry["headers"] = {"WWW-Authenticate": {"description": "How to send a key.", "schema": {"type": "string"}}}
    return found


def example_problem(kind: str) -> dict[str, object]:
    """Return a problem as it may look."""
    status, title = KINDS[kind]
    detail = _DETAILS[kind]
    about = {"type": URN + kind, "title": title, "status": status, "detail": detail}
    return {**about, "instance": "urn:ohlcv:request:0123abcd", "s": "error", "errmsg": detail}


def body(description: str, model: type[BaseModel], example: object, *, cached: bool = True) -> Responses:
    """Return the success of a route that answers JSON."""
    content = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}, "example": example}
    return ok(description, {"application/json": content}, cached=cached)


def accepted(description: str, model: type[BaseModel], example: object) -> Responses:
    """Return the success of a route that starts a job."""
    content = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}, "example": example}
    place = {"description": "Where the job tells how far it is.", "schema": {"type": "string"}}
    return {202: {"description": description, "content": {"application/json": content}, "headers": {"Location": place}}}


def rows(description: str, model: type[BaseModel], example: object, csv_example: str) -> Responses:
    """Return the success of a route that answers rows in three forms."""
    return ok(
        description,
        {
            "application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}, "example": example},
            "text/csv": {"schema": {"type": "string"}, "example": csv_example},
            ARROW: {"schema": {"type": "string", "contentMediaType": ARROW}},
        },
    )


def ok(description: str, content: Mapping[str, object], *, cached: bool = True) -> Responses:
    """Return a success, and what replaces it where the client has the answer already."""
    found: Responses = {200: {"description": description, "content": dict(content)}}
    if cached:
        text = {"schema": {"type": "string"}}
        found[200]["headers"] = {
            "ETag": {"description": "Tag of the answer, for If-None-Match.", **text},
            "Cache-Control": {
                "description": "How long the answer may be kept; immutable where the days of the range are closed and "
                "`version` is the present one.",
                **text,
            },
        }
        found[304] = {"description": "The client has this answer already (If-None-Match)."}
    return found
