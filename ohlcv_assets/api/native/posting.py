"""``POST /api/v1/trades``: trades as they come.

What belongs here: the request and the answer. What does not: judging and storing trades (``posting``), what the OpenAPI
document says of them (``posted``).
"""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
from fastapi import APIRouter, Depends, Header, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from ohlcv_assets.api.answers import JSON
from ohlcv_assets.api.bodies import instant_texts, json_bytes
from ohlcv_assets.api.gate import Caller, Documented, Requires
from ohlcv_assets.api.native.posted import BODY, KEY_PATTERN, LINES, REPLIES
from ohlcv_assets.api.parameters import Shared
from ohlcv_assets.api.posting.commit import Conflict, Post
from ohlcv_assets.api.posting.mistakes import MOST_TOLD
from ohlcv_assets.api.posting.parsing import Form
from ohlcv_assets.api.posting.placing import DUPLICATE, MOVED, Placed
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.units import Nanos, day_of

router = APIRouter(prefix="/api/v1", tags=["trades"], dependencies=Documented)

FORMS: Final[dict[str, Form]] = {JSON: "json", LINES: "lines"}
"""Form of each media type."""

_NAMES: Final = np.array(["stored", "moved", "duplicate"], dtype=object)
"""Names of outcomes by their numbers."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=KEY_PATTERN,
        max_length=257,
        description="A text of the client's choice, new for each request and the same when it is sent again: the "
        "answer is then the first one's, and nothing is stored twice.",
        examples=["7f2c1e0a-0001"],
    ),
]
Writer = Annotated[Caller, Depends(Requires("write"))]


@router.post(
    "/trades",
    summary="Post trades",
    status_code=201,
    response_class=Response,
    responses=REPLIES,
    openapi_extra={"requestBody": BODY},
)
async def post_trades(
    request: Request, service: Shared, caller: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Store trades of any symbols, all of them or, where anything is wrong with one, none."""
    form = _form_of(request)
    try:
        body = await request.body()
    except ClientDisconnect:
        raise ProblemError("malformed", "The body ended before it was complete.") from None
    batch = service.posting.parser.parse(body, form)
    key = None if idempotency_key is None else idempotency_key.strip('"')
    post = Post(caller.name, batch.trades, batch.ids, key, batch.fingerprint)
    verdict = await service.posting.desk.post(post)
    if isinstance(verdict, Conflict):
        raise _problem(verdict, post)
    if not verdict.again:
        for number, name in enumerate(_NAMES):
            service.telemetry.posted.labels(name).inc(int((verdict.placed.outcome == number).sum()))
    status = 201 if verdict.placed.fresh.any() else 200
    headers = {"Cache-Control": "no-store"} | ({"Idempotent-Replayed": "true"} if verdict.again else {})
    return Response(_answer(verdict.placed), status, headers, JSON)


def _form_of(request: Request) -> Form:
    media_type = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if media_type not in FORMS or request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ProblemError("media-type", f"Trades are posted as {' or '.join(FORMS)}, not compressed.")
    return FORMS[media_type]


def _answer(placed: Placed) -> bytes:
    outcome, moved = placed.outcome, placed.outcome == MOVED
    return json_bytes(
        {
            "count": len(outcome),
            "stored": int(placed.fresh.sum()),
            "moved": int(moved.sum()),
            "duplicates": int((outcome == DUPLICATE).sum()),
            "columns": {
                "outcome": _NAMES[outcome].tolist(),
                "ts": instant_texts(placed.ts),
            },
        }
    )


def _problem(conflict: Conflict, post: Post) -> ProblemError:
    """Return how a conflict is told."""
    rows = conflict.rows.tolist()
    if conflict.reason == "key":
        return ProblemError("key-reused", "The idempotency key was sent with another body before; use a new one.")
    days = [day_of(Nanos(ts)).isoformat() for ts in post.trades.ts[conflict.rows].tolist()]
    if conflict.reason == "closed":
        kind, field = "closed", "ts"
        said = [f"{day} is closed, its trades being proved or loaded, and this is none of them" for day in days]
    elif conflict.reason == "crowded":
        kind, field, said = "conflict", "ts", [f"no instant after it is free on {day}" for day in days]
    else:
        ids = post.ids or ()
        kind, field, said = "conflict", "id", [f"the id {ids[row]!r} stands for another trade" for row in rows]
    of = f"{len(rows)} of {len(post.trades)} trades" if len(post.trades) > 1 else "the trade"
    detail = f"Nothing was stored because of {of}; trade {rows[0]}: {said[0]}."
    told = [{"trade": row, "field": field, "problem": text} for row, text in zip(rows, said, strict=True)]
    return ProblemError(kind, detail, {"mistakes": len(rows), "problems": told[:MOST_TOLD]})
