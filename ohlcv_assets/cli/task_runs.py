"""`ohlcv tasks run` and `ohlcv tasks history`: making bars by hand as tasks do, and what runs there have been.

What belongs here: reading the request, tables, JSON. What does not: making bars (``pipeline.heal``), asking the server
(``stores.influxdb.tasks``), tasks themselves (``tasks``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ohlcv_assets.cli.bar_care import show_healed
from ohlcv_assets.cli.context import AsJson, From, To, request_of
from ohlcv_assets.cli.outcome import ExitCode
from ohlcv_assets.cli.output import duration, number, remark, show, show_fitting, show_json, table
from ohlcv_assets.cli.ranges import days_asked
from ohlcv_assets.cli.task_parts import Named, Resolutions, heading, named
from ohlcv_assets.cli.watch import log_chunk, watching

if TYPE_CHECKING:
    from ohlcv_assets.stores.influxdb.tasks.history import PastRun
    from ohlcv_assets.units import Nanos


def run(
    ctx: typer.Context,
    names: Named = None,
    *,
    resolution: Resolutions = None,
    start: From = None,
    end: To = None,
    as_json: AsJson = False,
) -> None:
    """Have InfluxDB make the bars of some days now, whatever is recorded of them; their tasks rest meanwhile."""
    from dataclasses import asdict

    from ohlcv_assets.influx_tasks import require_influxdb
    from ohlcv_assets.pipeline.heal import remake
    from ohlcv_assets.progress import everybody, only
    from ohlcv_assets.stores.influxdb.tasks.definitions import require_names

    chosen = require_names(named(names, resolution))
    project = request_of(ctx).project(bar_engine="influx-task")
    require_influxdb(project.settings)
    days = days_asked(project.dataset.days, project.dataset.name, start, end)
    with watching() as observer:
        healed = remake(project, days, chosen, observer=everybody(only(observer, "heal"), log_chunk))
    if as_json:
        about = {"dataset": project.dataset.name, "first": days[0], "last": days[-1], "succeeded": healed.succeeded}
        show_json({**about, "resolutions": [one.name for one in chosen], **asdict(healed)})
    else:
        show_healed(healed)
    if not healed.succeeded:
        raise typer.Exit(ExitCode.FAILED)


def history(
    ctx: typer.Context,
    names: Named = None,
    *,
    resolution: Resolutions = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many runs, the latest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what runs of tasks there have been, and what each of them made."""
    from ohlcv_assets.influx_parts import influx_layout
    from ohlcv_assets.influx_tasks import run_document, tasks_connection
    from ohlcv_assets.stores.influxdb.tasks.definitions import require_names
    from ohlcv_assets.stores.influxdb.tasks.history import past_runs

    chosen = require_names(named(names, resolution))
    settings = request_of(ctx).settings()
    with tasks_connection(settings) as connection:
        found = past_runs(connection, influx_layout(settings), chosen, limit)
    if as_json:
        show_json(heading(settings) | {"runs": [run_document(one) for one in found]})
    else:
        _show_runs(found)


def _show_runs(found: Sequence[PastRun]) -> None:
    if not found:
        show("There has been no run.")
        return
    columns = ("scheduled for", "task", "status", "takes", "kind", "from", "to", "bars", "trades", "reason")
    made = table(None, columns, right=("takes", "bars", "trades"), sentences=("reason",))
    for one in found:
        record = one.record
        did = ("", "", "", "", "")
        if record is not None:
            did = (record.kind, _shown(record.start), _shown(record.stop), number(record.bars), number(record.trades))
        taken = "" if one.seconds is None else duration(one.seconds)
        made.add_row(_shown(one.at), one.resolution, one.status, taken, *did, one.reason)
    show_fitting(made, ("trades", "takes", "kind"))
    if any(one.status == "success" and one.record is None for one in found):
        remark("A run that succeeded and made nothing known ran another script than the project's: `ohlcv tasks list`.")


def _instant(instant: Nanos) -> str:
    from ohlcv_assets.instants import format_instant

    return format_instant(instant)


def _shown(instant: Nanos) -> str:
    """Return an instant to the second."""
    return _instant(instant)[:19].replace("T", " ")
