"""Input that nobody means well with: no 5xx, no reply that is not documented, and nothing of it in a query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from starlette.testclient import TestClient

from ohlcv_assets.api.app import create_app
from ohlcv_assets.api.service import Service
from ohlcv_assets_tests.api.made import HOME, ROUTES, WRITES, asking, new_key, service_in

pytestmark = pytest.mark.integration

INJECTIONS = (
    "'; DROP TABLE bars_1m; --",
    '" or ""="',
    "BTC-USD' OR '1'='1",
    'BTC-USD")|> drop(columns: ["_value"]) //',
    "${1+1}",
    "BTC-USD\nGROUP BY *; SHOW DATABASES",
    "trades,symbol=x p=1 1\n",
    "../../../../etc/passwd",
    "%2e%2e%2f%00",
    "\x00",
    "\u202e\U0001f600\ufdd0",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "A" * 99,
    "-1e309",
    "NaN",
    "0x10",
    "٣",
)

PLACES = (
    ("/api/v1/symbols", "query", {}),
    ("/api/v1/symbols", "asset_class", {}),
    ("/api/v1/ohlc", "symbol", {}),
    *(
        ("/api/v1/ohlc", name, {"symbol": "BTC-USD", "resolution": "1h"})
        for name in ("resolution", "start", "end", "limit", "order", "cursor", "format", "adaptive", "fill")
    ),
    ("/api/v1/trades", "symbol", {}),
    *(
        ("/api/v1/trades", name, {"symbol": "BTC-USD"})
        for name in ("start", "end", "limit", "order", "cursor", "format")
    ),
    ("/api/v1/coverage", "symbol", {}),
    ("/api/v1/coverage", "resolution", {}),
    ("/udf/symbols", "symbol", {}),
    *(("/udf/search", name, {}) for name in ("query", "type", "exchange", "limit")),
    *(
        ("/udf/history", name, {"symbol": "BTC-USD", "resolution": "60", "from": 0, "to": 2_000_000_000})
        for name in ("symbol", "resolution", "from", "to", "countback")
    ),
    ("/udf/quotes", "symbols", {}),
    *(
        ("/udf/marks", name, {"symbol": "AAPL", "resolution": "1D", "from": 0, "to": 2_000_000_000})
        for name in ("symbol", "resolution", "from", "to")
    ),
)


@pytest.mark.parametrize(("path", "name", "others"), PLACES, ids=lambda value: value if isinstance(value, str) else "")
def test_nothing_gets_through_a_parameter(any_client: TestClient, path: str, name: str, others: dict[str, Any]) -> None:
    """Texts that mean something to SQL, Flux, InfluxQL, line protocol, shells and pages are names or mistakes."""
    for text in INJECTIONS:
        reply = any_client.get(path, params={**others, name: text})
        assert reply.status_code in {200, 404, 422}, (text, reply.text)
        if reply.status_code != 200:
            assert reply.json()["s"] == "error"
        if name in {"symbol", "cursor"} and path != "/udf/search":
            assert reply.status_code != 200, text


@pytest.mark.parametrize("text", INJECTIONS)
def test_nothing_gets_through_a_path(any_client: TestClient, text: str) -> None:
    """Nor through the name of a symbol in an address."""
    reply = any_client.get(f"/api/v1/symbols/{quote(text, safe='')}")
    assert reply.status_code in {404, 422}


def test_the_store_is_as_it_was(any_service: Service, any_client: TestClient) -> None:
    """After all that, every trade is still there."""
    coverage = any_client.get("/api/v1/coverage").json()["columns"]["trades"]
    counts = any_service.project.trade_store.counts_by_day()
    assert coverage == [counts[day] for day in sorted(counts)]


CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
    missing_required_header,
    unsupported_method,
)
"""All but the acceptance of what a schema allows: that a range must not end before it begins no schema can say."""


MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
TOO_LONG = 414
CASES_EACH = 8
"""A small share of what `schemathesis run` tries, the same cases every time."""


@pytest.fixture(name="schema", scope="session")
def _schema(any_service: Service) -> Any:  # Any: Schemathesis publishes no such type
    """Return the OpenAPI document as Schemathesis has it."""
    return schemathesis.openapi.from_dict(create_app(any_service).openapi())


@pytest.fixture(name="admin", scope="session")
def _admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Return a client that may do everything, of a service of which nobody expects anything."""
    service = service_in(tmp_path_factory.mktemp("written"), serve_generate=1_000)
    with asking(service, {"X-API-Key": new_key(service, "admin")}) as client:
        yield client


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("mode", MODES, ids=["right", "wrong"])
def test_whatever_is_sent_is_answered_as_documented(
    any_client: TestClient,
    schema: Any,  # Any: as above
    mode: GenerationMode,
    path: str,
) -> None:
    """Cases made of the document, right ones and wrong ones: every status, media type and body is in it."""
    _try(any_client, schema[path]["GET"], mode)


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("mode", MODES, ids=["right", "wrong"])
def test_whatever_is_posted_is_answered_as_documented(admin: TestClient, mode: GenerationMode, path: str) -> None:
    """The same of what changes something, with a key that may."""
    _try(admin, schemathesis.openapi.from_dict(admin.get("/openapi.json").json())[path]["POST"], mode)


def _try(client: TestClient, operation: Any, mode: GenerationMode) -> None:  # Any: as above
    """Send a route what the document allows, or what it does not."""
    raw = operation.definition.raw
    if mode is GenerationMode.NEGATIVE and not raw.get("parameters") and "requestBody" not in raw:
        return  # there is nothing to get wrong

    @hypothesis.settings(
        max_examples=CASES_EACH,
        deadline=None,
        derandomize=True,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
        database=None,
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:  # Any: as above
        given = case.as_transport_kwargs(base_url=HOME)
        cookies = given.pop("cookies")
        given["headers"]["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        if "X-API-Key" in client.headers:  # whose key counts more than one made up
            given["headers"] = dict(given["headers"]) | {"X-API-Key": client.headers["X-API-Key"]}
        if "data" in given:
            given["content"] = given.pop("data")
        reply = client.request(**given)
        # Schemathesis does not count 414 among refusals.
        checks = [check for check in CHECKS if reply.status_code != TOO_LONG or check is not negative_data_rejection]
        case.validate_response(reply, checks=checks)

    ask()
