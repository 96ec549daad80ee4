"""Peers of a load: what they are given, what they cost, and that none of them fails in silence."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pandas as pd
import pytest
from pydantic import SecretStr

from ohlcv_assets.bench import influx_peers
from ohlcv_assets.bench.influx_peers import InchRun, has_inch, measured, run_bare, run_client_frame, run_inch
from ohlcv_assets.bench.influx_scratch import Scratch
from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.stores.influxdb.connection import Address
from ohlcv_assets.stores.influxdb.writer.usage import ServerUsage
from ohlcv_assets_tests.bench.inch import StandIn
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.integration
SECOND: Final = 1_000_000_000
START: Final = 1_704_205_800 * SECOND
RUN: Final = InchRun(series=3, rows=100, batch=20, connections=2)


@pytest.fixture
def inch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Put a stand-in for ``inch`` on PATH."""
    return StandIn(tmp_path, monkeypatch)


def bodies(number: int) -> list[tuple[bytes, int]]:
    """Return bodies of one line each."""
    lines = (f"trades,symbol=A price=1.5,amount=2.5,side=1i {START + at}\n" for at in range(number))
    return [(line.encode(), 1) for line in lines]


def frame(rows: int) -> pd.DataFrame:
    """Return trades as influxdb-client wants them."""
    index = pd.DatetimeIndex(pd.to_datetime([START + at for at in range(rows)], utc=True), name="ts")
    return pd.DataFrame({"symbol": "A", "price": 1.5, "amount": 2.5, "side": 1}, index)


def stored(server: Fake, bucket: str) -> int:
    """Return how many points a bucket of the fake server holds."""
    return len(server.faults.held.bucket(bucket).shelf)


def test_a_cost_is_what_was_used_meanwhile() -> None:
    """Rows, seconds and processor time of the client are taken; a server elsewhere has none."""
    cost = measured(lambda: sum(range(200_000)) and 7, ServerUsage(None))
    assert cost.rows == 7
    assert cost.seconds > 0
    assert cost.client > 0
    assert (cost.server, cost.memory, cost.server_per_million) == (None, None, None)
    assert cost.rate == 7 / cost.seconds
    assert cost.client_per_million == cost.client / 7 * 1e6


def test_inch_is_given_the_same_shape(inch: StandIn) -> None:
    """As many series, three fields, whole points a series; the bucket, the batch and the connections as asked for."""
    assert has_inch()
    assert run_inch(Address("http://server:1", "org"), SecretStr("a token"), "bucket", RUN) == 99
    (given,) = inch.calls
    assert given == {
        "-host": "http://server:1", "-token": "a token", "-db": "bucket", "-m": "1", "-t": "3", "-f": "3", "-p": "33",
        "-b": "20", "-c": "2", "-max-errors": "1",
    }  # fmt: skip
    assert InchRun(5, 3, 1, 1).points == 1


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        (1, "\nerror: TOKEN is bad\n\n", "error: *** is bad"),
        (1, "", "Token: ***"),
        (0, 'Post "http://server:1/write": EOF\n', "/write"),
    ],
)
def test_inch_that_fails_is_one_sentence_without_its_token(inch: StandIn, code: int, said: str, told: str) -> None:
    """Its last words are told, wherever it said them, even where it ends with 0; the token that it repeats is not."""
    inch.answers(code, said)
    with pytest.raises(OhlcvError) as caught:
        run_inch(Address("http://server:1", "org"), SecretStr("the-token"), "bucket", RUN)
    assert "inch failed" in str(caught.value)
    assert told in str(caught.value)
    assert "the-token" not in str(caught.value)


def test_inch_that_does_not_end_is_ended(inch: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a limit to the patience, and the error does not carry the command with its token."""
    inch.answers(seconds=30.0)
    monkeypatch.setattr(influx_peers, "PATIENCE", 0.1)
    with pytest.raises(OhlcvError, match="inch did not end within") as caught:
        run_inch(Address("http://server:1", "org"), SecretStr("the-token"), "bucket", RUN)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_inch_loads_a_real_server(real_server: Server) -> None:
    """The real one, where there is one: as many points as it is said to have written are there."""
    if not has_inch():
        pytest.skip(influx_peers.GET_INCH)
    connection = real_server.connect()
    with Scratch(connection) as scratch:
        bucket = scratch.bucket()
        rows = run_inch(real_server.address(), scratch.token(), bucket, RUN)
        query = f'from(bucket: "{bucket}") |> range(start: 0, stop: 2100-01-01T00:00:00Z) |> group() |> count()'
        reply = connection.call(
            "POST", "/api/v2/query", doing="count", query={"org": real_server.org}, document={"query": query}
        )
    connection.close()
    assert reply.body.decode().split()[-1].rpartition(",")[2] == str(3 * rows)


Peer = Callable[[Address, str], int]
PEERS: Final[dict[str, tuple[Peer, str]]] = {
    "bare": (lambda address, bucket: run_bare(address, bucket, bodies(9), 3), "bare request"),
    "client": (lambda address, bucket: run_client_frame(address, bucket, frame(9)), "influxdb-client lost"),
}


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_loads_everything(fake_server: Fake, name: str) -> None:
    """What a peer says that it loaded is there."""
    with Scratch(fake_server.connect()) as scratch:
        bucket = scratch.bucket()
        assert PEERS[name][0](fake_server.address(), bucket) == 9
        assert stored(fake_server, bucket) == 9


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_that_is_refused_is_no_figure(fake_server: Fake, name: str) -> None:
    """A request that the server refuses ends the run with an error."""
    peer, said = PEERS[name]
    fake_server.faults.add("answer", status=400)
    with Scratch(fake_server.connect()) as scratch, pytest.raises(OhlcvError, match=said):
        peer(fake_server.address(), scratch.bucket())


def test_bare_connections_that_break_are_no_figure(fake_server: Fake) -> None:
    """A connection that is cut ends the run with an error that names its kind."""
    fake_server.faults.add("reset", times=None)
    with Scratch(fake_server.connect()) as scratch, pytest.raises(OhlcvError, match=r"failed: \w+"):
        run_bare(fake_server.address(), scratch.bucket(), bodies(1), 1)


def test_bare_connections_speak_tls_and_need_no_token() -> None:
    """An https address is not spoken to in the clear; without a token none is made up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        address = Address(f"https://127.0.0.1:{listener.getsockname()[1]}", "org", timeout=0.2)
        with pytest.raises(OhlcvError, match="failed"):
            run_bare(address, "bucket", bodies(1), 1)
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.recv(1) == b"\x16", "the first byte of a TLS handshake"


def test_the_client_needs_no_token_either(fake_server: Fake) -> None:
    """Without a token the server refuses, and that is an error as any other."""
    address = Address(fake_server.url, fake_server.org)
    with pytest.raises(OhlcvError, match="lost"):
        run_client_frame(address, "first", frame(2))
