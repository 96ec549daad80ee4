"""``POST /api/v1/trades`` on every kind of store: what is stored, what is answered, what nobody means well with."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import orjson
import pyarrow as pa
import pytest
from hypothesis import strategies as st
from starlette.testclient import TestClient

from ohlcv_assets.api.app import create_app
from ohlcv_assets.api.service import Service, open_service
from ohlcv_assets.errors import StoreUnavailableError
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.units import Nanos
from ohlcv_assets_tests.api.heard import Heard
from ohlcv_assets_tests.api.made import FRIDAY_START, KINDS, asking, close, new_key, on_fake_influxdb, service_in
from ohlcv_assets_tests.api.posting.made import START, Trade, trade
from ohlcv_assets_tests.api.test_hostile import INJECTIONS
from ohlcv_assets_tests.pipeline.made import FRIDAY, THURSDAY

pytestmark = pytest.mark.integration
ROUTE = "/api/v1/trades"
JSON_BODY = {"Content-Type": "application/json"}
JSON = Any
"""A JSON document."""


@dataclass
class Poster:
    """A client with a key that posts, and the service that it posts to."""

    service: Service
    client: TestClient

    def post(self, document: object, status: int, **headers: str) -> JSON:
        """Post trades and return the answer, which has that status."""
        reply = self.client.post(ROUTE, content=orjson.dumps(document), headers=JSON_BODY | headers)
        assert reply.status_code == status, reply.text
        return reply.json()

    def outcomes(self, document: object, status: int) -> list[tuple[str, int]]:
        """Post trades and return what became of each: its outcome, and its instant after Thursday began."""
        columns = self.post(document, status)["columns"]
        instants = pa.array(columns["ts"]).cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_pylist()
        return list(zip(columns["outcome"], [ts - START for ts in instants], strict=True))

    def stored(self, start: int = 0, end: int = 10**12) -> list[tuple[Any, ...]]:  # Any: columns of a table
        """Return what the store has of Thursday."""
        batches = self.service.project.trade_store.scan(Nanos(START + start), Nanos(START + end))
        table = pa.concat_tables([STORED.empty_table(), *(pa.Table.from_batches([batch]) for batch in batches)])
        columns = [column.to_pylist() for column in table.set_column(1, "ts", table["ts"].cast(pa.int64())).columns]
        return [(symbol, ts - START, *values) for symbol, ts, *values in zip(*columns, strict=True)]


@pytest.fixture(params=KINDS, name="poster")
def _poster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Poster]:
    """Return a client that may write, of a service on each kind of store; Friday is made, Thursday is open."""
    with ExitStack() as stack:
        given = stack.enter_context(on_fake_influxdb()) if request.param == "influxdb" else {}
        service = service_in(tmp_path, (FRIDAY,), **{"store": request.param, "total_trades": 300, **given})
        stack.callback(close, service)
        yield Poster(service, stack.enter_context(asking(service, {"X-API-Key": new_key(service, "write")})))


@pytest.fixture(name="here")
def _here(tmp_path: Path) -> Iterator[Poster]:
    """Return a client that may write, of a service in memory."""
    service = service_in(tmp_path, (FRIDAY,), total_trades=300)
    with asking(service, {"X-API-Key": new_key(service, "write")}) as client:
        yield Poster(service, client)


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_posted_trades_are_stored_once(poster: Poster) -> None:
    """Exactly as posted, to the nanosecond; posted again, they are duplicates and nothing changes."""
    heard = Heard(poster.service)
    rows = [trade(7), trade(7, symbol="AAPL", price=181.25, amount=3, side=-1), trade(8, amount=0.5)]
    assert poster.outcomes(rows, 201) == [("stored", 7), ("stored", 7), ("stored", 8)]
    assert poster.outcomes(rows[::-1], 200) == [("duplicate", 8), ("duplicate", 7), ("duplicate", 7)]
    assert poster.stored() == [
        ("AAPL", 7, 181.25, 3.0, -1),
        ("BTC-USD", 7, 44001.5, 0.25, 1),
        ("BTC-USD", 8, 44001.5, 0.5, 1),
    ]
    shown = poster.client.get(ROUTE, params={"symbol": "BTC-USD", "end": "2024-01-04"}).json()["columns"]
    assert shown["ts"] == ["2024-01-04T00:00:00.000000007Z", "2024-01-04T00:00:00.000000008Z"]
    heard.until(3)


def test_no_trade_replaces_another(poster: Poster) -> None:
    """It moves to the next free nanosecond, which the answer says, and which posting it again finds."""
    poster.post([trade(5), trade(6)], 201)
    other = trade(5, price=44000)
    assert poster.outcomes(other, 201) == [("moved", 7)]
    assert poster.outcomes([other, trade(7)], 201) == [("duplicate", 7), ("moved", 8)]
    assert [row[1:3] for row in poster.stored()] == [(5, 44001.5), (6, 44001.5), (7, 44000.0), (8, 44001.5)]


def test_a_closed_day_takes_what_it_has(poster: Poster) -> None:
    """Trades of its file are duplicates, others are refused, with those beside them; the day stays proved."""
    page = poster.client.get(ROUTE, params={"symbol": "BTC-USD", "start": "2024-01-05", "limit": 2}).json()["columns"]
    filed = [{"symbol": "BTC-USD", **dict(zip(page, row, strict=True))} for row in zip(*page.values(), strict=True)]
    assert [outcome for outcome, _ in poster.outcomes(filed, 200)] == ["duplicate", "duplicate"]
    other = filed[0] | {"amount": 77}
    problem = poster.post([trade(1), filed[1], other, trade(ts=FRIDAY_START)], 409)
    assert (problem["type"], [one["trade"] for one in problem["problems"]]) == ("urn:ohlcv:problem:closed", [2, 3])
    assert "2024-01-05 is closed" in problem["detail"]
    assert poster.stored() == []
    assert poster.service.project.trade_store.day_records()[FRIDAY].state == "clean"


@pytest.mark.parametrize("kind", ["memory", "duckdb"])
def test_ids_and_keys_are_remembered_across_a_restart(tmp_path: Path, kind: str) -> None:
    """By their ledger, unless the store ends with the process as well."""
    service = service_in(tmp_path, (), store=kind)
    headers = {"X-API-Key": new_key(service, "write")}
    key = {"Idempotency-Key": '"k 1"'}
    with asking(service, headers) as client:
        Poster(service, client).post([trade(1, id="a")], 201, **key)
    close(service)
    service, kept = open_service(service.settings), kind != "memory"
    with asking(service, headers) as client:
        Poster(service, client).post([trade(2, id="a")], 409 if kept else 201)
        reply = client.post(ROUTE, content=orjson.dumps([trade(1, id="a")]), headers=JSON_BODY | key)
        assert reply.status_code == (409 if not kept else 201)
        assert reply.headers.get("idempotent-replayed") == ("true" if kept else None)
    close(service)


def test_many_posters_at_once(poster: Poster) -> None:
    """Each gets an answer of its own, and together they store every trade once."""

    def one(number: int) -> list[tuple[str, int]]:
        return poster.outcomes([trade(at, price=44000 + number) for at in range(5)], 201)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(8)))
    assert sorted(at for outcomes in found for _, at in outcomes) == list(range(40))
    assert sorted(row[1] for row in poster.stored()) == list(range(40))


# --- what is answered -------------------------------------------------------------------------------------------------


def test_lines_are_trades(here: Poster) -> None:
    """One JSON document a line."""
    lines = b"\n".join(orjson.dumps(trade(at)) for at in range(3))
    reply = here.client.post(ROUTE, content=lines, headers={"Content-Type": "application/x-ndjson; charset=utf-8"})
    assert (reply.status_code, reply.json()["stored"]) == (201, 3)


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Content-Encoding": "gzip"}]
)
def test_other_media_types_are_refused(here: Poster, headers: dict[str, str]) -> None:
    """A page of any site may send plain text; nothing is unpacked."""
    reply = here.client.post(ROUTE, content=b"[]", headers=headers)
    assert (reply.status_code, reply.json()["type"]) == (415, "urn:ohlcv:problem:media-type")


def test_mistakes_are_told_and_nothing_is_stored(here: Poster) -> None:
    """One trade that is wrong holds all of them back."""
    problem = here.post([trade(1), trade(2, price=1.001)], 422)
    assert problem["problems"] == [
        {"trade": 1, "field": "price", "problem": "1.001 is no multiple of the tick size 0.01"}
    ]
    assert problem["errmsg"] == problem["detail"]
    assert here.stored() == []
    assert here.post(b"".decode(), 422)["type"] == "urn:ohlcv:problem:invalid"
    reply = here.client.post(ROUTE, content=b"{", headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["type"]) == (400, "urn:ohlcv:problem:malformed")


def test_conflicts_say_which_trades(here: Poster) -> None:
    """Of ids, of keys, of days that are full."""
    here.post([trade(1, id="a")], 201, **{"Idempotency-Key": "k"})
    problem = here.post([trade(2), trade(3, id="a")], 409)
    assert (problem["type"], problem["problems"]) == (
        "urn:ohlcv:problem:conflict",
        [{"trade": 1, "field": "id", "problem": "the id 'a' stands for another trade"}],
    )
    assert here.post([trade(2)], 422, **{"Idempotency-Key": "k"})["type"] == "urn:ohlcv:problem:key-reused"
    here.post(trade(ts=FRIDAY_START - 1), 201)
    full = here.post([trade(2), trade(ts=FRIDAY_START - 1, price=1)], 409)
    assert (full["type"], "no instant after it is free on 2024-01-04" in full["detail"]) == (
        "urn:ohlcv:problem:conflict",
        True,
    )
    assert here.post(trade(0, side=-1, ts=FRIDAY_START), 409)["detail"].startswith(
        "Nothing was stored because of the trade;"
    )


def test_what_was_posted_is_counted(here: Poster) -> None:
    """By outcome; an answer given again counts once."""
    for _ in range(2):
        here.post([trade(1), trade(1, price=1)], 201, **{"Idempotency-Key": "k"})
    here.post(trade(1), 200)
    value = here.service.telemetry.registry.get_sample_value
    assert {
        name: value("ohlcv_posted_trades_total", {"outcome": name}) for name in ("stored", "moved", "duplicate")
    } == {
        "stored": 1,
        "moved": 1,
        "duplicate": 1,
    }


@pytest.mark.parametrize(("role", "status"), [(None, 401), ("read", 403), ("write", 201), ("admin", 201)])
def test_posting_needs_a_key_that_writes(here: Poster, role: str | None, status: int) -> None:
    """Even on loopback, where reads are open."""
    del here.client.headers["X-API-Key"]
    headers = {} if role is None else {"X-API-Key": new_key(here.service, role)}
    assert here.client.post(ROUTE, json=trade(1), headers=headers).status_code == status


# --- bad days ---------------------------------------------------------------------------------------------------------


def test_a_store_that_is_away_doubles_nothing(poster: Poster, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After, and the same request again completes it, whether the store had it or not."""
    heard = Heard(poster.service)
    store = poster.service.project.trade_store
    append = type(store).append

    def fail(_trades: pa.Table, **_free: bool) -> int:
        raise StoreUnavailableError("10.1.2.3 went away")

    def store_and_fail(trades: pa.Table, **_free: bool) -> int:
        append(store, trades)
        return fail(trades)

    ways: list[Callable[..., int]] = [fail, store_and_fail]
    for number, broken in enumerate(ways):
        body = [trade(10 * number), trade(10 * number, price=1)]
        with monkeypatch.context() as away:
            away.setattr(store, "append", broken)
            reply = poster.client.post(ROUTE, json=body, headers={"Idempotency-Key": f"k{number}"})
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
        assert (reply.json()["type"], "10.1.2.3" in reply.text) == ("urn:ohlcv:problem:store", False)
        answer = poster.client.post(ROUTE, json=body, headers={"Idempotency-Key": f"k{number}"})
        assert answer.status_code == (201, 200)[number]
        assert poster.client.post(ROUTE, json=body, headers={"Idempotency-Key": f"k{number}"}).text == answer.text
    assert [row[1] for row in poster.stored()] == [0, 1, 10, 11]
    heard.until(4)


def test_a_full_queue_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After for what comes while so many trades wait."""
    service = service_in(tmp_path, (), serve_posted=1)
    store, begun, go = service.project.trade_store, threading.Event(), threading.Event()
    append = type(store).append

    def slow(trades: pa.Table, **_free: bool) -> int:
        begun.set()
        assert go.wait(120)
        return append(store, trades)

    monkeypatch.setattr(store, "append", slow)
    with asking(service, {"X-API-Key": new_key(service, "write")}) as client, ThreadPoolExecutor(2) as pool:
        poster = Poster(service, client)
        first = pool.submit(poster.post, trade(1), 201)
        assert begun.wait(120)
        second = pool.submit(poster.post, trade(2), 201)
        while service.posting.desk._rows == 0:
            threading.Event().wait(0.005)
        reply = client.post(ROUTE, json=trade(3))
        assert (reply.status_code, reply.json()["type"], reply.headers["retry-after"]) == (
            503,
            "urn:ohlcv:problem:busy",
            "2",
        )
        go.set()
        assert (first.result()["stored"], second.result()["stored"]) == (1, 1)


def test_a_request_that_takes_too_long_is_stored_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is answered 503, and posting it again finds its trades."""
    service = service_in(tmp_path, (), serve_timeout=0.2)
    heard = Heard(service)
    store, go = service.project.trade_store, threading.Event()
    append = type(store).append
    with monkeypatch.context() as slow:
        slow.setattr(store, "append", lambda trades, **_: go.wait(120) and append(store, trades))
        with asking(service, {"X-API-Key": new_key(service, "write")}) as client:
            poster = Poster(service, client)
            assert poster.post(trade(1), 503)["type"] == "urn:ohlcv:problem:timed-out"
            go.set()
            slow.undo()
            heard.until(1)
            assert poster.outcomes(trade(1), 200) == [("duplicate", 1)]


def test_a_body_that_ends_early(here: Poster) -> None:
    """Whoever goes in the middle of a body has posted nothing."""
    app = create_app(here.service)
    sent: list[Any] = []  # Any: ASGI messages

    async def receive() -> dict[str, Any]:  # Any: as above
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:  # Any: as above
        sent.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"x-api-key", here.client.headers["X-API-Key"].encode())]
    scope = {"type": "http", "method": "POST", "path": ROUTE, "raw_path": ROUTE.encode(), "query_string": b"",
             "headers": headers, "client": ("127.0.0.1", 1), "http_version": "1.1", "scheme": "http", "root_path": "",
             "server": ("127.0.0.1", 8000), "asgi": {"version": "3.0"}}  # fmt: skip
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 400


def test_bodies_have_a_size(tmp_path: Path) -> None:
    """413 above it."""
    service = service_in(tmp_path, (), serve_body=1_000)
    with asking(service, {"X-API-Key": new_key(service, "write")}) as client:
        assert client.post(ROUTE, content=b" " * 2_000, headers={"Content-Type": "application/json"}).status_code == 413


# --- nobody means well ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", INJECTIONS)
def test_nothing_gets_through_a_trade(here: Poster, text: str) -> None:
    """As a symbol or an instant they are mistakes; as ids and keys they are ids and keys, or mistakes."""
    for name in ("symbol", "ts", "price", "amount", "side"):
        assert here.post(trade(1, **{name: text}), 422)["s"] == "error"
    given = trade(1, id=text)
    reply = here.client.post(ROUTE, content=orjson.dumps(given), headers={"Content-Type": "application/json"})
    assert reply.status_code in {201, 422}
    if text.isascii() and text.isprintable():
        reply = here.client.post(ROUTE, json=trade(2), headers={"Idempotency-Key": text})
        assert reply.status_code in {201, 422}


@hypothesis.settings(
    deadline=None, max_examples=40, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 3), st.sampled_from((1.0, 2.0)), st.sampled_from((None, "a", "b"))),
            min_size=1,
            max_size=4,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_is_posted_each_answer_is_true(
    here: Poster, batches: list[list[tuple[int, float, str | None]]]
) -> None:
    """What is answered 2xx is stored where the answer says, what is refused leaves nothing."""
    here.service.project.trade_store.delete_day(THURSDAY)
    for rows in batches:
        body: list[Trade] = [trade(at, price=price, id=name) for at, price, name in rows]
        before = here.stored()
        reply = here.client.post(ROUTE, json=body)
        if reply.status_code == 409:
            assert here.stored() == before
            continue
        answer = reply.json()
        held = {row[1]: row[2] for row in here.stored()}
        instants = pa.array(answer["columns"]["ts"]).cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_pylist()
        assert [held[ts - START] for ts in instants] == [price for _, price, _ in rows]
        assert len(held) == len(before) + answer["stored"]
