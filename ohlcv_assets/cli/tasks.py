"""`ohlcv tasks`: tasks in InfluxDB that keep bars up to date while trades arrive.

What belongs here: which tasks are meant by the settings in force, and showing what was found or done. What does not:
doing it (``stores.influxdb.tasks``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ohlcv_assets.cli.context import AsJson, request_of
from ohlcv_assets.cli.outcome import ExitCode
from ohlcv_assets.cli.output import remark, show, show_json, table

if TYPE_CHECKING:
    from ohlcv_assets.settings import Settings
    from ohlcv_assets.stores.influxdb.tasks.manager import Done, Standing, TaskManager

app = typer.Typer(no_args_is_help=True, help="Have InfluxDB keep bars up to date by itself.")

_BRISK: Final = 10.0
"""Seconds until a call without an answer is given up."""

Resolutions = Annotated[
    list[str] | None, typer.Option("--resolution", "-r", help="Only the tasks of these: 1m, 5m, 15m, 1h or 1d.")
]


@app.callback()
def tasks() -> None:
    """Have InfluxDB keep bars up to date by itself."""


@app.command()
def install(
    ctx: typer.Context,
    *,
    resolution: Resolutions = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put the project's script in place of one edited on the server.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the tasks, or bring them up to date; run again, nothing changes."""
    settings = request_of(ctx).settings()
    with _managing(settings, resolution) as manager:
        done = manager.install(repair=repair)
    _tell(settings, done, as_json=as_json)
    if any(one.deed == "left" for one in done):
        if not as_json:
            remark("A script that was edited on the server stays; `ohlcv tasks install --repair` replaces it.")
        raise typer.Exit(ExitCode.FAILED)
    if not as_json:
        remark("Tasks follow new trades from now on; `ohlcv bars heal` makes the bars of those that are there already.")


@app.command(name="list")
def list_(ctx: typer.Context, *, resolution: Resolutions = None, as_json: AsJson = False) -> None:
    """Show the tasks: whether they run, and what is not as it should be."""
    settings = request_of(ctx).settings()
    with _managing(settings, resolution) as manager:
        found = manager.look()
    if as_json:
        show_json(_heading(settings) | {"tasks": [_document(standing) for standing in found]})
    else:
        _show_standings(found)
    if any(standing.faults for standing in found):
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def pause(ctx: typer.Context, *, resolution: Resolutions = None, as_json: AsJson = False) -> None:
    """Let the tasks rest; a run that is under way goes on."""
    settings = request_of(ctx).settings()
    with _managing(settings, resolution) as manager:
        done = manager.set_active(active=False)
    _tell(settings, done, as_json=as_json)


@app.command()
def resume(ctx: typer.Context, *, resolution: Resolutions = None, as_json: AsJson = False) -> None:
    """Let paused tasks run again."""
    settings = request_of(ctx).settings()
    with _managing(settings, resolution) as manager:
        done = manager.set_active(active=True)
    _tell(settings, done, as_json=as_json)
    if not as_json:
        remark("Runs that were due meanwhile are not made up for: `ohlcv bars heal` makes what is missing.")


@app.command()
def remove(ctx: typer.Context, *, resolution: Resolutions = None, as_json: AsJson = False) -> None:
    """Remove the tasks; the bars stay."""
    settings = request_of(ctx).settings()
    with _managing(settings, resolution) as manager:
        done = manager.remove()
    _tell(settings, done, as_json=as_json)


@contextmanager
def _managing(settings: Settings, names: Sequence[str] | None) -> Iterator[TaskManager]:
    """Give what manages the tasks of some resolutions, all of them where none is named."""
    from dataclasses import replace

    from ohlcv_assets.errors import SettingsError
    from ohlcv_assets.influx_parts import influx_address, influx_layout
    from ohlcv_assets.stores.influxdb.connection import Connection
    from ohlcv_assets.stores.influxdb.tasks.definitions import require_names
    from ohlcv_assets.stores.influxdb.tasks.manager import TaskManager

    chosen = require_names(names or ())
    if settings.store_in_force != "influxdb":
        raise SettingsError(
            f"Tasks are InfluxDB's, and the store in force is {settings.store_in_force}: set OHLCV_STORE=influxdb; "
            "`ohlcv influx setup` makes a server ready."
        )
    if settings.influx_tasks_token is None:
        raise SettingsError(
            "OHLCV_INFLUX_TASKS_TOKEN, the token that may make tasks, is not set: `ohlcv influx setup` makes it."
        )
    address = replace(influx_address(settings), token=settings.influx_tasks_token, timeout=_BRISK)
    connection = Connection(address, size=1)
    try:
        yield TaskManager(connection, influx_layout(settings), chosen)
    finally:
        connection.close()


def _heading(settings: Settings) -> dict[str, object]:
    from ohlcv_assets.influx_parts import influx_address

    return {"url": influx_address(settings).url, "org": settings.influx_org, "dataset": settings.dataset}


def _document(standing: Standing) -> dict[str, object]:
    task, kept = standing.task, standing.wanted.resolution.kept
    return {
        "name": standing.wanted.name,
        "resolution": standing.wanted.resolution.name,
        "id": None if task is None else task.id,
        "state": standing.state,
        "drift": standing.drift,
        "every_seconds": kept.every // 1_000_000_000,
        "offset_seconds": kept.offset // 1_000_000_000,
        "completed": task.completed or None if task is not None else None,
        "last_run": task.last_run or None if task is not None else None,
        "faults": list(standing.faults),
    }


def _show_standings(found: Sequence[Standing]) -> None:
    from ohlcv_assets.stores.influxdb.downsampling.scripts import span

    made = table(None, ("task", "state", "every", "offset", "done up to", "last run", "faults"), sentences=("faults",))
    for standing in found:
        kept, task = standing.wanted.resolution.kept, standing.task
        last = ("", "") if task is None else (task.completed, task.last_run or "none yet")
        faults = "; ".join(standing.faults)
        made.add_row(standing.wanted.name, standing.state, span(kept.every), span(kept.offset), *last, faults)
    show(made)
    if any(standing.task is None or standing.drift for standing in found):
        remark("`ohlcv tasks install` makes what is missing and updates scripts.")


def _tell(settings: Settings, done: Sequence[Done], *, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        show_json(_heading(settings) | {"tasks": [asdict(one) for one in done]})
        return
    for one in done:
        show(f"{one.deed}: {one.name}" + (f" ({'; '.join(one.faults)})" if one.faults else ""))
