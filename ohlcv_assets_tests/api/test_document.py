"""The OpenAPI document is complete, and its pages need nothing from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ohlcv_assets.api import documented
from ohlcv_assets.api.app import create_app
from ohlcv_assets.api.pages import asset_bytes
from ohlcv_assets.api.problems import KINDS
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets_tests.api.made import ROUTES, WRITES, service_in

pytestmark = pytest.mark.integration
JSON = dict[str, Any]  # Any: JSON


@pytest.fixture(name="document")
def _document(client: TestClient) -> JSON:
    """Return the document."""
    found: JSON = client.get("/openapi.json").json()
    return found


def operations(document: JSON) -> Iterator[tuple[str, JSON]]:
    """Yield every operation with its path."""
    for path, item in document["paths"].items():
        for operation in item.values():
            yield path, operation


def test_every_route_is_documented(document: JSON) -> None:
    """All that answer data; pages are for people."""
    there = {(method, path) for path, item in document["paths"].items() for method in item}
    assert there == {("get", path) for path in ROUTES} | {("post", path) for path in WRITES}


def test_every_parameter_is_described_and_bounded(document: JSON) -> None:
    """What it is, and what it may be: a type with limits, a pattern, or a list of values."""
    for path, operation in operations(document):
        for parameter in operation.get("parameters", []):
            name = f"{parameter['name']} of {path}"
            assert parameter.get("description"), name
            assert parameter["schema"].get("examples") or parameter["name"] == "cursor", name
            schemas = parameter["schema"].get("anyOf", [parameter["schema"]])
            for schema in (one for one in schemas if one != {"type": "null"}):
                bounds = {"enum", "pattern", "maxLength", "maximum"} & set(schema)
                assert bounds or schema.get("type") == "boolean", name


def test_every_reply_has_a_type_and_an_example(document: JSON) -> None:
    """Each status with its media types; each problem of a kind that there is."""
    for path, operation in operations(document):
        assert operation["summary"], path
        assert {"414", "421", "422", "429", "500", "503"} <= set(operation["responses"]), path
        assert len({"200", "202"} & set(operation["responses"])) == 1, path
        for status, response in operation["responses"].items():
            assert response["description"], (path, status)
            if status == "304":
                assert "content" not in response
                continue
            for media_type, content in response["content"].items():
                assert "schema" in content, (path, status)
                if media_type == "application/problem+json":
                    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                    assert {example["value"]["status"] for example in content["examples"].values()} == {int(status)}
                elif "arrow" not in media_type:
                    assert "example" in content, (path, status, media_type)


def test_every_body_is_described_with_examples(document: JSON) -> None:
    """Each media type with a schema; what is wrong with a body has statuses of its own."""
    bodies = {path: operation for path, operation in operations(document) if "requestBody" in operation}
    assert "/api/v1/trades" in bodies
    for path, operation in bodies.items():
        assert {"400", "401", "403", "413"} <= set(operation["responses"]), path
        for content in operation["requestBody"]["content"].values():
            told = operation["requestBody"].get("description") or content["schema"]["description"]
            assert told, path
            named = content["schema"].get("$ref", "").rpartition("/")[2]
            model = document["components"]["schemas"].get(named, {})
            assert {"example", "examples"} & (set(content) | set(model)), path
    assert "415" in bodies["/api/v1/trades"]["responses"]


def test_every_reference_leads_somewhere(document: JSON) -> None:
    """Models are there once each, and none of the framework's that nothing answers with."""
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    assert "HTTPValidationError" not in document["components"]["schemas"]


@pytest.mark.parametrize("open_reads", [True, False])
def test_guarded_routes_say_how_keys_are_sent(tmp_path: Path, *, open_reads: bool) -> None:
    """As a header of its own or as a bearer token, where reads are open not at all; health needs none."""
    service = service_in(tmp_path, (), serve_host="0.0.0.0", serve_open_reads=open_reads)  # noqa: S104 -- no socket is opened
    document = create_app(service).openapi()
    assert set(document["components"]["securitySchemes"]) == {"Key", "Bearer"}
    for path, item in document["paths"].items():
        guarded = path not in {"/health", "/ready"}
        for method, operation in item.items():
            assert ("security" in operation, "401" in operation["responses"]) == (guarded, guarded), path
            assert ({} in operation.get("security", [])) == (guarded and open_reads and method == "get"), path


def test_names_in_types_are_the_resolutions(document: JSON) -> None:
    """They are written twice, for types cannot be made of a list."""
    parameters = {one["name"]: one for one in document["paths"]["/api/v1/ohlc"]["get"]["parameters"]}
    assert parameters["resolution"]["schema"]["enum"] == list(RESOLUTIONS)
    stored = {one["name"]: one for one in document["paths"]["/api/v1/coverage"]["get"]["parameters"]}
    assert stored["resolution"]["schema"]["enum"] == [one.name for one in STORED_RESOLUTIONS]


def test_every_kind_of_problem_has_an_example() -> None:
    """And the example is a problem."""
    for kind, (status, title) in KINDS.items():
        example = documented.example_problem(kind)
        assert (example["status"], example["title"], example["s"]) == (status, title, "error")
        assert documented.Problem.model_validate(example).errmsg == example["detail"]


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_pages_need_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    """Every address in the page is ours and is there; no script stands in the page itself."""
    page = client.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) >= 3
    for link in links:
        assert link.startswith("/docs/assets/")
        plain = client.get(link, headers={"Accept-Encoding": "identity"})
        packed = client.get(link, headers={"Accept-Encoding": "gzip"})
        assert (plain.status_code, packed.content) == (200, plain.content)
        assert packed.headers["content-encoding"] == "gzip"
        assert b"https://cdn." not in plain.content
    assert not re.search(r"<script(?![^>]*src=)", page.text)
    assert "http:" not in page.text
    assert "https:" not in page.text


def test_assets_are_those_of_the_pages_alone(client: TestClient) -> None:
    """No path leads to other files."""
    for name in ("start.mjs", "..%2Fapp.py", "../app.py", "%2e%2e/app.py", "__init__.py"):
        assert client.get(f"/docs/assets/{name}").status_code in {404, 422}
    assert b"SwaggerUIBundle" in asset_bytes("start.js")[0]


def test_the_document_comes_compressed_or_not(client: TestClient) -> None:
    """The same either way."""
    plain = client.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    packed = client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert (packed.headers["content-encoding"], packed.content) == ("gzip", plain.content)
