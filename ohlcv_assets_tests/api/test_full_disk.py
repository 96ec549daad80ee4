"""The disk of InfluxDB is full: what the service says meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ohlcv_assets_tests.api.made import set_up_on
from ohlcv_assets_tests.api.posting.made import trade
from ohlcv_assets_tests.api.processes import Serving, serving
from ohlcv_assets_tests.api.sockets import until
from ohlcv_assets_tests.stores.influxdb.test_faults_server import limited, small_disk

pytestmark = pytest.mark.integration
__all__ = ["small_disk"]
ROUTE = "/api/v1/trades"
DAY = "2024-01-04"
ROWS = 500


def posted(service: Serving, number: int) -> tuple[int, int]:
    """Post so many trades, the same each time; return status, and how many are said to be there."""
    reply = service.ask("POST", ROUTE, [trade(number * 1_000 + at, price=1.0 + at) for at in range(ROWS)])
    if reply.status != 503:
        return reply.status, reply.document["stored"] + reply.document["duplicates"]
    assert reply.headers["retry-after"] == "2"
    assert reply.document["errmsg"].count(".") == 1, "one sentence"
    assert "space" not in reply.body.decode(), "what is wrong with the server is for the log"
    return 503, 0


def test_a_full_disk_of_the_server(request: pytest.FixtureRequest, small_disk: Path, tmp_path: Path) -> None:
    """Nothing is acknowledged that may go, however often it is posted; reads go on; a job says why it failed."""
    with limited(request, small_disk) as server:
        given = {**set_up_on(server), "serve_query_timeout": 1.0}
        with serving(tmp_path / "data", given) as service:
            assert posted(service, 0) == (201, ROWS)
            ballast = small_disk / "ballast"
            free = os.statvfs(small_disk)
            with ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)
            last = 1
            while posted(service, last)[0] == 201:
                last += 1
            for _ in range(4):
                assert posted(service, last) == (503, 0), "though the server shows them by now"
            job = service.ask("POST", "/api/v1/generate", {"count": 100}).document["id"]
            until(lambda: service.get(f"/api/v1/jobs/{job}")["state"] == "failed", 60)
            # Of the disk, or that what was sent before is waited for.
            assert "InfluxDB at" in service.get(f"/api/v1/jobs/{job}")["error"]
            assert service.ask("GET", "/health").status == service.ask("GET", "/ready").status == 200
            assert len(service.trades("BTC-USD", DAY)) >= ROWS
            assert any("no space left on device" in str(line.get("error")) for line in service.log)
