"""Who may ask: keys, roles, names, rates."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Depends
from starlette.testclient import TestClient

from ohlcv_assets.api import keys, limiter
from ohlcv_assets.api.app import create_app
from ohlcv_assets.api.gate import Caller, Gate, Requires
from ohlcv_assets.api.keys import KeyFile
from ohlcv_assets.api.limiter import Limiter
from ohlcv_assets.api.service import Service, is_loopback
from ohlcv_assets.errors import MachineError, SettingsError, UserError
from ohlcv_assets_tests.api.made import HOME, asking, new_key, service_in
from ohlcv_assets_tests.pipeline.made import FRIDAY
from ohlcv_assets_tests.secrets_guard import keep_secret

pytestmark = pytest.mark.integration
BARS = "/api/v1/ohlc?symbol=AAPL"
OPEN = {"serve_host": "0.0.0.0"}  # noqa: S104 -- what such a service does is what is tested
OUTSIDE = "http://data.example:8000"


@pytest.fixture(name="outside")
def _outside(tmp_path: Path) -> Service:
    """Return a service that other machines can reach."""
    return service_in(tmp_path / "data", (), **OPEN)


def test_reads_need_a_key_where_others_can_ask(outside: Service) -> None:
    """Data and metrics do; health and documentation do not."""
    key = new_key(outside, "read")
    with asking(outside, base_url=OUTSIDE) as client:
        for path in (BARS, "/udf/config", "/udf/time", "/metrics", "/api/v1/nothing"):
            refused = client.get(path)
            assert (refused.status_code, refused.json()["s"]) == (401, "error")
            assert refused.headers["www-authenticate"] == 'Bearer realm="ohlcv"'
        for path in ("/health", "/ready", "/docs", "/redoc", "/openapi.json"):
            assert client.get(path).status_code == 200
        for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"bearer {key} "}):
            answer = client.get(BARS, headers=headers)
            assert (answer.status_code, answer.headers["cache-control"].split(",")[0]) == (200, "private")


def test_reads_are_open_by_setting(tmp_path: Path) -> None:
    """To all; a wrong key is refused all the same."""
    service = service_in(tmp_path, (), serve_open_reads=True, **OPEN)
    with asking(service, base_url=OUTSIDE) as client:
        assert client.get(BARS).status_code == 200
        assert client.get(BARS, headers={"X-API-Key": "wrong"}).status_code == 401
        assert client.get(BARS, headers={"Authorization": "Basic x"}).status_code == 200, "that is no key"


def test_revoked_keys_are_refused_at_once(outside: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A running service sees what changed in the file."""
    monkeypatch.setattr(keys, "_LOOK", 0.0)
    key = new_key(outside, "read")
    with asking(outside, {"X-API-Key": key}, OUTSIDE) as client:
        assert client.get(BARS).status_code == 200
        outside.keys.revoke(outside.keys.keys()[0].id)
        assert client.get(BARS).status_code == 401


def test_answers_on_the_shelf_need_a_key_as_well(tmp_path: Path) -> None:
    """What one client may read is not given to another that may not."""
    service = service_in(tmp_path, (FRIDAY,), **OPEN)
    headers = {"X-API-Key": new_key(service, "read")}
    with asking(service, base_url=OUTSIDE) as client:
        path = f"{BARS}&start=2024-01-05&end=2024-01-05"
        assert client.get(path, headers=headers).status_code == 200
        assert len(service.shelf) == 1
        assert client.get(path).status_code == 401


async def nothing() -> str:
    """Answer to whoever is let in."""
    return "let in"


def roles_app(service: Service) -> TestClient:
    """Return a client of an application with a route for each role."""
    router = APIRouter()
    for role in keys.ROLES:
        router.add_api_route(f"/{role}", nothing, methods=["POST"], dependencies=[Depends(Requires(role))])
    return TestClient(create_app(service, [router]), base_url=HOME)


def test_a_role_allows_what_those_before_it_do(tmp_path: Path) -> None:
    """401 without a key, 403 with one that allows less; loopback opens reads and nothing more."""
    service = service_in(tmp_path, ())
    made: dict[str, dict[str, str]] = {role: {"X-API-Key": new_key(service, role)} for role in keys.ROLES}
    made["none"] = {}
    with roles_app(service) as client:
        statuses = {
            role: [client.post(f"/{wanted}", headers=headers).status_code for wanted in keys.ROLES]
            for role, headers in made.items()
        }
    assert statuses == {
        "read": [200, 403, 403],
        "write": [200, 200, 403],
        "admin": [200, 200, 200],
        "none": [200, 401, 401],
    }


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("LOCALHOST:9", 200),
        ("[::1]:8000", 200),
        ("chart.test:8000", 200),
        ("evil.example", 421),
        ("evil.example:8000", 421),
        ("127.0.0.1.evil.example", 421),
        ("[::2]", 421),
        ("", 421),
    ],
)
def test_a_service_for_this_machine_has_few_names(tmp_path: Path, host: str, status: int) -> None:
    """A page elsewhere cannot read it by a name that it made point here."""
    with asking(service_in(tmp_path, (), serve_names="chart.test, other.test")) as client:
        assert client.get("/health", headers={"Host": host}).status_code == status


def test_clients_that_ask_too_often_are_told_to_wait(tmp_path: Path) -> None:
    """429 with when to come back; a key has a bucket of its own, and wrong keys cost double."""
    service = service_in(tmp_path, (), serve_rate=0.5)
    key = new_key(service, "read")
    with asking(service) as client:
        assert client.get("/health").status_code == 200
        refused = client.get("/health")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
        assert refused.headers["ratelimit-limit"] == "0.5"
        assert client.get("/health", headers={"X-API-Key": key}).status_code == 200
        assert client.get("/health", headers={"X-API-Key": "wrong"}).status_code == 429


def test_a_bucket_fills_up_again() -> None:
    """Twice the rate at once, then the rate; clients do not share, and few are remembered."""
    now = [0.0]
    buckets = Limiter(2, lambda: now[0])
    assert [buckets.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert buckets.take("b") == 0
    now[0] = 0.5
    assert buckets.take("a") == 0
    now[0] = 1_000
    assert [buckets.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    for number in range(limiter._MOST_CLIENTS + 5):
        buckets.take(str(number))
    assert len(buckets._buckets) == limiter._MOST_CLIENTS


def test_websockets_come_with_their_caller(tmp_path: Path) -> None:
    """A wrong key and the lack of one are left to their route; a foreign page is refused; what is neither passes."""
    service = service_in(tmp_path, ())
    seen: list[Any] = []  # Any: scopes and messages

    async def inner(scope: Any, _: Any, __: Any) -> None:  # Any: ASGI
        seen.append(scope.get("state", {}).get("caller"))

    async def sent(message: Any) -> None:  # Any: ASGI
        seen.append(message)

    gate = Gate(inner, service)
    scope: dict[str, Any] = {"type": "websocket", "path": "/stream", "headers": [(b"host", b"localhost")]}
    wrong = {**scope, "headers": [*scope["headers"], (b"x-api-key", b"wrong")], "state": {}}
    own = {**scope, "headers": [*scope["headers"], (b"origin", b"http://localhost")], "state": {}}
    foreign = {**scope, "headers": [*scope["headers"], (b"origin", b"http://evil.example")], "state": {}}
    for one in (scope, wrong, own, {"type": "lifespan"}, foreign):
        asyncio.run(gate(one, None, sent))  # type: ignore[arg-type]  # nothing is received
    assert seen[:4] == [Caller("unknown", "read"), Caller("unknown", None), Caller("unknown", "read"), None]
    assert wrong["state"]["problem"].kind == "key-required"
    assert (seen[4]["type"], seen[4]["code"]) == ("websocket.close", 1008)
    assert len(seen) == 5


# --- the file of keys -------------------------------------------------------------------------------------------------


def test_a_key_is_found_by_its_text_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file holds no secret and is for its owner alone; wrong texts of any form find nothing."""
    monkeypatch.setattr(keys, "_LOOK", 0.0)
    file = KeyFile(tmp_path / "new" / "keys.json")
    assert file.keys() == ()
    assert file.find("anything") is None
    assert file.find(f"ohlcv_00000000_{'x' * 43}") is None
    key, text = file.create("a chart", "read")
    keep_secret(text)
    content = (tmp_path / "new" / "keys.json").read_text()
    assert text.rpartition("_")[2] not in content
    assert stat.S_IMODE((tmp_path / "new" / "keys.json").stat().st_mode) == 0o600
    assert file.find(text) == key
    other = keep_secret(file.create("another", "admin")[1])
    mixed = f"ohlcv_{key.id}_{other[15:]}"
    for wrong in ("", text[:-1], text + "x", mixed, text.upper(), f"ohlcv_00000000_{text[15:]}", "\udcff", "é" * 50):
        assert file.find(wrong) is None
    found = file.keys()
    assert [one.name for one in found] == ["a chart", "another"]
    assert file.revoke(key.id) == key
    assert (file.find(text), file.find(other)) == (None, file.keys()[0])


def test_the_file_is_looked_at_once_a_second(tmp_path: Path) -> None:
    """Not for every request."""
    file = KeyFile(tmp_path / "keys.json")
    assert file.find("x") is None
    text = keep_secret(file.create("one", "read")[1])
    file._looked = time.monotonic() + 1_000
    assert file.find(text) is None, "looked at a moment ago"
    file._looked = time.monotonic() - 2
    assert file.find(text) is not None


def test_a_file_that_cannot_be_read_lets_nobody_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands say what is wrong; requests are refused."""
    monkeypatch.setattr(keys, "_LOOK", 0.0)
    path = tmp_path / "keys.json"
    file = KeyFile(path)
    text = keep_secret(file.create("one", "read")[1])
    good = path.read_bytes()
    for number, content in enumerate((b"{", b'{"keys": [{"id": 1}]}', b"[]", b'{"keys": 5}')):
        # Written over in place, as an editor does; a file system's clock may be too coarse to tell.
        path.write_bytes(good)
        os.utime(path, ns=(2 * number, 2 * number))
        assert file.find(text) is not None
        path.write_bytes(content)
        os.utime(path, ns=(2 * number + 1, 2 * number + 1))
        with pytest.raises(SettingsError, match=r"keys.json is damaged; remove it and make new keys"):
            file.keys()
        assert file.find(text) is None
    path.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="cannot be read"):
        file.keys()


def test_names_roles_and_ids_are_checked(tmp_path: Path) -> None:
    """One sentence on what is allowed."""
    file = KeyFile(tmp_path / "keys.json")
    with pytest.raises(UserError, match="1 to 63 letters"):
        file.create("a\nb", "read")
    with pytest.raises(UserError, match="no role 'root'; choose one of read, write, admin"):
        file.create("a", "root")
    with pytest.raises(UserError, match="no key '12345678'; `ohlcv keys list`"):
        file.revoke("12345678")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """As the machine's fault."""
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError):
        KeyFile(tmp_path / "file" / "keys.json").create("a", "read")


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.5.5.5", True),
        ("::1", True),
        ("Localhost", True),
        ("0.0.0.0", False),  # noqa: S104 -- the point of it
        ("192.168.1.5", False),
        ("data.example", False),
    ],
)
def test_loopback_is_this_machine_alone(host: str, own: bool) -> None:
    """Addresses and the one name for it."""
    assert is_loopback(host) is own


def test_names_that_are_set_hold_where_others_can_ask_too(tmp_path: Path) -> None:
    """Behind a port of this machine alone the service listens to all, and still answers to its names only."""
    everywhere = "0.0.0.0"  # noqa: S104 -- what is tested
    service = service_in(tmp_path, (), serve_host=everywhere, serve_open_reads=True, serve_names="localhost")
    with asking(service) as client:
        assert client.get("/api/v1/symbols").status_code == 200
        refused = client.get("/api/v1/symbols", headers={"Host": "rebound.test"})
    assert refused.status_code == 421
    assert "OHLCV_SERVE_NAMES" in refused.json()["detail"]
