"""Questions are repeated while that helps, and what does not help is told apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from ohlcv_assets.errors import StoreAccessError, StoreQueryError, StoreUnavailableError
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.reads.asking import Asker, QueryTimeout
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.integration

FLUX = 'from(bucket: "first") |> range(start: 2024-01-01T00:00:00Z, stop: 2024-01-02T00:00:00Z) |> count()'
FLUX_PATH = "/api/v2/query"
VALUES = {"value": pa.string()}
TAGS = "SHOW TAG VALUES FROM trades WITH KEY = symbol"
END = b"name,tags,name\ndatabases,,first\n"


class Patient:
    """An asker of a fake server that writes down how long it would have waited."""

    def __init__(self, server: Fake, patience: float = 60.0, timeout: float = 20.0) -> None:
        self.waits: list[float] = []
        self.faults = server.faults
        self.connection = server.connect(patience=patience)
        self.asker = Asker(self.connection, timeout, sleep=self.waits.append)

    def ask(self) -> pa.Table:
        """Ask in Flux."""
        return self.asker.flux(FLUX, "day_counts")

    def tags(self) -> pa.Table:
        """Ask in InfluxQL."""
        return self.asker.influxql("first", [TAGS], VALUES, "stored_symbols")


@pytest.fixture
def patient(fake_server: Fake) -> Iterator[Patient]:
    """Return an asker that has time."""
    made = Patient(fake_server)
    yield made
    made.connection.close()


@pytest.fixture
def hasty(fake_server: Fake) -> Iterator[Patient]:
    """Return an asker that does not repeat."""
    made = Patient(fake_server, patience=0.0)
    yield made
    made.connection.close()


EXHAUSTED = {"status": 400, "body": b'{"code":"invalid","message":"queue length exceeded"}'}
BROKEN = {"status": 500, "body": b'{"code":"internal error","message":"something broke"}'}


@pytest.mark.parametrize(
    "fault",
    [
        {"what": "answer", **EXHAUSTED},
        {"what": "answer", **BROKEN},
        {"what": "answer", "status": 503},
        {"what": "reset"},
        {"what": "refuse"},
        {"what": "truncate"},
        {"what": "close"},
        {"what": "answer", "status": 200, "body": b"\r\n,error,reference\r\n,engine trouble,\r\n"},
    ],
)
def test_what_may_pass_is_asked_again(patient: Patient, fault: dict[str, Any]) -> None:
    """Resources that ran out (a 400), broken exchanges and errors inside a 200 are repeated until an answer comes."""
    patient.faults.add(path=FLUX_PATH, times=3, **fault)
    assert patient.ask().num_rows == 0
    assert all(wait <= 2 for wait in patient.waits)


def test_a_reply_in_influxql_that_was_cut_is_asked_again(patient: Patient) -> None:
    """A reply without the rows of the last statement is no answer, whatever its status."""
    patient.faults.add("answer", path="/query", status=200, body=b"name,tags,key,value\ntrades,,symbol,A\n")
    assert patient.tags().num_rows == 0
    assert len(patient.waits) == 1


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("3600", 20.0)])
def test_the_server_says_how_long_to_wait(patient: Patient, asked: str, waited: float) -> None:
    """Retry-After is honoured, but not beyond the time a query may take."""
    patient.faults.add("answer", path=FLUX_PATH, status=429, headers={"Retry-After": asked})
    patient.ask()
    assert patient.waits == [waited]


@pytest.mark.parametrize(
    ("status", "message"),
    [(408, "deadline"), (499, "gone"), (504, "gateway"), (400, "memory allocation limit reached")],
)
def test_time_outs_are_not_repeated(patient: Patient, status: int, message: str) -> None:
    """What took too long or needed too much would do so again: the caller asks for less."""
    patient.faults.add("answer", path=FLUX_PATH, status=status, body=f'{{"message":"{message}"}}'.encode())
    with pytest.raises(QueryTimeout, match="'day_counts'"):
        patient.ask()
    assert patient.waits == []


def test_no_answer_in_time(fake_server: Fake) -> None:
    """A server that says nothing for as long as a query may take has timed out."""
    made = Patient(fake_server, timeout=0.1)
    made.faults.add("swallow", path=FLUX_PATH)
    with pytest.raises(QueryTimeout, match="no answer in time"):
        made.ask()
    made.connection.close()


def test_a_wrong_query_fails_at_once(patient: Patient) -> None:
    """What the server calls invalid stays invalid; the error names the query and the server's reason."""
    patient.faults.add("answer", path=FLUX_PATH, status=400, body=b'{"code":"invalid","message":"expected RPAREN"}')
    with pytest.raises(StoreQueryError, match=r"'day_counts': 400 expected RPAREN"):
        patient.ask()
    assert patient.waits == []


@pytest.mark.parametrize("status", [401, 403, 404])
def test_access_fails_at_once(patient: Patient, status: int) -> None:
    """Token, rights and what is missing are errors with a remedy, not repeated."""
    patient.faults.add("answer", path=FLUX_PATH, status=status)
    with pytest.raises(StoreAccessError, match=r"ohlcv influx|OHLCV_INFLUX_TOKEN"):
        patient.ask()
    assert patient.waits == []


def test_patience_ends(hasty: Patient) -> None:
    """A server that stays away is unavailable; one that stays overloaded is asked for less; an error stays one."""
    hasty.faults.add("answer", path=FLUX_PATH, **BROKEN)
    with pytest.raises(StoreUnavailableError, match="answer the query 'day_counts'"):
        hasty.ask()
    hasty.faults.add("answer", path=FLUX_PATH, **EXHAUSTED)
    with pytest.raises(QueryTimeout, match="queue length exceeded"):
        hasty.ask()
    hasty.faults.add("answer", path=FLUX_PATH, status=200, body=b"error,reference\r\nno such thing,\r\n")
    with pytest.raises(StoreQueryError, match="no such thing") as caught:
        hasty.ask()
    assert not isinstance(caught.value, QueryTimeout)


def test_what_a_statement_failed_of(hasty: Patient) -> None:
    """CSV leaves out why a statement failed, so it is asked for in JSON, of one statement after the other."""
    hasty.faults.add("answer", path="/query", status=200)
    hasty.faults.add("answer", path="/query", status=200, body=b'{"results":[{"statement_id":0}]}\n')
    reason = (
        b'{"results":[{"statement_id":0}]}\n{"results":[{"statement_id":0,"error":"max-select-point limit exceeed"}]}'
    )
    hasty.faults.add("answer", path="/query", status=200, body=reason)
    with pytest.raises(QueryTimeout, match="max-select-point limit"):
        hasty.asker.influxql("first", [TAGS, TAGS], VALUES, "two")


@pytest.mark.parametrize("then", [{"what": "reset"}, {"what": "answer", "status": 200, "body": b"no JSON"}])
def test_a_statement_that_failed_without_a_reason(hasty: Patient, then: dict[str, Any]) -> None:
    """Where the reason cannot be had either, the error says that much."""
    hasty.faults.add("answer", path="/query", status=200)
    hasty.faults.add(path="/query", **then)
    with pytest.raises(StoreQueryError, match="a statement failed"):
        hasty.tags()


def test_a_bucket_that_is_not_there(any_server: Server) -> None:
    """InfluxQL says 200 to questions about a bucket that is missing; they fail all the same, with a remedy."""
    connection = any_server.connect(patience=0.0)
    asker = Asker(connection, 20)
    with pytest.raises(StoreAccessError, match="nowhere"):
        asker.influxql("nowhere", ["SELECT price FROM trades"], {"price": pa.float64()}, "fetch")
    with pytest.raises(StoreAccessError, match="nowhere"):
        asker.influxql_few("nowhere", "SELECT price FROM trades GROUP BY symbol", {"price": pa.float64()}, "fetch")
    with pytest.raises(StoreAccessError, match="nowhere"):
        asker.flux(FLUX.replace("first", "nowhere"), "day_counts")
    connection.close()


def test_few_rows_that_are_none(hasty: Patient) -> None:
    """A reply that cannot be read is asked about once more, in words, and told with what these say."""
    reason = b'{"results":[{"statement_id":0,"error":"max-select-point limit exceeed"}]}'
    for body, said, kind in ((reason, "max-select-point", QueryTimeout), (b"", "no MessagePack", StoreQueryError)):
        hasty.faults.add("answer", path="/query", status=200)
        hasty.faults.add("answer", path="/query", status=200, body=body)
        with pytest.raises(kind, match=said):
            hasty.asker.influxql_few("first", TAGS, VALUES, "few")


def test_an_error_amid_rows(real_server: Server, real_layout: Layout) -> None:
    """A real server that fails after it has sent rows is found out."""
    connection = real_server.connect(patience=0.0)
    bucket = real_layout.trades.name
    lines = b"".join(b"trades,symbol=A price=%d %d\n" % (number, number) for number in range(2_000))
    query = {"org": real_server.org, "bucket": bucket, "precision": "ns"}
    connection.call("POST", "/api/v2/write", doing="write", query=query, body=lines)
    rows = f'from(bucket: "{bucket}") |> range(start: 1970-01-01T00:00:00Z, stop: 1970-01-02T00:00:00Z)'
    failing = f'{rows} |> map(fn: (r) => ({{r with _value: if r._value > 1900.0 then float(v: "x") else 1.0}}))'
    with pytest.raises(StoreQueryError, match="cannot convert string"):
        Asker(connection, 20).flux(f'{rows} |> yield(name: "a")\n{failing} |> yield(name: "b")', "rows")
    connection.close()
