"""The assets: day files, stored trades, bars, and a report on all of them.

What belongs here: which assets there are and what each records. What does not: making them (``pipeline``), proving
them (``checks``).
https://docs.dagster.io/guides/build/assets

Dagster reads the annotations of configs and resources as they are, so they must not be postponed here.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import dagster as dg

from ohlcv_assets.lake.dayfile import DayFile
from ohlcv_assets.orchestration import metadata as md
from ohlcv_assets.orchestration.automation import trades_changed
from ohlcv_assets.orchestration.identity import identity
from ohlcv_assets.orchestration.names import (
    BARS,
    CODE_VERSIONS,
    DATASET_REPORT,
    DAY_ASSETS,
    IDENTITY_TAG,
    OWNERS,
    STORED_TRADES,
    TRADES,
    key_of,
    op_of,
)
from ohlcv_assets.orchestration.partitions import day_partitions
from ohlcv_assets.orchestration.run_context import mark_process, one_sentence, step
from ohlcv_assets.pipeline.report import write_report
from ohlcv_assets.pipeline.steps import file_day, load_day, roll_up_day
from ohlcv_assets.project import Project

ProjectResource = dg.ResourceParam[Project]


class TradesConfig(dg.Config):
    """How a day's file is made."""

    force: bool = False
    """Replace a file that is stale, damaged or foreign, instead of saying so and stopping."""


def build_assets(project: Project) -> Sequence[dg.AssetsDefinition]:
    """Return the assets of a project's dataset."""
    return [_trades(project), _stored_trades(project), _bars(project), _dataset_report(project)]


def _trades(project: Project) -> dg.AssetsDefinition:
    @dg.asset(
        key=key_of(project.dataset, TRADES),
        description=_TRADES,
        partitions_def=day_partitions(project.dataset.days),
        group_name="trades",
        kinds={"python", "parquet"},
        owners=OWNERS,
        code_version=CODE_VERSIONS[TRADES],
        metadata=md.TRADES_SCHEMA | {"dagster/uri": str(project.lake.root.absolute())},
    )
    def trades(
        context: dg.AssetExecutionContext, config: TradesConfig, project: ProjectResource
    ) -> dg.MaterializeResult[None]:
        with step(context) as day:
            filed = file_day(project, day, force=config.force, observer=project.observer)
        return _result(project, TRADES, filed.file, md.of_file(filed))

    return trades


def _stored_trades(project: Project) -> dg.AssetsDefinition:
    @dg.asset(
        key=key_of(project.dataset, STORED_TRADES),
        description=_STORED,
        deps=[key_of(project.dataset, TRADES)],
        partitions_def=day_partitions(project.dataset.days),
        group_name="trades",
        kinds={project.settings.store_in_force},
        owners=OWNERS,
        code_version=CODE_VERSIONS[STORED_TRADES],
        metadata=md.STORED_SCHEMA | {"dagster/table_name": "trades", "store": project.trade_store.name},
    )
    def stored_trades(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult[None]:
        with step(context) as day:
            loaded = load_day(project, day, observer=project.observer)
        return _result(project, STORED_TRADES, loaded.file, md.of_load(loaded, project.trade_store.name))

    return stored_trades


def _bars(project: Project) -> dg.AssetsDefinition:
    names = {resolution.name: name for name, resolution in BARS.items()}
    specs = [
        dg.AssetSpec(
            key=key_of(project.dataset, name),
            description=_BARS.format(
                name=resolution.name,
                source="the stored trades" if resolution.source is None else f"the {resolution.source} bars",
            ),
            deps=[
                key_of(project.dataset, STORED_TRADES if resolution.source is None else names[resolution.source]),
            ],
            partitions_def=day_partitions(project.dataset.days),
            group_name="bars",
            kinds={project.settings.store_in_force},
            owners=OWNERS,
            code_version=CODE_VERSIONS[name],
            skippable=True,
            metadata=md.BARS_SCHEMA | {"dagster/table_name": resolution.kept.bucket},
            automation_condition=trades_changed(),
        )
        for name, resolution in BARS.items()
    ]

    @dg.multi_asset(name=op_of(project.dataset, "bars"), specs=specs, can_subset=True)
    def bars(context: dg.AssetExecutionContext, project: ProjectResource) -> Iterator[dg.MaterializeResult[None]]:
        chosen = [name for name in BARS if key_of(project.dataset, name) in context.selected_asset_keys]
        with step(context) as day:
            rolled = roll_up_day(project, day, [BARS[name] for name in chosen], observer=project.observer)
        for name in chosen:
            recorded = md.of_bars(rolled, BARS[name].name, project)
            yield _result(project, name, rolled.file, recorded)

    return bars


def _dataset_report(project: Project) -> dg.AssetsDefinition:
    @dg.asset(
        key=key_of(project.dataset, DATASET_REPORT),
        description=_REPORT,
        deps=[key_of(project.dataset, name) for name in DAY_ASSETS],
        group_name="report",
        kinds={"markdown", "html"},
        owners=OWNERS,
        code_version="1",
    )
    def dataset_report(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult[None]:
        mark_process(context)
        with one_sentence():
            report = write_report(project)
        return dg.MaterializeResult(
            metadata={
                "days": report.days,
                "days_filed": report.days_filed,
                "days_stored": report.days_stored,
                "days_with_bars": report.days_with_bars,
                "trades_filed": report.trades_filed,
                "trades_stored": report.trades_stored,
                "bytes_of_files": report.file_bytes,
                **({} if report.store_bytes is None else {"bytes_of_store": report.store_bytes}),
                "markdown": dg.MetadataValue.path(str(report.markdown)),
                "html": dg.MetadataValue.url(report.html.as_uri()),
                "summary": dg.MetadataValue.md(report.summary),
            }
        )

    return dataset_report


def _result(project: Project, name: str, file: DayFile, metadata: md.Metadata) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(
        asset_key=key_of(project.dataset, name),
        metadata=metadata,
        data_version=dg.DataVersion(file.content_hash),
        tags={IDENTITY_TAG: identity(name, file.fingerprint, project.trade_store.name)},
    )


_TRADES: Final = """\
The trades of a day as one Parquet file, sorted by symbol and time, one row group a symbol or more.

The file's footer says what it was made from (fingerprint) and what it holds (content hash, trades of each symbol).
Made again only where the fingerprint changed and the run's config says `force: true`; otherwise a matching file is
reused. Days on which no market is open have a file without rows.
"""
_STORED: Final = """\
The trades of a day in the store, exactly those of the day file, without their ids.

Loading is safe to interrupt and to repeat: a day that the store already holds with the same content hash is left as it
is, any other is deleted, written anew and counted. A check of the counts of each symbol stands between this asset and
the bars.
"""
_BARS: Final = """\
{name} bars of all symbols: open, high, low, close, volume, turnover, trades and order-flow imbalance, made from
{source}.

Bars are labelled by their open time in UTC; an interval without a trade has no bar. A day whose trades are not proved
to be in the store is refused. Bars that are right already are left alone.
"""
_REPORT: Final = """\
What the dataset holds at this moment: days present and missing, trades, bars, sizes; a Markdown file and an HTML page
with plots under the data folder's `reports`.
"""
