"""`ohlcv backfill`: many days, one Dagster run each, in warm worker processes.

What belongs here: reading the request, the live board, the summary. What does not: running days
(``orchestration.backfill``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ohlcv_assets.cli.board import backfill_board
from ohlcv_assets.cli.context import AsJson, From, To, request_of
from ohlcv_assets.cli.outcome import ExitCode
from ohlcv_assets.cli.output import (
    compact,
    counted,
    duration,
    mark,
    number,
    remark,
    show,
    show_fitting,
    show_json,
    size,
    table,
)
from ohlcv_assets.cli.ranges import days_asked
from ohlcv_assets.cli.watch import shown_metrics

if TYPE_CHECKING:
    from rich.table import Table

    from ohlcv_assets.orchestration.backfill import BackfillResult
    from ohlcv_assets.orchestration.outcome import DayOutcome
    from ohlcv_assets.project import Project

_LISTED = 31


def backfill(
    ctx: typer.Context,
    *,
    start: From = None,
    end: To = None,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=1, help="Worker processes (OHLCV_WORKERS).")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Make every day anew; replaces damaged, foreign and stale files.")
    ] = False,
    high_memory: Annotated[bool, typer.Option("--high-memory", help="Keep whole days in memory for speed.")] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Show metrics to Prometheus on this port here (OHLCV_METRICS_PORT)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make and prove days: file, load, roll up, check; skips what is done, can be stopped and started again."""
    project = request_of(ctx).project(
        workers=workers, high_memory=True if high_memory else None, metrics_port=metrics_port
    )
    days = days_asked(project.dataset.days, project.dataset.name, start, end)
    result = run(project, days, force=force)
    if as_json:
        show_json(_document(project, days, result))
    else:
        show_result(result)
    if result.interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    if not result.succeeded:
        raise typer.Exit(ExitCode.FAILED)


def run(project: Project, days: Sequence[dt.date], *, force: bool = False) -> BackfillResult:
    """Run a backfill under its board, its metrics shown where a port is set."""
    from ohlcv_assets.orchestration.backfill import backfill as make
    from ohlcv_assets.progress import everybody, only

    with backfill_board(len(days)) as board, shown_metrics(project.settings.metrics_port) as metrics:
        return make(project, days, force=force, observer=everybody(only(board, "backfill"), metrics))


def _document(project: Project, days: Sequence[dt.date], result: BackfillResult) -> dict[str, object]:
    return {
        "dataset": project.dataset.name,
        "first": days[0],
        "last": days[-1],
        "succeeded": result.succeeded,
        "trades": result.trades,
        **{state: len(result.of(state)) for state in ("made", "skipped", "failed")},
        "orchestration_seconds": result.orchestration_seconds,
        "orchestration_cpu_seconds": result.orchestration_cpu_seconds,
        "orchestration_share": result.orchestration_share,
        "peak_memory": result.peak_memory,
        **asdict(result),
    }


def show_result(result: BackfillResult) -> None:
    """Show a table of the days, the failures with their reasons, and totals."""
    failed = result.of("failed")
    listed = result.days if len(result.days) <= _LISTED else failed[:_LISTED]
    if listed:
        show_fitting(day_table(listed), ("load rate", "time", "file size"))
    for day in failed[:_LISTED]:
        show(f"{day.day}: {day.error}")
    if len(failed) > _LISTED:
        show(f"... and {len(failed) - _LISTED} more days failed; `ohlcv status` lists them.")
    made = result.of("made")
    rate = sum(day.trades for day in made) / result.seconds if result.seconds > 0 else 0.0
    show(
        f"{counted(len(made), 'day')} made, {len(result.of('skipped'))} done before, {len(failed)} failed, "
        f"of {result.asked}; "
        f"{number(result.trades)} trades in {duration(result.seconds)}"
        + (f", {compact(rate)} a second with every check." if made else ".")
    )
    if made:
        remark(
            f"Orchestration took {result.orchestration_seconds:.2f} s a run ({result.orchestration_share:.0%} of the "
            f"processor time); a worker used at most {size(result.peak_memory)}."
        )
    if result.repaired:
        remark(f"Runs of killed processes reported failed: {len(result.repaired)}.")
    if result.report_error:
        remark(f"The report could not be made: {result.report_error}")
    if result.interrupted:
        remark("Stopped when asked to; start it again and it goes on where it was.")


def day_table(days: Sequence[DayOutcome]) -> Table:
    """Return a table with a line a day: trades, file size, load rate, checks passed, time."""
    made = table(None, ("day", "", "trades", "file size", "load rate", "checks", "time", ""), right=_FIGURES)
    for day in days:
        checks = day.checks_passed + day.checks_failed
        made.add_row(
            str(day.day),
            f"{day.day:%a}",
            number(day.trades),
            size(day.file_bytes) if day.file_bytes > 0 else "",
            f"{compact(day.load_rate)}/s" if day.load_rate > 0 else "",
            f"{day.checks_passed}/{checks} passed" if checks > 0 else "",
            duration(day.seconds) if day.seconds > 0 else "",
            "done before" if day.state == "skipped" else mark(day.state == "made"),
        )
    return made


_FIGURES = ("trades", "file size", "load rate", "checks", "time")
