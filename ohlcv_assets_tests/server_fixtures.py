"""Fixtures that give tests an InfluxDB: a real one, one of their own, a fake one, or any of them.

What belongs here: fixtures and the line of the summary that says what real-server tests ran on. What does not: how a
server is found (``servers``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

import pytest

from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets_tests.servers import NoServerError, OwnServer, Server, drop_layout, find_server, influxd, made_layout
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake, fake_influxdb

SKIPPED: Final = "no real InfluxDB: "
"""How the reason of every skip for lack of a server begins."""

RAN_ON: Final = "influxdb"
"""Name of the property that a test which had a real server carries."""


@pytest.fixture(scope="session")
def session_server() -> Iterator[Server | NoServerError]:
    """Find a real server once in a process, or the reason why there is none."""
    with ExitStack() as stack:
        found: Server | NoServerError
        try:
            found = stack.enter_context(find_server())
        except NoServerError as error:
            found = error
        yield found


@pytest.fixture
def real_server(session_server: Server | NoServerError, request: pytest.FixtureRequest) -> Server:
    """Return the real server that all tests of this process share; skip where there is none."""
    if isinstance(session_server, NoServerError):
        pytest.skip(f"{SKIPPED}{session_server}")
    request.node.user_properties.append((RAN_ON, f"{session_server.version} ({session_server.kind})"))
    return session_server


@pytest.fixture
def own_server(request: pytest.FixtureRequest) -> Iterator[OwnServer]:
    """Return a fresh ``influxd`` that the test may kill and restart; skip where it is not on PATH."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(influxd())
        except NoServerError as error:
            pytest.skip(f"{SKIPPED}{error}")
        request.node.user_properties.append((RAN_ON, f"{server.version} ({server.kind})"))
        yield server


@pytest.fixture
def fake_server() -> Iterator[Fake]:
    """Return a fresh fake server, set up."""
    with fake_influxdb() as server:
        yield server


@pytest.fixture(params=["fake", "real"])
def any_server(request: pytest.FixtureRequest) -> Server:
    """Return the fake server, then the real one."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    return server


@pytest.fixture
def fresh_layout() -> Iterator[Callable[[Server], Layout]]:
    """Return what makes fresh buckets on a server; they go when the test ends."""
    with ExitStack() as stack:

        def make(server: Server, retention: int = 0) -> Layout:
            layout = made_layout(server, retention)
            stack.callback(drop_layout, server, layout)
            return layout

        yield make


@pytest.fixture
def real_layout(real_server: Server, fresh_layout: Callable[[Server], Layout]) -> Layout:
    """Return fresh buckets on the real server."""
    return fresh_layout(real_server)


@pytest.fixture
def any_layout(any_server: Server, fresh_layout: Callable[[Server], Layout]) -> Layout:
    """Return fresh buckets on ``any_server``."""
    return fresh_layout(any_server)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the tests that need a real server ran on, or how many were skipped for lack of one."""
    stats = terminalreporter.stats
    ran: dict[str, int] = {}
    for report in [report for kind in ("passed", "failed", "error") for report in stats.get(kind, [])]:
        if getattr(report, "when", None) == "call":
            for server in {value for name, value in report.user_properties if name == RAN_ON}:
                ran[server] = ran.get(server, 0) + 1
    skipped = sum(SKIPPED in str(report.longrepr) for report in stats.get("skipped", []))
    if ran or skipped:
        terminalreporter.section("InfluxDB")
    for server, count in sorted(ran.items()):
        terminalreporter.write_line(f"{count} tests ran on a real InfluxDB {server}.")
    if skipped:
        terminalreporter.write_line(
            f"{skipped} tests were SKIPPED for lack of a real InfluxDB: set OHLCV_TEST_INFLUX_URL and "
            "OHLCV_TEST_INFLUX_TOKEN, put influxd on PATH, or start Docker.",
            yellow=True,
        )
