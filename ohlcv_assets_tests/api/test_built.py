"""What `make web` builds is sent as it is, under the policy of our own pages, and nothing beside it is to be had."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient

from ohlcv_assets.api import built

pytestmark = pytest.mark.unit

SCRIPT = "console.log('bars');\n" * 200


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Return a folder as ``make web`` leaves one."""
    folder = tmp_path / "web"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Chart</title>")
    (folder / "operator.html").write_text("<!doctype html><title>Operator</title>")
    (folder / "datafeed.js").write_text("export {};")
    (folder / "licenses.txt").write_text("Apache License")
    (folder / "assets" / "page-ABCDEFGH.js").write_text(SCRIPT)
    (tmp_path / "secret.txt").write_text("not for browsers")
    return folder


@pytest.fixture
def asked(client: TestClient, pages: Path) -> Iterator[TestClient]:
    """Return a client of a service that began with these pages."""
    state = client.app.state  # type: ignore[attr-defined]  # of the application
    before, state.files = state.files, built.Files(pages)
    yield client
    state.files = before


@pytest.mark.parametrize(
    ("address", "media_type", "cached"),
    [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/operator", "text/html; charset=utf-8", "no-cache"),
        ("/datafeed.js", "text/javascript; charset=utf-8", "no-cache"),
        ("/licenses.txt", "text/plain; charset=utf-8", "no-cache"),
        ("/assets/page-ABCDEFGH.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
    ],
)
def test_each_file_has_its_type_its_policy_and_its_time(
    asked: TestClient, address: str, media_type: str, cached: str
) -> None:
    """Pages are asked for anew, what is named by its content is kept for ever, scripts come from us alone."""
    reply = asked.get(address)
    assert (reply.status_code, reply.headers["content-type"]) == (200, media_type)
    assert reply.headers["cache-control"] == cached
    policy = reply.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_files_are_compressed_and_tagged(asked: TestClient) -> None:
    """A browser gets fewer bytes, one that cannot unpack gets all of them, and nobody gets what they have."""
    address = "/assets/page-ABCDEFGH.js"
    packed = asked.get(address, headers={"Accept-Encoding": "gzip"})
    plain = asked.get(address, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) == len(SCRIPT)
    assert packed.text == plain.text == SCRIPT
    assert packed.headers["etag"] != plain.headers["etag"]
    again = asked.get(address, headers={"Accept-Encoding": "identity", "If-None-Match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_what_is_built_meanwhile_waits_for_the_next_start(asked: TestClient, pages: Path) -> None:
    """Another page may want another service: all files stay those of the start."""
    before = [asked.get(address).text for address in ("/", "/assets/page-ABCDEFGH.js")]
    assert "Chart" in before[0]
    (pages / "index.html").write_text("<!doctype html><title>Another</title><script src=assets/page-12345678.js>")
    (pages / "assets" / "page-ABCDEFGH.js").rename(pages / "assets" / "page-12345678.js")
    assert [asked.get(address).text for address in ("/", "/assets/page-ABCDEFGH.js")] == before
    shutil.rmtree(pages)
    assert asked.get("/").text == before[0]


def test_whoever_works_on_a_page_sees_it_at_once(pages: Path) -> None:
    """With --reload every file is read anew, and one that is gone is gone."""
    files = built.Files(pages, live=True)
    found = files.read("index.html")
    assert found is not None
    assert b"Chart" in found.content
    (pages / "index.html").write_text("<!doctype html><title>Another</title>")
    files.tell_of_others()
    found = files.read("index.html")
    assert found is not None
    assert b"Another" in found.content
    assert files.read("none.html") is None


def test_pages_are_taken_when_they_are_whole(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built after the start, they are shown once all their files are there; of others the log tells, once."""
    told: list[str] = []
    monkeypatch.setattr(built, "get_logger", lambda _: SimpleNamespace(warning=told.append))
    (pages / "index.html").write_text('<script src="assets/page-12345678.js"></script>')
    files = built.Files(pages)
    assert files.read("index.html") is None
    assert files.read("datafeed.js") is None
    files.tell_of_others()
    (pages / "assets" / "page-12345678.js").write_text("new")
    assert files.read("index.html") is not None
    files.tell_of_others()
    assert told == []
    (pages / "index.html").write_text("another")
    for _ in range(2):
        files.tell_of_others()
    assert len(told) == 1
    assert "restarted" in told[0]


def test_the_script_of_another_run_has_the_page_load_anew(asked: TestClient) -> None:
    """A browser that got its page from a service before this one does not stay without a script."""
    reply = asked.get("/assets/page-GONE1234.js")
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "no-store")
    assert reply.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "location.reload()" in reply.text


@pytest.mark.parametrize(
    "name", ["none.js", "..%2Fsecret.txt", "..%2F..%2Fsecret.txt", "%2e%2e%2fsecret.txt", ".hidden", "", "a%00b"]
)
def test_nothing_beside_it_is_to_be_had(asked: TestClient, name: str) -> None:
    """A name that leads elsewhere, or nowhere, is a problem and no file."""
    reply = asked.get(f"/assets/{name}")
    assert reply.status_code in {404, 422}
    assert reply.headers["content-type"] == "application/problem+json"
    assert "secret" not in reply.json()["detail"]


def test_pages_that_are_not_built_say_so(asked: TestClient, pages: Path) -> None:
    """Whoever opens the chart before `make web` is told what to do, in a page."""
    (pages / "index.html").unlink()
    asked.app.state.files = built.Files(pages)  # type: ignore[attr-defined]  # the application
    reply = asked.get("/")
    assert (reply.status_code, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "make web" in reply.text
