"""`ohlcv bars status` and `ohlcv bars heal`: how far bars are complete, and making what is missing or stale.

What belongs here: reading the request, tables, JSON. What does not: judging and healing (``pipeline``), showing bars
(``bars``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer
from typer.core import TyperGroup

from ohlcv_assets.cli import bars
from ohlcv_assets.cli.context import AsJson, From, To, request_of
from ohlcv_assets.cli.outcome import ExitCode
from ohlcv_assets.cli.output import counted, duration, number, remark, show, show_fitting, show_json, table
from ohlcv_assets.cli.ranges import days_asked
from ohlcv_assets.cli.watch import log_chunk, shown_metrics, watching

if TYPE_CHECKING:
    from ohlcv_assets.pipeline.bar_status import DayRange, Reach, ResolutionStatus
    from ohlcv_assets.pipeline.heal import GivenUp, Healed
    from ohlcv_assets.project import Project
    from ohlcv_assets.stores.chunks import ChunkRecord
    from ohlcv_assets.units import Nanos

_LISTED: Final = 20
_SHOW: Final = "show"


class SymbolFirst(TyperGroup):
    """A group of commands whose first word may be a symbol, or an option: then it is ``show`` that is meant."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # click's own
        """Put the command in where it was left out."""
        named = not args or args[0] in self.commands or args[0] in ctx.help_option_names
        return super().parse_args(ctx, args if named else [_SHOW, *args])


app = typer.Typer(
    cls=SymbolFirst,
    no_args_is_help=True,
    help="Show the bars of a symbol (`ohlcv bars SYMBOL`); see how far bars are complete, and heal them.",
)
app.command(_SHOW)(bars.bars)


@app.command()
def status(
    ctx: typer.Context,
    *,
    resolution: Annotated[
        list[str] | None, typer.Option("--resolution", "-r", help="Only these: 1m, 5m, 15m, 1h or 1d.")
    ] = None,
    symbol: Annotated[list[str] | None, typer.Option("--symbol", "-s", help="Only these symbols.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how far bars are complete, what is missing or stale, and the last runs."""
    from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS, resolution_of
    from ohlcv_assets.pipeline.bar_status import bar_status

    project = request_of(ctx).project()
    asked = {resolution_of(name).kept.bucket for name in resolution or ()}  # a derived one has no bars of its own
    chosen = [one for one in STORED_RESOLUTIONS if one.kept.bucket in asked]
    names = [project.dataset.universe.symbol(name).name for name in symbol] if symbol else None
    found = bar_status(project, None, chosen or STORED_RESOLUTIONS, names)
    if as_json:
        show_json(_status_document(project, found))
        return
    _show_resolutions(found)
    if resolution or symbol:
        for one_status in found:
            _show_symbols(one_status)
    _show_ranges(found)
    _remark_next(found)


@app.command()
def heal(
    ctx: typer.Context,
    *,
    start: From = None,
    end: To = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Show metrics to Prometheus on this port here (OHLCV_METRICS_PORT)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make exactly the bars that are missing or stale; can be stopped and started again, by several at once."""
    from ohlcv_assets.pipeline.heal import heal as make
    from ohlcv_assets.progress import everybody, only

    project = request_of(ctx).project(metrics_port=metrics_port)
    days = days_asked(project.dataset.days, project.dataset.name, start, end)
    with shown_metrics(project.settings.metrics_port) as metrics, watching() as observer:
        healed = make(project, days, observer=everybody(only(observer, "heal"), log_chunk, metrics))
    if as_json:
        about = {"dataset": project.dataset.name, "first": days[0], "last": days[-1], "succeeded": healed.succeeded}
        show_json({**about, **asdict(healed)})
    else:
        show_healed(healed)
    if not healed.succeeded:
        raise typer.Exit(ExitCode.FAILED)


def _status_document(project: Project, found: Sequence[ResolutionStatus]) -> Mapping[str, object]:
    return {
        "dataset": project.dataset.name,
        "store": project.trade_store.name,
        "complete": not any(one.reach.missing or one.reach.stale or one.waiting for one in found),
        "resolutions": [
            {
                "resolution": one.resolution,
                "bars": one.bars,
                "trades": one.trades,
                **_reach_document(one.reach),
                "waiting": [asdict(days) for days in one.waiting],
                "failed": [_run_document(run) for run in one.failed],
                "last_runs": [_run_document(run) for run in one.last_runs],
                "seconds_a_day": one.seconds,
                "symbols": {name: _reach_document(reach) for name, reach in one.symbols.items()},
            }
            for one in found
        ],
    }


def _reach_document(reach: Reach) -> dict[str, object]:
    from ohlcv_assets.units import SECOND

    return {
        "complete_until": _instant(reach.complete_until),
        "last_bar": _instant(reach.last_bar),
        "lag_seconds": reach.lag / SECOND,
        "missing": [asdict(days) for days in reach.missing],
        "stale": [asdict(days) for days in reach.stale],
    }


def _run_document(run: ChunkRecord) -> dict[str, object]:
    times = {name: _instant(getattr(run, name)) for name in ("start", "stop", "at")}
    return {**asdict(run), **times}


def _instant(instant: Nanos | None) -> str | None:
    from ohlcv_assets.instants import format_instant

    return None if instant is None else format_instant(instant)


def _show_resolutions(found: Sequence[ResolutionStatus]) -> None:
    columns = ("resolution", "bars", "complete until", "last bar", "lag", "missing", "stale", "waiting", "failed")
    more = ("last run", "a day takes")
    right = ("bars", "lag", "missing", "stale", "waiting", "failed", "a day takes")
    made = table(None, (*columns, *more), right=right)
    for one in found:
        made.add_row(
            one.resolution,
            number(one.bars),
            *_reach_cells(one.reach),
            _days(one.waiting),
            number(len(one.failed)) if one.failed else "",
            f"{one.last_runs[0].state} {_shown(one.last_runs[0].at)}" if one.last_runs else "",
            duration(one.seconds) if one.seconds > 0 else "",
        )
    show_fitting(made, ("a day takes", "last run", "last bar", "bars"))


def _show_symbols(one: ResolutionStatus) -> None:
    columns = ("symbol", "complete until", "last bar", "lag", "missing", "stale")
    made = table(f"{one.resolution} by symbol", columns, right=("lag", "missing", "stale"))
    for name, reach in one.symbols.items():
        made.add_row(name, *_reach_cells(reach))
    show_fitting(made, ("last bar",))


def _reach_cells(reach: Reach) -> tuple[str, ...]:
    from ohlcv_assets.units import SECOND

    lag = duration(reach.lag / SECOND) if reach.lag > 0 else ""
    return _shown(reach.complete_until), _shown(reach.last_bar), lag, _days(reach.missing), _days(reach.stale)


def _shown(instant: Nanos | None) -> str:
    """Return an instant to the second; bars and runs need no more."""
    return "" if instant is None else str(_instant(instant))[:19].replace("T", " ")


def _days(ranges: Sequence[DayRange]) -> str:
    count = sum((days.last - days.first).days + 1 for days in ranges)
    return counted(count, "day") if count else ""


def _show_ranges(found: Sequence[ResolutionStatus]) -> None:
    lines = [
        f"{one.resolution} {standing} {_range(days)}: {days.reason}"
        for one in found
        for standing, ranges in (("missing", one.reach.missing), ("stale", one.reach.stale))
        for days in ranges
    ]
    lines += [
        f"{run.resolution} {_shown(run.start)[:10]} failed after {counted(run.attempts, 'attempt')}: {run.error}"
        for one in found
        for run in one.failed
    ]
    for line in lines[:_LISTED]:
        show(line)
    if len(lines) > _LISTED:
        show(f"... and {len(lines) - _LISTED} more; --json lists them all.")


def _range(days: DayRange) -> str:
    return str(days.first) if days.first == days.last else f"{days.first} to {days.last}"


def _remark_next(found: Sequence[ResolutionStatus]) -> None:
    if any(one.reach.missing or one.reach.stale for one in found):
        remark("`ohlcv bars heal` makes what is missing or stale.")
    waiting = found[0].waiting
    if waiting:
        remark(f"{_days(waiting)} without proved trades: `ohlcv backfill` loads them and makes their bars.")


def show_healed(healed: Healed) -> None:
    """Show what was made, given up and left."""
    if healed.chunks == 0 and healed.removed == 0 and not healed.waiting:
        show("Nothing is missing or stale.")
        return
    show(
        f"{counted(healed.days, 'day')} healed in {counted(healed.chunks, 'chunk')}, in {duration(healed.seconds)}: "
        f"{counted(healed.bars, 'bar')} made, {counted(healed.removed, 'bar')} without trades removed."
    )
    if healed.made_by_others:
        show(f"{counted(healed.made_by_others, 'day')} made by somebody else meanwhile.")
    _show_given_up("left to somebody else", healed.busy)
    _show_given_up("failed", healed.failed)
    if healed.stopped:
        show(f"Stopped: {healed.stopped}")
    if healed.waiting:
        first, last = healed.waiting[0], healed.waiting[-1]
        remark(
            f"{counted(len(healed.waiting), 'day')} with bars but without proved trades: "
            f"`ohlcv backfill --from {first} --to {last}` loads them."
        )


def _show_given_up(what: str, given_up: Sequence[GivenUp]) -> None:
    for one in given_up[:_LISTED]:
        show(f"{one.day} {', '.join(one.resolutions)} {what}: {one.error}")
    if len(given_up) > _LISTED:
        show(f"... and {counted(len(given_up) - _LISTED, 'day')} more {what}.")
