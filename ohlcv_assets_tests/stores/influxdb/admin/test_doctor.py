"""A look at a server says what is well, what is not, and what to do; nothing is left behind."""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ohlcv_assets.stores.influxdb.admin import doctor
from ohlcv_assets.stores.influxdb.admin.administration import Administration
from ohlcv_assets.stores.influxdb.admin.checkup import Finding, Patient
from ohlcv_assets.stores.influxdb.admin.doctor import examine
from ohlcv_assets.stores.influxdb.admin.rights import Right
from ohlcv_assets.stores.influxdb.admin.setup import OPERATOR, set_up
from ohlcv_assets.stores.influxdb.connection import Address, Connection
from ohlcv_assets_tests.servers import ORG
from ohlcv_assets_tests.stores.influxdb.admin.test_vitals import PAGE
from ohlcv_assets_tests.stores.influxdb.fake.server import FakeServer
from ohlcv_assets_tests.stores.influxdb.fresh import DAY, Kept, fresh_fake, layout, made_fresh

pytestmark = pytest.mark.integration
DAYS = (dt.date(2024, 1, 1), dt.date(2024, 12, 31))
PING = {"X-Influxdb-Version": "v2.9.1", "X-Influxdb-Build": "OSS"}


@pytest.fixture
def kept() -> Kept:
    """Return a keeper of secrets."""
    return Kept()


@pytest.fixture
def fake(kept: Kept) -> Iterator[FakeServer]:
    """Return a fake server that was set up."""
    with fresh_fake() as server:
        set_up(kept.order(server.url), kept)
        yield server


def patient(url: str, kept: Kept, **changes: Any) -> Patient:
    """Return what is looked at; Any: fields of Patient."""
    given = {"layout": layout(), "tokens": kept.tokens, "operator": kept.values.get(OPERATOR), "days": DAYS}
    return Patient(Address(url, ORG, timeout=10, patience=0), **{**given, **changes})


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    """Return findings by name; no name may come twice."""
    found = {finding.name: finding for finding in findings}
    assert len(found) == len(findings)
    assert all((finding.state == "ok") == (finding.remedy == "") for finding in findings)
    return found


def pinged(server: FakeServer, kept: Kept, **headers: str) -> dict[str, Finding]:
    """Return the findings where a ping is answered with other headers."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    server.add("answer", path="/ping", status=204, headers={**PING, **sent})
    return by_name(examine(patient(server.url, kept)))


@pytest.mark.parametrize("with_operator", [True, False])
@pytest.mark.parametrize("kind", ["fake", "real"])
def test_a_server_that_is_well(request: pytest.FixtureRequest, kept: Kept, kind: str, *, with_operator: bool) -> None:
    """Everything is ok after a set-up, with the operator token and without, and nothing is left behind."""
    if kind == "fake":
        server = request.getfixturevalue("fake")
    else:
        server = request.getfixturevalue("own_server")
        made_fresh(server)
        set_up(kept.order(server.url), kept)
    changes = {} if with_operator else {"operator": None}
    found = by_name(examine(patient(server.url, kept, **changes)))
    assert [finding for finding in found.values() if finding.state != "ok"] == []
    assert {"address", "version", "clock", "load token", "leases", "bucket trades", "retention"} <= set(found)
    assert {"compaction", "cache", "disk", "canary"} <= set(found)
    operator = Connection(Address(server.url, ORG, kept.values[OPERATOR]), size=1)
    query = {"orgID": operator.org_id()}
    assert not operator.call("GET", "/api/v2/labels", doing="list labels", query=query).document()["labels"]
    flux = 'from(bucket: "ohlcv_status") |> range(start: 2000-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)'
    document = {"query": f'{flux} |> filter(fn: (r) => r._measurement == "canary")', "type": "flux"}
    reply = operator.call("POST", "/api/v2/query", doing="look", query={"org": ORG}, document=document)
    assert b"canary" not in reply.body


def test_no_server(kept: Kept) -> None:
    """Where nobody answers that is the only finding."""
    (finding,) = examine(patient("http://127.0.0.1:1", kept))
    assert (finding.name, finding.state) == ("address", "fail")
    assert "make up" in finding.remedy


def test_something_else_answers(fake: FakeServer, kept: Kept) -> None:
    """Another service at the address is told from an InfluxDB."""
    fake.add("answer", path="/ping", status=200)
    (finding,) = examine(patient(fake.url, kept))
    assert (finding.state, finding.text) == ("fail", f"{fake.url} answers, but is no InfluxDB")


def test_a_fresh_server_is_told_to_set_up(kept: Kept) -> None:
    """Before the first set-up there is nothing further to look at."""
    with fresh_fake() as server:
        found = examine(patient(server.url, kept, dataset="btc"))
    assert found[-1] == Finding(
        "setup", "fail", "the server was never set up", "run `ohlcv --dataset btc influx setup`"
    )
    assert len(found) == 4


@pytest.mark.parametrize(
    ("version", "state"), [("v2.9.0", "warn"), ("v2.7.12", "warn"), ("v1.11.8", "fail"), ("nightly", "warn")]
)
def test_versions(fake: FakeServer, kept: Kept, version: str, state: str) -> None:
    """Versions that were not tried are told, those that cannot work fail."""
    assert pinged(fake, kept, **{"X-Influxdb-Version": version})["version"].state == state


@pytest.mark.parametrize(("ahead", "state"), [(0, "ok"), (30, "warn"), (-30, "warn"), (3_600, "fail")])
def test_clocks(fake: FakeServer, kept: Kept, ahead: int, state: str) -> None:
    """A clock that is off is told with its distance."""
    found = pinged(fake, kept, Date=email.utils.formatdate(time.time() + ahead, usegmt=True))["clock"]
    assert found.state == state
    assert ("behind" in found.text) == (ahead < 0)


def test_a_server_without_clock(fake: FakeServer, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy may swallow the date."""
    greet = doctor._greet

    def without_date(connection: Connection) -> Any:  # Any: what the doctor keeps to itself
        hello = greet(connection)
        assert not isinstance(hello, Finding)
        headers = {name: value for name, value in hello.reply.headers.items() if name != "date"}
        return replace(hello, reply=replace(hello.reply, headers=headers))

    monkeypatch.setattr(doctor, "_greet", without_date)
    assert by_name(examine(patient(fake.url, kept)))["clock"].state == "warn"


def test_no_token(fake: FakeServer, kept: Kept) -> None:
    """Without the loader's token, buckets and canary cannot be looked at; storage can."""
    found = by_name(examine(patient(fake.url, kept, tokens={}, operator=None)))
    assert found["load token"].state == "fail"
    assert not {"bucket trades", "canary", "retention"} & set(found)
    assert "disk" in found


def test_tokens_that_are_not_accepted(fake: FakeServer, kept: Kept) -> None:
    """A wrong token fails; a wrong operator token is no more than a warning."""
    wrong = SecretStr("nobody-knows-this")
    tokens = {**kept.tokens, "load": wrong}
    found = by_name(examine(patient(fake.url, kept, tokens=tokens, operator=wrong)))
    assert (found["operator token"].state, found["load token"].state, found["read token"].state) == (
        "warn",
        "fail",
        "ok",
    )
    assert "not accepted" in found["load token"].text
    assert found["leases"].state == "fail"
    assert found["canary"].state == "fail"
    assert found["bucket trades"].state == "fail"


def test_rights_are_tried_without_the_operator_token(fake: FakeServer, kept: Kept) -> None:
    """Too few rights fail, too many are a warning, and so is a token that manages tokens."""
    admin = Administration(Connection(Address(fake.url, ORG, kept.values[OPERATOR]), size=1))
    _, few = admin.make_token("mine", frozenset({Right("read", "buckets"), Right("read", "orgs", admin.org_id())}))
    tokens = {"load": few, "read": kept.tokens["load"], "tasks": kept.tokens["tasks"]}
    found = by_name(examine(patient(fake.url, kept, tokens=tokens, operator=None)))
    assert found["load token"].state == "fail"
    assert "write 'trades'" in found["load token"].text
    assert found["leases"].state == "fail"
    assert found["read token"].state == "warn"
    assert "write 'trades'" in found["read token"].text
    assert found["canary"].state == "fail"
    tokens = {"load": kept.values[OPERATOR]}
    found = by_name(examine(patient(fake.url, kept, tokens=tokens, operator=None)))
    assert found["load token"].state == "warn"
    assert "manage tokens" in found["load token"].text


def test_rights_are_read_with_the_operator_token(fake: FakeServer, kept: Kept) -> None:
    """A record is compared; a token without a record of ours is tried."""
    admin = Administration(Connection(Address(fake.url, ORG, kept.values[OPERATOR]), size=1))
    _, whole = admin.make_token("mine", frozenset({Right("read", "buckets"), Right("write", "buckets")}))
    tokens = {"load": kept.tokens["load"], "read": SecretStr("unknown"), "tasks": whole}
    found = by_name(examine(patient(fake.url, kept, tokens=tokens)))
    assert found["load token"].text.endswith("by its record")
    assert found["read token"].state == "fail"
    assert found["tasks token"].text.endswith("by its tries")
    record = next(
        held for held in fake.held.tokens.values() if held["secret"] == kept.tokens["load"].get_secret_value()
    )
    record["permissions"] = [*record["permissions"], {"action": "write", "resource": {"type": "users"}}]
    found = by_name(examine(patient(fake.url, kept)))
    assert found["load token"].state == "warn"
    assert "write all users" in found["load token"].text


def test_buckets_that_differ(fake: FakeServer, kept: Kept) -> None:
    """A missing bucket fails, another retention or shard duration is a warning."""
    admin = Administration(Connection(Address(fake.url, ORG, kept.values[OPERATOR]), size=1))
    places = admin.places()
    admin._connection.call("DELETE", f"/api/v2/buckets/{places['ohlcv_5m'].id}", doing="remove a bucket")
    wanted = layout(retention=0, shard=DAY)
    found = by_name(examine(patient(fake.url, kept, layout=wanted)))
    assert found["bucket ohlcv_5m"].state == "fail"
    assert found["bucket trades"].state == "warn"
    assert "for ever" in found["bucket trades"].text
    assert "1d" in found["bucket trades"].text
    assert found["bucket ohlcv_1m"].text == "keeps points for ever, in shards of 30d"


def test_days_that_are_too_old(fake: FakeServer, kept: Kept) -> None:
    """Days outside the retention fail, days that soon will be are a warning; the server's clock counts."""
    today = dt.datetime.now(dt.UTC).date()
    edge = today - dt.timedelta(days=3660)
    cases = {
        (edge + dt.timedelta(100), today): "ok",
        (edge + dt.timedelta(10), today): "warn",
        (edge - dt.timedelta(10), today): "fail",
        (edge - dt.timedelta(10), edge - dt.timedelta(5)): "fail",
    }
    for days, state in cases.items():
        assert by_name(examine(patient(fake.url, kept, days=days)))["retention"].state == state
    days = (edge - dt.timedelta(10), today)
    found = by_name(examine(patient(fake.url, kept, days=days)))["retention"]
    assert found.remedy == (
        "set OHLCV_INFLUX_RETENTION to 0 (for ever) or to more than 3700d, then `ohlcv influx setup --repair`"
    )
    for enough in (0, 3702 * DAY):
        found = by_name(examine(patient(fake.url, kept, days=days, layout=layout(retention=enough))))["retention"]
        assert found.state == "fail"
        assert found.remedy == "`ohlcv influx setup --repair` sets what the settings say, which is enough"
    assert "no dataset" in by_name(examine(patient(fake.url, kept, days=None)))["retention"].text
    fake.held.bucket("trades").set_rules([])
    assert "for ever" in by_name(examine(patient(fake.url, kept)))["retention"].text
    del fake.held.buckets[fake.held.bucket("trades").document["id"]]
    assert "retention" not in by_name(examine(patient(fake.url, kept)))


def storage(server: FakeServer, kept: Kept, page: str, **changes: Any) -> dict[str, Finding]:
    """Return the findings where the metrics page is another; Any: fields of Patient."""
    server.add("answer", path="/metrics", status=200, body=page.encode())
    return by_name(examine(patient(server.url, kept, **changes)))


def test_compaction_and_cache(fake: FakeServer, kept: Kept) -> None:
    """A backlog, failed compactions, a full cache and refused points are warnings."""
    found = storage(fake, kept, PAGE)
    assert found["compaction"].state == "warn"
    assert "2 failed" in found["compaction"].text
    assert "9 points were refused" in found["cache"].text
    page = PAGE.replace('failed{level="1"} 2', 'failed{level="1"} 0').replace("} 700", "} 700000000")
    found = storage(fake, kept, page.replace('queued{level="2"} 4', 'queued{level="2"} 40'))
    assert found["compaction"].text.startswith("43 compactions wait")
    assert found["compaction"].state == "warn"
    assert "half of what makes it refuse" in found["cache"].text
    assert storage(fake, kept, page)["compaction"].state == "ok"


def test_disk(fake: FakeServer, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Free room is seen where the folder is on this machine; too little for the dataset is a warning."""
    assert "cannot be seen" in storage(fake, kept, PAGE)["disk"].text
    page = PAGE.replace("/data/engine", str(tmp_path)).replace('{id="2"} 2000', '{id="2"} 2000000000')
    for free, state in ((10**12, "ok"), (5 * 10**9, "warn"), (10**8, "fail")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, free=free: Usage(free))
        found = storage(fake, kept, page, expected_bytes=9 * 10**9)["disk"]
        assert found.state == state
        assert "2.0 GB" in found.text
    page = page.replace("2000000000", "2000000")
    assert "2.0 MB" in storage(fake, kept, page, expected_bytes=0)["disk"].text


class Usage:
    """What ``shutil.disk_usage`` tells."""

    def __init__(self, free: int) -> None:
        self.free = free


def test_metrics_that_are_not_told(fake: FakeServer, kept: Kept) -> None:
    """A server may keep its metrics to itself."""
    fake.add("answer", path="/metrics", status=403)
    found = by_name(examine(patient(fake.url, kept)))
    assert found["storage"].state == "warn"


def test_a_look_that_breaks_off(fake: FakeServer, kept: Kept) -> None:
    """An error in one look is its finding; the others go on."""
    fake.add("answer", path="/metrics", status=500, body=json.dumps({"message": "broken"}).encode(), times=None)
    found = by_name(examine(patient(fake.url, kept)))
    assert found["storage"].state == "fail"
    assert "broken" in found["storage"].text
    assert found["canary"].state == "ok"


def test_a_canary_that_does_not_come_back(fake: FakeServer, kept: Kept) -> None:
    """A write that cannot be read, or a delete that does nothing, fails."""
    fake.add("answer", path="/api/v2/query", status=200)
    found = by_name(examine(patient(fake.url, kept)))
    assert "did not give back" in found["canary"].text
    fake.add("answer", path="/api/v2/delete", status=204)
    found = by_name(examine(patient(fake.url, kept)))
    assert "still holds" in found["canary"].text


def test_a_file_with_tokens_that_others_may_read(fake: FakeServer, kept: Kept, tmp_path: Path) -> None:
    """An open .env is a warning with the command that closes it."""
    path = tmp_path / ".env"
    path.write_text("OHLCV_INFLUX_TOKEN=x\n")
    path.chmod(0o644)
    found = by_name(examine(patient(fake.url, kept, env_file=path)))["secrets"]
    assert (found.state, found.remedy) == ("warn", f"chmod 600 {path}")
    path.chmod(0o600)
    assert "secrets" not in by_name(examine(patient(fake.url, kept, env_file=path)))
