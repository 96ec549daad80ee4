"""`ohlcv verify`: every check of every day asked for, run now against files and store.

What belongs here: the loop over days and the report. What does not: the checks (``pipeline.checks``), and recording
them in Dagster's history (its job `checks_only` does that).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from ohlcv_assets.cli.context import AsJson, From, To, request_of
from ohlcv_assets.cli.outcome import ExitCode
from ohlcv_assets.cli.output import mark, show, show_json, table
from ohlcv_assets.cli.ranges import days_asked
from ohlcv_assets.cli.watch import watching
from ohlcv_assets.errors import LakeError, StoreMismatchError, UnprovedDayError

if TYPE_CHECKING:
    from ohlcv_assets.progress import Observer
    from ohlcv_assets.project import Project
    from ohlcv_assets.verify.verdict import Verdict


@dataclass(frozen=True, slots=True)
class VerifiedDay:
    """The verdicts of a day, or the one sentence that says why there are none."""

    day: dt.date
    verdicts: tuple[Verdict, ...]
    error: str | None = None

    @property
    def passed(self) -> bool:
        """Whether everything holds."""
        return self.error is None and all(verdict.passed for verdict in self.verdicts)


def verify(ctx: typer.Context, *, start: From = None, end: To = None, as_json: AsJson = False) -> None:
    """Check files, stored trades and bars of some days, all against each other; exits 1 if anything differs."""
    project = request_of(ctx).project()
    days = days_asked(project.dataset.days, project.dataset.name, start, end)
    with watching() as observer:
        results = [_verify(project, day, at, len(days), observer) for at, day in enumerate(days)]
    passed = all(result.passed for result in results)
    if as_json:
        listed = [
            {"day": result.day, "passed": result.passed, "error": result.error, "checks": map(asdict, result.verdicts)}
            for result in results
        ]
        about = {"dataset": project.dataset.name, "first": days[0], "last": days[-1], "passed": passed}
        show_json({**about, "days": listed})
    else:
        _show(results)
    if not passed:
        raise typer.Exit(ExitCode.FAILED)


def _verify(project: Project, day: dt.date, at: int, total: int, observer: Observer) -> VerifiedDay:
    from ohlcv_assets.pipeline.checks import verify_day
    from ohlcv_assets.progress import Progress

    observer(Progress("verify", project.dataset.name, at, total, "days"))
    try:
        return VerifiedDay(day, tuple(verify_day(project, day)))
    except (LakeError, StoreMismatchError, UnprovedDayError) as error:
        return VerifiedDay(day, (), str(error))


def _show(results: list[VerifiedDay]) -> None:
    made = table(None, ("day", "", "checks", "what does not hold"), right=("checks",))
    for result in results:
        held = sum(verdict.passed for verdict in result.verdicts)
        wrong = [f"{verdict.check}: {verdict.summary}" for verdict in result.verdicts if not verdict.passed]
        reasons = [result.error] if result.error is not None else wrong
        made.add_row(str(result.day), mark(result.passed), f"{held}/{len(result.verdicts)}", "\n".join(reasons))
    show(made)
    good = sum(result.passed for result in results)
    show(f"{good} of {len(results)} days hold everything." if good < len(results) else f"All {good} days hold.")
