"""Asking a server questions.

What belongs here: sending a query, repeating it while that helps, telling a time-out from a failure. What does not:
query texts (``queries``), reading replies (``reading``), asking in smaller parts (``parts``), what disturbs an answer
without a word (``steady``).
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final, TypeVar, cast
from urllib.parse import urlencode

import pyarrow as pa
import urllib3

from ohlcv_assets.errors import StoreError, StoreQueryError
from ohlcv_assets.stores.influxdb.connection import FIRST_PAUSE, HELPED_BY_REPEATING, LONGEST_PAUSE, Connection
from ohlcv_assets.stores.influxdb.failures import (
    NOT_THERE,
    Failure,
    Reply,
    error_of,
    failure_of_exception,
    failure_of_reply,
    query_error,
)
from ohlcv_assets.stores.influxdb.leasing.closings import Span
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MAX_NS, MIN_NS
from ohlcv_assets.stores.influxdb.reads.reading import (
    LAST_STATEMENT,
    ReplyError,
    Types,
    flux_table,
    influxql_table,
    packed_table,
)
from ohlcv_assets.stores.influxdb.reads.steady import DisturbedError, Steady

Answer = TypeVar("Answer")

ALWAYS: Final[Span] = (MIN_NS, MAX_NS)

_PACKED: Final = "application/x-msgpack"
_TIMED_OUT: Final = frozenset({408, 499, 504})
_TOO_MUCH: Final = re.compile(r"max-select-\w+ limit|memory (allocation )?limit", re.IGNORECASE)


class QueryTimeout(StoreQueryError):  # noqa: N818 -- a name that says what happened; callers ask in smaller parts
    """A query took too long or needed too much; a smaller one may pass."""


class Asker:
    """Questions to one server; safe to use from several threads.

    Parameters
    ----------
    connection
        The way to the server.
    timeout
        Seconds without a byte until a query counts as too large.
    steady
        Asks again what a restore disturbed; None where what is asked about is never restored.
    sleep
        How to wait; tests pass one that does not.
    """

    def __init__(
        self,
        connection: Connection,
        timeout: float,
        steady: Steady | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._timeout = timeout
        self._steady = steady
        self._sleep = sleep
        self._random = random.Random()  # noqa: S311 -- jitter, not secrets

    def flux(self, text: str, name: str, span: Span = ALWAYS) -> pa.Table:
        """Ask in Flux; see ``reading.flux_table`` for the answer.

        Parameters
        ----------
        text
            A script.
        name
            What the query is called in errors.
        span
            Nanoseconds that it is about.

        Raises
        ------
        QueryTimeout
            Ask in smaller parts.
        StoreQueryError, StoreAccessError, StoreUnavailableError
            It did not work, and repeating does not help or did not in time.
        StoreBusyError
            Restores disturbed it for too long.
        """
        return self._undisturbed(lambda: self._ask(lambda: self._send_flux(text), flux_table, name), span, name)

    def influxql(
        self, bucket: str, statements: Sequence[str], types: Types, name: str, span: Span = ALWAYS
    ) -> pa.Table:
        """Ask in InfluxQL, several statements that select the same columns; see ``flux`` for what it raises.

        Parameters
        ----------
        bucket
            Name of the bucket.
        statements
            Without semicolons between them.
        types
            Columns to read; see ``reading.influxql_table``.
        name
            What the query is called in errors.
        span
            Nanoseconds that it is about.
        """

        def read(body: bytes) -> pa.Table:
            try:
                return influxql_table(body, types)
            except ReplyError as error:
                raise ReplyError(self._reason(bucket, statements) or str(error)) from None

        text = ";".join([*statements, LAST_STATEMENT])
        send = lambda: self._send_influxql(bucket, text, "application/csv")  # noqa: E731 -- as short as that
        return self._undisturbed(lambda: self._ask(send, read, name), span, name)

    def _undisturbed(self, ask: Callable[[], Answer], span: Span, name: str) -> Answer:
        if self._steady is None:
            return ask()
        try:
            return self._steady.ask(ask, span, name)
        except DisturbedError as error:
            raise QueryTimeout(str(error)) from error

    def influxql_few(self, bucket: str, statement: str, types: Types, name: str, span: Span = ALWAYS) -> pa.Table:
        """Ask for few rows in InfluxQL, by one statement grouped by symbol; sooner answered than ``influxql``."""

        def read(body: bytes) -> pa.Table:
            try:
                return packed_table(body, types)
            except ReplyError as error:
                raise ReplyError(self._reason(bucket, [statement]) or str(error)) from None

        send = lambda: self._send_influxql(bucket, statement, _PACKED, chunked=False)  # noqa: E731 -- as short as that
        return self._undisturbed(lambda: self._ask(send, read, name), span, name)

    def _ask(self, send: Callable[[], Reply], read: Callable[[bytes], Answer], name: str) -> Answer:
        until = time.monotonic() + self._connection.address.patience
        pause = FIRST_PAUSE
        while True:
            outcome = self._attempt(send, read)
            if not isinstance(outcome, Failure):
                return outcome
            if outcome.kind not in HELPED_BY_REPEATING or _is_time_out(outcome) or time.monotonic() >= until:
                raise self._error(outcome, name)
            asked = outcome.retry_after
            self._sleep(self._random.uniform(0, pause) if asked is None else min(asked, self._timeout))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _error(self, failure: Failure, name: str) -> StoreError:
        """Return what to raise where repeating does not help, or did not in time."""
        server = self._connection.address.url
        if failure.kind == "overload" or _is_time_out(failure):
            return QueryTimeout(str(query_error(str(failure), name, server)))
        # With a status of 200 the server is there and has said what is wrong.
        if failure.kind == "access" or (failure.kind == "transient" and failure.status != HTTPStatus.OK):
            return error_of(failure, f"answer the query {name!r}", server)
        return query_error(str(failure), name, server)

    def _attempt(self, send: Callable[[], Reply], read: Callable[[bytes], Answer]) -> Answer | Failure:
        try:
            reply = send()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return failure_of_exception(error)
        if not reply.passed:
            return failure_of_reply(reply, time.time())
        try:
            return read(reply.body)
        except ReplyError as error:
            return _failure_inside(str(error))

    def _send_flux(self, text: str) -> Reply:
        return self._connection.ask(
            "/api/v2/query",
            query={"org": self._connection.address.org},
            body=text.encode(),
            headers={"Content-Type": "application/vnd.flux", "Accept": "application/csv"},
            timeout=self._timeout,
        )

    def _send_influxql(self, bucket: str, text: str, accept: str, *, chunked: bool = True) -> Reply:
        return self._connection.ask(
            "/query",
            # In chunks the server holds one of them in memory, not the whole reply.
            query={"db": bucket, "epoch": "ns", **({"chunked": "true"} if chunked else {})},
            body=urlencode({"q": text}).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": accept},
            timeout=self._timeout,
        )

    def _reason(self, bucket: str, statements: Sequence[str]) -> str | None:
        """Return why the first statement that fails does so: JSON says what CSV leaves out."""
        for statement in statements:
            try:
                reply = self._send_influxql(bucket, statement, "application/json")
            except (urllib3.exceptions.HTTPError, OSError):
                return None
            found = _json_error(reply)
            if found is not None:
                return found
        return None


def _json_error(reply: Reply) -> str | None:
    """Return the error in a reply of JSON documents, one a line."""
    for line in reply.body.splitlines():
        results = cast("list[Mapping[str, object]]", replace(reply, body=line).document().get("results") or [])
        for result in results:
            if "error" in result:
                return str(result["error"])
    return None


def _failure_inside(message: str) -> Failure:
    """Sort an error that came with a status of 200."""
    if NOT_THERE.search(message):
        return Failure("access", 404, message)
    sorted_ = failure_of_reply(Reply(500, {}, json.dumps({"message": message}).encode()))
    return replace(sorted_, status=200)


def _is_time_out(failure: Failure) -> bool:
    slow = failure.status in _TIMED_OUT or (failure.status is None and failure.kind == "overload")
    return slow or _TOO_MUCH.search(failure.message) is not None
