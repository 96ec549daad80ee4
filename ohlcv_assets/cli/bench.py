"""`ohlcv bench`: benchmarks.

What belongs here: reading requests and showing figures. What does not: measuring (``bench``).
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ohlcv_assets.cli.context import AsJson, request_of
from ohlcv_assets.cli.outcome import ExitCode
from ohlcv_assets.cli.output import compact, mark, show, show_json, table
from ohlcv_assets.cli.ranges import days_asked
from ohlcv_assets.cli.watch import watching
from ohlcv_assets.errors import DatasetError

if TYPE_CHECKING:
    from ohlcv_assets.bench.strategies import StrategyRow

app = typer.Typer(no_args_is_help=True, help="Measure speed, size and realism.")


@app.callback()
def bench() -> None:
    """Measure speed, size and realism."""


@app.command()
def strategies(
    ctx: typer.Context,
    *,
    day: Annotated[
        str | None, typer.Option(metavar="DAY", help="Day that is timed and weighed; an ordinary one if absent.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Judge realism on so many days, from the first on.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of which the fastest counts.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Compare every strategy of the generator; exits 1 if one is less real, or a control more real, than it must be."""
    from ohlcv_assets.bench.cases import ordinary_day
    from ohlcv_assets.bench.strategies import compare_strategies
    from ohlcv_assets.project import make_generator

    project = request_of(ctx).project()
    dataset = project.dataset
    if dataset.kind == "imported":
        raise DatasetError(f"The dataset {dataset.name!r} was imported; strategies make generated trades.")
    chosen = ordinary_day(project) if day is None else days_asked(dataset.days, dataset.name, day, day)[0]
    generator = make_generator(project.settings, dataset)
    with tempfile.TemporaryDirectory() as folder, watching() as observer:
        rows = compare_strategies(
            generator.plan,
            project.settings.seed,
            chosen,
            Path(folder),
            days=dataset.days[:days],
            repeats=repeats,
            observer=observer,
        )
    if as_json:
        show_json({"dataset": dataset.name, "day": chosen, "rows": [asdict(row) for row in rows]})
    else:
        _show_strategies(rows)
    if not all(row.as_expected for row in rows):
        raise typer.Exit(ExitCode.FAILED)


def _show_strategies(rows: list[StrategyRow]) -> None:
    figures = ("trades/s/core", "bytes/trade", "gates passed")
    made = table(None, ("price model", "arrivals", "sizes", *figures, "as expected"), right=figures)
    for row in rows:
        laws = row.strategies
        made.add_row(
            laws.price_model,
            laws.arrivals,
            laws.sizes,
            compact(row.trades_per_second),
            f"{row.bytes_per_trade:.2f}",
            f"{row.gates_passed}/{row.gates_judged}",
            mark(row.as_expected),
        )
    show(made)
