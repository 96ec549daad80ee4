"""docker-compose.yml is what docs/influxdb.md says, opens nothing to the network, and passes on every setting."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ohlcv_assets.settings import Settings, variable
from ohlcv_assets.stores.influxdb.admin.doctor import TRIED
from ohlcv_assets_tests.servers import IMAGE

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "influxdb.md").read_text("utf-8")
COMPOSE: Any = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))  # Any: a YAML document
SERVICES: Any = COMPOSE["services"]
INFLUXDB: Any = SERVICES["influxdb"]

NOT_PASSED_ON = {
    # Paths and ports of the machine that compose runs on.
    "universe",
    "influx_ca_file",
    "metrics_port",
    # The HTTP service is no part of runs; its container sets what it needs.
    *(name for name in Settings.model_fields if name.startswith("serve_")),
    # Nor are its clients.
    "service_url",
    "service_key",
    # Secrets that runs do not need.
    "influx_operator_token",
    "influx_username",
    "influx_password",
    "influx_read_token",
    "influx_tasks_token",
}


def test_the_image_is_pinned_to_the_version_that_was_tried() -> None:
    """Compose, tests, doctor and page name one version."""
    assert INFLUXDB["image"] == IMAGE == f"influxdb:{TRIED}"
    assert IMAGE in PAGE


def test_ports_are_on_the_loopback_interface() -> None:
    """Nothing listens where other machines could reach it."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_store_comes_alone_and_dagster_by_its_profile() -> None:
    """`make up` is the store; Dagster's parts come with the profile, and go by InfluxDB."""
    assert "profiles" not in INFLUXDB
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["dagster"]} == {
        "code",
        "webserver",
        "daemon",
    }
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["api"]} == {"api"}
    assert SERVICES["code"]["environment"]["OHLCV_STORE"] == "influxdb"


def test_the_service_goes_by_the_same_settings_and_answers_to_this_machine_alone() -> None:
    """Its port is on loopback, and by another name it is not to be had: pages of other sites cannot read it."""
    environment = dict(SERVICES["api"]["environment"])
    own = {name: environment.pop(name) for name in list(environment) if name.startswith("OHLCV_SERVE_")}
    assert environment == {**SERVICES["code"]["environment"], "OHLCV_INFLUX_TASKS_TOKEN": None}
    assert own == {
        "OHLCV_SERVE_DAGSTER_URL": None,
        "OHLCV_SERVE_GENERATE": None,
        "OHLCV_SERVE_HOST": "0.0.0.0",  # noqa: S104 -- within its container
        "OHLCV_SERVE_NAMES": "localhost",
        "OHLCV_SERVE_OPEN_READS": "true",
    }


def test_every_service_can_be_told_to_be_well_and_has_a_limit() -> None:
    """Each service has a health check and a memory limit; data are in named volumes."""
    for name, service in SERVICES.items():
        assert {"healthcheck", "mem_limit", "volumes"} <= set(service), name
    volumes = {volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert volumes == set(COMPOSE["volumes"])


def test_the_load_profile_is_that_of_the_page() -> None:
    """Every flag of the server is in the page's table with its value, and the table has no other."""
    table = dict(re.findall(r"^\| `((?:INFLUXD_|GO)[A-Z_]+)` \| `([^`]+)` \|", PAGE, flags=re.MULTILINE))
    flags = {name: re.sub(r"^\$\{\w+:-(.+)\}$", r"\1", value) for name, value in INFLUXDB["environment"].items()}
    assert table == flags


def test_every_setting_is_passed_on_or_left_out_for_a_reason() -> None:
    """Runs in containers go by the same settings, but for those of the machine and secrets they do not need."""
    passed_on = set(SERVICES["code"]["environment"])
    assert passed_on == {variable(name) for name in set(Settings.model_fields) - NOT_PASSED_ON}


def test_only_runs_and_the_service_have_a_token() -> None:
    """Webserver and daemon need none, and the server's own environment has none."""
    with_token = {name for name, service in SERVICES.items() if "TOKEN" in str(service.get("environment"))}
    assert with_token == {"code", "api"}
    values = [value for value in SERVICES["code"]["environment"].values() if value is not None]
    assert sorted(values) == ["/data", "http://influxdb:8086", "influxdb"]


def test_the_image_gets_nothing_but_what_it_needs() -> None:
    """The builder sees the package and its pins: no .env, no data, no history; the user is not root."""
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    kept = {line for line in ignored if line.startswith("!")}
    assert "*" in ignored
    files = {"pyproject.toml", "README.md", "constraints.txt", "ohlcv_assets", "web", "deploy/workspace.yaml"}
    assert kept == {f"!{name}" for name in files}
    assert {"web/node_modules", "ohlcv_assets/web"} <= set(ignored)
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    assert {line for line in lines if line.startswith("FROM ")} == {
        "FROM node:22-bookworm-slim AS pages",
        "FROM python:3.11-slim-bookworm AS build",
        "FROM python:3.11-slim-bookworm",
    }
    assert "USER ohlcv" in lines
    copied = {line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line}
    assert copied <= {"pyproject.toml", "README.md", "ohlcv_assets", "web", "web/package.json", "deploy/workspace.yaml"}


def _compose(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run compose with nothing in the environment but what finds it, as a fresh clone would."""
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    command = ["docker", "compose", *words]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def _has_compose() -> bool:
    return shutil.which("docker") is not None and _compose("version", folder=ROOT).returncode == 0


def _make_up(*words: str) -> subprocess.CompletedProcess[str]:
    # The tests may have been started by make themselves.
    environ = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    command = ["make", "up", *words]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not _has_compose(), reason="docker compose is not installed")
@pytest.mark.parametrize("env", [None, ".env.example", "one of each"])
def test_compose_takes_the_file_without_a_word(tmp_path: Path, env: str | None) -> None:
    """`docker compose config` is clean without an .env, with the example, and hands on what a set-up writes."""
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    if env == ".env.example":
        shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    elif env is not None:
        (tmp_path / ".env").write_text("OHLCV_INFLUX_TOKEN='to$ken'\nOHLCV_INFLUX_RETENTION=1y\nINFLUXDB_PORT=18086\n")
    told = _compose("--profile", "dagster", "--profile", "api", "config", folder=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    services = yaml.safe_load(told.stdout)["services"]
    assert set(services) == set(SERVICES)
    environment = services["code"]["environment"]
    assert environment["OHLCV_STORE"] == "influxdb"
    if env == "one of each":
        # Compose doubles a dollar where it prints one.
        names = ("OHLCV_INFLUX_TOKEN", "OHLCV_INFLUX_RETENTION")
        assert [environment[name] for name in names] == ["to$$ken", "1y"]
        assert services["influxdb"]["ports"][0]["published"] == "18086"
    alone = yaml.safe_load(_compose("config", folder=tmp_path).stdout)["services"]
    assert set(alone) == {"influxdb"}


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    """Return something that is called instead of docker."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    return Docker(tmp_path)


class Docker:
    """What `make up` calls instead of docker: notes what it is asked, and answers as told."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "docker"
        self.notes = folder / "notes"

    def up(self, *words: str, answers: str = "") -> subprocess.CompletedProcess[str]:
        """Run `make up` with lines of shell that answer for docker."""
        self.notes.write_text("")
        self.script.write_text(f'#!/bin/sh\necho "$*" >> "{self.notes}"\n{answers}\n')
        self.script.chmod(0o755)
        return _make_up(f"COMPOSE={self.script}", *words)

    @property
    def asked(self) -> list[str]:
        """What it was asked."""
        return self.notes.read_text("utf-8").splitlines()


def test_up_without_docker_says_so() -> None:
    """Where there is no docker, `make up` is one sentence that says what to do."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    told = _make_up("COMPOSE=no-such-docker compose")
    assert told.returncode == 2
    assert told.stderr.splitlines()[0] == (
        "'no-such-docker compose' cannot be run: install Docker with its compose plugin, "
        "or start InfluxDB without it (docs/influxdb.md)."
    )


def test_up_with_a_daemon_that_is_down_says_so(docker: Docker) -> None:
    """Where docker does not answer, `make up` is its sentence, and starts nothing."""
    told = docker.up(answers='[ "$1" = version ] || { echo "Is it running?" >&2; exit 1; }')
    assert told.returncode == 2
    assert told.stderr.splitlines()[0] == "Docker cannot be used: Is it running?"
    assert docker.asked == ["version", "ps"]


def test_up_starts_the_store_alone(docker: Docker) -> None:
    """`make up` starts what has no profile, and returns when it is healthy."""
    told = docker.up()
    assert (told.returncode, told.stderr) == (0, "")
    assert docker.asked == ["version", "ps", "up --detach --wait"]


@pytest.mark.parametrize("token", ["null", '""'])
def test_up_with_dagster_needs_the_token(docker: Docker, token: str) -> None:
    """Without the token that loads, Dagster is not started: it could not load its code."""
    told = docker.up("WITH=dagster", answers=f"echo '      OHLCV_INFLUX_TOKEN: {token}'")
    assert told.returncode == 2
    assert told.stderr.splitlines()[0] == (
        "dagster needs OHLCV_INFLUX_TOKEN: first 'make up' and 'ohlcv influx setup', then this again."
    )
    assert docker.asked == ["version", "ps", "--profile dagster config"]


def test_up_with_dagster(docker: Docker) -> None:
    """With the token Dagster is built and started; the token is printed nowhere."""
    answers = """[ "$3" != config ] || echo '      OHLCV_INFLUX_TOKEN: abc'"""
    told = docker.up("WITH=dagster", answers=answers)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    assert docker.asked[-1] == "--profile dagster up --detach --wait --build"


@pytest.mark.skipif(not _has_compose(), reason="docker compose is not installed")
@pytest.mark.parametrize("token", ["abc", None])
def test_up_goes_by_what_compose_itself_says(
    docker: Docker, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    """What compose makes of the file names the token more than once; that of the containers counts."""
    monkeypatch.delenv("OHLCV_INFLUX_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("OHLCV_INFLUX_TOKEN", token)
    elif (ROOT / ".env").exists():
        pytest.skip("there is an .env, which may have the token")
    told = docker.up("WITH=api", answers='[ "$3" != config ] || exec docker compose "$@"')
    assert (told.returncode, docker.asked[-1]) == (
        (2, "--profile api config") if token is None else (0, "--profile api up --detach --wait --build")
    )


def test_up_with_both(docker: Docker) -> None:
    """Several profiles are started together."""
    told = docker.up("WITH=dagster api")
    assert (told.returncode, told.stderr) == (0, "")
    assert docker.asked[-1] == "--profile dagster --profile api up --detach --wait --build"


def test_up_with_something_unknown_says_so(docker: Docker) -> None:
    """A slip in the profile is told, and nothing is started."""
    told = docker.up("WITH=dagser")
    assert told.returncode == 2
    assert (
        told.stderr.splitlines()[0]
        == "WITH=dagser is not known: dagster, api, or both as WITH='dagster api', or leave it out."
    )
    assert docker.asked == ["version", "ps"]
