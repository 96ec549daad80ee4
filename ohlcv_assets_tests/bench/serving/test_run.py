"""`ohlcv bench api` against services: what is measured, and what it must have to be measured."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.serving import asking
from ohlcv_assets.bench.serving.client import Connection, Reply, connected
from ohlcv_assets.bench.serving.run import Plan, measure_api
from ohlcv_assets.bench.serving.server import stop
from ohlcv_assets.bench.serving.subject import DAY, Subject, subject_of
from ohlcv_assets.errors import UserError
from ohlcv_assets.settings import PREFIX
from ohlcv_assets_tests.api.made import service_in
from ohlcv_assets_tests.api.sockets import running
from ohlcv_assets_tests.commands import TINY
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY

pytestmark = pytest.mark.integration

T = TypeVar("T")
BARS = ("bars", "cache", "ranges")
"""Stages that need no more than stored bars."""


@pytest.fixture(name="url", scope="module")
def _url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve three days, all made, and return the address."""
    service = service_in(tmp_path_factory.mktemp("served"), (THURSDAY, FRIDAY, SATURDAY), serve_rate=1e9)
    with running(service) as (host, port):
        yield f"http://{host}:{port}"


def asked(url: str, ask: Callable[[Connection], Awaitable[T]]) -> T:
    """Ask a service something over one connection."""

    async def main() -> T:
        async with connected(url) as (one,):
            return await ask(one)

    return asyncio.run(main())


def test_a_service_that_runs_is_measured(url: str, tmp_path: Path) -> None:
    """Every figure of the issue's table about bars, and a cell for each resolution and span."""
    stages: list[str] = []
    found = measure_api(
        {}, tmp_path, Plan(url=url, repeats=2, seconds=0.05, stages=BARS), lambda one: stages.append(one.subject)
    )
    named = {f"{figure.case}: {figure.name}": figure for figure in found}
    assert stages == ["bars", "cache", "ranges"]
    day = named["bars over HTTP: 1,440 bars of 1m, p50"]
    assert (day.unit, day.target) == ("ms", 10)
    assert day.value <= named["bars over HTTP: 1,440 bars of 1m, p99"].value
    assert "2 ranges, one after the other" in day.method
    outside = named["bars over HTTP: 1,440 bars of 1m, outside the store, p50"]
    assert 0 < outside.value <= day.value
    assert named["bars over HTTP: 1,440 bars of 1m from the cache"].met is not None
    assert len([figure for figure in found if figure.case == "ranges"]) == 40
    assert "ranges: 1M, a year" in named
    assert not list(tmp_path.iterdir())


def test_a_service_is_started_and_stopped(made: Path, tmp_path: Path) -> None:
    """In a process of its own, on the settings' store, whose log goes into the folder; no limit of one client holds."""
    overrides = {name.removeprefix(PREFIX).lower(): value for name, value in TINY.items()}
    plan = Plan(repeats=1, seconds=0.05, symbol="BTC-USD", stages=BARS)
    found = measure_api({**overrides, "data_dir": made, "store": "duckdb"}, tmp_path, plan)
    assert len(found) == 47
    assert '"route": "/api/v1/ohlc"' in (tmp_path / "serve.log").read_text()


def test_a_service_that_does_not_start_is_told(tmp_path: Path) -> None:
    """With what it said."""
    with pytest.raises(UserError, match="did not start: error: A setting cannot be used: OHLCV_STORE=nowhere"):
        measure_api({"store": "nowhere"}, tmp_path, Plan())


def test_a_process_that_does_not_listen_is_ended() -> None:
    """By force, once patience is over."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        stop(process, 0.05)
    assert process.returncode == -9


def test_the_busiest_symbol_is_asked_for(url: str) -> None:
    """Of those round the clock, over all days that are complete; or the one that is named."""
    found = asked(url, subject_of)
    assert (found.symbol, found.end - found.start) == ("ETH-USD", 3 * DAY)
    assert asked(url, lambda one: subject_of(one, "BTC-USD")).symbol == "BTC-USD"
    with pytest.raises(UserError, match="Only symbols that trade round the clock can be measured: ADA-USD, "):
        asked(url, lambda one: subject_of(one, "AAPL"))


def test_no_range_is_asked_for_twice() -> None:
    """Not even where there is but one; and each lies within the dataset."""
    subject = Subject("BTC-USD", 0, 2 * DAY)
    few = [path for path, _ in zip(subject.paths("1d", subject.span("year")), range(5), strict=False)]
    assert len(set(few)) == 5
    assert all("start=0&end=172800000" in path for path in few)
    many = [path for path, _ in zip(subject.paths("1m", DAY), range(50), strict=False)]
    starts = {int(path.split("start=")[1].split("&")[0]) for path in many}
    assert len(starts) > 20
    assert min(starts) >= 0
    assert max(starts) <= DAY


def test_a_dataset_without_bars_is_told(tmp_path: Path) -> None:
    """With what makes some."""
    with (
        running(service_in(tmp_path, ())) as (host, port),
        pytest.raises(UserError, match="no complete bars of every resolution; make them with `ohlcv backfill`"),
    ):
        asked(f"http://{host}:{port}", subject_of)


def test_a_range_that_is_not_closed_is_told(url: str) -> None:
    """It would not come from the cache: beyond the dataset there is nothing, but yesterday may change."""

    async def main() -> None:
        async with connected(url) as lanes:
            with pytest.raises(UserError, match="does not take the first day for closed"):
                await asking._rate(lanes, "/api/v1/symbols", 0.01, gzip=False)

    asyncio.run(main())


def test_a_service_that_does_not_say_what_its_store_took_is_told() -> None:
    """The share outside the store cannot be found then."""
    with pytest.raises(UserError, match="does not say what its store took"):
        asking._in_store(Reply(200, {}, b"", 0.1))
    assert asking._in_store(Reply(200, {"server-timing": "store;dur=1.25, service;dur=2"}, b"", 0.1)) == 1.25


def test_figures_have_a_spread() -> None:
    """The least and the largest of what was measured."""
    times = asking.Times([1.0, 2.0, 6.0], [0.5, 1.0, 2.0], 3, 100)
    assert asking._figure("x", times, times.whole, 50, 3) == Figure(
        "bars over HTTP", "x", 2.0, "ms", 3, "", None, times.method(), (1.0, 6.0)
    )
