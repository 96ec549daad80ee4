"""Trades made to order: planned as asked, taken in as posted ones, watched and cancelled."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from ohlcv_assets.api import generating
from ohlcv_assets.api.pool import OverloadedError
from ohlcv_assets.api.posting.commit import Conflict, Post, Verdict
from ohlcv_assets.api.service import Service
from ohlcv_assets.pipeline.heal import CANCELLED
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.api.made import KINDS, asking, close, new_key, on_fake_influxdb, service_in
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY

pytestmark = pytest.mark.integration
Json = dict[str, Any]  # Any: JSON


@pytest.fixture(name="service", params=KINDS)
def _service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """Return a service on each kind of store; Thursday is made, Friday and Saturday are open."""
    with ExitStack() as stack:
        given: Mapping[str, object] = {}
        if request.param == "influxdb":
            given = stack.enter_context(on_fake_influxdb())
        service = service_in(tmp_path / "data", (THURSDAY,), **{"store": request.param, **given})
        stack.callback(close, service)
        yield service


@pytest.fixture(name="open_service")
def _open_service(tmp_path: Path) -> Service:
    """Return a service in memory; Thursday is made, Friday and Saturday are open."""
    return service_in(tmp_path / "data", (THURSDAY,))


def writing(service: Service) -> dict[str, str]:
    """Return the headers of somebody who may write."""
    return {"X-API-Key": new_key(service, "write")}


def done(client: TestClient, **asked: object) -> Json:
    """Generate, and return how that ended."""
    reply = client.post("/api/v1/generate", json=asked)
    assert reply.status_code == 202, reply.text
    for _ in range(3_000):
        found: Json = client.get(reply.headers["location"]).json()
        if found["ended"] is not None:
            return found
        time.sleep(0.01)
    raise AssertionError(f"the job is still {found['state']}")


def stored(service: Service) -> pa.Table:
    """Return the trades of the open days."""
    start, end = day_bounds(FRIDAY)[0], day_bounds(SATURDAY)[1]
    return pa.Table.from_batches(list(service.project.trade_store.scan(start, end)))


def test_trades_are_made_and_taken_in(service: Service) -> None:
    """Exactly so many, on the open days; the report counts them, the feed gets them, the order can be repeated."""
    with asking(service, writing(service)) as client:
        found = done(client, count=700)
        assert (found["state"], found["error"]) == ("succeeded", None)
        assert found["about"]["first_day"] == str(FRIDAY)
        report = found["report"]
        assert (report["trades"], report["ordered"], report["duplicates"]) == (700, 700, 0)
        assert sum(report["by_day"].values()) == 700
        assert list(report["by_day"]) == [str(FRIDAY), str(SATURDAY)]
        assert (found["progress"]["done"], found["progress"]["total"], found["progress"]["unit"]) == (
            700,
            700,
            "trades",
        )
        trades = stored(service)
        assert trades.num_rows == 700
        assert service.feed.taken == 700
        again = done(client, count=700)
        assert (again["report"]["trades"], again["report"]["duplicates"]) == (0, 700)
        assert stored(service).equals(trades)
    assert service.project.trade_store.day_records().keys() == {THURSDAY}


def test_as_it_was_ordered(open_service: Service) -> None:
    """Days, symbols, laws and seed; another seed gives other trades."""
    asked = {"count": 300, "first_day": str(SATURDAY), "last_day": str(SATURDAY), "symbols": ["BTC-USD", "ETH-USD"]}
    with asking(open_service, writing(open_service)) as client:
        found = done(client, **asked, seed=7, price_model="gbm", arrivals="poisson", sizes="fixed")
        about = found["about"]
        assert (about["seed"], about["price_model"], about["arrivals"], about["sizes"]) == (
            7,
            "gbm",
            "poisson",
            "fixed",
        )
        assert open_service.project.trade_store.counts(SATURDAY).keys() == {"BTC-USD", "ETH-USD"}
        assert open_service.project.trade_store.counts(FRIDAY) == {}
        assert done(client, **asked, seed=8)["report"]["trades"] == 300
    assert stored(open_service).num_rows == 600


def test_prices_go_on_from_those_before(open_service: Service) -> None:
    """With the dataset's seed and laws the first price of an open day is near the last one of the day before."""
    with asking(open_service, writing(open_service)) as client:
        done(client, count=2_000, symbols=["BTC-USD"])
    start, middle, end = day_bounds(THURSDAY)[0], day_bounds(FRIDAY)[0], day_bounds(FRIDAY)[1]
    before, after = (
        pa.Table.from_batches(list(open_service.project.trade_store.scan(*span, ["BTC-USD"])))["price"].to_numpy()
        for span in ((start, middle), (middle, end))
    )
    assert abs(np.log(after[0] / before[-1])) < 0.02


@pytest.mark.parametrize(
    ("asked", "status", "kind", "said"),
    [
        ({"count": 5, "first_day": str(THURSDAY)}, 409, "closed", "2024-01-04 is closed"),
        ({"count": 5, "last_day": str(THURSDAY)}, 409, "closed", "No day up to 2024-01-04 is left"),
        ({"count": 2_000_000}, 422, "invalid", "At most 1000000 trades"),
        ({"count": 0}, 422, "invalid", "count"),
        ({"count": True}, 422, "invalid", "count"),
        ({}, 422, "invalid", "count"),
        ({"count": 5, "symbols": ["BTCUSD"]}, 404, "unknown-symbol", "did you mean BTC-USD?"),
        ({"count": 5, "symbols": []}, 422, "invalid", "symbols"),
        ({"count": 5, "symbols": ["AAPL"], "first_day": str(SATURDAY)}, 422, "invalid", "every calendar is closed"),
        ({"count": 5, "price_model": "magic"}, 422, "invalid", "price_model"),
        ({"count": 5, "seed": -1}, 422, "invalid", "seed"),
        ({"count": 5, "first_day": "2025-01-01"}, 422, "invalid", "outside the dataset"),
    ],
)
def test_what_cannot_be_ordered(open_service: Service, asked: Json, status: int, kind: str, said: str) -> None:
    """One sentence, and nothing is begun."""
    with asking(open_service, writing(open_service)) as client:
        refused = client.post("/api/v1/generate", json=asked)
    assert (refused.status_code, refused.json()["type"]) == (status, f"urn:ohlcv:problem:{kind}")
    assert said in refused.json()["detail"]
    assert open_service.jobs.all() == []


def test_it_takes_a_key_that_may_write(open_service: Service) -> None:
    """None and one that only reads are refused."""
    read = {"X-API-Key": new_key(open_service, "read")}
    with asking(open_service) as client:
        assert client.post("/api/v1/generate", json={"count": 5}).status_code == 401
        assert client.post("/api/v1/generate", json={"count": 5}, headers=read).status_code == 403


def test_imported_datasets_are_not_made_up(open_service: Service) -> None:
    """What was imported is somebody else's."""
    dataset = replace(open_service.project.dataset, kind="imported")
    open_service.project = replace(open_service.project, dataset=dataset)
    with asking(open_service, writing(open_service)) as client:
        assert "was imported" in client.post("/api/v1/generate", json={"count": 5}).json()["detail"]


def test_it_is_cancelled_between_two_batches(open_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole batches are stored, and the same order adds just what is missing."""
    monkeypatch.setattr(generating, "BATCH", 100)
    offered = generating._offered

    def slowly(post: Post, submit: Any, run: Any) -> Verdict | None:  # Any: handed on
        verdict = offered(post, submit, run)
        (job,) = (one for one in open_service.jobs.all() if not one.is_over)
        if open_service.feed.taken >= 300:
            open_service.jobs.cancel(job.id)
        return verdict

    with asking(open_service, writing(open_service)) as client:
        monkeypatch.setattr(generating, "_offered", slowly)
        found = done(client, count=1_000)
        assert (found["state"], found["error"]) == ("cancelled", CANCELLED)
        assert found["report"]["trades"] == stored(open_service).num_rows == 300
        monkeypatch.setattr(generating, "_offered", offered)
        rest = done(client, count=1_000)
        assert (rest["report"]["trades"], rest["report"]["duplicates"]) == (700, 300)
    assert stored(open_service).num_rows == 1_000


def test_a_day_that_is_closed_meanwhile_ends_it(open_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was stored before is told."""
    conflict = Conflict("closed", np.array([0]))
    monkeypatch.setattr(generating, "_offered", lambda *_: conflict)
    with asking(open_service, writing(open_service)) as client:
        found = done(client, count=10)
    assert found["state"] == "failed"
    assert "2024-01-05 cannot take more trades" in found["error"]
    assert found["report"]["trades"] == 0


@pytest.mark.parametrize(("cancelled", "state"), [(True, "cancelled"), (False, "failed")])
def test_it_waits_while_others_have_their_trades_stored(
    open_service: Service, monkeypatch: pytest.MonkeyPatch, *, cancelled: bool, state: str
) -> None:
    """For a while, or until it is cancelled."""
    monkeypatch.setattr(generating, "PATIENCE", 2)
    monkeypatch.setattr(generating, "_BREATH", 0.01)
    tried = list[Post]()

    async def full(post: Post) -> Verdict:
        tried.append(post)
        if cancelled:
            open_service.jobs.cancel(open_service.jobs.all()[0].id)
        raise OverloadedError("Too many wait.")

    monkeypatch.setattr(open_service.posting.desk, "post", full)
    with asking(open_service, writing(open_service)) as client:
        found = done(client, count=10)
    assert (found["state"], len(tried)) == (state, 1 if cancelled else 2)
