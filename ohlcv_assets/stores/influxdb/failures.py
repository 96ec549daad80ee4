"""What a failed request means, and what its text may say.

What belongs here: sorting replies and exceptions by what helps (sending again, slowing down, nothing), and taking line
content and secrets out of the server's words. What does not: sending again (``writer``), asking in smaller parts
(``asking``).

Which status means what on 2.9.1: 500 is its way to say that it is overloaded; a 422 has stored the rest of the batch;
a query that ran out of resources answers 400.
"""

from __future__ import annotations

import email.utils
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal

import urllib3

from ohlcv_assets.errors import (
    StoreAccessError,
    StoreError,
    StoreQueryError,
    StoreRejectedError,
    StoreUnavailableError,
)

Kind = Literal["transient", "overload", "too large", "rejected", "access"]
"""``transient``: outcome unknown, send the same again. ``overload``: the same, and slower. ``too large``: send in two.
``rejected``: the data are refused. ``access``: token, right, organisation or bucket."""

MOST_TEXT: Final = 300
"""Characters of a server's message that are passed on."""

_OVERLOAD: Final = re.compile(
    r"timeout|cache-max-memory-size|engine is closed|write failed|queue length exceeded|memory (allocation )?limit"
    r"|too many requests|resource exhausted|starting",
    re.IGNORECASE,
)
NOT_THERE: Final = re.compile(r"database not found|retention policy not|unauthorized|insufficient permissions")
"""What a query's reply says where a bucket is missing or may not be read."""

_QUOTED: Final = re.compile(r"unable to parse '.*", re.IGNORECASE | re.DOTALL)
_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP reply: status, headers by lower-case name, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def passed(self) -> bool:
        """Whether the status says that it worked."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def document(self) -> dict[str, object]:
        """Return the body as a JSON object; empty where it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed request, sorted.

    Attributes
    ----------
    kind
        What helps.
    status
        HTTP status; None where there was no reply.
    message
        The server's words without line content, or what happened to the connection.
    retry_after
        Seconds the server asked to wait.
    """

    kind: Kind
    status: int | None
    message: str
    retry_after: float | None = None

    def __str__(self) -> str:
        return self.message if self.status is None else f"{self.status} {self.message}"


def failure_of_reply(reply: Reply, now: float | None = None) -> Failure:
    """Sort the reply to a write or to a management request that did not pass.

    Parameters
    ----------
    reply
        Any reply with ``passed`` false.
    now
        Seconds since 1970 by the local clock; needed where ``Retry-After`` is a date.
    """
    message = words_of(reply)
    return Failure(_kind(reply.status, message), reply.status, message, _retry_after(reply.headers, now))


def _kind(status: int, message: str) -> Kind:
    if status in {401, 403, 404}:
        return "access"
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return "too large"
    if status in {408, 499}:
        return "transient"
    if status in {429, 503, 504}:
        return "overload"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "overload" if _OVERLOAD.search(message) else "transient"
    return "overload" if status == HTTPStatus.BAD_REQUEST and _OVERLOAD.search(message) else "rejected"


def failure_of_exception(error: Exception) -> Failure:
    """Sort an exception of the transport: the outcome of the request is unknown, or it was never sent."""
    cause = _root(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Failure("access", None, f"the server's certificate is not trusted: {cause.verify_message}")
    slow = isinstance(error, urllib3.exceptions.ReadTimeoutError | TimeoutError)
    message = "no answer in time" if slow else f"connection failed ({type(cause).__name__})"
    return Failure("overload" if slow else "transient", None, message)


def _root(error: BaseException) -> BaseException:
    """Return what an exception was raised from in the end; the text of wrappers repeats addresses."""
    cause = error.__cause__ or error.__context__
    return error if cause is None else _root(cause)


def words_of(reply: Reply) -> str:
    """Return a server's message in one line, cut to length, without what it quotes of our lines."""
    found = reply.document().get("message") or reply.document().get("error")
    text = found if isinstance(found, str) else reply.headers.get("x-influxdb-error", "")
    shown = " ".join(_QUOTED.sub("unable to parse a line", text or "no message").split())
    return shown if len(shown) <= MOST_TEXT else f"{shown[: MOST_TEXT - 3]}..."


def _retry_after(headers: Mapping[str, str], now: float | None) -> float | None:
    """Return ``Retry-After`` in seconds, given as a number or as a date."""
    text = headers.get("retry-after")
    if text is None:
        return None
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        then = email.utils.parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None
    return None if now is None else max(0.0, then - now)


_REMEDIES: Final[Mapping[int | None, str]] = {
    None: "set OHLCV_INFLUX_CA_FILE to the certificates to trust, or OHLCV_INFLUX_URL to the name they are for",
    401: "the token is missing, wrong or was revoked: set OHLCV_INFLUX_TOKEN, or make tokens with `ohlcv influx setup`",
    403: "the token lacks a right: `ohlcv influx doctor` says which, `ohlcv influx setup` makes tokens that have them",
    404: "the organisation or a bucket is missing: `ohlcv influx setup` makes what is missing",
}


def error_of(failure: Failure, doing: str, server: str) -> StoreError:
    """Return the error for a failure that nothing could be done about.

    Parameters
    ----------
    failure
        What happened last.
    doing
        What was being done, to follow "could not": ``"write the trades of 2024-03-15"``.
    server
        The server's address.
    """
    said = f"InfluxDB at {server} could not {doing}"
    if failure.kind == "access":
        remedy = _REMEDIES.get(failure.status, _REMEDIES[403])
        return StoreAccessError(f"{said} ({failure}): {remedy}.")
    if failure.kind in {"rejected", "too large"}:
        return StoreRejectedError(f"{said} ({failure}); the same request would be refused again.")
    return StoreUnavailableError(
        f"{said} ({failure}): look at the server with `ohlcv influx doctor`, then run the same again; nothing is lost."
    )


def query_error(message: str, name: str, server: str) -> StoreError:
    """Return the error for a query that failed for good, naming the query; a bucket that is not there has a remedy."""
    if NOT_THERE.search(message):
        return error_of(Failure("access", HTTPStatus.NOT_FOUND, message), f"answer the query {name!r}", server)
    return StoreQueryError(f"InfluxDB at {server} did not answer the query {name!r}: {message}.")
