"""One request, by either carrier: the same bytes go out and the same outcomes come back."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from ohlcv_assets.stores.influxdb.connection import Address
from ohlcv_assets.stores.influxdb.failures import Failure, Reply
from ohlcv_assets.stores.influxdb.writer.carriers import Carrier, carrier_of, compressed
from ohlcv_assets.stores.influxdb.writer.client import ClientCarrier
from ohlcv_assets.stores.influxdb.writer.plan import CarrierName, LoadPlan
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.faulty import Answer, Request
from ohlcv_assets_tests.stores.influxdb.writer.scripted import lines_of

pytestmark = pytest.mark.unit

BODY = lines_of(0).body

Make = Callable[..., Carrier]


@pytest.fixture(params=["native", "client"])
def make(request: pytest.FixtureRequest, fake_server: Fake) -> Make:
    """Return what makes a carrier to the fake server."""
    name: CarrierName = request.param

    def carrier(token: str | None = None, timeout: float = 10.0, deadline: float = 600.0) -> Carrier:
        found = carrier_of(fake_server.address(token), LoadPlan(carrier=name, timeout=timeout, deadline=deadline))
        request.addfinalizer(found.close)
        return found

    return carrier


def seen(server: Fake, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Return a list that fills with the requests as they come in."""
    requests: list[Request] = []
    carry_out = server.faults.carry_out

    def look(request: Request) -> Answer:
        requests.append(request)
        return carry_out(request)

    monkeypatch.setattr(server.faults, "carry_out", look)
    return requests


@pytest.mark.parametrize("gzipped", [False, True])
def test_the_same_request_goes_out(
    make: Make, fake_server: Fake, monkeypatch: pytest.MonkeyPatch, *, gzipped: bool
) -> None:
    """Organisation, bucket, nanoseconds, the token and exactly the given bytes arrive."""
    requests = seen(fake_server, monkeypatch)
    body = compressed(BODY) if gzipped else BODY
    outcome = make().send("first", body, gzipped=gzipped)
    assert isinstance(outcome, Reply)
    assert outcome.passed
    (request,) = requests
    assert (request.method, request.path, request.body) == ("POST", "/api/v2/write", body)
    assert request.query == {"org": fake_server.org, "bucket": "first", "precision": "ns"}
    assert request.headers["authorization"] == f"Token {fake_server.operator_token}"
    assert request.headers.get("content-encoding", "identity") == ("gzip" if gzipped else "identity")
    assert len(fake_server.faults.held.bucket("first").shelf) > 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429, 500, 503, 504])
def test_replies_come_back_whatever_their_status(make: Make, fake_server: Fake, status: int) -> None:
    """Status, message and Retry-After arrive; nothing is raised and nothing is sent again."""
    fake_server.faults.add("answer", status=status, headers={"Retry-After": "3"}, body=b'{"message":"no"}')
    outcome = make().send("first", BODY, gzipped=False)
    assert isinstance(outcome, Reply)
    assert (outcome.status, outcome.headers["retry-after"], outcome.document()) == (status, "3", {"message": "no"})
    assert fake_server.faults.count("/api/v2/write") == 1


@pytest.mark.parametrize("what", ["refuse", "reset"])
def test_lost_connections_are_of_unknown_outcome(make: Make, fake_server: Fake, what: str) -> None:
    """A reset before or after the server acted is a transient failure; the next request passes."""
    fake_server.faults.add(what)  # type: ignore[arg-type] # one of the faults' names
    carrier = make()
    outcome = carrier.send("first", BODY, gzipped=False)
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.status) == ("transient", None)
    assert isinstance(carrier.send("first", BODY, gzipped=False), Reply)


def test_half_a_reply_is_no_failure_that_lasts(make: Make, fake_server: Fake) -> None:
    """A 204 that breaks off within its headers is believed, or the same bytes are sent again: both are safe."""
    fake_server.faults.add("truncate")
    carrier = make()
    outcome = carrier.send("first", BODY, gzipped=False)
    believed = isinstance(carrier, ClientCarrier)
    assert outcome.passed if isinstance(outcome, Reply) else outcome.kind == "transient"
    assert isinstance(outcome, Reply) == believed
    assert isinstance(carrier.send("first", BODY, gzipped=False), Reply)


def test_silence_is_overload(make: Make, fake_server: Fake) -> None:
    """A reply that does not come in time counts as overload, after the shorter of timeout and deadline."""
    for carrier in (make(timeout=0.2), make(timeout=60.0, deadline=0.2)):
        fake_server.faults.add("swallow")
        outcome = carrier.send("first", BODY, gzipped=False)
        assert isinstance(outcome, Failure)
        assert (outcome.kind, outcome.message) == ("overload", "no answer in time")


def test_connections_that_the_server_closed_are_opened_again(make: Make, fake_server: Fake) -> None:
    """A kept-alive connection that went away meanwhile costs one attempt at most; one that was closed here, none."""
    carrier = make()
    fake_server.faults.add("close")
    outcomes = [carrier.send("first", BODY, gzipped=False) for _ in range(3)]
    assert isinstance(outcomes[0], Reply)
    assert isinstance(outcomes[2], Reply)
    carrier.close()
    carrier.close()
    assert isinstance(carrier.send("first", BODY, gzipped=False), Reply)


def test_nobody_there_is_transient(make: Make, fake_server: Fake) -> None:
    """A server that refuses connections may be back soon."""
    carrier = make()
    carrier.abort()
    fake_server.faults._server.socket.close()
    outcome = carrier.send("first", BODY, gzipped=False)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "transient"


def test_failures_keep_tokens_and_lines_to_themselves(make: Make, fake_server: Fake) -> None:
    """Neither an outcome nor a carrier shows the token or what was sent."""
    fake_server.faults.add("reset")
    carrier = make()
    outcomes = [carrier.send("first", BODY, gzipped=False), make("wrong-token").send("first", BODY, gzipped=False)]
    shown = repr([*outcomes, carrier])
    for secret in (fake_server.operator_token, "wrong-token", "1704067200"):
        assert secret not in shown


def test_a_reply_that_is_no_text_is_transient(fake_server: Fake) -> None:
    """The client insists on UTF-8, and fails in a way of its own where a proxy sends something else."""
    fake_server.faults.add("answer", status=502, body=b"\xff\xfe")
    carrier = carrier_of(fake_server.address(), LoadPlan(carrier="client"))
    assert carrier.send("first", BODY, gzipped=False) == Failure("transient", None, "the reply was no text")
    carrier.close()


def test_tls_failures_of_the_client_are_transient(fake_server: Fake) -> None:
    """The client wraps them in an exception without status; the reason is kept, the rest is not."""
    address = Address(fake_server.url.replace("http:", "https:"), "org", None)
    carrier = ClientCarrier(address, 1, 5.0)
    outcome = carrier.send("first", BODY, gzipped=False)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "transient"
    assert outcome.message.startswith("connection failed (")
    carrier.close()


def test_compression_is_gzip_and_always_the_same() -> None:
    """Equal bodies give equal bytes, which any gzip reader understands."""
    assert compressed(BODY) == compressed(BODY)
    assert gzip.decompress(compressed(BODY)) == BODY
