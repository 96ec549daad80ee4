"""What is around every request: ids, log lines, metrics, headers, limits, caching, compression."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Request
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient
from starlette.types import Message

from ohlcv_assets.api import limits
from ohlcv_assets.api.app import create_app
from ohlcv_assets.api.envelope import SECURITY, client_of
from ohlcv_assets.api.service import Service
from ohlcv_assets.api.shelf import Kept, Shelf
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.logs import configure_logs
from ohlcv_assets.pipeline.heal import remake
from ohlcv_assets_tests.api.deadlines import NEVER, Deadlines
from ohlcv_assets_tests.api.made import HOME, asking, service_in
from ohlcv_assets_tests.pipeline.made import FRIDAY, THURSDAY, change_bars, make

pytestmark = pytest.mark.integration
BARS = "/api/v1/ohlc?symbol=BTC-USD&resolution=5m&start=2024-01-05&end=2024-01-05"


def with_routes(service: Service, deadlines: Deadlines | None = None) -> TestClient:
    """Return a client of an application with routes that go wrong."""
    router = APIRouter()

    async def too_long() -> None:
        assert deadlines is not None
        deadlines.pass_by()
        await asyncio.sleep(600)

    @router.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("a password in an error")

    @router.get("/late")
    async def late() -> None:
        await too_long()

    @router.get("/halfway")
    async def halfway() -> Any:  # Any: a response
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one"
            await too_long()

        return StreamingResponse(pieces())

    @router.post("/taken")
    async def taken(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @router.post("/ignored")
    async def ignored() -> dict[str, int]:
        return {"bytes": 0}

    @router.post("/read")
    async def read(number: dict[str, int]) -> dict[str, int]:
        return number

    return TestClient(create_app(service, [router]), base_url=HOME)


def logged(text: str) -> list[dict[str, Any]]:  # Any: JSON
    """Return the log lines of a text."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_every_request_has_an_id_and_a_log_line(client: TestClient) -> None:
    """The client's own id, or a new one; the line has route, status, bytes and time, and no query."""
    stream = io.StringIO()
    configure_logs("json", "info", stream)
    given = client.get(BARS, headers={"X-Request-Id": "mine-1"})
    strange = [(b"X-Request-Id", b"a b\xe9")]
    made = client.get("/api/v1/symbols/NONE?secret=1", headers=strange)
    configure_logs()
    assert given.headers["x-request-id"] == "mine-1"
    assert len(made.headers["x-request-id"]) == 32
    lines = [line for line in logged(stream.getvalue()) if line["event"] == "request"]
    assert [(line["request_id"], line["route"], line["status"]) for line in lines] == [
        ("mine-1", "/api/v1/ohlc", 200),
        (made.headers["x-request-id"], "/api/v1/symbols/{symbol}", 404),
    ]
    assert lines[0]["bytes"] == int(given.headers["content-length"])
    assert lines[0]["milliseconds"] >= 0
    assert "secret" not in stream.getvalue()


def test_security_headers_are_on_every_reply(client: TestClient) -> None:
    """On answers, problems and pages; pages have a policy of their own."""
    for path in ("/health", "/nothing", BARS, "/api/v1/ohlc"):
        headers = client.get(path).headers
        assert {name: headers[name] for name in SECURITY} == SECURITY
    assert "script-src 'self'" in client.get("/docs").headers["content-security-policy"]


def test_a_defect_is_told_without_its_cause(memory: Service) -> None:
    """500 with the request's id; what happened is in the log alone."""
    stream = io.StringIO()
    with with_routes(memory) as client:
        configure_logs("json", "info", stream)
        reply = client.get("/broken")
        configure_logs()
    assert (reply.status_code, reply.json()["type"]) == (500, "urn:ohlcv:problem:defect")
    assert "password" not in reply.text
    line = next(line for line in logged(stream.getvalue()) if "defect" in line["event"])
    assert "ZeroDivisionError" in line["exception"]
    assert line["request_id"] in reply.json()["instance"]


def test_a_request_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with when to come back; one that has begun to answer is cut off."""
    service = service_in(tmp_path, (), serve_timeout=NEVER)
    with with_routes(service, Deadlines(monkeypatch)) as client:
        reply = client.get("/late")
        assert (reply.status_code, reply.json()["type"]) == (503, "urn:ohlcv:problem:timed-out")
        assert reply.headers["retry-after"] == "2"
        assert client.get("/halfway").text == "one"
    assert service.telemetry.registry.get_sample_value("ohlcv_http_refused_total", {"reason": "timed-out"}) == 1


def test_what_is_too_long_or_too_large_is_refused(tmp_path: Path) -> None:
    """Addresses, and bodies whether or not they say how large they are."""
    service = service_in(tmp_path, (), serve_body=1_000)
    with with_routes(service) as client:
        assert client.get("/health?" + "x" * 8_000).status_code == 414
        assert client.post("/taken", content=b"x" * 1_000).json() == {"bytes": 1_000}
        assert client.post("/ignored", content=b"x" * 1_000).json() == {"bytes": 0}
        for path in ("/taken", "/read"):
            told = client.post(path, content=b"x" * 1_001)
            untold = client.post(path, content=iter([b"x" * 600, b"x" * 600]))
            many = client.post(path, content=b"x" * 10_001)
            assert (told.status_code, untold.status_code, many.status_code) == (413, 413, 413)
            assert untold.json()["type"] == "urn:ohlcv:problem:body-too-large"
        assert client.post("/read", json={"a": 1}).json() == {"a": 1}
        assert (
            client.post("/read", content=b"{", headers={"Content-Type": "application/json"}).status_code,
            client.post("/read", json=[1]).status_code,
        ) == (
            400,
            422,
        )
        refused = service.telemetry.registry.get_sample_value
        assert refused("ohlcv_http_refused_total", {"reason": "body-too-large"}) == 6


def test_a_body_that_is_too_large_is_not_heard_out_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who announces it and sends it piece by piece gets an answer all the same."""
    monkeypatch.setattr(limits, "_HEARD_FOR", 0.05)
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/health",
        "query_string": b"",
        "headers": [(b"content-length", b"2000"), (b"host", b"localhost")],
        "client": None,
    }
    asyncio.run(create_app(service_in(tmp_path, (), serve_body=1_000))(scope, receive, send))
    assert sent[0]["status"] == 413


def test_unknown_addresses_and_methods_are_problems(client: TestClient) -> None:
    """404 and 405 as all other problems; what is allowed is said."""
    nothing = client.get("/nothing")
    assert (nothing.status_code, nothing.json()["type"]) == (404, "urn:ohlcv:problem:not-found")
    wrong = client.delete("/api/v1/symbols")
    assert (wrong.status_code, wrong.json()["type"], wrong.headers["allow"]) == (
        405,
        "urn:ohlcv:problem:method",
        "GET, HEAD",
    )
    assert client.options("/api/v1/trades").headers["allow"] == "GET, HEAD, POST", "two routes share it"
    assert client.get("/api/v1/generate").headers["allow"] == "POST"


def test_metrics_have_templates_and_no_names(client: TestClient) -> None:
    """Requests by route, questions by name; no symbol and no path ever becomes a label."""
    client.get("/api/v1/symbols/AAPL")
    client.get("/nothing/AAPL")
    client.get(BARS + "&limit=7")
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    samples = [sample for family in text_string_to_metric_families(page.text) for sample in family.samples]
    routes = {sample.labels["route"] for sample in samples if "route" in sample.labels}
    assert {"/api/v1/symbols/{symbol}", "/api/v1/ohlc", "(none)"} <= routes
    questions = {sample.labels["question"] for sample in samples if "question" in sample.labels}
    assert {"closed days", "bars 5m"} <= questions
    assert "AAPL" not in page.text
    assert "BTC" not in page.text


def test_a_proved_range_is_answered_from_the_shelf(memory: Service) -> None:
    """The second time no store is asked; the answer is the same to the byte, tag and headers too."""
    with asking(memory) as client:
        first = client.get(BARS)
        asked = memory.telemetry.registry.get_sample_value
        before = asked("ohlcv_store_question_seconds_count", {"question": "bars 5m"})
        second = client.get(BARS)
        assert asked("ohlcv_store_question_seconds_count", {"question": "bars 5m"}) == before
        assert asked("ohlcv_http_cached_total", {"route": "/api/v1/ohlc"}) == 1
        assert asked("ohlcv_http_requests_total", {"method": "GET", "route": "/api/v1/ohlc", "status": "200"}) == 2
        assert second.content == first.content
        assert first.headers["cache-control"] == "public, max-age=60"
        different = {"x-request-id", "server-timing"}
        assert "store;dur=" in first.headers["server-timing"]
        assert "server-timing" not in second.headers
        assert {k: v for k, v in second.headers.items() if k not in different} == {
            k: v for k, v in first.headers.items() if k not in different
        }


def test_under_the_present_version_a_closed_range_is_immutable(memory: Service) -> None:
    """By its address for a year; under another version it is kept for a minute, an open range not at all."""
    with asking(memory) as client:
        version = client.get("/api/v1/symbols").json()["version"]
        plain = client.get(BARS)
        for path in (BARS, f"/api/v1/trades?symbol=BTC-USD&start={FRIDAY}&end={FRIDAY}"):
            named = client.get(f"{path}&version={version}")
            assert named.headers["cache-control"] == "public, max-age=31536000, immutable"
            other = client.get(f"{path}&version=0123456789abcdef")
            assert other.headers["cache-control"] == "public, max-age=60"
            assert other.content == named.content
        assert client.get(f"{BARS}&version={version}").content == plain.content
        opened = f"/api/v1/ohlc?symbol=BTC-USD&start={THURSDAY}&end={THURSDAY}&version={version}"
        assert client.get(opened).headers["cache-control"] == "public, no-cache"
        assert client.get(f"{BARS}&version=1").status_code == 422


def test_a_day_that_is_made_again_has_another_version(memory: Service) -> None:
    """Of the same trades too, and however quickly: what is kept is forgotten, the immutable has another address."""
    with asking(memory) as client:
        kept = client.get(BARS).json()["columns"]
        before = client.get("/api/v1/symbols").json()["version"]
        assert client.get("/api/v1/symbols").json()["version"] == before
        change_bars(memory.project, RESOLUTIONS["5m"], FRIDAY, "volume", 0, 2.0)
        wrong = client.get(BARS)
        assert wrong.json()["columns"] == kept, "it is kept, and nobody has been told"
        remake(memory.project, [FRIDAY], STORED_RESOLUTIONS)
        client.portal.call(memory.look)  # type: ignore[union-attr]  # within the context
        assert len(memory.shelf) == 0
        assert client.get(BARS).json()["columns"] == kept
        after = client.get("/api/v1/symbols").json()["version"]
        assert after != before
        make(memory.project, THURSDAY)
        client.portal.call(memory.look)  # type: ignore[union-attr]  # as above
        assert len(memory.shelf) == 1, "one day more makes nothing wrong"
        assert client.get("/api/v1/symbols").json()["version"] not in {before, after}


@pytest.mark.parametrize(
    "path",
    [
        BARS,
        f"/api/v1/trades?symbol=BTC-USD&start={FRIDAY}&end={FRIDAY}",
        "/udf/history?symbol=BTC-USD&resolution=60&from=1704412800&to=1704499200",
    ],
)
def test_what_was_read_before_a_day_was_made_again_is_not_kept(
    memory: Service, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """It may be of either; the next one who asks reads again."""
    with asking(memory) as client:
        ask, ask_once = memory.pool.ask, memory.pool.ask_once

        async def after(call: Any, *given: Any) -> Any:  # Any: whatever is asked
            found = await call(*given)
            memory.version = "another"
            return found

        with monkeypatch.context() as changing:
            changing.setattr(memory.pool, "ask", lambda *given: after(ask, *given))
            changing.setattr(memory.pool, "ask_once", lambda *given: after(ask_once, *given))
            assert client.get(path).headers["cache-control"] == "public, no-cache"
        assert len(memory.shelf) == 0
        assert client.get(path).headers["cache-control"] == "public, max-age=60"


@pytest.mark.parametrize("path", [BARS, "/api/v1/symbols"])
def test_what_a_client_has_is_not_sent_again(memory: Service, path: str) -> None:
    """304 by its tag, from the shelf and from a route; another tag gets the answer."""
    with asking(memory) as client:
        tag = client.get(path).headers["etag"]
        memory.shelf.clear()
        for _ in range(2):
            for given in (tag, f'"other", {tag}', f"W/{tag}", "*"):
                same = client.get(path, headers={"If-None-Match": given})
                assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
                assert "content-type" not in same.headers
            assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_day_that_is_not_proved_any_more_is_forgotten(memory: Service) -> None:
    """What was kept of it goes when the service looks the next time."""
    with asking(memory) as client:
        client.get(BARS)
        assert len(memory.shelf) == 1
        client.portal.call(memory.look)  # type: ignore[union-attr]  # within the context
        assert len(memory.shelf) == 1
        memory.project.trade_store.delete_day(memory.project.dataset.days[1])
        client.portal.call(memory.look)  # type: ignore[union-attr]  # as above
        assert len(memory.shelf) == 0
        assert client.get(BARS).headers["cache-control"] == "public, no-cache"


def test_large_texts_are_compressed_where_a_client_takes_it(client: TestClient) -> None:
    """Level 1, a tag of its own; small ones and Arrow are sent as they are."""
    plain = client.get(BARS, headers={"Accept-Encoding": "identity"})
    for accepted in ("gzip", "deflate, gzip;q=0.5", "*"):
        packed = client.get(BARS, headers={"Accept-Encoding": accepted})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.content == plain.content
        assert packed.headers["etag"] == plain.headers["etag"][:-1] + '-gz"'
        assert int(packed.headers["content-length"]) < len(plain.content) / 2
        assert "Accept-Encoding" in packed.headers["vary"]
    for refused in ("gzip;q=0", "br", ""):
        assert "content-encoding" not in client.get(BARS, headers={"Accept-Encoding": refused}).headers
    assert "content-encoding" not in client.get("/api/v1/symbols/AAPL", headers={"Accept-Encoding": "gzip"}).headers
    assert "content-encoding" not in client.get(f"{BARS}&format=arrow", headers={"Accept-Encoding": "gzip"}).headers
    assert gzip.compress(b"x", 1, mtime=0) == gzip.compress(b"x", 1, mtime=0), "the same bytes each time"


def test_other_origins_are_let_in_only_where_set(tmp_path: Path, client: TestClient) -> None:
    """Closed by default; open to those that are named, keys and tags included."""
    origin = {"Origin": "https://chart.example"}
    assert "access-control-allow-origin" not in client.get("/udf/time", headers=origin).headers
    with asking(service_in(tmp_path, (), serve_cors="https://chart.example, http://localhost:3000")) as opened:
        headers = opened.get("/udf/time", headers=origin).headers
        assert headers["access-control-allow-origin"] == "https://chart.example"
        exposed = set(headers["access-control-expose-headers"].split(", "))
        assert {"ETag", "Location", "X-Ohlcv-Fallback", "Idempotent-Replayed"} <= exposed
        assert (
            "access-control-allow-origin"
            not in opened.get("/udf/time", headers={"Origin": "https://x.example"}).headers
        )
        asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-API-Key"}
        assert opened.options("/api/v1/symbols", headers=asked).status_code == 200


def test_the_shelf_forgets_what_was_not_used_longest() -> None:
    """Within its bound of memory; what is too large for it is not kept."""
    shelf = Shelf(10_000)

    def kept(size: int) -> Kept:
        return Kept("/", (), b"x" * size, '"t"')

    for name in (b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"):
        shelf.put((name,), kept(700))
    assert shelf.get((b"a",)) is not None
    for _ in range(20):
        shelf.put((b"i",), kept(700))
    shelf.put((b"i",), kept(100))
    assert shelf.get((b"b",)) is None
    assert shelf.get((b"c",)) is not None
    assert shelf.get((b"a",)) is not None
    shelf.put((b"large",), kept(2_000))
    assert shelf.get((b"large",)) is None
    shelf.clear()
    assert len(shelf) == 0


def test_a_client_without_an_address_is_unknown() -> None:
    """As on a socket that has none."""
    assert (client_of({}), client_of({"client": ("10.0.0.1", 5)})) == ("unknown", "10.0.0.1")


@pytest.mark.parametrize("path", ["/health", BARS, "/api/v1/symbols/AAPL", "/api/v1/ohlc?symbol=none", "/nowhere"])
def test_headers_alone_are_those_of_the_answer(memory: Service, path: str) -> None:
    """HEAD is answered as GET is, from the shelf too, without a body; it is counted as what it is."""
    with asking(memory) as client:
        for _ in range(2):
            whole, head = client.get(path), client.head(path)
            assert (head.status_code, head.content) == (whole.status_code, b"")
            own = {"x-request-id", "server-timing"}
            assert head.headers["content-length"] == whole.headers["content-length"]
            assert set(head.headers) - own == set(whole.headers) - own
        if path == "/health":
            asked = memory.telemetry.registry.get_sample_value
            labels = {"method": "HEAD", "route": "/health", "status": "200"}
            assert asked("ohlcv_http_requests_total", labels) == 2
