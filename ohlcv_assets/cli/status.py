"""`ohlcv status`: what is there, what is missing, what failed and why.

What belongs here: the summary and its forms. What does not: looking (``pipeline.status``), history and its repair
(``orchestration``).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from ohlcv_assets.cli.context import AsJson, From, To, request_of
from ohlcv_assets.cli.output import compact, counted, number, remark, show, show_fitting, show_json, size, table
from ohlcv_assets.cli.ranges import days_asked

if TYPE_CHECKING:
    from ohlcv_assets.pipeline.status import DayStatus
    from ohlcv_assets.project import Project

State = Literal["complete", "partial", "missing", "failed"]
_LISTED: Final = 31
_REPLACED: Final = {"stale", "damaged", "foreign"}
"""States of a file that only ``--force`` replaces."""

_STYLES: Final[Mapping[State, str]] = {"complete": "green", "partial": "yellow", "missing": "dim", "failed": "red"}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is there of a day, and why it is not all there where that is known."""

    there: DayStatus
    failure: str | None

    @property
    def state(self) -> State:
        """In one word."""
        if self.there.complete:
            return "complete"
        if self.reason is not None:
            return "failed"
        return "missing" if self.there.file == "missing" and self.there.store == "missing" else "partial"

    @property
    def reason(self) -> str | None:
        """What is wrong with the file, or why the last run failed."""
        if self.there.file not in {"present", "missing"}:
            return self.there.problem
        return self.failure


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
    from ohlcv_assets.orchestration.history import failed_days, repair_dead_runs
    from ohlcv_assets.pipeline.status import status_of

    project = request_of(ctx).project()
    days = days_asked(project.dataset.days, project.dataset.name, start, end)
    repaired = repair_dead_runs(project) if repair else ()
    failures = failed_days(project)
    found = [Standing(there, failures.get(there.day)) for there in status_of(project, days)]
    if as_json:
        show_json(_document(project, found, repaired))
        return
    _show_summary(project, found)
    (_show_days if len(days) <= _LISTED else _show_months)(found)
    _show_problems(found)
    if repair:
        show(f"Runs of processes that are gone, now reported failed: {len(repaired)}.")
    _remark_next(project, found)


def _document(project: Project, found: Sequence[Standing], repaired: Sequence[str]) -> Mapping[str, object]:
    states = Counter(standing.state for standing in found)
    return {
        "dataset": project.dataset.name,
        "store": project.trade_store.name,
        "first": found[0].there.day,
        "last": found[-1].there.day,
        "states": {state: states[state] for state in _STYLES},
        "trades_planned": sum(standing.there.planned for standing in found),
        "trades_filed": sum(standing.there.filed for standing in found),
        "trades_stored": sum(standing.there.stored for standing in found),
        "file_bytes": sum(standing.there.file_bytes for standing in found),
        "repaired_runs": list(repaired),
        "days": [{**asdict(standing.there), "state": standing.state, "reason": standing.reason} for standing in found],
    }


def _show_summary(project: Project, found: Sequence[Standing]) -> None:
    states = Counter(standing.state for standing in found)
    said = ", ".join(f"{states[state]} {state}" for state in _STYLES if states[state] > 0)
    filed, stored, planned, used = (
        sum(getattr(standing.there, name) for standing in found)
        for name in ("filed", "stored", "planned", "file_bytes")
    )
    show(
        f"Dataset {project.dataset.name} in {project.trade_store.name}, {found[0].there.day} to {found[-1].there.day}: "
        f"{said} of {counted(len(found), 'day')}. Of {number(planned)} trades {number(filed)} are in files "
        f"({size(used)}) and {number(stored)} in the store."
    )


def _show_days(found: Sequence[Standing]) -> None:
    names = list(found[0].there.bars)
    figures = ("planned", "file", "size", "stored", *names)
    made = table(None, ("day", "", "state", *figures), right=figures)
    for standing in found:
        there = standing.there
        made.add_row(
            str(there.day),
            f"{there.day:%a}",
            f"[{_STYLES[standing.state]}]{standing.state}[/]",
            number(there.planned),
            *(number(there.filed), size(there.file_bytes)) if there.file != "missing" else ("", ""),
            number(there.stored) if there.store != "missing" else "",
            *(number(bars.bars) if bars.bars > 0 else "" for bars in there.bars.values()),
        )
    show_fitting(made, (*names, "size", "planned"))


def _show_months(found: Sequence[Standing]) -> None:
    figures = (*_STYLES, "planned", "stored", "file size")
    made = table(None, ("month", *figures), right=figures)
    for month in sorted({_month(standing.there.day) for standing in found}):
        rows = [standing for standing in found if _month(standing.there.day) == month]
        states = Counter(standing.state for standing in rows)
        made.add_row(
            month,
            *(f"[{style}]{states[state]}[/]" if states[state] > 0 else "" for state, style in _STYLES.items()),
            compact(sum(standing.there.planned for standing in rows)),
            compact(sum(standing.there.stored for standing in rows)),
            size(sum(standing.there.file_bytes for standing in rows)),
        )
    show_fitting(made, ("file size", "planned", "stored"))


def _show_problems(found: Sequence[Standing]) -> None:
    failed = [standing for standing in found if standing.state == "failed"]
    for standing in failed[:_LISTED]:
        show(f"{standing.there.day}: {standing.reason}")
    if len(failed) > _LISTED:
        show(f"... and {len(failed) - _LISTED} more days; --from and --to narrow this down.")


def _remark_next(project: Project, found: Sequence[Standing]) -> None:
    """Say which command makes what is not complete; files of an imported dataset only come from another import."""
    in_the_way = [standing.there.day for standing in found if standing.there.file in _REPLACED]
    makeable = {"present"} if project.dataset.kind == "imported" else {"present", "missing"}
    wanting = [
        standing.there.day for standing in found if standing.state != "complete" and standing.there.file in makeable
    ]
    if wanting:
        remark(f"`ohlcv backfill --from {wanting[0]} --to {wanting[-1]}` makes what is missing.")
    if in_the_way and project.dataset.kind == "synthetic":
        remark(
            f"`ohlcv backfill --force --from {in_the_way[0]} --to {in_the_way[-1]}` makes all these days anew and "
            "replaces the files that stand in the way."
        )


def _month(day: dt.date) -> str:
    return f"{day:%Y-%m}"
