"""What Dagster is told of the project."""

from __future__ import annotations

import importlib
import warnings
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest
import yaml

from ohlcv_assets.lake.importing import import_files
from ohlcv_assets.orchestration import runs
from ohlcv_assets.orchestration.assembly import build_definitions
from ohlcv_assets.orchestration.names import BARS, CHECKS_JOB, DAY_ASSETS, DAY_JOB, REPORT_JOB
from ohlcv_assets.pipeline.kinds import BAR_CHECKS, STORED_CHECKS, TRADES_CHECKS
from ohlcv_assets.project import Project
from ohlcv_assets_tests.orchestration.made import ROOT, project_in

pytestmark = pytest.mark.integration


def test_every_asset_says_what_it_is(project: Project) -> None:
    """Group, kinds, owners, code version, a description for users, and columns where there is a table."""
    definitions = build_definitions(project)
    dg.Definitions.validate_loadable(definitions)
    specs = {spec.key.path[-1]: spec for spec in definitions.resolve_all_asset_specs()}
    assert set(specs) == {*DAY_ASSETS, "dataset_report"}
    for name, spec in specs.items():
        assert spec.group_name in {"trades", "bars", "report"}
        assert spec.kinds
        assert spec.owners
        assert spec.code_version
        assert len(spec.description or "") > 60
        assert (spec.partitions_def is None) == (name == "dataset_report")
        assert ("dagster/column_schema" in spec.metadata) == (name != "dataset_report")


def test_the_graph_is_the_chain_of_resolutions(project: Project) -> None:
    """Trades, stored trades, then each resolution from the next lower stored one; the report after all."""
    graph = build_definitions(project).resolve_asset_graph()
    parents = {
        key.path[-1]: {parent.path[-1] for parent in graph.get(key).parent_keys} for key in graph.get_all_asset_keys()
    }
    chain = list(DAY_ASSETS)
    assert parents.pop("dataset_report") == set(chain)
    assert parents == {"trades": set(), **{child: {parent} for parent, child in pairwise(chain)}}


def test_checks_are_by_partition_and_the_count_blocks(project: Project) -> None:
    """Every check has the assets' partitions; only the count of the stored trades blocks."""
    graph = build_definitions(project).resolve_asset_graph()
    specs = [graph.get_check_spec(key) for key in graph.asset_check_keys]
    assert len(specs) == len(TRADES_CHECKS) + len(STORED_CHECKS) + len(BARS) * len(BAR_CHECKS)
    assert all(spec.partitions_def is not None and spec.description for spec in specs)
    assert [(spec.asset_key.path[-1], spec.name) for spec in specs if spec.blocking] == [
        ("stored_trades", "count_per_symbol")
    ]


def test_jobs_need_no_partitions_of_their_own(project: Project) -> None:
    """The jobs take the partitions of the assets they select; the report has none, and of checks none are inferred."""
    definitions = build_definitions(project)
    keys = definitions.resolve_job_def(DAY_JOB).partitions_def
    assert keys is not None
    assert keys.get_partition_keys() == [str(day) for day in project.dataset.days]
    assert definitions.resolve_job_def(CHECKS_JOB).partitions_def is None
    assert definitions.resolve_job_def(REPORT_JOB).partitions_def is None


def test_an_imported_dataset_has_its_own_prefix(tmp_path: Path) -> None:
    """Assets of a dataset other than the default carry its name, so that nothing mixes."""
    source = tmp_path / "trades.csv"
    source.write_text("1,100.5,0.2,20.1,1704412800000,True,True\n2,100.6,0.1,10.06,1704412801000,False,True\n")
    import_files([source], tmp_path / "data" / "datasets" / "mine", name="mine", symbol="BTCUSDT", format="binance")
    project = project_in(tmp_path / "data", dataset="mine")
    definitions = build_definitions(project)
    assert {spec.key.path[0] for spec in definitions.resolve_all_asset_specs()} == {"mine"}
    result = dg.materialize(
        [*(definitions.assets or []), *(definitions.asset_checks or [])],  # type: ignore[list-item]  # all are definitions
        selection=dg.AssetSelection.groups("trades", "bars"),
        partition_key="2024-01-05",
        resources={"project": project},
    )
    assert result.success
    assert all(check.passed for check in result.get_asset_check_evaluations())


def test_loading_is_quick_about_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code location plans nothing, opens no store and writes nothing."""

    def refuse(*_: object) -> None:
        raise AssertionError("loading did more than read metadata")

    monkeypatch.setenv("OHLCV_DATA_DIR", str(tmp_path / "nothing"))
    monkeypatch.setattr("ohlcv_assets.project._source", refuse)
    monkeypatch.setattr("ohlcv_assets.stores.duckdb.broker.Broker.session", refuse)
    module = importlib.import_module("ohlcv_assets.definitions")
    assert module.load().resolve_job_def(DAY_JOB)
    assert not (tmp_path / "nothing").exists()


def test_a_mistake_in_the_settings_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong shows as the sentence of the settings, without a chain of causes."""
    module = importlib.import_module("ohlcv_assets.definitions")
    monkeypatch.setenv("OHLCV_TOTAL_TRADES", "0")
    with pytest.raises(dg.DagsterInvalidDefinitionError, match=r"OHLCV_TOTAL_TRADES=0 \(environment\)") as caught:
        module.load()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_building_warns_of_nothing(project: Project) -> None:
    """The preview of checks by partition is the one warning, and it is kept quiet where it arises."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_definitions(project)


def test_the_workspace_is_where_runs_say_they_come_from() -> None:
    """The origin of backfilled runs is the code location of workspace.yaml."""
    (location,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    assert location["python_module"] == {"module_name": runs.MODULE, "location_name": runs.LOCATION}
