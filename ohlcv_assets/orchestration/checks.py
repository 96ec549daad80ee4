"""The checks of every asset, by partition.

What belongs here: which checks there are and what each records. What does not: what they compare (``pipeline.checks``).
One op an asset group: a step of its own for every check would cost more than the checks.
https://docs.dagster.io/guides/test/asset-checks

Dagster reads the annotations of contexts and resources as they are, so they must not be postponed here.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import TypeVar

import dagster as dg

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.orchestration import metadata as md
from ohlcv_assets.orchestration.assets import ProjectResource
from ohlcv_assets.orchestration.names import BARS, STORED_TRADES, TRADES, key_of, op_of
from ohlcv_assets.orchestration.partitions import day_partitions
from ohlcv_assets.orchestration.run_context import step
from ohlcv_assets.pipeline.checks import bar_checks, stored_checks, stored_kinds, trades_checks
from ohlcv_assets.pipeline.kinds import BAR_CHECKS, TRADES_CHECKS, CheckKind
from ohlcv_assets.pipeline.usage import Usage, measured
from ohlcv_assets.project import Project
from ohlcv_assets.verify.verdict import Verdict

T = TypeVar("T")
Results = Iterator[dg.AssetCheckResult]


def build_checks(project: Project) -> Sequence[dg.AssetChecksDefinition]:
    """Return the checks of a project's dataset."""
    with warnings.catch_warnings():
        # Checks by partition are in preview: what they record is held by this project's own tests.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [_trades(project), _stored_trades(project), _bars(project)]


def _specs(project: Project, name: str, kinds: Sequence[CheckKind]) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            kind.name,
            asset=key_of(project.dataset, name),
            description=kind.proves,
            blocking=kind.blocking,
            partitions_def=day_partitions(project.dataset.days),
        )
        for kind in kinds
    ]


def _trades(project: Project) -> dg.AssetChecksDefinition:
    key = key_of(project.dataset, TRADES)

    @dg.multi_asset_check(
        name=op_of(project.dataset, "trades_checks"), specs=_specs(project, TRADES, TRADES_CHECKS), can_subset=True
    )
    def checks(context: dg.AssetCheckExecutionContext, project: ProjectResource) -> Results:
        wanted = {check.name for check in context.selected_asset_check_keys}
        with step(context) as day:
            yield from _results(key, trades_checks(project, day, wanted))

    return checks


def _stored_trades(project: Project) -> dg.AssetChecksDefinition:
    key = key_of(project.dataset, STORED_TRADES)

    @dg.multi_asset_check(
        name=op_of(project.dataset, "stored_trades_checks"),
        specs=_specs(project, STORED_TRADES, stored_kinds(project)),
        can_subset=True,
    )
    def checks(context: dg.AssetCheckExecutionContext, project: ProjectResource) -> Results:
        wanted = {check.name for check in context.selected_asset_check_keys}
        with step(context) as day:
            yield from _results(key, stored_checks(project, day, wanted))

    return checks


def _bars(project: Project) -> dg.AssetChecksDefinition:
    keys = {resolution.name: key_of(project.dataset, name) for name, resolution in BARS.items()}
    specs = [spec for name in BARS for spec in _specs(project, name, BAR_CHECKS)]

    @dg.multi_asset_check(name=op_of(project.dataset, "bars_checks"), specs=specs, can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext, project: ProjectResource) -> Results:
        selected = {(check.asset_key, check.name) for check in context.selected_asset_check_keys}
        chosen = [resolution for name, resolution in BARS.items() if keys[resolution.name] in dict(selected)]

        def wanted(resolution: Resolution, name: str) -> bool:
            return (keys[resolution.name], name) in selected

        with step(context) as day:
            verdicts = bar_checks(project, day, chosen, wanted)
            for (resolution, verdict), usage in _timed(verdicts):
                yield _result(keys[resolution.name], verdict, usage)

    return checks


def _results(key: dg.AssetKey, verdicts: Iterator[Verdict]) -> Results:
    for verdict, usage in _timed(verdicts):
        yield _result(key, verdict, usage)


def _timed(items: Iterator[T]) -> Iterator[tuple[T, Usage]]:
    """Yield each item with what it cost to compute."""
    while True:
        with measured() as usage:
            item = next(items, None)
        if item is None:
            return
        yield item, usage


def _result(key: dg.AssetKey, verdict: Verdict, usage: Usage) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=verdict.check,
        passed=verdict.passed,
        description=verdict.summary,
        metadata=md.of_verdict(verdict, usage),
    )
