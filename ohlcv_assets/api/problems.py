"""What went wrong, as RFC 9457 problem details that TradingView's clients understand as well.

What belongs here: the kinds of problems, their bodies, which error of this package is which. What does not: raising
them. https://www.rfc-editor.org/rfc/rfc9457

Clients of the UDF protocol ignore a reply's status and look for ``s`` and ``errmsg`` in its body, which RFC 9457
allows as further members. Errors of the store are logged as they are and told in general terms: a path or an address
is nothing for a client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson
from starlette.responses import Response

from ohlcv_assets.errors import OhlcvError, StoreMismatchError, StoreRejectedError, UnknownSymbolError, UserError

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:ohlcv:problem:"

KINDS: Final[Mapping[str, tuple[int, str]]] = {
    "malformed": (400, "The request cannot be read"),
    "key-required": (401, "A valid key is needed"),
    "not-allowed": (403, "The key does not allow this"),
    "not-found": (404, "There is nothing at this address"),
    "unknown-symbol": (404, "There is no such symbol"),
    "unknown-job": (404, "There is no such job"),
    "method": (405, "The address does not take this method"),
    "no-tasks": (409, "The store has no tasks that can be reached"),
    "under-way": (409, "It is being done already"),
    "closed": (409, "The day is closed"),
    "conflict": (409, "The trades contradict others"),
    "body-too-large": (413, "The body is too large"),
    "address-too-long": (414, "The address is too long"),
    "media-type": (415, "The media type of the body is not taken"),
    "wrong-host": (421, "The service does not go by this name"),
    "invalid": (422, "The request cannot be carried out"),
    "rejected": (422, "The store does not take this"),
    "key-reused": (422, "The idempotency key was used for another request"),
    "too-many-rows": (422, "The answer would be too large"),
    "too-many-requests": (429, "Too many requests"),
    "defect": (500, "The service has a defect"),
    "store": (503, "The store does not answer"),
    "busy": (503, "The service is busy"),
    "timed-out": (503, "The answer took too long"),
}
"""Status and title of each kind; the last part of ``type``."""

RETRY_AFTER: Final = "2"
"""Seconds after which a client may ask again where nothing better is known."""


@dataclass
class ProblemError(Exception):
    """A request that ends in a problem.

    Attributes
    ----------
    kind
        One of ``KINDS``.
    detail
        One sentence for whoever sent the request.
    more
        Further members of the body.
    headers
        Further headers of the reply.
    """

    kind: str
    detail: str
    more: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def problem_response(problem: ProblemError, request_id: str) -> Response:
    """Return the reply that tells a problem."""
    status, title = KINDS[problem.kind]
    body = {
        "type": URN + problem.kind,
        "title": title,
        "status": status,
        "detail": problem.detail,
        "instance": f"urn:ohlcv:request:{request_id}",
        "s": "error",
        "errmsg": problem.detail,
        **problem.more,
    }
    headers = {"Cache-Control": "no-store", **problem.headers}
    if status == KINDS["store"][0]:
        headers.setdefault("Retry-After", RETRY_AFTER)
    return Response(orjson.dumps(body), status, headers, MEDIA_TYPE)


def problem_of(error: OhlcvError) -> ProblemError:
    """Return how an error of this package is told to a client."""
    if isinstance(error, UnknownSymbolError):
        return ProblemError("unknown-symbol", str(error))
    if isinstance(error, UserError):
        return ProblemError("invalid", str(error))
    if isinstance(error, StoreMismatchError):
        return ProblemError("defect", "The store holds something that is no whole trade or bar; its operator can tell.")
    if isinstance(error, StoreRejectedError):
        return ProblemError(
            "rejected",
            "The store does not take all of this, and would not the next time; some of it may be stored. Its operator "
            "can tell why.",
        )
    return ProblemError("store", "The store did not answer the question; ask again in a moment.")
