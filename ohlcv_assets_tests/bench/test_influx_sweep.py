"""The search for settings: what is tried, when it ends, and what it takes to be recommended."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from ohlcv_assets.bench.influx_peers import Cost
from ohlcv_assets.bench.influx_sweep import LEAST_ROUNDS, MOST_ROUNDS, search, sweep_influx
from ohlcv_assets.progress import Progress
from ohlcv_assets.settings import load_settings
from ohlcv_assets.stores.influxdb.writer import LoadPlan
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

IN_FORCE = LoadPlan(batch_lines=20_000)


def loading(
    rate: Callable[[LoadPlan], float], tried: list[LoadPlan], server: float | None = 4.0
) -> Callable[..., Cost]:
    """Return a load of a million rows at a rate that depends on the settings."""

    def trial(plan: LoadPlan) -> Cost:
        tried.append(plan)
        return Cost(1_000_000, 1e6 / rate(plan), 0.3, server)

    return trial


@pytest.mark.unit
def test_a_better_setting_is_found_and_told() -> None:
    """Coarse then fine: the search arrives at the fastest settings and says by how much they win."""
    tried: list[LoadPlan] = []
    seen: list[Progress] = []
    found = search(
        IN_FORCE, loading(lambda plan: 400_000 - abs(plan.batch_lines - 36_000) - 9_000 * plan.connections, tried), 9e9,
        seen.append,
    )  # fmt: skip
    assert (found.best.batch_lines, found.best.connections) == (35_000, 1)
    assert found.within_noise is False
    assert found.lines()[:2] == ["OHLCV_INFLUX_BATCH_LINES=35000", "OHLCV_INFLUX_CONNECTIONS=1"]
    assert "every round, by" in found.verdict()
    assert found.rows[0].plan == found.best
    assert len(found.rows[0].rounds) == MOST_ROUNDS
    assert {plan.compression for plan in tried} == {"none", "gzip"}
    assert len({plan.memory for plan in tried}) > 1
    assert len(seen) == len(tried) - 1


@pytest.mark.unit
def test_noise_changes_nothing() -> None:
    """Settings that do not win every round are not recommended, however fast one of them once was."""
    noise = itertools.cycle([1.0, 1.3, 0.8, 1.1, 0.9, 1.2, 0.7])
    found = search(IN_FORCE, loading(lambda _: 400_000 * next(noise), [], None), 9e9)
    assert found.within_noise is True
    assert found.best == IN_FORCE
    assert "noise" in found.verdict()
    assert found.lines()[0] == "OHLCV_INFLUX_BATCH_LINES=20000"
    assert found.rows[0].server_per_million is None


@pytest.mark.unit
def test_the_search_ends_when_its_time_is_over() -> None:
    """Without any time left, the settings in force are tried, and the rounds that decide are the fewest."""
    tried: list[LoadPlan] = []
    clock = itertools.count(0.0, 1.0)
    found = search(IN_FORCE, loading(lambda _: 1.0, tried), 0.0, clock=lambda: next(clock))
    assert {row.plan for row in found.rows} == {IN_FORCE}
    assert len(found.rows[0].rounds) == LEAST_ROUNDS
    assert found.within_noise is True


@pytest.mark.integration
def test_a_sweep_loads_into_buckets_that_go(fake_server: Fake, tmp_path: Path) -> None:
    """On a server: every load reaches it, connections are never fewer than one, and nothing is left there."""
    settings = load_settings(
        influx_url=fake_server.url, influx_operator_token=SecretStr(fake_server.operator_token), data_dir=tmp_path
    )
    before = set(fake_server.faults.held.buckets)
    found = sweep_influx(settings, tmp_path, trades=300, budget=0.0)
    assert found.rows[0].rate > 0
    assert set(fake_server.faults.held.buckets) == before
