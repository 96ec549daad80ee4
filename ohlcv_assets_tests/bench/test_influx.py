"""The benchmark on a server: every figure promised, one sentence where it cannot be, and nothing left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ohlcv_assets.bench import influx_load
from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.bench.influx import INCH_BATCHES, connect, interleaved, measure_influx
from ohlcv_assets.bench.influx_figures import NO_INCH
from ohlcv_assets.bench.influx_peers import GET_INCH, NO_TOKENS, Cost
from ohlcv_assets.errors import OhlcvError, SettingsError, StoreAccessError, StoreMismatchError
from ohlcv_assets.progress import Progress
from ohlcv_assets.settings import Settings, load_settings
from ohlcv_assets.verify.verdict import Verdict
from ohlcv_assets_tests.bench.inch import StandIn
from ohlcv_assets_tests.servers import make_token
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

pytestmark = pytest.mark.integration


def settings_of(server: Fake, folder: Path, **changes: Any) -> Settings:
    """Return settings that name a server; Any: settings of any kind."""
    named = {"influx_url": server.url, "influx_operator_token": SecretStr(server.operator_token), "data_dir": folder}
    return load_settings(**(named | changes))


def held(server: Fake) -> tuple[set[str], set[str], set[str]]:
    """Return the buckets, tokens and labels of a server."""
    organisation = server.faults.held
    return set(organisation.buckets), set(organisation.tokens), set(organisation.labels)


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    """Return figures by case and name."""
    return {f"{figure.case}: {figure.name}": figure for figure in figures}


@pytest.fixture
def inch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Put a stand-in for ``inch`` on PATH."""
    return StandIn(tmp_path, monkeypatch)


@pytest.fixture
def no_inch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))


def test_every_promise_has_its_row(fake_server: Fake, tmp_path: Path, inch: StandIn) -> None:
    """Serialising, processor time, inch at its best, influxdb-client and the three checks; nothing is left."""
    before = held(fake_server)
    seen: list[Progress] = []
    settings = settings_of(fake_server, tmp_path)
    found = by_name(measure_influx(settings, tmp_path / "day", trades=300, repeats=1, observer=seen.append))
    promised = {name for name, figure in found.items() if figure.target is not None}
    assert promised == {
        "serialise: a day to line protocol, per core",
        "whole path: a day from its file, checked and counted: processor time of the client",
        "load: native writer, against inch",
        "load: native writer, against influxdb-client's batching",
        "load: native writer's processor time, against influxdb-client's batching",
        "load: client writer, against influxdb-client's batching",
        "load: client writer's processor time, against influxdb-client's batching",
        "check: count check of a day",
        "check: content check of a day",
        "check: 200 samples",
    }
    assert all(figure.value > 0 for figure in found.values())
    assert "InfluxDB v2.9.1" in found["load: native writer, against inch"].method
    assert [event.done for event in seen] == [0, 1]
    assert [int(call["-b"]) for call in inch.calls] == list(INCH_BATCHES)
    assert held(fake_server) == before


@pytest.mark.usefixtures("no_inch")
def test_without_inch_the_rest_is_measured(fake_server: Fake, tmp_path: Path) -> None:
    """The row says how to get it."""
    settings = settings_of(fake_server, tmp_path, influx_batch_lines=1000)
    found = by_name(measure_influx(settings, tmp_path / "day", trades=300, repeats=1))
    row = found["load: native writer, against inch"]
    assert (row.peer, row.ratio, row.target) == (NO_INCH, None, None)
    assert GET_INCH in row.method


def test_inch_goes_without_where_no_token_can_be_made(fake_server: Fake, tmp_path: Path, inch: StandIn) -> None:
    """The user's own token is never given to another program, where all of this machine could see it."""
    kinds = ("buckets", "orgs", "labels")
    both = [{"action": action, "resource": {"type": kind}} for kind in kinds for action in ("read", "write")]
    _, token = make_token(fake_server, both)
    before = held(fake_server)
    settings = settings_of(fake_server, tmp_path, influx_operator_token=None, influx_token=SecretStr(token))
    found = by_name(measure_influx(settings, tmp_path / "day", trades=300, repeats=1))
    assert NO_TOKENS in found["load: native writer, against inch"].method
    assert inch.calls == []
    assert held(fake_server) == before


def test_a_token_without_rights_ends_before_a_load(fake_server: Fake, tmp_path: Path) -> None:
    """Who may not make buckets is told what to set."""
    _, token = make_token(fake_server, [{"action": "read", "resource": {"type": "orgs"}}])
    settings = settings_of(fake_server, tmp_path, influx_operator_token=None, influx_token=SecretStr(token))
    with pytest.raises(StoreAccessError, match="OHLCV_INFLUX_OPERATOR_TOKEN"):
        measure_influx(settings, tmp_path / "day", trades=300, repeats=1)


def test_inch_that_fails_ends_the_benchmark(fake_server: Fake, tmp_path: Path, inch: StandIn) -> None:
    """No ratio is made up for it, and nothing is left."""
    inch.answers(1, "no such server")
    before = held(fake_server)
    with pytest.raises(OhlcvError, match="no such server"):
        measure_influx(settings_of(fake_server, tmp_path), tmp_path / "day", trades=300, repeats=1)
    assert held(fake_server) == before


@pytest.mark.parametrize(
    ("missing", "named"), [("influx_url", "OHLCV_INFLUX_URL"), ("influx_operator_token", "OHLCV_INFLUX_OPERATOR_TOKEN")]
)
def test_server_and_token_are_needed(tmp_path: Path, missing: str, named: str) -> None:
    """What is not set is named."""
    given = {"influx_url": "http://127.0.0.1:1", "influx_operator_token": SecretStr("a token"), "data_dir": tmp_path}
    with pytest.raises(SettingsError, match=f"set {named}"):
        connect(load_settings(**(given | {missing: None})))


def test_rounds_go_to_and_fro_after_one_that_does_not_count() -> None:
    """Every second round is in reverse, so that what comes first is not the same each time."""
    order: list[str] = []

    def run(name: str) -> Cost:
        order.append(name)
        return Cost(len(order), 1.0, 1.0, None)

    costs = interleaved({"a": lambda: run("a"), "b": lambda: run("b")}, 2)
    assert order == ["a", "a", "b", "b", "a"]
    assert [cost.rows for cost in costs["a"]] == [2, 5]


@pytest.mark.usefixtures("no_inch")
def test_a_check_that_fails_is_no_figure(fake_server: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast a wrong answer came, it is an error."""
    monkeypatch.setattr(influx_load, "content", lambda *_: Verdict("content", passed=False, summary="they differ"))
    before = held(fake_server)
    with pytest.raises(StoreMismatchError, match="was not stored as it was made"):
        measure_influx(settings_of(fake_server, tmp_path), tmp_path / "day", trades=300, repeats=1)
    assert held(fake_server) == before
