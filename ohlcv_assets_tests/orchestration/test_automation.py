"""Bars follow the trades of any day: what Dagster asks for when trades change, and what it leaves alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import dagster as dg
import pytest
from dagster._core.definitions.declarative_automation.automation_condition_tester import (
    EvaluateAutomationConditionsResult,
)

from ohlcv_assets.orchestration.assembly import build_definitions
from ohlcv_assets.orchestration.automation import SENSOR
from ohlcv_assets.orchestration.names import BARS, DATASET_TAG, DAY_JOB, STORED_TRADES, key_of
from ohlcv_assets.orchestration.runs import Runner
from ohlcv_assets.pipeline.status import status_of
from ohlcv_assets.pipeline.verify import verify_day
from ohlcv_assets.project import Project
from ohlcv_assets_tests.orchestration.made import DAYS, FRIDAY, SATURDAY, THURSDAY, lose_trade
from ohlcv_assets_tests.pipeline.made import rewrite

pytestmark = pytest.mark.integration


class Watch:
    """Evaluates the conditions as the daemon does, one tick after the other."""

    def __init__(self, project: Project, instance: dg.DagsterInstance) -> None:
        self.project = project
        self.instance = instance
        self.definitions = build_definitions(project)
        self._last: EvaluateAutomationConditionsResult | None = None

    def tick(self) -> dict[str, set[str]]:
        """Return the partitions that are asked for now, by asset."""
        cursor = None if self._last is None else self._last.cursor
        keys = {name: key_of(self.project.dataset, name) for name in BARS}
        self._last = dg.evaluate_automation_conditions(
            self.definitions, self.instance, asset_selection=dg.AssetSelection.assets(*keys.values()), cursor=cursor
        )
        asked = {name: self._last.get_requested_partitions(key) for name, key in keys.items()}
        return {name: {str(key) for key in keys} for name, keys in asked.items() if keys}

    def run(self, day: dt.date, names: Sequence[str]) -> dg.ExecuteInProcessResult:
        """Materialise some assets of a day, with their checks."""
        return self.definitions.resolve_job_def(DAY_JOB).execute_in_process(
            partition_key=str(day),
            instance=self.instance,
            asset_selection=[key_of(self.project.dataset, name) for name in names],
            raise_on_error=False,
        )

    def correct(self, day: dt.date) -> None:
        """Take some trades out of a day's file and load it again."""
        trades = self.project.lake.read(day)
        rewrite(self.project, day, trades.slice(0, trades.num_rows - 7))
        self.run(day, [STORED_TRADES])


def every(day: dt.date) -> dict[str, set[str]]:
    """Return what is asked for where it is all bars of a day."""
    return {name: {str(day)} for name in BARS}


@pytest.fixture(name="watch")
def _watch(project: Project, instance: dg.DagsterInstance, runner: Runner) -> Watch:
    """Return a watch over three days that are made."""
    for day in DAYS:
        assert runner.day(day).state == "made"
    watch = Watch(project, instance)
    assert watch.tick() == {}
    return watch


def test_a_correction_of_an_old_day_makes_its_bars_again(watch: Watch) -> None:
    """The first of three days is asked for at every resolution, once, and the run makes its bars right."""
    watch.correct(THURSDAY)
    assert {proof.verdict.passed for proof in verify_day(watch.project, THURSDAY, only="bars")} == {False, True}
    assert watch.tick() == every(THURSDAY)
    assert watch.tick() == {}
    result = watch.run(THURSDAY, list(BARS))
    assert result.success
    content = watch.project.lake.inspect(THURSDAY).content_hash
    for name in BARS:
        (event,) = result.asset_materializations_for_node("bars")[list(BARS).index(name) :][:1]
        assert event.asset_key == key_of(watch.project.dataset, name)
        assert event.tags is not None
        assert event.tags["dagster/data_version"] == content
        assert event.metadata["content_hash"].value == content
        assert (event.metadata["chunk_state"].value, event.metadata["made"].value) == ("done", True)
    assert watch.tick() == {}
    assert all(proof.verdict.passed for proof in verify_day(watch.project, THURSDAY, only="bars"))


def test_equal_content_asks_for_nothing(watch: Watch) -> None:
    """A day that is loaded again with what it holds already has the same data version: no bars are asked for."""
    watch.run(THURSDAY, [STORED_TRADES])
    assert watch.tick() == {}
    watch.project.trade_store.delete_day(FRIDAY)
    watch.run(FRIDAY, [STORED_TRADES])
    assert watch.tick() == {}


def test_several_days_at_once(watch: Watch) -> None:
    """Each corrected day is asked for, and no other."""
    watch.correct(SATURDAY)
    watch.correct(THURSDAY)
    assert watch.tick() == {name: {str(THURSDAY), str(SATURDAY)} for name in BARS}


def test_a_run_that_makes_the_bars_itself_is_enough(watch: Watch, runner: Runner) -> None:
    """Where the run that changes the trades goes on to the bars, nothing more is asked for."""
    trades = watch.project.lake.read(FRIDAY)
    rewrite(watch.project, FRIDAY, trades.slice(0, trades.num_rows - 7))
    runner.day(FRIDAY)
    assert watch.tick() == {}


def test_trades_whose_count_is_wrong_have_no_bars_made(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars wait for the blocking check; once it passes they are asked for."""
    replace_day = watch.project.trade_store.replace_day

    def lossy(*arguments: object) -> object:
        report = replace_day(*arguments)  # type: ignore[arg-type]  # handed on as they are
        lose_trade(watch.project, FRIDAY)
        return report

    with monkeypatch.context() as patch:
        patch.setattr(watch.project.trade_store, "replace_day", lossy)
        watch.correct(FRIDAY)
    assert watch.tick() == {}
    watch.run(FRIDAY, [STORED_TRADES])
    assert watch.tick() == every(FRIDAY)


def test_days_that_are_loaded_for_the_first_time(
    project: Project, instance: dg.DagsterInstance, runner: Runner
) -> None:
    """New trades are changed trades: bars of a day that had none are asked for."""
    assert runner.day(FRIDAY).state == "made"
    watch = Watch(project, instance)
    watch.tick()
    watch.run(THURSDAY, ["trades", STORED_TRADES])
    assert watch.tick() == every(THURSDAY)
    watch.run(THURSDAY, list(BARS))
    assert status_of(project, [THURSDAY])[0].complete


def test_the_sensor_is_there_and_off(project: Project) -> None:
    """One sensor evaluates the bars of the dataset; whoever wants it switches it on; its runs name the dataset."""
    repository = build_definitions(project).get_repository_def()
    (sensor,) = repository.sensor_defs
    assert sensor.name == SENSOR
    assert isinstance(sensor, dg.AutomationConditionSensorDefinition)
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    assert sensor.run_tags == {DATASET_TAG: "default"}
    keys = {key_of(project.dataset, name) for name in BARS}
    assert sensor.asset_selection is not None
    assert sensor.asset_selection.resolve(repository.asset_graph) == keys
