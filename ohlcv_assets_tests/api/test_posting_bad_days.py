"""Posting while the server that stores fails, refuses a part, or stores without saying so."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ohlcv_assets.stores.influxdb import store as influx_store
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets_tests.api.made import asking, close, columns_of, new_key, service_in, set_up_on
from ohlcv_assets_tests.api.posting.made import trade
from ohlcv_assets_tests.api.sockets import until
from ohlcv_assets_tests.stores.influxdb.fake.server import fake_influxdb
from ohlcv_assets_tests.stores.influxdb.faulty import Fault

pytestmark = pytest.mark.integration
ROWS = [trade(at, price=40_000 + at) for at in range(20)]
FULL = b'{"code":"internal error","message":"unexpected error writing points: no space left on device"}'
PARTIAL = b'{"code":"unprocessable entity","message":"partial write: points beyond retention policy dropped=2"}'

FAULTS = {
    "has no room": (Fault("answer", status=500, times=None, body=FULL), "store"),
    "stores and breaks the connection": (Fault("reset", times=None), "store"),
    "takes a part": (Fault("answer", status=422, times=None, body=PARTIAL), "rejected"),
}


def stored(client: TestClient) -> list[float]:
    """Return the prices that are stored, in order of time."""
    found: list[float] = client.get("/api/v1/trades?symbol=BTC-USD&limit=10000").json()["columns"]["price"]
    return found


@pytest.mark.parametrize(("fault", "kind"), FAULTS.values(), ids=FAULTS)
def test_a_server_that_fails_loses_and_doubles_nothing(
    fault: Fault, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Posters are told, with when to come back where that helps; the same request completes, and bars are right."""
    monkeypatch.setattr(influx_store, "Terms", partial(Terms, grace=0.5))
    with fake_influxdb() as server:
        service = service_in(tmp_path, (), **{**set_up_on(server), "serve_query_timeout": 3.0})
        with asking(service, {"X-API-Key": new_key(service, "write")}) as client:
            assert client.post("/api/v1/trades", json=ROWS[:5]).status_code == 201
            assert server.http is not None
            server.http.script.append(fault)
            refused = client.post("/api/v1/trades", json=ROWS, headers={"Idempotency-Key": "a"})
            assert refused.json()["type"] == f"urn:ohlcv:problem:{kind}"
            assert (refused.status_code, refused.headers.get("retry-after")) == (
                (503, "2") if kind == "store" else (422, None)
            )
            assert "127.0.0.1" not in refused.text
            server.http.heal()
            # Until what was sent before cannot arrive any more, the day is left alone.
            until(lambda: client.post("/api/v1/trades", json=ROWS, headers={"Idempotency-Key": "a"}).status_code < 300)
            assert client.post("/api/v1/trades", json=ROWS).json()["duplicates"] == len(ROWS)
            assert stored(client) == [row["price"] for row in ROWS]
            bars = columns_of(client, symbol="BTC-USD", resolution="1d")
            assert (bars["n"], bars["o"], bars["c"]) == ([20], [40_000], [40_019])
        close(service)
