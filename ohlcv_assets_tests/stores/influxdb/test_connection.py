"""Connections are kept, repeat what may be repeated, and keep the token to themselves."""

from __future__ import annotations

import gzip
import secrets
import ssl
import threading
import time
from dataclasses import replace
from pathlib import Path

import certifi
import pytest
import urllib3
from pydantic import SecretStr

from ohlcv_assets.errors import StoreAccessError, StoreRejectedError, StoreUnavailableError
from ohlcv_assets.stores.influxdb.connection import Address, Connection, tls_context
from ohlcv_assets.stores.influxdb.failures import Reply
from ohlcv_assets.stores.influxdb.writer.carriers import NativeCarrier
from ohlcv_assets.stores.influxdb.writer.client import ClientCarrier
from ohlcv_assets_tests.secrets_guard import keep_secret
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake, FakeServer
from ohlcv_assets_tests.stores.influxdb.faulty import Answer, Request

pytestmark = pytest.mark.integration


class Waits:
    """Waiting that takes no time."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        """Note how long it would have been."""
        self.seconds.append(seconds)


def connected(server: Fake, waits: Waits | None = None, *, patience: float = 5.0, timeout: float = 5.0) -> Connection:
    """Return a connection that does not wait."""
    return Connection(server.address(patience=patience, timeout=timeout), 2, waits or Waits())


def test_the_token_appears_nowhere(fake_server: Fake) -> None:
    """Neither address nor connection show it, and without one no header is sent."""
    connection = connected(fake_server)
    assert fake_server.operator_token not in f"{connection!r} {connection.address!r} {vars(connection)}"
    assert connection.send("GET", "/api/v2/me").status == 200
    nobody = Connection(Address(fake_server.url, fake_server.org))
    assert nobody.send("GET", "/api/v2/me").status == 401
    for each in (connection, nobody):
        each.close()


def test_a_reply_is_a_reply_whatever_its_status(fake_server: Fake) -> None:
    """``send`` raises only where there is no reply; queries are encoded, headers come in lower case."""
    connection = connected(fake_server)
    reply = connection.send("GET", "/api/v2/orgs", query={"org": "ä & b"})
    assert (reply.status, reply.headers["x-platform-error-code"]) == (404, "not found")
    fake_server.faults.add("reset", path="/ping")
    with pytest.raises(urllib3.exceptions.HTTPError):
        connection.send("GET", "/ping")
    fake_server.faults.add("pass", path="/ping", delay=0.5)
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        connection.send("GET", "/ping", timeout=0.1)
    connection.close()


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.75, 0.8, 0.85, 0.9, 0.95])
@pytest.mark.parametrize("path", ["/ping", "/api/v2/me"])
def test_a_reply_that_is_cut_off_is_none(fake_server: Fake, path: str, part: float) -> None:
    """A connection that ends within the headers, or within the body, is told from an empty reply."""
    connection = connected(fake_server)
    fake_server.faults.add("truncate", path=path, part=part)
    with pytest.raises(urllib3.exceptions.HTTPError):
        connection.send("GET", path)
    assert connection.send("GET", path).passed
    connection.close()


def test_calls_come_through_bad_moments(fake_server: Fake) -> None:
    """A call is repeated after lost replies and overload, with the pause that the server asks for."""
    waits = Waits()
    connection = connected(fake_server, waits)
    fake_server.faults.add("reset", path="/ping")
    fake_server.faults.add("answer", path="/ping", status=503, headers={"Retry-After": "3"})
    assert connection.call("GET", "/ping", doing="look").status == 204
    assert len(waits.seconds) == 2
    assert waits.seconds[0] <= 0.05
    assert waits.seconds[1] == 3.0
    connection.close()


def test_calls_wait_no_longer_than_their_patience(fake_server: Fake) -> None:
    """A server that asks for an hour is asked once more when patience ends, and then given up."""
    waits = Waits()
    connection = connected(fake_server, waits, patience=0.2)
    fake_server.faults.add("answer", path="/ping", times=None, status=503, headers={"Retry-After": "3600"})
    with pytest.raises(StoreUnavailableError, match="could not look"):
        connection.call("GET", "/ping", doing="look")
    assert max(waits.seconds, default=0.0) <= 0.2
    connection.close()


def test_pauses_grow_and_end(fake_server: Fake) -> None:
    """Without a wish of the server's, pauses are random up to a bound that doubles to two seconds."""
    waits = Waits()
    connection = connected(fake_server, waits, patience=0.3)
    fake_server.faults.add("answer", path="/ping", times=12, status=500)
    connection.call("GET", "/ping", doing="look", patience=60)
    assert len(waits.seconds) == 12
    assert max(waits.seconds) <= 2.0
    connection.close()


@pytest.mark.parametrize(("status", "error"), [(401, StoreAccessError), (400, StoreRejectedError)])
def test_what_repeating_does_not_help_is_not_repeated(fake_server: Fake, status: int, error: type[Exception]) -> None:
    """A refusal is raised at once."""
    connection = connected(fake_server)
    fake_server.faults.add("answer", path="/ping", times=None, status=status)
    with pytest.raises(error):
        connection.call("GET", "/ping", doing="look")
    assert fake_server.faults.count("/ping") == 1
    connection.close()


def test_some_refusals_are_answers(fake_server: Fake) -> None:
    """A status that the caller accepts comes back as a reply; documents go as JSON, bytes as they are."""
    connection = connected(fake_server)
    document = {"orgID": connection.org_id(), "name": "a", "properties": {}}
    assert connection.call("POST", "/api/v2/labels", doing="label", document=document).status == 201
    accept = frozenset({422})
    assert connection.call("POST", "/api/v2/labels", doing="label", document=document, accept=accept).status == 422
    query = {"org": fake_server.org, "bucket": "first"}
    assert connection.call("POST", "/api/v2/write", doing="write", query=query, body=b"m f=1 1").status == 204
    connection.close()


def test_another_token_for_one_call(fake_server: Fake) -> None:
    """A call may be made with another token, which the next one does not use."""
    connection = connected(fake_server)
    with pytest.raises(StoreAccessError):
        connection.call("GET", "/api/v2/me", doing="look", token=SecretStr("another"))
    assert connection.call("GET", "/api/v2/me", doing="look").status == 200
    connection.close()


def test_the_organisation_is_asked_for_once(fake_server: Fake) -> None:
    """Its id is remembered; one that is not there, or not shown, is an error with a remedy."""
    connection = connected(fake_server)
    assert connection.org_id() == connection.org_id() == fake_server.faults.held.id
    assert fake_server.faults.count("/api/v2/orgs") == 1
    missing = Connection(Address(fake_server.url, "missing", SecretStr(fake_server.operator_token)))
    with pytest.raises(StoreAccessError, match="ohlcv influx setup"):
        missing.org_id()
    hidden = connected(fake_server)
    fake_server.faults.add("answer", path="/api/v2/orgs", status=200, body=b'{"orgs": []}')
    with pytest.raises(StoreAccessError, match="shows no organisation 'ohlcv-poc': set OHLCV_INFLUX_ORG"):
        hidden.org_id()
    for each in (connection, missing, hidden):
        each.close()


def test_the_servers_clock(fake_server: Fake) -> None:
    """It is read to the second, from any reply."""
    connection = connected(fake_server)
    assert abs(connection.server_time() - time.time()) < 60
    connection.close()


def test_replies_may_be_read_bit_by_bit(fake_server: Fake) -> None:
    """A stream that is left early gives its connection back, and the next request works."""
    connection = connected(fake_server)
    for _ in range(5):
        with connection.stream("GET", "/health") as response:
            assert response.read(1) == b"{"
    assert connection.send("GET", "/ping").status == 204
    connection.close()
    assert connection.send("GET", "/ping").status == 204
    connection.close()


def test_connections_are_kept_and_never_too_many(fake_server: Fake) -> None:
    """However many threads ask, no more requests than connections are under way."""
    connection = connected(fake_server)
    fake_server.faults.add("pass", path="/ping", times=None, delay=0.02)
    threads = [threading.Thread(target=connection.send, args=("GET", "/ping")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fake_server.faults.count("/ping", 204) == 8
    assert fake_server.faults.most_at_once <= 2
    connection.close()


def test_a_guard_is_asked_before_every_request(fake_server: Fake) -> None:
    """What it raises comes through in place of a request; an OSError counts as a request that failed."""
    connection = connected(fake_server)
    moods: list[Exception | None] = [None, ConnectionError("not now"), None, RuntimeError("never")]

    def check() -> None:
        mood = moods.pop(0)
        if mood is not None:
            raise mood

    guarded = connection.guarded(check)
    guarded.send("GET", "/ping")
    assert guarded.call("GET", "/ping", doing="look").status == 204
    with pytest.raises(RuntimeError, match="never"):
        guarded.call("GET", "/ping", doing="look")
    assert fake_server.faults.count("/ping") == 2
    connection.check()
    with pytest.raises(IndexError):
        guarded.check()
    connection.close()


def test_requests_under_way_can_be_broken_off(fake_server: Fake) -> None:
    """A request that waits for its reply ends at once when another thread breaks it off."""
    connection = connected(fake_server, timeout=60)
    fake_server.faults.add("swallow", path="/ping")
    outcome: list[Exception] = []

    def ask() -> None:
        try:
            connection.send("GET", "/ping")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            outcome.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not fake_server.faults.count("/ping"):
        time.sleep(0.01)
    connection.abort()
    thread.join(timeout=20)
    assert len(outcome) == 1
    connection.close()


def test_certificates_beside_the_systems_are_trusted() -> None:
    """An https address is checked against the system's certificates and those of the file; http against none."""
    address = Address("https://localhost:1", "org", ca_file=Path(certifi.where()), patience=0)
    context = tls_context(address)
    assert context is not None
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert tls_context(Address("https://localhost:1", "org")) is not None
    assert tls_context(Address("http://localhost:1", "org")) is None
    connection = Connection(address)
    with pytest.raises(StoreUnavailableError):
        connection.call("GET", "/ping", doing="look")
    connection.close()


class BehindAProxy(FakeServer):
    """A server that is reached below a path, as a proxy would have it; anywhere else there is nothing."""

    def carry_out(self, request: Request) -> Answer:
        """Answer what comes below the path."""
        if not request.path.startswith("/influx/"):
            return Answer(404)
        return super().carry_out(replace(request, path=request.path.removeprefix("/influx")))


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_path_of_the_address_is_kept(slash: str) -> None:
    """Requests go below the path of the address, with and without a query; so do lines by either carrier."""
    with BehindAProxy() as server:
        token = SecretStr(keep_secret(secrets.token_urlsafe(32)))
        first = {"username": "tests", "password": "password", "org": "ohlcv-poc", "bucket": "first"}
        server.held.set_up({**first, "token": token.get_secret_value()})
        address = Address(f"{server.url}/influx{slash}", "ohlcv-poc", token, patience=0)
        connection = Connection(address)
        assert connection.org_id() == server.held.id
        with connection.stream("GET", "/api/v2/me") as response:
            assert response.status == 200
        query = {"org": "ohlcv-poc"}
        assert connection.ask("/api/v2/query", query=query, body=b"buckets()", headers={}, timeout=5.0).status == 400
        assert server.count("/influx/api/v2/query") == 1
        connection.close()
        for carrier in (NativeCarrier(address, 1, 5.0), ClientCarrier(address, 1, 5.0)):
            for gzipped in (False, True):
                lines = b"trades,symbol=A price=1 1"
                outcome = carrier.send("first", gzip.compress(lines) if gzipped else lines, gzipped=gzipped)
                assert isinstance(outcome, Reply)
                assert outcome.passed
            carrier.close()
        assert server.count("/influx/api/v2/write", 204) == 4
        assert server.count("/") == server.count("/influx/")
