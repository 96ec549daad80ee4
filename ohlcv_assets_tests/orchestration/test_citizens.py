"""Backfilled runs in the user interface: what it asks through GraphQL, and Dagster's own commands."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._cli import create_dagster_cli
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_graphql.test.utils import execute_dagster_graphql

from ohlcv_assets.orchestration.home import prepare_home
from ohlcv_assets.orchestration.runs import LOCATION, Runner
from ohlcv_assets.orchestration.warm_storage import warm_instance
from ohlcv_assets_tests.orchestration.made import FRIDAY, ROOT, SATURDAY, command, environment, project_in

pytestmark = pytest.mark.e2e

RUN = """
query Run($id: ID!) {
  runOrError(runId: $id) {
    ... on Run {
      status
      hasReExecutePermission
      repositoryOrigin { repositoryLocationName repositoryName }
      tags { key value }
      assetMaterializations { partition }
    }
  }
}
"""
JOB = """
query Job($selector: PipelineSelector!) {
  pipelineOrError(params: $selector) { ... on Pipeline { name runs { runId } partitionKeysOrError { partitionKeys } } }
}
"""
RUNS = "query Runs($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results { runId } } } }"
AGAIN = """
mutation Again($parameters: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $parameters) {
    __typename
    ... on LaunchRunSuccess { run { runId parentRunId status } }
    ... on PythonError { message }
  }
}
"""


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data folder that this process and those it starts work on."""
    folder = tmp_path / "my data"
    for name, value in environment(folder).items():
        monkeypatch.setenv(name, value)
    prepare_home(folder / "dagster_home")
    return folder


def test_a_backfilled_run_is_a_full_citizen(folder: Path) -> None:
    """The UI finds its origin, shows it on the job's page, knows its partition, and can execute it again."""
    project = project_in(folder, store="duckdb")
    with warm_instance(folder / "dagster_home") as instance:
        run_id = Runner(project, instance, "test").day(FRIDAY).run_id
    with (
        dg.DagsterInstance.get() as instance,
        WorkspaceProcessContext(instance, WorkspaceFileTarget([str(ROOT / "workspace.yaml")])) as process,
    ):

        def ask(query: str, **variables: Any) -> Any:  # Any: JSON
            result = execute_dagster_graphql(process.create_request_context(), query, variables)
            assert result.errors is None, result.errors
            return result.data

        run = ask(RUN, id=run_id)["runOrError"]
        assert run["status"] == "SUCCESS"
        assert run["hasReExecutePermission"]
        origin = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}
        assert run["repositoryOrigin"] == origin
        tags = {tag["key"]: tag["value"] for tag in run["tags"]}
        assert tags["dagster/partition"] == str(FRIDAY)
        assert tags["dagster/partition_set"] == "day_partition_set"
        assert {event["partition"] for event in run["assetMaterializations"]} == {str(FRIDAY)}
        selector = {"pipelineName": "day", **origin}
        job = ask(JOB, selector=selector)["pipelineOrError"]
        assert [one["runId"] for one in job["runs"]] == [run_id]
        label = {"key": ".dagster/repository", "value": f"__repository__@{LOCATION}"}
        shown = ask(RUNS, filter={"pipelineName": "day", "tags": [label]})["runsOrError"]["results"]
        assert [one["runId"] for one in shown] == [run_id]
        again = ask(AGAIN, parameters={"parentRunId": run_id, "strategy": "ALL_STEPS"})["launchRunReexecution"]
        assert again["__typename"] == "LaunchRunSuccess", again
        assert again["run"]["parentRunId"] == run_id


def test_dagsters_own_commands_work(folder: Path) -> None:
    """A job by tags, single assets, checks alone: each from Dagster's command line, each recorded."""
    module = ("-m", "ohlcv_assets.definitions")
    tags = ("--tags", f'{{"dagster/partition": "{SATURDAY}"}}')

    def run(*words: str) -> None:
        sys.modules.pop("ohlcv_assets.definitions", None)  # its settings are those of the moment it was loaded
        dagster = create_dagster_cli()  # type: ignore[no-untyped-call]  # Dagster's own
        done = CliRunner().invoke(dagster, words)
        assert done.exit_code == 0, done.output

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.SupersessionWarning)  # these commands work, and are what users know
        run("job", "execute", *module, "-j", "day", *tags)
        run("asset", "materialize", *module, "--select", "trades", "--partition", str(FRIDAY))
        run("job", "execute", *module, "-j", "checks_only", *tags)
    with warm_instance(folder / "dagster_home") as instance:
        assert instance.get_runs_count() == 3
        assert instance.get_materialized_partitions(dg.AssetKey("trades")) == {str(FRIDAY), str(SATURDAY)}
        assert instance.get_materialized_partitions(dg.AssetKey("ohlcv_1d")) == {str(SATURDAY)}


def test_the_workspace_is_valid(folder: Path, tmp_path: Path) -> None:
    """`dagster definitions validate -w workspace.yaml`, as a user types it, from elsewhere."""
    done = command("dagster", "definitions", "validate", "-w", ROOT / "workspace.yaml", folder=folder, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Validation successful" in done.stdout + done.stderr
