"""The service as a process: killed in the middle of commits, out of room, told to stop while it works."""

from __future__ import annotations

import http.client
import itertools
import random
import resource
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ohlcv_assets_tests.api.made import set_up_on
from ohlcv_assets_tests.api.posting.made import START, trade
from ohlcv_assets_tests.api.processes import Reply, Serving, columns_equal, serving
from ohlcv_assets_tests.api.sockets import until
from ohlcv_assets_tests.servers import Server

pytestmark = pytest.mark.integration
ROUTE = "/api/v1/trades"
DAY = "2024-01-04"
LANES = 3
KILLS = 2
ROWS = 40
"""Trades of a request."""

Trades = list[dict[str, Any]]  # Any: JSON


@pytest.fixture(name="service", params=["duckdb", "influxdb"])
def _service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serving]:
    """Return a service on a real store, as a process; no day is made."""
    given: Mapping[str, object] = {"store": "duckdb"}
    if request.param == "influxdb":
        server: Server = request.getfixturevalue("own_server")
        given = set_up_on(server)
    with serving(tmp_path / "data", given) as service:
        yield service


@dataclass
class Poster:
    """Posts trades, each of them new, and remembers what became of them.

    Attributes
    ----------
    acknowledged
        What was posted under which key, and the answer.
    unsure
        What had no answer.
    """

    service: Serving
    numbers: Iterator[int]
    acknowledged: list[tuple[str, Trades, Reply]] = field(default_factory=list)
    unsure: list[tuple[str, Trades]] = field(default_factory=list)

    def post_until_it_fails(self) -> None:
        """Post one request after the other."""
        while True:
            number = next(self.numbers)
            # Two at a time want the same nanosecond, so that one of them is moved.
            rows = [trade(2_000_000_000 * number + at // 2 * 10, price=40_000 + at) for at in range(ROWS)]
            key = f"request-{number}"
            reply = self.answer_to(key, rows)
            if reply is None:
                self.unsure.append((key, rows))
                return
            assert reply.status == 201, reply.body
            self.acknowledged.append((key, rows, reply))

    def answer_to(self, key: str, rows: Trades) -> Reply | None:
        """Post until there is an answer; None where the service goes away before."""
        with suppress(OSError, http.client.HTTPException):
            while (reply := self.service.ask("POST", ROUTE, rows, Idempotency_Key=key)).status == 503:
                # A killed service leaves leases on a server, which end a moment later.
                time.sleep(0.2)
            return reply
        return None


def bars_of(trades: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:  # Any: rows and columns of mixed types
    """Return the one-minute bars of trades in order of time, made one trade after the other."""
    found: dict[str, list[Any]] = {name: [] for name in ("t", "o", "h", "l", "c", "v", "n", "q", "i")}
    for minute, group in itertools.groupby(trades, key=lambda row: row[0][:16]):
        rows = list(group)
        prices = [price for _, price, _, _ in rows]
        hours, minutes = int(minute[11:13]), int(minute[14:16])
        found["t"].append((START // 10**9 + 3_600 * hours + 60 * minutes) * 1_000)
        for name, value in (("o", prices[0]), ("h", max(prices)), ("l", min(prices)), ("c", prices[-1])):
            found[name].append(value)
        found["v"].append(sum(amount for _, _, amount, _ in rows))
        found["n"].append(len(rows))
        found["q"].append(sum(price * amount for _, price, amount, _ in rows))
        found["i"].append(sum(side for _, _, _, side in rows))
    return found


def require_bars_of_trades(service: Serving) -> None:
    """Fail unless the bars that are shown are those of the trades that are shown."""
    bars = service.get("/api/v1/ohlc", symbol="BTC-USD", resolution="1m", start=DAY, end=DAY)["columns"]
    assert columns_equal(bars, bars_of(service.trades("BTC-USD", DAY)))


def test_what_was_acknowledged_outlives_a_kill(service: Serving) -> None:
    """Killed while it commits, again and again: acknowledged trades are there, once, and known; the rest completes."""
    numbers, chance = itertools.count(), random.Random(3)  # noqa: S311 -- moments, not secrets
    unsure: list[tuple[str, Trades]] = []
    acknowledged: list[tuple[str, Trades, Reply]] = []
    for _ in range(KILLS):
        posters = [Poster(service, numbers) for _ in range(LANES)]
        threads = [threading.Thread(target=poster.post_until_it_fails) for poster in posters]
        for thread in threads:
            thread.start()
        until(lambda posters=posters: any(poster.acknowledged for poster in posters), 60)  # type: ignore[misc]
        time.sleep(chance.uniform(0.05, 0.3))
        service.kill()
        for thread in threads:
            thread.join(60)
        service.start()
        for poster in posters:
            acknowledged += poster.acknowledged
            unsure += poster.unsure
        stored = {(ts, price) for ts, price, _, _ in service.trades("BTC-USD", DAY)}
        require_bars_of_trades(service)
        for _, rows, reply in acknowledged:
            told = zip(reply.document["columns"]["ts"], (row["price"] for row in rows), strict=True)
            assert set(told) <= stored
    # Each costs two commits, and the killing decides how many there are.
    some = chance.sample(acknowledged, min(20, len(acknowledged)))
    for key, rows, reply in some:
        again = Poster(service, numbers).answer_to(key, rows)
        assert again is not None
        assert (again.status, again.document) == (201, reply.document)
        assert again.headers["idempotent-replayed"] == "true"
        assert service.ask("POST", ROUTE, rows).document["duplicates"] == ROWS
    for key, rows in unsure:
        last = Poster(service, numbers).answer_to(key, rows)
        assert last is not None
        assert last.status in {200, 201}
    assert len(service.trades("BTC-USD", DAY)) == ROWS * (len(acknowledged) + len(unsure))
    require_bars_of_trades(service)


def large(number: int) -> Trades:
    """Return a request that takes room."""
    chance = random.Random(number)  # noqa: S311 -- prices, not secrets
    begin = 1_000_000_000 * 600 * number
    return [
        trade(begin + 1_000 * at + chance.randrange(1_000), price=round(chance.uniform(1e4, 9e4), 2), amount=0.5)
        for at in range(5_000)
    ]


def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """Posting is answered 503 with when to come back, reading as before; with room again nothing is lost or doubled."""
    given = {"store": "duckdb", "serve_body": 10_000_000, "serve_timeout": 60, "serve_query_timeout": 60}
    with serving(tmp_path / "data", given) as service:
        assert service.ask("POST", ROUTE, large(0)).status == 201
        files = [file for file in (tmp_path / "data").rglob("*") if file.is_file()]
        most = max(file.stat().st_size for file in files) + 50_000
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        posted = 1
        while (refused := service.ask("POST", ROUTE, large(posted))).status == 201:
            posted += 1
            assert posted < 100, "the limit holds nothing"
        assert (refused.status, refused.headers["retry-after"]) == (503, "2")
        assert (refused.document["s"], str(tmp_path) in refused.body.decode()) == ("error", False)
        assert any("no room" in str(line.get("error")) for line in service.log)
        for _ in range(2):
            assert service.ask("POST", ROUTE, large(posted)).status == 503
            assert service.ask("GET", "/health").status == 200
            assert len(service.trades("BTC-USD", DAY)) == 5_000 * posted
            require_bars_of_trades(service)
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert service.ask("POST", ROUTE, large(posted)).status == 201
        assert service.ask("POST", ROUTE, large(posted)).document["duplicates"] == 5_000
        before = service.trades("BTC-USD", DAY)
        assert len(before) == 5_000 * (posted + 1)
        require_bars_of_trades(service)
        service.kill()
        service.start()
        assert service.trades("BTC-USD", DAY) == before


def test_a_job_is_cancelled_and_told_of_when_the_service_stops(service: Serving) -> None:
    """SIGTERM in the middle of generating: whole batches are stored, the log has the report, the order completes."""
    order = {"count": 100_000, "symbols": ["BTC-USD"], "first_day": DAY, "last_day": DAY}
    job = service.ask("POST", "/api/v1/generate", order)
    assert job.status == 202
    place = job.headers["location"]
    until(lambda: (service.get(place)["progress"] or {"done": 0})["done"] > 0, 60)
    assert service.stop() == 0
    ended = [line for line in service.log if line["event"] == "job"][-1]
    assert (ended["job"], ended["state"]) == (job.document["id"], "cancelled")
    stored = ended["report"]["trades"]
    assert 0 < stored < 100_000
    service.start()
    assert len(service.trades("BTC-USD", DAY)) == stored
    require_bars_of_trades(service)
    again = service.ask("POST", "/api/v1/generate", order).headers["location"]
    until(lambda: service.get(again)["ended"] is not None, 120)
    report = service.get(again)["report"]
    assert (report["trades"], report["duplicates"]) == (100_000 - stored, stored)


def test_requests_under_way_are_answered_when_the_service_stops(service: Serving) -> None:
    """SIGTERM while trades are posted: whoever was answered 201 has theirs stored, and nobody else's is half there."""
    poster = Poster(service, itertools.count())
    thread = threading.Thread(target=poster.post_until_it_fails)
    thread.start()
    until(lambda: len(poster.acknowledged) > 3)
    assert service.stop() == 0
    thread.join(60)
    service.start()
    stored = len(service.trades("BTC-USD", DAY))
    whole = ROWS * len(poster.acknowledged)
    assert stored in {whole, whole + ROWS}
    require_bars_of_trades(service)
