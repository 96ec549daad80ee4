"""Routes that are asked often answer as the framework would have them answer."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from ohlcv_assets.api.quick import Shortcut
from ohlcv_assets.api.service import Service
from ohlcv_assets_tests.api.made import asking

pytestmark = pytest.mark.integration

DAY = "symbol=BTC-USD&start=2024-01-05&end=2024-01-05"
OF_ITS_OWN = {"x-request-id", "server-timing", "date"}
"""Headers that no two replies share."""


async def passed_on(self: Shortcut, scope: Scope, receive: Receive, send: Send) -> None:
    """Do nothing in place of a shortcut."""
    await self._app(scope, receive, send)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/ohlc?{DAY}&resolution=5m",
        f"/api/v1/ohlc?{DAY}&resolution=7m&limit=0",
        "/api/v1/ohlc?symbol=NONE",
        "/api/v1/ohlc",
        f"/api/v1/ohlc/?{DAY}",
        f"/api/v1/trades?{DAY}&limit=3",
        "/api/v1/symbols",
        "/nothing",
    ],
)
def test_the_shortcut_changes_no_reply(
    memory: Service, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    """Status, headers and body are those of the framework's own way, and so is the route in metrics."""
    found: list[Any] = []  # Any: what is to be the same
    with asking(memory) as client:
        for shortcut in (Shortcut.__call__, passed_on):
            monkeypatch.setattr(Shortcut, "__call__", shortcut)
            memory.shelf.clear()
            reply = client.request(method, path)
            headers = {name: text for name, text in reply.headers.items() if name not in OF_ITS_OWN}
            body = reply.text.replace(reply.headers["x-request-id"], "")
            counted = (line.rpartition(" ")[0] for line in memory.telemetry.page().decode().splitlines())
            routes = {line for line in counted if line.startswith("ohlcv_http_requests_total")}
            found.append((reply.status_code, headers, body, routes))
    assert found[0] == found[1]


def test_what_nobody_explains_is_a_defect(memory: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as one, without its cause."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a password in an error")

    with asking(memory) as client:
        monkeypatch.setattr(memory.pool, "ask_once", broken)
        reply = client.get(f"/api/v1/ohlc?{DAY}&resolution=5m")
        monkeypatch.undo()
    assert (reply.status_code, reply.json()["type"]) == (500, "urn:ohlcv:problem:defect")
    assert "password" not in reply.text
