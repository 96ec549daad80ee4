"""`ohlcv runs`: Dagster's run history.

What belongs here: asking for its pruning. What does not: pruning (``orchestration.history``).
"""

from __future__ import annotations

from typing import Annotated

import typer

from ohlcv_assets.cli.context import AsJson, request_of
from ohlcv_assets.cli.output import show, show_json

app = typer.Typer(no_args_is_help=True, help="Care for Dagster's run history.")


@app.callback()
def runs() -> None:
    """Care for Dagster's run history."""


@app.command()
def prune(
    ctx: typer.Context,
    *,
    days: Annotated[int | None, typer.Option(min=0, help="Keep the runs of so many days (OHLCV_KEEP_RUNS).")] = None,
    as_json: AsJson = False,
) -> None:
    """Delete old runs that newer ones have replaced; the latest run of each day stays."""
    from ohlcv_assets.orchestration.history import prune_runs

    project = request_of(ctx).project()
    kept = project.settings.keep_runs if days is None else days
    deleted = prune_runs(project, kept)
    if as_json:
        show_json({"dataset": project.dataset.name, "kept_days": kept, "deleted": deleted})
        return
    show(f"Runs deleted: {deleted}; kept are those of the last {kept} days and the latest of each day.")
