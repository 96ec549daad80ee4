"""Every trade compared by the quickest way there is: by backups where the server gives them, by queries otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.pipeline import exhaustive
from ohlcv_assets.pipeline.checks import names, stored_checks, stored_kinds
from ohlcv_assets.pipeline.exhaustive import compare_every_trade
from ohlcv_assets.pipeline.kinds import EVERY_TRADE, STORED_CHECKS
from ohlcv_assets.pipeline.steps import file_day, load_day
from ohlcv_assets.pipeline.verify import Proof, verify_day, verify_range
from ohlcv_assets.progress import Progress
from ohlcv_assets.project import Project
from ohlcv_assets.stores.influxdb.bulk.plan import BulkPlan
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.units import day_bounds, day_start
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, project_in
from ohlcv_assets_tests.pipeline.standings import DAYS
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.stores import in_bulk, plan, trade_store
from ohlcv_assets_tests.stores.made import stored

pytestmark = pytest.mark.integration

BACKUP = "/api/v2/backup/shards/"
QUERIES = ("/query", "/api/v2/query")
ALL = (*names(STORED_CHECKS), EVERY_TRADE.name)

On = Callable[..., Project]


@pytest.fixture
def on(fresh_layout: Callable[..., Layout], tmp_path: Path) -> Iterator[On]:
    """Return what makes a project of three days on a server, their trades loaded."""
    stores: list[InfluxTradeStore] = []

    def made(server: Server, bulk: BulkPlan | None) -> Project:
        stores.append(trade_store(server, fresh_layout(server), plan(), bulk=bulk))
        project = replace(project_in(tmp_path / "small", total_trades=900), trade_store=stores[-1])
        for day in (THURSDAY, FRIDAY, SATURDAY):
            file_day(project, day)
            load_day(project, day)
        return project

    yield made
    for store in stores:
        store.close()


@pytest.fixture
def project(fake_server: Fake, on: On) -> Project:
    """Return a project on the fake server that gives backups."""
    return on(fake_server, in_bulk(fake_server))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare again without waiting."""
    monkeypatch.setattr(exhaustive, "AGAIN", (0.0, 0.0))


def asked(server: Fake) -> int:
    """Count the queries so far."""
    return sum(server.faults.count(path) for path in QUERIES)


def test_the_store_is_asked_nothing_else(any_server: Server, on: On) -> None:
    """Where every trade is right by backups, count, content and sample follow, without a query."""
    project = on(any_server, in_bulk(any_server))
    before = asked(any_server) if isinstance(any_server, Fake) else 0
    assert stored_kinds(project) == (*STORED_CHECKS, EVERY_TRADE)
    seen: list[Progress] = []
    verdicts = list(stored_checks(project, FRIDAY, ALL, seen.append))
    assert [verdict.check for verdict in verdicts] == list(ALL)
    assert all(verdict.passed for verdict in verdicts)
    rows = project.lake.inspect(FRIDAY).rows
    for verdict in verdicts[:-1]:
        assert verdict.summary.startswith(f"All {rows:,} trades were read back bit for bit (every_trade)")
    for verdict in verdicts:
        assert verdict.expected == verdict.found
        assert verdict.expected["trades"] == rows
    assert (seen[-1].stage, seen[-1].done, seen[-1].total) == ("compare", rows, rows)
    if isinstance(any_server, Fake):
        assert asked(any_server) == before
    assert [verdict.check for verdict in stored_checks(project, FRIDAY, {"sample", "every_trade"})] == [
        "sample",
        "every_trade",
    ]


def test_what_differs_is_listed_exactly(any_server: Server, on: On) -> None:
    """A changed, a missing and a strange trade: all are named, and the server is asked about them as ever."""
    project = on(any_server, in_bulk(any_server))
    batch = next(iter(project.trade_store.scan(*day_bounds(FRIDAY))))
    row = batch.slice(0, 1).to_pylist()[0]
    ts = batch["ts"].cast(pa.int64())[0].as_py()
    project.trade_store.append(stored([(row["symbol"], ts, row["price"] * 2, row["amount"], row["side"])]))
    project.trade_store.append(stored([("STRANGE", day_start(FRIDAY), 1.0, 1.0, 1)]))
    verdicts = {verdict.check: verdict for verdict in stored_checks(project, FRIDAY, ALL)}
    assert not verdicts["every_trade"].passed
    assert verdicts["every_trade"].different == 2
    assert {(found["symbol"], found["field"]) for found in verdicts["every_trade"].differences} >= {
        (row["symbol"], "price")
    }
    assert [name for name, verdict in verdicts.items() if verdict.passed] in ([], ["sample"])
    assert "STRANGE" in verdicts["count_per_symbol"].summary
    assert all(proof.verdict.passed for proof in verify_day(project, SATURDAY) if proof.asset == "stored_trades")


def test_trades_that_come_late_are_waited_for(fake_server: Fake, project: Project) -> None:
    """A backup that lacks what is still in the cache is no verdict: another is fetched, some times."""
    fake_server.faults.add("answer", path=BACKUP, times=2, status=200, body=bytes(1024))
    before = fake_server.faults.count(BACKUP)
    compared = compare_every_trade(project, FRIDAY)
    assert (compared.backed_up, compared.verdict.passed) == (True, True)
    assert fake_server.faults.count(BACKUP) == before + 3
    fake_server.faults.add("answer", path=BACKUP, times=None, status=200, body=bytes(1024))
    verdict = compare_every_trade(project, SATURDAY).verdict
    assert not verdict.passed
    assert verdict.different == project.lake.inspect(SATURDAY).rows
    assert fake_server.faults.count(BACKUP) == before + 6


def test_days_of_one_range_share_a_backup(fake_server: Fake, project: Project) -> None:
    """One is fetched for the days of a shard; what one of before lacks is looked for in a new one."""
    before = fake_server.faults.count(BACKUP)
    days = list(DAYS)
    assert [day for day, proofs in verify_range(project, days) if stored_right(proofs)] == days
    assert fake_server.faults.count(BACKUP) == before + 1
    assert stored_right(verify_day(project, FRIDAY))
    assert fake_server.faults.count(BACKUP) == before + 2
    assert project.trade_store.delete_day(SATURDAY) > 0
    assert compare_every_trade(project, THURSDAY).verdict.passed
    load_day(project, SATURDAY)
    assert compare_every_trade(project, SATURDAY, afresh=False).verdict.passed


def stored_right(proofs: tuple[Proof, ...]) -> bool:
    """Return whether every check of the stored trades was made and passed."""
    found = [proof.verdict for proof in proofs if proof.asset == "stored_trades"]
    return [verdict.check for verdict in found] == list(ALL) and all(verdict.passed for verdict in found)


def test_points_that_are_no_trades(real_server: Server, on: On) -> None:
    """They are a verdict that names them, not an error."""
    project = on(real_server, in_bulk(real_server))
    bucket = project.trade_store._bucket  # type: ignore[attr-defined]  # an InfluxTradeStore
    query = {"org": real_server.org, "bucket": bucket, "precision": "ns"}
    body = f"trades,symbol=AAPL price=1 {day_start(FRIDAY)}".encode()
    connection = real_server.connect()
    connection.call("POST", "/api/v2/write", doing="write", query=query, body=body)
    connection.close()
    verdict = compare_every_trade(project, FRIDAY).verdict
    assert not verdict.passed
    assert "1 trades without amount, the first is AAPL" in verdict.summary


def test_trades_that_cannot_be_put_together(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a backup holds and is no trade is a failed check that says so; the others are asked."""

    def torn(*_: object, **__: object) -> Iterator[pa.RecordBatch]:
        raise StoreMismatchError("InfluxDB holds 1 trades without amount.")

    monkeypatch.setattr(InfluxTradeStore, "backed_up", torn)
    verdicts = {verdict.check: verdict for verdict in stored_checks(project, FRIDAY, ALL)}
    assert verdicts["every_trade"].summary == "InfluxDB holds 1 trades without amount."
    assert [name for name, verdict in verdicts.items() if not verdict.passed] == ["every_trade"]


def test_without_backups_it_is_asked_by_queries(fake_server: Fake, on: On) -> None:
    """By default it is not made of every day then; asked for, it is, and says why it took the long way."""
    project = on(fake_server, None)
    assert stored_kinds(project) == STORED_CHECKS
    proofs = [proof.verdict for proof in verify_day(project, FRIDAY, exhaustive=True) if proof.asset == "stored_trades"]
    assert [verdict.check for verdict in proofs] == list(ALL)
    assert all(verdict.passed for verdict in proofs)
    assert proofs[-1].summary.endswith("They were asked for by queries: OHLCV_INFLUX_OPERATOR_TOKEN is not set.")
    assert "every_trade" not in proofs[0].summary
