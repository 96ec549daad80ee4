"""``GET /api/v1/ohlc``: bars in three forms, page by page, filled, adapted; never empty for lack of time."""

from __future__ import annotations

import csv
import io
import math
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from ohlcv_assets.api.service import Service
from ohlcv_assets.bars.resolutions import BARS, RESOLUTIONS, Resolution
from ohlcv_assets.bars.slots import slots
from ohlcv_assets.errors import StoreQueryError
from ohlcv_assets.stores.memory import MemoryBarStore
from ohlcv_assets.units import DAY, HOUR, MINUTE, Nanos, day_bounds
from ohlcv_assets_tests.api.made import FRIDAY_START, asking, columns_of, service_in, stored_bars
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY

pytestmark = pytest.mark.integration
FRIDAY_ONLY = {"start": "2024-01-05", "end": "2024-01-05"}


@pytest.mark.parametrize("resolution", ["1m", "15m", "30m", "4h", "1d"])
@pytest.mark.parametrize("symbol", ["AAPL", "BTC-USD"])
def test_bars_are_the_stores(any_service: Service, any_client: TestClient, symbol: str, resolution: str) -> None:
    """On every store, stored and derived: all values, and milliseconds of the open times."""
    columns = columns_of(any_client, symbol=symbol, resolution=resolution, **FRIDAY_ONLY)
    expected = stored_bars(any_service, symbol, resolution, *day_bounds(FRIDAY))
    assert len(columns["t"]) > 0
    assert {name: columns[name] for name in expected} == expected


def test_weeks_and_months_are_derived(client: TestClient, tiny_service: Service) -> None:
    """What opens in the range: the week that begins on Monday, no month."""
    assert columns_of(client, symbol="BTC-USD", resolution="1M")["t"] == []
    week = columns_of(client, symbol="BTC-USD", resolution="1W")
    assert week["n"] == stored_bars(tiny_service, "BTC-USD", "1W", *tiny_service.bounds)["n"]
    assert len(week["t"]) == 1


def test_an_answer_says_how_it_came_about(client: TestClient) -> None:
    """What was asked, what is given, the range, the count, and that nothing will change any more."""
    document = client.get("/api/v1/ohlc", params={"symbol": "AAPL", "resolution": "1h", **FRIDAY_ONLY}).json()
    del document["columns"]
    assert document == {
        "symbol": "AAPL",
        "requested_resolution": "1h",
        "resolution": "1h",
        "adapted": False,
        "reason": None,
        "fallback": None,
        "start": "2024-01-05T00:00:00Z",
        "end": "2024-01-06T00:00:00Z",
        "order": "asc",
        "fill": "none",
        "count": 7,
        "truncated": False,
        "next_cursor": None,
        "last_bar_complete": True,
    }


@pytest.mark.parametrize(
    ("start", "end", "given"),
    [
        ("2023-12-10", "2024-01-08T00:00Z", "1m"),
        ("2023-12-09T00:00Z", "2024-01-08T00:00Z", "1m"),
        ("2023-12-08T23:59:59Z", "2024-01-08T00:00Z", "15m"),
        ("2023-10-10", "2024-01-08T00:00Z", "15m"),
        ("2023-10-09", "2024-01-08T00:00Z", "1h"),
        ("2023-01-08", "2024-01-08T00:00Z", "1h"),
        ("2023-01-07", "2024-01-08T00:00Z", "1d"),
    ],
)
def test_wide_ranges_are_answered_coarser(client: TestClient, start: str, end: str, given: str) -> None:
    """Exactly 30, 90 and 365 days as asked, one more coarser; the answer says so."""
    document = client.get("/api/v1/ohlc", params={"symbol": "BTC-USD", "start": start, "end": end}).json()
    assert (document["requested_resolution"], document["resolution"]) == ("1m", given)
    assert document["adapted"] == (given != "1m")
    assert (document["reason"] is None) == (given == "1m")
    assert document["count"] == len(document["columns"]["t"]) > 0


def test_exactly_what_was_asked_or_a_refusal_with_the_rows(tmp_path: Path) -> None:
    """Without adapting, a range of too many rows is refused, and the number is told; pages always work."""
    with asking(service_in(tmp_path, serve_rows=1_000)) as client:
        asked: dict[str, Any] = {"symbol": "BTC-USD", "adaptive": "false", "start": "2023-01-01", "end": "2024-01-06"}
        refused = client.get("/api/v1/ohlc", params=asked)
        assert (refused.status_code, refused.json()["rows"]) == (422, 3 * 1_440)
        assert "4320 rows of 1m, over the limit of 1000" in refused.json()["errmsg"]
        page = client.get("/api/v1/ohlc", params=asked | {"limit": 10}).json()
        assert (page["resolution"], page["count"], page["truncated"]) == ("1m", 10, True)
        stocks = client.get("/api/v1/ohlc", params=asked | {"symbol": "AAPL"})
        assert stocks.status_code == 200, "a session's minutes are fewer than a day's"


def pages(client: TestClient, **asked: Any) -> list[dict[str, Any]]:  # Any: JSON
    """Return all pages of a request."""
    found = [client.get("/api/v1/ohlc", params=asked).json()]
    while found[-1]["next_cursor"] is not None:
        found.append(client.get("/api/v1/ohlc", params=asked | {"cursor": found[-1]["next_cursor"]}).json())
    return found


@pytest.mark.parametrize("fill", ["none", "previous"])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("resolution", ["5m", "1h"])
def test_pages_are_the_whole(client: TestClient, order: str, resolution: str, fill: str) -> None:
    """Page by page, forwards and backwards, filled or not, comes what one answer has."""
    asked = {"symbol": "AAPL", "resolution": resolution, "fill": fill, "order": order, "end": "2024-01-08"}
    whole = columns_of(client, **asked)
    limit = len(whole["t"]) // 3
    found = pages(client, **asked, limit=limit)
    assert len(found) == -(-len(whole["t"]) // limit)
    assert [t for page in found for t in page["columns"]["t"]] == whole["t"]
    assert [c for page in found for c in page["columns"]["c"]] == whole["c"]
    assert all(later > earlier if order == "asc" else later < earlier for earlier, later in pairwise(whole["t"]))
    assert [page["truncated"] for page in found] == [True] * (len(found) - 1) + [False]


def test_a_cursor_is_good_for_its_own_request(client: TestClient) -> None:
    """With other parameters, or made up, it is refused."""
    asked: dict[str, Any] = {"symbol": "BTC-USD", "resolution": "1h", "limit": 2}
    cursor = client.get("/api/v1/ohlc", params=asked).json()["next_cursor"]
    for changed in ({"order": "desc"}, {"symbol": "ETH-USD"}, {"cursor": "bm9uZQ"}, {"cursor": "____"}):
        refused = client.get("/api/v1/ohlc", params={**asked, "cursor": cursor, **changed})
        assert (refused.status_code, refused.json()["type"]) == (422, "urn:ohlcv:problem:invalid")


def test_filling_has_a_bar_for_every_interval_of_a_session(client: TestClient) -> None:
    """From before the first trade of the range, at the close before it; nights and weekends stay empty."""
    columns = columns_of(client, symbol="AAPL", resolution="1m", fill="previous", start="2024-01-05", end="2024-01-07")
    friday = slots(RESOLUTIONS["1m"], "XNYS", *day_bounds(FRIDAY))
    assert columns["t"] == (friday // 1_000_000).tolist()
    traded = columns_of(client, symbol="AAPL", resolution="1m", start="2024-01-05", end="2024-01-07")
    assert sum(columns["n"]) == sum(traded["n"])
    before = columns_of(client, symbol="AAPL", resolution="1m", end="2024-01-04")["c"][-1]
    for at, count in enumerate(columns["n"]):
        if count == 0:
            close = before if at == 0 else columns["c"][at - 1]
            assert (columns["o"][at], columns["c"][at], columns["v"][at], columns["vw"][at]) == (close, close, 0, None)


def test_filling_begins_with_the_first_trade_of_all(client: TestClient) -> None:
    """Where nothing was ever traded there is nothing to fill with, and pages go on all the same."""
    whole = columns_of(client, symbol="AAPL", resolution="1m", fill="previous", end="2024-01-04")
    traded = columns_of(client, symbol="AAPL", resolution="1m", end="2024-01-04")
    assert whole["t"][0] == traded["t"][0]
    found = pages(client, symbol="AAPL", resolution="1m", fill="previous", end="2024-01-04", limit=7)
    assert [t for page in found for t in page["columns"]["t"]] == whole["t"]


def test_csv_has_the_same_bars(client: TestClient) -> None:
    """Exact numbers and instants; what JSON says beside the bars is in headers."""
    asked: dict[str, Any] = {"symbol": "AAPL", "resolution": "1h", "limit": 3}
    reply = client.get("/api/v1/ohlc", params={**asked, "format": "csv"})
    found = list(csv.DictReader(io.StringIO(reply.text)))
    columns = columns_of(client, **asked)
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert [float(row["close"]) for row in found] == columns["c"]
    assert [float(row["vwap"]) for row in found] == columns["vw"]
    assert found[0]["ts"] == "2024-01-04T14:00:00.000000000Z"
    assert reply.headers["x-ohlcv-resolution"] == "1h"
    following = client.get(
        "/api/v1/ohlc", params={**asked, "cursor": reply.headers["x-ohlcv-next-cursor"]}, headers={"accept": "text/csv"}
    )
    assert following.text.count("\n") == 1 + 3


def test_arrow_has_the_same_bars(client: TestClient) -> None:
    """The schema of bars with VWAP, and what JSON says beside them in the metadata."""
    asked = {"symbol": "BTC-USD", "resolution": "1h", **FRIDAY_ONLY, "order": "desc"}
    reply = client.get("/api/v1/ohlc", params=asked, headers={"accept": "application/vnd.apache.arrow.stream"})
    table = pa.ipc.open_stream(reply.content).read_all()
    assert table.schema.remove_metadata().names == [*BARS.names, "vwap"]
    assert table["close"].to_pylist() == columns_of(client, **asked)["c"]
    assert b"open time" in table.schema.metadata[b"label"]
    assert b'"resolution":"1h"' in table.schema.metadata[b"ohlcv"]


@pytest.mark.parametrize(
    ("parameters", "status", "says"),
    [
        ({"symbol": "AAPPL"}, 404, "did you mean AAPL"),
        ({"symbol": "AAPL", "resolution": "7m"}, 422, "resolution: input should be '1m'"),
        ({}, 422, "symbol: field required"),
        ({"symbol": "AAPL", "start": "2024-01-06", "end": "2024-01-04"}, 422, "before it starts"),
        ({"symbol": "AAPL", "start": "2024-02-31"}, 422, "names a day that no calendar has"),
        ({"symbol": "AAPL", "start": "soon!"}, 422, "start: string should match pattern"),
        ({"symbol": "AAPL", "start": "99999999999999"}, 422, "outside what nanosecond timestamps can hold"),
        ({"symbol": "AAPL", "limit": 0}, 422, "limit: input should be greater than or equal to 1"),
        ({"symbol": "AAPL", "fill": "next"}, 422, "fill: string should match pattern"),
    ],
)
def test_wrong_input_is_one_sentence(client: TestClient, parameters: dict[str, str], status: int, says: str) -> None:
    """Problem details with what TradingView's clients look for."""
    reply = client.get("/api/v1/ohlc", params=parameters)
    document = reply.json()
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert says in document["detail"]
    assert (document["s"], document["errmsg"], document["status"]) == ("error", document["detail"], status)
    assert document["instance"] == f"urn:ohlcv:request:{reply.headers['x-request-id']}"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-01-05T15:00Z", "2024-01-05T16:00Z"),
        ("2024-01-05T16:00+01:00", "2024-01-05T17:00+01:00"),
        (str((FRIDAY_START + 15 * HOUR) // 1_000_000), str((FRIDAY_START + 16 * HOUR) // 1_000_000)),
    ],
)
def test_instants_may_be_written_in_several_ways(client: TestClient, start: str, end: str) -> None:
    """RFC 3339, also with a plus that was not escaped, and milliseconds."""
    hour = columns_of(client, symbol="BTC-USD", resolution="1h", start="2024-01-05T15:00Z", end="2024-01-05T16:00Z")
    reply = client.get(f"/api/v1/ohlc?symbol=BTC-USD&resolution=1h&start={start}&end={end}")
    assert reply.json()["columns"] == hour
    assert len(hour["t"]) == 1


def test_a_range_outside_the_dataset_is_empty(client: TestClient) -> None:
    """No bars, and no mistake either."""
    for start, end in (("1990-01-01", "1990-01-02"), ("2030-01-01", "2030-01-02"), ("2024-01-05", "2024-01-05T00:00Z")):
        document = client.get("/api/v1/ohlc", params={"symbol": "AAPL", "start": start, "end": end}).json()
        assert (document["count"], document["truncated"], document["last_bar_complete"]) == (0, False, True)


class SlowStore(MemoryBarStore):
    """Takes too long for more than so much, in one of two ways."""

    def __init__(self, like: MemoryBarStore, most: Nanos, *, says: bool = True) -> None:
        self.__dict__.update(like.__dict__)
        self.most, self.says = most, says

    def read(self, resolution: Resolution, start: Nanos, end: Nanos, symbols: Any = None) -> pa.Table:  # Any: names
        """Read, or take too long."""
        if end - start > self.most and resolution.name in {"1m", "5m"}:
            if self.says:
                raise StoreQueryError("too much")
            time.sleep(1.5)
        return super().read(resolution, start, end, symbols)


@pytest.fixture(name="slow", params=[True, False], ids=["says so", "is slow"])
def _slow(request: pytest.FixtureRequest, tmp_path: Path) -> Service:
    """Return a service whose store cannot answer for two days of fine bars at once."""
    service = service_in(tmp_path, serve_query_timeout=0.75)
    store = SlowStore(service.project.bar_store, DAY, says=request.param)  # type: ignore[arg-type]  # it is in memory
    object.__setattr__(service.project, "bar_store", store)
    return service


def test_what_takes_too_long_is_answered_coarser(slow: Service) -> None:
    """The next coarser resolution that comes in time; the answer says so, and is not kept."""
    with asking(slow) as client:
        reply = client.get("/api/v1/ohlc", params={"symbol": "BTC-USD", "resolution": "1m"})
    document = reply.json()
    assert (document["resolution"], document["adapted"]) == ("15m", True)
    assert document["reason"] == "1m and 5m bars took too long to read"
    assert document["fallback"] == document["reason"]
    assert document["count"] > 100
    assert reply.headers["cache-control"] == "public, no-cache"


def test_what_must_not_be_coarser_is_read_in_parts(slow: Service) -> None:
    """Exactly the bars asked for, read day by day; the answer says so."""
    asked = {"symbol": "BTC-USD", "resolution": "1m", "adaptive": "false"}
    with asking(slow) as client:
        document = client.get("/api/v1/ohlc", params=asked).json()
        assert document["fallback"] == "read in 3 parts"
        assert document["resolution"] == "1m"
        expected = stored_bars(slow, "BTC-USD", "1m", *day_bounds(FRIDAY))["t"]
        expected += stored_bars(slow, "BTC-USD", "1m", *day_bounds(SATURDAY))["t"]
        assert document["columns"]["t"] == expected


def test_pages_keep_the_resolution_that_they_began_with(slow: Service) -> None:
    """A coarser first page is followed by others like it, even where finer ones would be in time."""
    asked: dict[str, Any] = {"symbol": "BTC-USD", "resolution": "1m", "limit": 2_000}
    store: Any = slow.project.bar_store  # Any: a slow one
    with asking(slow) as client:
        whole = client.get("/api/v1/ohlc", params=asked).json()
        assert (whole["resolution"], whole["truncated"]) == ("15m", False)
        asked["limit"] = whole["count"] // 2 + 1
        store.most = MINUTE
        first = client.get("/api/v1/ohlc", params=asked).json()
        store.most = Nanos(400 * DAY)
        second = client.get("/api/v1/ohlc", params=asked | {"cursor": first["next_cursor"]}).json()
    assert (first["resolution"], second["resolution"]) == ("15m", "15m")
    assert second["reason"] == "the pages before have it"
    assert first["columns"]["t"] + second["columns"]["t"] == whole["columns"]["t"]


def test_a_day_that_takes_too_long_is_an_error(tmp_path: Path) -> None:
    """Smaller parts than a day are not tried: the client is told to come back."""
    service = service_in(tmp_path)
    store = SlowStore(service.project.bar_store, MINUTE)  # type: ignore[arg-type]  # it is in memory
    object.__setattr__(service.project, "bar_store", store)
    with asking(service) as client:
        reply = client.get("/api/v1/ohlc", params={"symbol": "AAPL", "adaptive": "false"})
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
    assert reply.json()["type"] == "urn:ohlcv:problem:store"


def test_vwap_lies_between_low_and_high(client: TestClient) -> None:
    """For every bar, up to rounding."""
    columns = columns_of(client, symbol="BTC-USD", resolution="5m")
    assert all(
        math.nextafter(low, 0) * (1 - 1e-12) <= vwap <= high * (1 + 1e-12)
        for low, vwap, high in zip(columns["l"], columns["vw"], columns["h"], strict=True)
    )
