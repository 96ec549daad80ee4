"""A project is what its settings say, and opening one costs and writes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ohlcv_assets.errors import DatasetError, UniverseError
from ohlcv_assets.lake.dataset import FiledSource, dataset_folder
from ohlcv_assets.lake.importing import import_files
from ohlcv_assets.project import make_generator
from ohlcv_assets.settings import PREFIX
from ohlcv_assets.sources.synthetic import SyntheticSource
from ohlcv_assets.stores.duckdb.bars import DuckDBBarStore
from ohlcv_assets.stores.duckdb.trades import DuckDBTradeStore
from ohlcv_assets.stores.memory import MemoryBarStore, MemoryTradeStore
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, TRADES, planned, project_in

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep settings of the environment away."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_opening_writes_nothing_and_plans_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code location that is loaded leaves no trace, and no year is planned before somebody asks."""

    def refuse(*_: object) -> None:
        raise AssertionError("a source was built")

    monkeypatch.setattr("ohlcv_assets.project._source", refuse)
    project = project_in(tmp_path / "data", store="duckdb")
    assert project.dataset.days == (THURSDAY, FRIDAY, SATURDAY)
    assert project.lake.days() == ()
    assert not project.trade_store.day_records()
    assert not (tmp_path / "data").exists()


def test_the_source_is_made_once_and_gives_the_total(tmp_path: Path) -> None:
    """The default dataset is generated, with exactly the trades asked for."""
    project = project_in(tmp_path)
    assert isinstance(project.source, SyntheticSource)
    assert project.source is project.source
    assert sum(planned(project, day) for day in project.dataset.days) == TRADES


@pytest.mark.parametrize(
    ("name", "trades", "bars"),
    [("memory", MemoryTradeStore, MemoryBarStore), ("duckdb", DuckDBTradeStore, DuckDBBarStore)],
)
def test_settings_choose_the_store(tmp_path: Path, name: str, trades: type, bars: type) -> None:
    """One setting decides where trades and bars are kept."""
    project = project_in(tmp_path, store=name)
    assert isinstance(project.trade_store, trades)
    assert isinstance(project.bar_store, bars)


def test_paths_are_absolute_whatever_the_setting(tmp_path: Path) -> None:
    """A relative data folder means the same place after a change of folder."""
    project = project_in(Path("data"), store="duckdb")
    assert project.dataset.root == tmp_path / "data" / "datasets" / "default"
    assert project.reports == tmp_path / "data" / "reports"
    assert project.trade_store.name == f"duckdb:{project.dataset.root / 'store.duckdb'}"


def test_strategies_are_those_of_the_settings(tmp_path: Path) -> None:
    """Price model, arrivals and sizes reach the generator, and the fingerprint."""
    project = project_in(tmp_path, price_model="gbm", arrivals="poisson", sizes="fixed")
    chosen = make_generator(project.settings, project.dataset).strategies
    assert (chosen.price_model, chosen.arrivals, chosen.sizes) == ("gbm", "poisson", "fixed")
    assert project.source.fingerprint(FRIDAY)["price_model"] == "gbm"


def test_an_imported_dataset_has_a_place_of_its_own(tmp_path: Path) -> None:
    """Another dataset's files and store lie in its own folder, and its trades come from its files."""
    csv = tmp_path / "trades.csv"
    csv.write_text("7,101.5,2,203,1704445200000,true\n")
    import_files([csv], dataset_folder(tmp_path, "btc"), name="btc", symbol="BTCUSDT", format="binance")
    project = project_in(tmp_path, dataset="btc", store="duckdb")
    assert isinstance(project.source, FiledSource)
    assert project.dataset.days == (FRIDAY,)
    assert project.trade_store.name.endswith("datasets/btc/store.duckdb")


def test_an_unknown_dataset_is_named(tmp_path: Path) -> None:
    """A dataset that nobody imported is a user's mistake, with what to do."""
    with pytest.raises(DatasetError, match=r"no imported dataset 'btc'.*ohlcv import"):
        project_in(tmp_path, dataset="btc")


def test_a_mistake_in_the_universe_is_named(tmp_path: Path) -> None:
    """A universe of one's own is read at once, so that its mistakes come first."""
    path = tmp_path / "universe.toml"
    path.write_text("[[symbol]]\nname = 'A'\n")
    with pytest.raises(UniverseError, match=r"universe\.toml"):
        project_in(tmp_path, universe=path)
