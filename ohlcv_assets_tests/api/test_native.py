"""``/api/v1``: symbols, trades, coverage, status."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from starlette.testclient import TestClient

from ohlcv_assets.api.native.status import StatusDesk
from ohlcv_assets.api.service import Service
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.project import Project
from ohlcv_assets.units import Nanos, day_bounds, day_start
from ohlcv_assets_tests.api.made import asking, service_in
from ohlcv_assets_tests.pipeline.made import FRIDAY, THURSDAY

pytestmark = pytest.mark.integration


def test_symbols_are_listed_in_order(client: TestClient) -> None:
    """All of them, or those whose name contains a text, or of a class."""
    listed = client.get("/api/v1/symbols").json()
    names = [one["symbol"] for one in listed["symbols"]]
    assert (listed["count"], names) == (28, sorted(names))
    assert (listed["dataset"], listed["first_day"], listed["last_day"]) == ("default", "2024-01-04", "2024-01-09")
    assert [one["symbol"] for one in client.get("/api/v1/symbols?query=btc").json()["symbols"]] == ["BTC-USD"]
    assert client.get("/api/v1/symbols?asset_class=stock").json()["count"] == 20
    assert client.get("/api/v1/symbols?asset_class=bond").status_code == 422


def test_a_symbol_is_described(client: TestClient) -> None:
    """Its class, calendar, time zone and grid; an unknown one is suggested for."""
    assert client.get("/api/v1/symbols/AAPL").json() == {
        "symbol": "AAPL",
        "asset_class": "stock",
        "calendar": "XNYS",
        "time_zone": "America/New_York",
        "tick_size": 0.01,
        "lot_size": 1.0,
    }
    missing = client.get("/api/v1/symbols/AAPPL")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:ohlcv:problem:unknown-symbol")


def stored_trades(service: Service, symbol: str, start: Nanos, end: Nanos) -> pa.Table:
    """Return the trades of the store."""
    batches = list(service.project.trade_store.scan(start, end, [symbol]))
    return pa.Table.from_batches(batches, STORED)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_trades_are_the_stores_page_by_page(any_service: Service, any_client: TestClient, order: str) -> None:
    """On every store, forwards and backwards: exact instants, prices, amounts and sides, each once."""
    asked: dict[str, Any] = {"symbol": "BTC-USD", "order": order, "limit": 40}
    found: dict[str, list[Any]] = {"ts": [], "price": [], "amount": [], "side": []}
    cursor: str | None = ""
    while cursor is not None:
        page = any_client.get("/api/v1/trades", params=asked | ({"cursor": cursor} if cursor else {})).json()
        assert page["truncated"] == (page["next_cursor"] is not None)
        found = {name: [*values, *page["columns"][name]] for name, values in found.items()}
        cursor = page["next_cursor"]
    stored = stored_trades(any_service, "BTC-USD", *any_service.bounds)
    expected = {name: stored[name].to_pylist() for name in ("price", "amount", "side")}
    expected["ts"] = pc.strftime(stored["ts"], format="%Y-%m-%dT%H:%M:%SZ").to_pylist()
    step = 1 if order == "asc" else -1
    assert found == {name: values[::step] for name, values in expected.items()}
    assert len(found["ts"]) > 120


def test_trades_of_a_range(client: TestClient, tiny_service: Service) -> None:
    """Half open, in all three forms; what JSON says of the next page is a header elsewhere."""
    asked: dict[str, Any] = {"symbol": "AAPL", "start": "2024-01-05", "end": "2024-01-05", "limit": 5}
    stored = stored_trades(tiny_service, "AAPL", *day_bounds(FRIDAY))
    page = client.get("/api/v1/trades", params=asked).json()
    assert (page["count"], page["start"], page["end"]) == (5, "2024-01-05T00:00:00Z", "2024-01-06T00:00:00Z")
    text = client.get("/api/v1/trades", params={**asked, "format": "csv"})
    assert [float(row["price"]) for row in csv.DictReader(io.StringIO(text.text))] == stored["price"].to_pylist()[:5]
    assert text.headers["x-ohlcv-next-cursor"] == page["next_cursor"]
    arrow = client.get("/api/v1/trades", params={**asked, "format": "arrow", "limit": 10_000})
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert table.cast(STORED).equals(stored.cast(STORED))
    assert "x-ohlcv-next-cursor" not in arrow.headers
    nothing = client.get("/api/v1/trades", params={**asked, "order": "desc", "end": "2024-01-05T00:00Z"}).json()
    assert nothing["count"] == 0


def test_a_cursor_of_other_trades_is_refused(client: TestClient) -> None:
    """Nor does one of bars fit."""
    cursor = client.get("/api/v1/trades?symbol=AAPL&limit=1").json()["next_cursor"]
    assert client.get(f"/api/v1/trades?symbol=AAPL&limit=1&cursor={cursor}").status_code == 200
    for other in (f"/api/v1/trades?symbol=MSFT&cursor={cursor}", f"/api/v1/ohlc?symbol=AAPL&cursor={cursor}"):
        assert client.get(other).status_code == 422


def test_coverage_counts_days(any_service: Service, any_client: TestClient) -> None:
    """Bars and trades by day, of all symbols or of one, on every store."""
    everything = any_client.get("/api/v1/coverage?resolution=1h").json()
    assert everything["columns"]["day"] == ["2024-01-05", "2024-01-06"]
    counts = [sum(any_service.project.trade_store.counts(day).values()) for day in any_service.project.dataset.days[1:]]
    assert everything["columns"]["trades"] == counts
    one = any_client.get("/api/v1/coverage?symbol=AAPL").json()
    assert (one["symbol"], one["resolution"], one["count"]) == ("AAPL", "1d", 1)
    assert one["columns"]["bars"] == [1]
    assert any_client.get("/api/v1/coverage?symbol=AAPPL").status_code == 404
    assert any_client.get("/api/v1/coverage?resolution=30m").status_code == 422, "it is stored nowhere"


def test_status_says_how_far_bars_are(client: TestClient) -> None:
    """Watermark, gaps and lag by resolution; nothing of the machine."""
    status = client.get("/api/v1/status").json()
    assert (status["dataset"], status["store"], status["complete"]) == ("default", "duckdb", False)
    assert (status["proved_days"], status["days"]) == (5, 6)
    assert [one["resolution"] for one in status["resolutions"]] == ["1m", "5m", "15m", "1h", "1d"]
    daily = status["resolutions"][-1]
    assert daily["complete_until"] == "2024-01-09T00:00:00Z"
    assert daily["waiting"] == [{"first": "2024-01-09", "last": "2024-01-09", "reason": "no proved trades"}]
    assert (daily["missing"], daily["stale"], daily["failed"]) == ([], [], 0)


def test_status_is_looked_at_once_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a refresh the store is asked once, and again after it."""
    looks: list[Project] = []

    def look(project: Project) -> tuple[()]:
        looks.append(project)
        return ()

    monkeypatch.setattr("ohlcv_assets.api.native.status.bar_status", look)
    service = service_in(tmp_path, (), serve_refresh=1_000)
    with asking(service) as client:
        first = client.get("/api/v1/status").json()
        assert client.get("/api/v1/status").json() == first
        assert len(looks) == 1
        desk: StatusDesk = client.app.state.status_desk  # type: ignore[attr-defined]  # the application's
        desk.at = -1e9
        client.get("/api/v1/status")
        assert len(looks) == 2


def test_a_dataset_without_anything_answers(tmp_path: Path) -> None:
    """No bars, no trades, no watermark, and no mistake."""
    with asking(service_in(tmp_path, ())) as client:
        status = client.get("/api/v1/status").json()
        assert {one["complete_until"] for one in status["resolutions"]} == {None}
        assert client.get("/api/v1/coverage").json()["count"] == 0
        assert client.get("/api/v1/trades?symbol=AAPL").json()["count"] == 0
        document = client.get("/api/v1/ohlc?symbol=AAPL&resolution=1d").json()
        assert (document["count"], document["last_bar_complete"]) == (0, True)
        assert client.get("/ready").json()["complete_until"]["1m"] is None


def test_days_that_are_not_proved_are_not_complete(tmp_path: Path) -> None:
    """The last bar may change as long as its day may."""
    service = service_in(tmp_path)
    project = service.project
    extra = stored_trades(service, "BTC-USD", *day_bounds(FRIDAY)).slice(0, 1)
    project.trade_store.append(extra)
    with asking(service) as client:
        asked = {"symbol": "BTC-USD", "resolution": "1h", "start": "2024-01-05", "end": "2024-01-05"}
        reply = client.get("/api/v1/ohlc", params=asked)
        assert reply.json()["last_bar_complete"] is False
        assert reply.headers["cache-control"] == "public, no-cache"
        later = client.get("/api/v1/ohlc", params={**asked, "start": "2024-01-06", "end": "2024-01-06"})
        assert later.json()["last_bar_complete"] is True
        assert later.headers["cache-control"] == "public, max-age=60"
    assert day_start(THURSDAY) == service.bounds[0]
