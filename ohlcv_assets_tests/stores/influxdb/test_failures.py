"""Failed requests are sorted by what helps, and their texts say no more than they may."""

from __future__ import annotations

import json
import ssl
from http.client import RemoteDisconnected

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from ohlcv_assets.errors import StoreAccessError, StoreError, StoreQueryError, StoreRejectedError, StoreUnavailableError
from ohlcv_assets.stores.influxdb.failures import (
    MOST_TEXT,
    Failure,
    Reply,
    error_of,
    failure_of_exception,
    failure_of_reply,
    query_error,
    words_of,
)

pytestmark = pytest.mark.unit

POOL = urllib3.HTTPConnectionPool("localhost")


def reply(status: int, message: str = "", **headers: str) -> Reply:
    """Return a reply as InfluxDB makes them; headers by name with underscores."""
    body = json.dumps({"code": "x", "message": message}).encode() if message else b""
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "unable to parse 'trades price=x': invalid boolean", "rejected"),
        (400, "queue length exceeded", "overload"),
        (400, "memory allocation limit reached: limit 10 bytes", "overload"),
        (401, "unauthorized access", "access"),
        (403, "insufficient permissions for write", "access"),
        (404, 'bucket "trades" not found', "access"),
        (408, "", "transient"),
        (409, "", "rejected"),
        (413, "", "too large"),
        (422, "partial write: field type conflict dropped=3", "rejected"),
        (429, "", "overload"),
        (499, "", "transient"),
        (500, "unexpected error writing points to database: timeout", "overload"),
        (500, "unexpected error writing points to database: engine: cache-max-memory-size exceeded: (1/1)", "overload"),
        (500, "engine is closed", "overload"),
        (500, "unexpected error writing points to database: write /x: no space left on device", "transient"),
        (502, "", "transient"),
        (503, "", "overload"),
        (504, "", "overload"),
        (302, "", "rejected"),
    ],
)
def test_replies_are_sorted_by_what_helps(status: int, message: str, kind: str) -> None:
    """Every status and known message has its kind."""
    failure = failure_of_reply(reply(status, message))
    assert (failure.kind, failure.status) == (kind, status)
    assert str(failure).startswith(f"{status} ")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (urllib3.exceptions.ReadTimeoutError(POOL, "/", "slow"), "overload"),
        (TimeoutError("slow"), "overload"),
        (urllib3.exceptions.ConnectTimeoutError(None, "no way"), "transient"),
        (urllib3.exceptions.ProtocolError("aborted", RemoteDisconnected("")), "transient"),
        (ConnectionResetError(), "transient"),
    ],
)
def test_exceptions_are_of_unknown_outcome(error: Exception, kind: str) -> None:
    """Without a reply the same is sent again, slower where the server did not answer in time."""
    failure = failure_of_exception(error)
    assert (failure.kind, failure.status) == (kind, None)


def test_the_root_of_an_exception_is_named_and_not_quoted() -> None:
    """The text names what happened in the end and repeats no wrapper's address."""
    error = urllib3.exceptions.ProtocolError("Authorization: Token secret")
    error.__cause__ = ConnectionRefusedError("127.0.0.1 secret")
    assert str(failure_of_exception(error)) == "connection failed (ConnectionRefusedError)"


def test_a_certificate_that_is_not_trusted_is_no_bad_day() -> None:
    """Repeating does not help; the remedy is the setting."""
    root = ssl.SSLCertVerificationError("no")
    root.verify_message = "self-signed certificate"
    error = urllib3.exceptions.SSLError(root)
    error.__cause__ = root
    failure = failure_of_exception(error)
    found = error_of(failure, "write", "https://x")
    assert isinstance(found, StoreAccessError)
    assert "self-signed certificate" in str(found)
    assert "OHLCV_INFLUX_CA_FILE" in str(found)


@pytest.mark.parametrize(
    ("text", "now", "seconds"),
    [
        ("7", None, 7.0),
        ("0.5", None, 0.5),
        ("Sat, 21 Nov 2026 12:00:10 GMT", 1_795_262_400.0, 10.0),
        ("Sat, 21 Nov 2026 12:00:00 GMT", 1_795_262_405.0, 0.0),
        ("Sat, 21 Nov 2026 12:00:10 GMT", None, None),
        ("soon", 0.0, None),
        ("inf", 0.0, None),
        ("nan", 0.0, None),
        ("-3", 0.0, None),
        ("1e9", 0.0, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, now: float | None, seconds: float | None) -> None:
    """Both forms of RFC 9110 are read, and nothing else."""
    assert failure_of_reply(reply(429, retry_after=text), now).retry_after == seconds


def test_words_are_one_short_line() -> None:
    """Messages lose line breaks and length; without any there is a word for it."""
    assert words_of(reply(500, "a\n  b\tc")) == "a b c"
    assert len(words_of(reply(500, "x" * 10_000))) == MOST_TEXT
    assert words_of(reply(500)) == "no message"
    assert words_of(Reply(400, {}, b'{"error": "v1"}')) == "v1"
    assert words_of(Reply(400, {"x-influxdb-error": "in a header"}, b"<html>")) == "in a header"
    assert words_of(Reply(400, {}, b'{"message": 5}')) == "no message"


@given(
    line=st.text(min_size=1).map(lambda text: f"trades,symbol={text} price=1,amount=2"),
    before=st.sampled_from(["", "partial write: "]),
)
def test_words_never_repeat_a_line(line: str, before: str) -> None:
    """Whatever line the server quotes, none of it is passed on."""
    shown = words_of(reply(400, f"{before}unable to parse '{line}': bad\nunable to parse '{line}': bad"))
    assert shown == f"{before}unable to parse a line"


def test_documents_are_objects() -> None:
    """A body that is no JSON object reads as an empty one."""
    assert Reply(200, {}, b'{"a": 1}').document() == {"a": 1}
    assert [Reply(200, {}, body).document() for body in (b"", b"[1]", b"{", b"\xff")] == [{}] * 4


@pytest.mark.parametrize(("status", "passed"), [(199, False), (200, True), (204, True), (299, True), (300, False)])
def test_only_two_hundreds_pass(status: int, passed: bool) -> None:
    """A reply passes with any 2xx."""
    assert reply(status).passed is passed


@pytest.mark.parametrize(
    ("failure", "kind", "says"),
    [
        (Failure("access", 401, "no"), StoreAccessError, "OHLCV_INFLUX_TOKEN"),
        (Failure("access", 403, "no"), StoreAccessError, "ohlcv influx doctor"),
        (Failure("access", 404, "no"), StoreAccessError, "ohlcv influx setup"),
        (Failure("access", 407, "no"), StoreAccessError, "ohlcv influx doctor"),
        (Failure("rejected", 422, "dropped=3"), StoreRejectedError, "dropped=3"),
        (Failure("too large", 413, "no"), StoreRejectedError, "would be refused again"),
        (Failure("overload", 503, "busy"), StoreUnavailableError, "nothing is lost"),
        (Failure("transient", None, "gone"), StoreUnavailableError, "(gone)"),
    ],
)
def test_errors_say_what_where_and_what_to_do(failure: Failure, kind: type[StoreError], says: str) -> None:
    """Each kind of failure becomes its error, with server and purpose in one sentence."""
    error = error_of(failure, "write the trades of 2024-03-15", "http://here")
    assert type(error) is kind
    assert "InfluxDB at http://here could not write the trades of 2024-03-15" in str(error)
    assert says in str(error)
    assert str(error).endswith(".")


def test_query_errors_name_the_query() -> None:
    """A query that failed for good is named."""
    error = query_error("400 bad", "day_counts", "http://here")
    assert isinstance(error, StoreQueryError)
    assert "'day_counts'" in str(error)
    assert "400 bad" in str(error)
