"""Schemathesis itself against the service on a socket: every phase, as many cases as are asked for.

Thousands of cases take minutes, so they are run only where ``OHLCV_TEST_HOSTILE_CASES`` says how many each route gets:
docs/development.md. ``test_hostile`` has a few of them in every run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ohlcv_assets_tests.api.made import close, new_key, service_in, set_up_on
from ohlcv_assets_tests.api.sockets import running
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY
from ohlcv_assets_tests.servers import Server

CASES = os.environ.get("OHLCV_TEST_HOSTILE_CASES")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CASES is None, reason="OHLCV_TEST_HOSTILE_CASES does not say how many cases"),
    pytest.mark.timeout(3_600),
]

CONFIG = """
[checks.positive_data_acceptance]
enabled = false  # that a range must not end before it begins no schema can say
[checks.negative_data_rejection]
expected-statuses = [400, 401, 404, 405, 413, 414, 415, 422]
"""

HOOKS = """
import schemathesis

schemathesis.serializer.alias("application/x-ndjson", "text/plain")
"""
"""Schemathesis knows no lines of JSON."""


@pytest.fixture(name="served", params=["duckdb", "influxdb"])
def _served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Serve from a real store and return the address, and a key that may do everything."""
    with ExitStack() as stack:
        given: dict[str, object] = {"store": "duckdb"}
        if request.param == "influxdb":
            server: Server = request.getfixturevalue("own_server")
            given = dict(set_up_on(server, tasks=True))
        # Cases come faster than any client may ask, and a busy machine is no mistake of the service.
        given |= {"serve_rate": 1e9, "serve_timeout": 600, "serve_query_timeout": 300, "serve_generate": 1_000}
        service = service_in(tmp_path / "data", (FRIDAY, SATURDAY), **given)
        stack.callback(close, service)
        host, port = stack.enter_context(running(service))
        yield f"http://{host}:{port}", new_key(service, "admin")


def test_nothing_surprises_the_service(served: tuple[str, str], tmp_path: Path) -> None:
    """No 5xx and no reply that is not documented, in all phases, from somebody who may do everything."""
    url, key = served
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG, "utf-8")
    (tmp_path / "lines_of_json.py").write_text(HOOKS, "utf-8")
    environ = os.environ | {"SCHEMATHESIS_HOOKS": "lines_of_json", "PYTHONPATH": str(tmp_path)}
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config), "run"]
    command += [f"{url}/openapi.json", "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(CASES)]
    command += ["--suppress-health-check", "all", "--continue-on-failure", "--no-color", "--seed", "1"]
    command += ["--header", f"X-API-Key: {key}", "--request-timeout", "300"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=3_600, cwd=tmp_path, env=environ, check=False)
    print(ran.stdout)  # noqa: T201 -- how many cases there were, and which failed
    assert ran.returncode == 0, ran.stdout[-20_000:]
