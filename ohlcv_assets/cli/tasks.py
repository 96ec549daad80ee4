"""`ohlcv tasks`: tasks in InfluxDB that keep bars up to date while trades arrive.

What belongs here: which tasks are meant by the settings in force, and showing what was found or done. What does not:
doing it (``stores.influxdb.tasks``), runs (``task_runs``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ohlcv_assets.cli.context import AsJson, request_of
from ohlcv_assets.cli.outcome import ExitCode
from ohlcv_assets.cli.output import remark, show, show_json, table
from ohlcv_assets.cli.task_parts import Named, Resolutions, heading, named
from ohlcv_assets.cli.task_runs import history, run

if TYPE_CHECKING:
    from ohlcv_assets.settings import Settings
    from ohlcv_assets.stores.influxdb.tasks.manager import Done, Standing

app = typer.Typer(no_args_is_help=True, help="Have InfluxDB keep bars up to date by itself.")

app.command()(run)
app.command()(history)


@app.callback()
def tasks() -> None:
    """Have InfluxDB keep bars up to date by itself."""


@app.command()
def install(
    ctx: typer.Context,
    names: Named = None,
    *,
    resolution: Resolutions = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put the project's script in place of one edited on the server.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the tasks, or bring them up to date; run again, nothing changes."""
    from ohlcv_assets.influx_tasks import managed_tasks

    settings = request_of(ctx).settings()
    with managed_tasks(settings, named(names, resolution)) as manager:
        done = manager.install(repair=repair)
    _tell(settings, done, as_json=as_json)
    if any(one.deed == "left" for one in done):
        if not as_json:
            remark("A script that was edited on the server stays; `ohlcv tasks install --repair` replaces it.")
        raise typer.Exit(ExitCode.FAILED)
    if not as_json:
        remark(
            "Each starts where its bars end, a chunk a run, and follows new trades then; `ohlcv tasks history` tells."
        )


@app.command(name="list")
def list_(ctx: typer.Context, names: Named = None, *, resolution: Resolutions = None, as_json: AsJson = False) -> None:
    """Show the tasks: whether they run, and what is not as it should be."""
    from ohlcv_assets.influx_tasks import managed_tasks, standing_document

    settings = request_of(ctx).settings()
    with managed_tasks(settings, named(names, resolution)) as manager:
        found = manager.look()
    if as_json:
        show_json(heading(settings) | {"tasks": [standing_document(standing) for standing in found]})
    else:
        _show_standings(found)
    if any(standing.faults for standing in found):
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def pause(ctx: typer.Context, names: Named = None, *, resolution: Resolutions = None, as_json: AsJson = False) -> None:
    """Let the tasks rest; a run that is under way goes on."""
    from ohlcv_assets.influx_tasks import managed_tasks

    settings = request_of(ctx).settings()
    with managed_tasks(settings, named(names, resolution)) as manager:
        done = manager.set_active(active=False)
    _tell(settings, done, as_json=as_json)


@app.command()
def resume(ctx: typer.Context, names: Named = None, *, resolution: Resolutions = None, as_json: AsJson = False) -> None:
    """Let paused tasks run again."""
    from ohlcv_assets.influx_tasks import managed_tasks

    settings = request_of(ctx).settings()
    with managed_tasks(settings, named(names, resolution)) as manager:
        done = manager.set_active(active=True)
    _tell(settings, done, as_json=as_json)
    if not as_json:
        remark("Each goes on from where it was, a chunk a run.")
    if any(one.deed == "held" for one in done) and not as_json:
        remark("Somebody makes bars of what is held just now, and resumes its task afterwards.")


@app.command()
def remove(ctx: typer.Context, names: Named = None, *, resolution: Resolutions = None, as_json: AsJson = False) -> None:
    """Remove the tasks; the bars stay."""
    from ohlcv_assets.influx_tasks import managed_tasks

    settings = request_of(ctx).settings()
    with managed_tasks(settings, named(names, resolution)) as manager:
        done = manager.remove()
    _tell(settings, done, as_json=as_json)


def _show_standings(found: Sequence[Standing]) -> None:
    from ohlcv_assets.instants import format_instant
    from ohlcv_assets.stores.influxdb.downsampling.scripts import span

    made = table(None, ("task", "state", "every", "offset", "made until", "last run", "faults"), sentences=("faults",))
    for standing in found:
        kept, task, last = standing.wanted.resolution.kept, standing.task, standing.last
        until = "" if last is None or last.watermark == 0 else format_instant(last.watermark)
        ended = "" if task is None else task.last_run or "none yet"
        faults = "; ".join(standing.faults)
        made.add_row(standing.wanted.name, standing.state, span(kept.every), span(kept.offset), until, ended, faults)
    show(made)
    for standing in found:
        for note in standing.notes:
            remark(f"{standing.wanted.name}: {note}.")
    if any(standing.task is None or standing.drift for standing in found):
        remark("`ohlcv tasks install` makes what is missing and updates scripts.")


def _tell(settings: Settings, done: Sequence[Done], *, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        show_json(heading(settings) | {"tasks": [asdict(one) for one in done]})
        return
    for one in done:
        show(f"{one.deed}: {one.name}" + (f" ({'; '.join(one.faults)})" if one.faults else ""))
