"""What an operator sees and does: ``/api/v1/operations`` and the jobs that it starts, on every kind of store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ohlcv_assets.api import work
from ohlcv_assets.api.jobs import Ending
from ohlcv_assets.api.native import operations
from ohlcv_assets.api.service import Service
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.errors import StoreBusyError, StoreUnavailableError
from ohlcv_assets.influx_tasks import managed_tasks
from ohlcv_assets.pipeline import heal as healing
from ohlcv_assets.pipeline.heal import CANCELLED, GivenUp, Healed
from ohlcv_assets.pipeline.status import status_of
from ohlcv_assets.pipeline.verify import verify_day
from ohlcv_assets.project import Project
from ohlcv_assets_tests.api.made import KINDS, asking, close, new_key, service_in, set_up_on
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, change_bars
from ohlcv_assets_tests.stores.influxdb.fake.server import fake_influxdb

pytestmark = pytest.mark.integration
Json = dict[str, Any]  # Any: JSON
NAMES = [resolution.name for resolution in STORED_RESOLUTIONS]
FRIDAY_ALONE = {"first_day": str(FRIDAY), "last_day": str(FRIDAY)}
OUTSIDE = "http://data.example:8000"


@pytest.fixture(name="service", params=KINDS)
def _service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """Return a service on each kind of store that a test may change; Friday and Saturday are made."""
    with ExitStack() as stack:
        given: Mapping[str, object] = {}
        if request.param == "influxdb":
            given = set_up_on(stack.enter_context(fake_influxdb()), tasks=True)
        service = service_in(tmp_path / "data", **{"store": request.param, **given})
        stack.callback(close, service)
        yield service


@pytest.fixture(name="client")
def _client(service: Service) -> Iterator[TestClient]:
    """Return a client that may do everything."""
    with asking(service, {"X-API-Key": new_key(service, "admin")}) as client:
        yield client


def looked(client: TestClient) -> Json:
    """Return what an operator sees now."""
    reply = client.get("/api/v1/operations")
    assert reply.status_code == 200, reply.text
    found: Json = reply.json()
    return found


def done(client: TestClient, path: str, asked: Json | None = None) -> Json:
    """Start a job and return how it ended."""
    reply = client.post(f"/api/v1/operations/{path}", json=asked)
    assert reply.status_code == 202, reply.text
    assert reply.headers["location"] == f"/api/v1/jobs/{reply.json()['id']}"
    return ended(client, reply.json()["id"])


def ended(client: TestClient, job: str) -> Json:
    """Wait for a job."""
    for _ in range(6_000):
        found: Json = client.get(f"/api/v1/jobs/{job}").json()
        if found["ended"] is not None:
            return found
        time.sleep(0.01)
    raise AssertionError(f"the job is still {found['state']}")


def gaps(client: TestClient) -> dict[str, list[str]]:
    """Return the first of the missing and stale days by resolution, where there are any."""
    found = {one["resolution"]: [*one["missing"], *one["stale"]] for one in looked(client)["resolutions"]}
    return {name: [days["first"] for days in ranges] for name, ranges in found.items() if ranges}


def test_what_an_operator_sees(service: Service, client: TestClient) -> None:
    """Watermarks, gaps, latest runs, tasks or what there is instead, what was found of the data, jobs."""
    service.project.bar_store.delete_day(RESOLUTIONS["5m"], FRIDAY)
    seen = looked(client)
    assert (seen["role"], seen["dagster"], seen["proved_days"], seen["complete"]) == ("admin", None, 2, False)
    assert seen["most_generated"] == service.settings.serve_generate
    assert [one["resolution"] for one in seen["resolutions"]] == NAMES
    five = seen["resolutions"][1]
    assert five["missing"] == [{"first": "2024-01-05", "last": "2024-01-05", "reason": "bars are gone"}]
    assert (five["complete_until"], five["lag_seconds"]) == ("2024-01-05T00:00:00Z", 2 * 86_400)
    assert [(run["day"], run["state"], run["error"]) for run in five["last_runs"]] == [
        ("2024-01-06", "done", ""),
        ("2024-01-05", "done", ""),
    ]
    assert five["seconds_a_day"] > 0
    assert [(one["name"], one["state"]) for one in seen["checks"]] == [
        ("files", "incomplete"),
        ("stored trades", "incomplete"),
        ("bars", "incomplete"),
    ]
    assert seen["jobs"] == []
    if service.settings.store_in_force == "influxdb":
        assert (seen["tasks"]["there"], five["task"]["state"]) == (True, "missing")
        assert five["task"]["faults"] == ["there is none, or none that the token may read"]
    else:
        assert seen["tasks"]["there"] is False
        assert "healing makes what is missing" in seen["tasks"]["text"]
        assert five["task"] is None


def test_healing_makes_bars_right(service: Service, client: TestClient) -> None:
    """Missing bars are made by a job that tells how far it is, and all see at once that they are there."""
    service.project.bar_store.delete_day(RESOLUTIONS["5m"], FRIDAY)
    service.project.bar_store.delete_day(RESOLUTIONS["1d"], SATURDAY)
    assert gaps(client) == {"5m": ["2024-01-05"], "1d": ["2024-01-06"]}
    one = done(client, "heal", FRIDAY_ALONE)
    assert (one["state"], one["kind"], one["error"]) == ("succeeded", "heal", None)
    assert one["about"] == FRIDAY_ALONE
    assert (one["report"]["days"], one["report"]["failed"]) == (1, [])
    assert (one["progress"]["done"], one["progress"]["total"], one["progress"]["unit"]) == (1, 1, "chunks")
    assert gaps(client) == {"1d": ["2024-01-06"]}
    rest = done(client, "heal")
    assert rest["about"] == {"first_day": str(THURSDAY), "last_day": str(SATURDAY)}
    assert gaps(client) == {}
    assert [job["id"] for job in looked(client)["jobs"]] == [rest["id"], one["id"]]
    assert client.get("/api/v1/jobs").json()["jobs"] == [rest, one]
    for day in (FRIDAY, SATURDAY):
        assert all(proof.verdict.passed for proof in verify_day(service.project, day))


def test_bars_that_were_changed_are_found_and_made_again(service: Service, client: TestClient) -> None:
    """Checking says which ones; running their resolution makes them of the trades, whatever is recorded."""
    change_bars(service.project, RESOLUTIONS["1h"], FRIDAY, "high", 0, 2)
    checked = done(client, "verify", FRIDAY_ALONE)
    assert checked["state"] == "failed"
    assert {one["asset"] for one in checked["report"]["failed"]} >= {"ohlcv_1h"}
    assert "Checks that failed" in checked["error"]
    assert done(client, "tasks/1h/run", FRIDAY_ALONE)["state"] == "succeeded"
    again = done(client, "verify", FRIDAY_ALONE)
    assert (again["state"], again["report"]["failed_checks"], again["report"]["days"]) == ("succeeded", 0, 1)


def test_tasks_are_paused_and_resumed(service: Service, client: TestClient) -> None:
    """Of one resolution; a store without tasks says so."""
    if service.settings.store_in_force != "influxdb":
        refused = client.post("/api/v1/operations/tasks/1h/pause")
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:ohlcv:problem:no-tasks")
        assert "Tasks are InfluxDB's" in refused.json()["detail"]
        return
    with managed_tasks(service.settings) as manager:
        manager.install()
    states = []
    for action in ("pause", "pause", "resume"):
        (deed,) = client.post(f"/api/v1/operations/tasks/1h/{action}").json()["tasks"]
        states.append((deed["deed"], [one["task"]["state"] for one in looked(client)["resolutions"]]))
    active, paused = ["active"] * 5, ["active", "active", "active", "paused", "active"]
    assert states == [("paused", paused), ("unchanged", paused), ("resumed", active)]


@pytest.mark.parametrize("role", ["none", "wrong", "read", "write"])
def test_only_an_admin_changes_something(memory: Service, role: str) -> None:
    """On loopback as well; whoever may only look is told so."""
    key = {"none": {}, "wrong": {"X-API-Key": "wrong"}}.get(role)
    headers = {"X-API-Key": new_key(memory, role)} if key is None else key
    paths = [f"operations/{path}" for path in ("heal", "verify", "tasks/1m/run", "tasks/1m/pause", "tasks/1m/resume")]
    with asking(memory, headers) as client:
        statuses = {client.post(f"/api/v1/{path}").status_code for path in paths}
        assert statuses == {401 if key is not None else 403}
        seen = client.get("/api/v1/operations")
        assert (seen.status_code == 401) if role == "wrong" else (seen.json()["role"] in {"read", "write"})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"first_day": "2023-12-31"}, "is outside the dataset; its days run from 2024-01-04 to 2024-01-06"),
        ({"first_day": "2024-01-06", "last_day": "2024-01-05"}, "comes before the first day"),
        ({"first_day": "2024-02-31"}, "2024-02-31"),
        ({"first_day": "today"}, "first_day"),
        ({"first_day": 20240105}, "first_day"),
        ({"days": 3}, "days"),
        ([], "body"),
    ],
)
def test_days_that_are_not_there_are_refused(memory: Service, asked: object, said: str) -> None:
    """With one sentence, before there is a job."""
    with asking(memory, {"X-API-Key": new_key(memory, "admin")}) as client:
        refused = client.post("/api/v1/operations/heal", json=asked)
        assert refused.status_code == 422
        assert said in refused.json()["detail"]
        assert memory.jobs.all() == []


def test_a_job_is_cancelled_between_two_days(memory: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of its kind is refused meanwhile; what was made stays, and the rest can be healed later."""
    for day in (FRIDAY, SATURDAY):
        memory.project.bar_store.delete_day(RESOLUTIONS["1m"], day)
    heal = healing.heal

    def slowly(project: Project, *given: Any, sleep: Any, halted: Any, **more: Any) -> Healed:  # Any: handed on
        while not halted():
            sleep(10)
        return heal(project, *given, sleep=sleep, halted=halted, **more)

    monkeypatch.setattr(work, "heal", slowly)
    with asking(memory, {"X-API-Key": new_key(memory, "admin")}) as client:
        job = client.post("/api/v1/operations/heal").json()["id"]
        refused = client.post("/api/v1/operations/heal")
        assert (refused.status_code, refused.json()["job"]) == (409, job)
        cancelled = client.post(f"/api/v1/jobs/{job}/cancel").json()
        assert cancelled["state"] in {"cancelling", "cancelled"}
        found = ended(client, job)
        assert (found["state"], found["error"], found["report"]["days"]) == ("cancelled", CANCELLED, 0)
        monkeypatch.setattr(work, "heal", heal)
        assert done(client, "heal")["report"]["days"] == 2
        for path in ("jobs/0123456789abcdef", "jobs/0123456789abcdef/cancel"):
            asked = client.post if path.endswith("cancel") else client.get
            assert asked(f"/api/v1/{path}").json()["type"] == "urn:ohlcv:problem:unknown-job"


def test_checking_is_cancelled_between_two_days(memory: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was checked until then is told."""
    with asking(memory, {"X-API-Key": new_key(memory, "admin")}) as client:
        monkeypatch.setattr("ohlcv_assets.api.jobs.Run.is_cancelled", lambda _: True)
        found = done(client, "verify", {"first_day": str(FRIDAY)})
    assert (found["state"], found["report"]["days"], found["report"]["failed_checks"]) == ("cancelled", 1, 0)


def test_cancelling_bars_takes_an_admin(memory: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that may write cancels what it may start."""
    monkeypatch.setattr(work, "verify_range", lambda *_, **__: iter(()))
    key = {"X-API-Key": new_key(memory, "write")}
    with asking(memory, {"X-API-Key": new_key(memory, "admin")}) as client:
        job = done(client, "verify")["id"]
        assert client.post(f"/api/v1/jobs/{job}/cancel", headers=key).status_code == 403
        assert client.post(f"/api/v1/jobs/{job}/cancel").status_code == 200
        own = memory.jobs.start("generate", {}, "a key", lambda _: Ending("succeeded", {}))
        assert client.post(f"/api/v1/jobs/{own.id}/cancel", headers=key).status_code == 200


@pytest.mark.parametrize(
    ("healed", "said"),
    [
        (Healed(failed=[GivenUp(FRIDAY, ("1m",), "/secret/place")]), "Days that were not made: 1; 2024-01-05"),
        (Healed(busy=[GivenUp(FRIDAY, ("1m",), "/secret/place")]), "Days that were not made: 1; 2024-01-05"),
        (Healed(stopped="The store at /secret/place is gone."), "The store at /secret/place is gone."),
    ],
)
def test_why_it_failed_is_told_to_insiders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, healed: Healed, said: str
) -> None:
    """Where other machines can ask, reasons are for whoever may write: they may name files and addresses."""
    monkeypatch.setattr(work, "heal", lambda *_, **__: healed)
    service = service_in(tmp_path, (), serve_host="0.0.0.0", serve_open_reads=True)  # noqa: S104 -- no socket is opened
    read = {"X-API-Key": new_key(service, "read")}
    with asking(service, {"X-API-Key": new_key(service, "admin")}, OUTSIDE) as client:
        found = done(client, "heal")
        assert found["state"] == "failed"
        assert said in found["error"]
        assert "/secret/place" in str(found["report"])
        for path in (f"jobs/{found['id']}", "jobs", "operations"):
            text = client.get(f"/api/v1/{path}", headers=read).text
            assert "Why is told to a key of the role write." in text
            assert "/secret/place" not in text


def test_tasks_that_cannot_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All else is told; why is for insiders where the server said it, and how to help for all."""
    with fake_influxdb() as server:
        given = set_up_on(server, tasks=True)
        service = service_in(tmp_path, (), **given)
        without = service_in(tmp_path, (), **{**given, "influx_tasks_token": None})
        with asking(without) as client:
            assert "`ohlcv influx setup` makes it" in looked(client)["tasks"]["text"]

        def silent(_: object) -> None:
            raise StoreUnavailableError("http://10.0.0.1 does not answer.")

        monkeypatch.setattr("ohlcv_assets.stores.influxdb.tasks.manager.TaskManager.look", silent)
        with asking(service) as client:
            tasks = looked(client)["tasks"]
            assert (tasks["there"], tasks["text"]) == (False, "http://10.0.0.1 does not answer.")
        for one in (service, without):
            close(one)


def test_links_lead_into_dagster(tmp_path: Path) -> None:
    """Where its pages are is a setting; each resolution is an asset."""
    with asking(service_in(tmp_path, (), serve_dagster_url="https://dagster.example/ui/")) as client:
        seen = looked(client)
    assert seen["dagster"] == "https://dagster.example/ui"
    assert [one["dagster"] for one in seen["resolutions"]] == [
        f"https://dagster.example/ui/assets/ohlcv_{name}" for name in NAMES
    ]


def test_looking_is_spared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is looked at once within a refresh, and again when a job has ended; nothing new costs no body."""
    looks = list[Project]()

    def look(project: Project) -> tuple[()]:
        looks.append(project)
        return ()

    monkeypatch.setattr("ohlcv_assets.api.native.operations.status_of", look)
    service = service_in(tmp_path, (), serve_refresh=1_000)
    with asking(service, {"X-API-Key": new_key(service, "admin")}) as client:
        first = client.get("/api/v1/operations")
        again = client.get("/api/v1/operations", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, len(looks)) == (304, 1)
        done(client, "heal")
        looked(client)
        assert len(looks) == 2


def test_nobody_waits_long_for_a_look_at_all_files(memory: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it there is an answer as well, and when it is made it is told."""
    go_on = threading.Event()

    def slowly(project: Project) -> Any:  # Any: handed on
        go_on.wait(120)
        return status_of(project)

    monkeypatch.setattr(operations, "_MOMENT", 0.05)
    monkeypatch.setattr(operations, "status_of", slowly)
    with asking(memory) as client:
        assert looked(client)["checks"] == []
        go_on.set()
        for _ in range(200):
            checks = looked(client)["checks"]
            if checks:
                break
        assert [one["name"] for one in checks] == ["files", "stored trades", "bars"]


def test_a_store_that_is_busy_is_no_answer(memory: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, as for all that needs the store."""

    def busy(_: Project) -> None:
        raise StoreBusyError("Somebody else holds it.")

    monkeypatch.setattr("ohlcv_assets.api.native.operations.status_of", busy)
    with asking(memory) as client:
        assert client.get("/api/v1/operations").status_code == 503


def test_stopping_the_service_ends_its_jobs(memory: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as they can end, and nothing is left that runs."""

    def patient(*_: Any, sleep: Any, halted: Any, **__: Any) -> Healed:  # Any: handed on
        sleep(60)
        return Healed(stopped=CANCELLED if halted() else "")

    monkeypatch.setattr(work, "heal", patient)
    with asking(memory, {"X-API-Key": new_key(memory, "admin")}) as client:
        client.post("/api/v1/operations/heal")
    (job,) = memory.jobs.all()
    assert job.state == "cancelled"
