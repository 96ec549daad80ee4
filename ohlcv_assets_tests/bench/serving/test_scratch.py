"""An empty dataset to post into: there while it is needed, and gone afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from ohlcv_assets.bench.serving import run
from ohlcv_assets.bench.serving.live import Load
from ohlcv_assets.bench.serving.run import Plan, measure_api
from ohlcv_assets.bench.serving.scratch import empty_dataset
from ohlcv_assets.errors import StoreAccessError, UserError
from ohlcv_assets.project import open_project
from ohlcv_assets.settings import load_settings
from ohlcv_assets_tests.organisations import close
from ohlcv_assets_tests.secrets_guard import keep_secret
from ohlcv_assets_tests.servers import Server

pytestmark = pytest.mark.integration


@pytest.fixture(name="settings")
def _settings(any_server: Server) -> dict[str, object]:
    """Return settings that lead to a server."""
    return {
        "store": "influxdb",
        "influx_url": any_server.url,
        "influx_org": any_server.org,
        "influx_operator_token": any_server.operator_token,
    }


def organisations(server: Server) -> set[str]:
    """Return the names of all organisations."""
    connection = server.connect()
    found = connection.call("GET", "/api/v2/orgs", doing="list").document()["orgs"]
    connection.close()
    assert isinstance(found, list)
    return {one["name"] for one in found}


def test_influxdb_has_an_organisation_of_its_own(
    settings: dict[str, object], any_server: Server, tmp_path: Path
) -> None:
    """With the buckets of the default dataset, empty; it goes at the end, after an error too."""
    before = organisations(any_server)

    def use() -> None:
        with empty_dataset(load_settings(**settings), tmp_path) as given:
            keep_secret(str(given["influx_token"]))
            project = open_project(load_settings(**{**settings, **given}))
            assert project.trade_store.counts_by_day() == {}
            close(project)
            assert any(name.startswith("ohlcv_bench_") for name in organisations(any_server))
            raise UserError("It ended.")

    with pytest.raises(UserError, match="It ended"):
        use()
    if any_server.kind != "fake":  # which has one organisation, whatever it is called
        assert organisations(any_server) == before


def test_without_an_operator_token_it_is_told_what_to_do(tmp_path: Path) -> None:
    """Or which store needs none."""
    settings = load_settings(store="influxdb", influx_url="http://127.0.0.1:1", influx_token=keep_secret("t" * 20))
    with pytest.raises(StoreAccessError, match="OHLCV_INFLUX_OPERATOR_TOKEN or use --store duckdb"):
        empty_dataset(settings, tmp_path).__enter__()


def test_the_embedded_store_is_a_fresh_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Served on it, with a key that may write; nobody else's data are touched."""
    seen: list[tuple[str, str, int, Load]] = []

    async def figures(url: str, key: str, start: int, load: Load) -> list[object]:
        seen.append((url, keep_secret(key), start, load))
        return []

    monkeypatch.setattr(run, "live_figures", figures)
    load = Load(rate=7)
    assert measure_api({"data_dir": "/nowhere", "store": "duckdb"}, tmp_path, Plan(stages=["live"], load=load)) == []
    ((url, key, start, given),) = seen
    assert url.startswith("http://127.0.0.1:")
    assert key.startswith("ohlcv_")
    assert start == 1_704_456_000_000_000_000
    assert given == load
    assert (tmp_path / "data" / "keys.json").is_file()


def test_a_stage_must_be_one(tmp_path: Path) -> None:
    """Those that there are are named; a service that runs already is never posted to."""
    with pytest.raises(UserError, match="no stage 'x'; choose of bars, cache, ranges, page, live"):
        measure_api({}, tmp_path, Plan(stages=["x"]))
    assert measure_api({}, tmp_path, Plan(url="http://127.0.0.1:1", stages=["live"])) == []
