"""docker-compose.yml is what docs/influxdb.md says, opens nothing to the network, and passes on every setting."""

from __future__ import annotations

import re
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
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_store_comes_alone_and_dagster_by_its_profile() -> None:
    """`make up` is the store; Dagster's parts come with the profile, and go by InfluxDB."""
    assert "profiles" not in INFLUXDB
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["dagster"]} == {
        "code",
        "webserver",
        "daemon",
    }
    assert SERVICES["code"]["environment"]["OHLCV_STORE"] == "influxdb"


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


def test_only_runs_have_a_token() -> None:
    """Webserver and daemon need none, and the server's own environment has none."""
    with_token = {name for name, service in SERVICES.items() if "TOKEN" in str(service.get("environment"))}
    assert with_token == {"code"}
    values = [value for value in SERVICES["code"]["environment"].values() if value is not None]
    assert sorted(values) == ["/data", "http://influxdb:8086", "influxdb"]


def test_the_image_gets_nothing_but_what_it_needs() -> None:
    """The builder sees the package and its pins: no .env, no data, no history; the user is not root."""
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    kept = {line for line in ignored if line.startswith("!")}
    assert "*" in ignored
    assert kept == {"!pyproject.toml", "!README.md", "!constraints.txt", "!ohlcv_assets", "!deploy/workspace.yaml"}
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    assert {line for line in lines if line.startswith("FROM ")} == {
        "FROM python:3.11-slim-bookworm AS build",
        "FROM python:3.11-slim-bookworm",
    }
    assert "USER ohlcv" in lines
    copied = {line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line}
    assert copied <= {"pyproject.toml", "README.md", "ohlcv_assets", "deploy/workspace.yaml"}
