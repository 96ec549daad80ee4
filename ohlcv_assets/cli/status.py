"""`ohlcv status`: what is there, what is missing, what failed and why.

What belongs here: the summary and its three forms. What does not: how a day stands (``standing``), repairing
(``orchestration``).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ohlcv_assets.cli.context import AsJson, From, To, request_of
from ohlcv_assets.cli.output import compact, number, remark, show, show_json, size, table
from ohlcv_assets.cli.ranges import days_asked

if TYPE_CHECKING:
    from ohlcv_assets.cli.standing import Standing
    from ohlcv_assets.project import Project

_LISTED: Final = 31
_STYLES: Final = {"complete": "green", "partial": "yellow", "missing": "dim", "failed": "red"}


def status(
    ctx: typer.Context,
    *,
    start: From = None,
    end: To = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Report runs failed whose process is gone; they would block the queue.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is there, what is missing, and what failed and why."""
    from ohlcv_assets.cli.standing import standings
    from ohlcv_assets.orchestration.history import failed_days, repair_dead_runs

    project = request_of(ctx).project()
    days = days_asked(project.dataset.days, project.dataset.name, start, end)
    repaired = repair_dead_runs(project) if repair else ()
    found = standings(project, days, failed_days(project))
    if as_json:
        show_json(_document(project, found, repaired, listed=True))
        return
    _show_summary(project, found)
    if len(days) <= _LISTED:
        _show_days(found)
    else:
        _show_months(found)
    _show_problems(found)
    if repair:
        show(f"{len(repaired)} runs of processes that are gone were reported failed.")
    unfinished = [standing for standing in found if standing.state != "complete"]
    if unfinished:
        first, last = unfinished[0].day, unfinished[-1].day
        remark(f"`ohlcv backfill --from {first} --to {last}` makes what is missing.")


def _document(
    project: Project, found: Sequence[Standing], repaired: Sequence[str], *, listed: bool
) -> Mapping[str, object]:
    states = Counter(standing.state for standing in found)
    days = [
        {
            "day": standing.day,
            "state": standing.state,
            "file_trades": standing.rows,
            "file_bytes": standing.size,
            "stored_trades": standing.stored,
            "stored_clean": standing.clean and standing.current,
            "bars": standing.bars,
            "problem": standing.problem,
        }
        for standing in found
    ]
    return {
        "dataset": project.dataset.name,
        "store": project.trade_store.name,
        "first": found[0].day,
        "last": found[-1].day,
        "states": {state: states[state] for state in _STYLES},
        "file_trades": sum(standing.rows or 0 for standing in found),
        "file_bytes": sum(standing.size or 0 for standing in found),
        "stored_trades": sum(standing.stored or 0 for standing in found),
        "repaired_runs": list(repaired),
        "days": days if listed else [],
    }


def _show_summary(project: Project, found: Sequence[Standing]) -> None:
    document = _document(project, found, (), listed=False)
    states = Counter(standing.state for standing in found)
    said = ", ".join(f"{states[state]} {state}" for state in _STYLES if states[state] > 0)
    show(
        f"Dataset {project.dataset.name} in {project.trade_store.name}, {found[0].day} to {found[-1].day}: {said} of "
        f"{len(found)} days; {number(_int(document['file_trades']))} trades in files "
        f"({size(_int(document['file_bytes']))}), {number(_int(document['stored_trades']))} in the store."
    )


def _show_days(found: Sequence[Standing]) -> None:
    names = list(found[0].bars)
    made = table(None, ("day", "", "state", "file", "size", "stored", *names), right=("file", "size", "stored", *names))
    for standing in found:
        style = _STYLES[standing.state]
        made.add_row(
            str(standing.day),
            f"{standing.day:%a}",
            f"[{style}]{standing.state}[/]",
            "" if standing.rows is None else number(standing.rows),
            "" if standing.size is None else size(standing.size),
            "" if standing.stored is None else number(standing.stored),
            *(number(count) if count > 0 else "" for count in standing.bars.values()),
        )
    show(made)


def _show_months(found: Sequence[Standing]) -> None:
    figures = ("complete", "partial", "missing", "failed", "trades", "size")
    made = table(None, ("month", *figures), right=figures)
    for month in sorted({_month(standing.day) for standing in found}):
        rows = [standing for standing in found if _month(standing.day) == month]
        states = Counter(standing.state for standing in rows)
        made.add_row(
            month,
            *(f"[{style}]{states[state]}[/]" if states[state] > 0 else "" for state, style in _STYLES.items()),
            compact(sum(standing.stored or 0 for standing in rows)),
            size(sum(standing.size or 0 for standing in rows)),
        )
    show(made)


def _show_problems(found: Sequence[Standing]) -> None:
    failed = [standing for standing in found if standing.state == "failed"]
    for standing in failed[:_LISTED]:
        show(f"{standing.day}: {standing.problem}")
    if len(failed) > _LISTED:
        show(f"... and {len(failed) - _LISTED} more days that failed; --from and --to narrow this down.")


def _month(day: dt.date) -> str:
    return f"{day:%Y-%m}"


def _int(value: object) -> int:
    return int(str(value))
