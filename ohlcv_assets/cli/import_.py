"""`ohlcv import`: exchange files become a dataset of their own.

What belongs here: reading the request and showing the import report. What does not: importing (``lake.importing``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ohlcv_assets.cli.context import AsJson, request_of
from ohlcv_assets.cli.output import counted, duration, number, remark, show, show_json, size, table
from ohlcv_assets.cli.watch import watching
from ohlcv_assets.errors import DatasetError

if TYPE_CHECKING:
    from ohlcv_assets.lake.report import ImportReport

_LISTED = 20

Paths = Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, or folders of files: plain, gzip or zip.")]
Form = Annotated[
    str | None,
    typer.Option(
        "--format", "-f", help="binance, kraken, tardis, databento or ccxt; found out file by file if absent."
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--map",
        metavar="MAPPING",
        help="Columns of other files: ts=time,price=px,amount=qty; also side, symbol, id, unit, buy, sell.",
    ),
]


def import_(
    ctx: typer.Context,
    paths: Paths,
    *,
    dataset: Annotated[str, typer.Option(help="Name of the dataset to make.")],
    symbol: Annotated[
        str | None, typer.Option(help="Symbol of all rows, where the files do not say or say another.")
    ] = None,
    form: Form = None,
    columns: Columns = None,
    skip_bad: Annotated[int, typer.Option(min=0, help="Pass over at most so many unreadable rows.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace a dataset of that name, its store included.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import exchange files as a dataset of their own, which then goes through the same steps and checks."""
    from ohlcv_assets.lake.dataset import dataset_folder
    from ohlcv_assets.lake.importing import import_files
    from ohlcv_assets.settings import DEFAULT_DATASET
    from ohlcv_assets.sources.exchange.mapped import ColumnMapping

    settings = request_of(ctx).settings(dataset=dataset)
    if settings.dataset == DEFAULT_DATASET:
        raise DatasetError(f"The dataset {DEFAULT_DATASET!r} is the generated one; choose another --dataset.")
    mapping = None if columns is None else ColumnMapping.parse(columns)
    with watching() as observer:
        report = import_files(
            paths,
            dataset_folder(settings.data_dir.absolute(), settings.dataset),
            name=settings.dataset,
            symbol=symbol,
            format=form,
            mapping=mapping,
            skip_bad=skip_bad,
            force=force,
            observer=observer,
        )
    if as_json:
        show_json(report.to_dict())
        return
    _show(report)


def _show(report: ImportReport) -> None:
    files = table(
        None,
        ("file", "format", "rows", "unreadable", "size"),
        right=("rows", "unreadable", "size"),
        sentences=("file", "format"),
    )
    for file in report.files:
        files.add_row(file.name, ", ".join(file.formats), number(file.rows), number(file.unreadable), size(file.bytes))
    show(files)
    for row in report.bad_rows[:_LISTED]:
        remark(f"passed over: {row}")
    tally = report.tally
    done = table(None, ("what was done", "trades"), right=("trades",), sentences=("what was done",))
    for what, count in (
        ("kept", tally.trades),
        ("dropped, their id had come before", tally.duplicates),
        ("of those, differing from the one kept", tally.conflicting),
        ("sorted, they came out of order", tally.out_of_order),
        ("moved by nanoseconds, their instant was taken", tally.spread),
        ("given a side by the tick rule", tally.inferred),
        ("rounded to the symbol's grid", tally.rounded),
        ("unreadable rows passed over", report.unreadable),
    ):
        done.add_row(what, number(count))
    show(done)
    show(
        f"Dataset {report.dataset}: {number(tally.trades)} trades of {', '.join(report.symbols)}, {report.first} to "
        f"{report.last} ({counted(report.days, 'day')}, {report.empty_days} of them without trades), "
        f"{size(report.bytes)} in {duration(report.seconds)}."
    )
    remark(f"`ohlcv --dataset {report.dataset} backfill` loads, rolls up and checks it.")
