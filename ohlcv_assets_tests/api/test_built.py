"""What `make web` builds is sent as it is, under the policy of our own pages, and nothing beside it is to be had."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ohlcv_assets.api import built

pytestmark = pytest.mark.unit

SCRIPT = "console.log('bars');\n" * 200


@pytest.fixture(autouse=True)
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder as ``make web`` leaves one."""
    folder = tmp_path / "web"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Chart</title>")
    (folder / "datafeed.js").write_text("export {};")
    (folder / "licenses.txt").write_text("Apache License")
    (folder / "assets" / "page-ABCDEFGH.js").write_text(SCRIPT)
    (tmp_path / "secret.txt").write_text("not for browsers")
    monkeypatch.setattr(built, "FOLDER", folder)
    return folder


@pytest.mark.parametrize(
    ("address", "media_type", "cached"),
    [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/datafeed.js", "text/javascript; charset=utf-8", "no-cache"),
        ("/licenses.txt", "text/plain; charset=utf-8", "no-cache"),
        ("/assets/page-ABCDEFGH.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
    ],
)
def test_each_file_has_its_type_its_policy_and_its_time(
    client: TestClient, address: str, media_type: str, cached: str
) -> None:
    """Pages are asked for anew, what is named by its content is kept for ever, scripts come from us alone."""
    reply = client.get(address)
    assert (reply.status_code, reply.headers["content-type"]) == (200, media_type)
    assert reply.headers["cache-control"] == cached
    policy = reply.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_files_are_compressed_and_tagged(client: TestClient) -> None:
    """A browser gets fewer bytes, one that cannot unpack gets all of them, and nobody gets what they have."""
    address = "/assets/page-ABCDEFGH.js"
    packed = client.get(address, headers={"Accept-Encoding": "gzip"})
    plain = client.get(address, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) == len(SCRIPT)
    assert packed.text == plain.text == SCRIPT
    assert packed.headers["etag"] != plain.headers["etag"]
    again = client.get(address, headers={"Accept-Encoding": "identity", "If-None-Match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_what_is_built_meanwhile_is_sent(client: TestClient, pages: Path) -> None:
    """Whoever works on a page builds it anew while the service runs."""
    assert "Chart" in client.get("/").text
    (pages / "index.html").write_text("<!doctype html><title>Another</title>")
    assert "Another" in client.get("/").text


@pytest.mark.parametrize(
    "name", ["none.js", "..%2Fsecret.txt", "..%2F..%2Fsecret.txt", "%2e%2e%2fsecret.txt", ".hidden", "", "a%00b"]
)
def test_nothing_beside_it_is_to_be_had(client: TestClient, name: str) -> None:
    """A name that leads elsewhere, or nowhere, is a problem and no file."""
    reply = client.get(f"/assets/{name}")
    assert reply.status_code in {404, 422}
    assert reply.headers["content-type"] == "application/problem+json"
    assert "secret" not in reply.json()["detail"]


def test_pages_that_are_not_built_say_so(client: TestClient, pages: Path) -> None:
    """Whoever opens the chart before `make web` is told what to do, in a page."""
    (pages / "index.html").unlink()
    reply = client.get("/")
    assert (reply.status_code, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "make web" in reply.text
