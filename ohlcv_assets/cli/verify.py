"""`ohlcv verify`: every check of every day asked for, run now against files and store.

What belongs here: the loop over days and the report. What does not: the checks (``pipeline``), and recording
them in Dagster's history (its job `checks_only` does that).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ohlcv_assets.cli.context import AsJson, From, To, request_of
from ohlcv_assets.cli.outcome import ExitCode
from ohlcv_assets.cli.output import counted, mark, show, show_json, table
from ohlcv_assets.cli.ranges import days_asked
from ohlcv_assets.cli.watch import watching
from ohlcv_assets.errors import UserError

if TYPE_CHECKING:
    from ohlcv_assets.pipeline.verify import Half, Proof


def verify(
    ctx: typer.Context,
    *,
    start: From = None,
    end: To = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=0, help="Trades read back by key and compared (OHLCV_SAMPLE_SIZE).")
    ] = None,
    exhaustive: Annotated[
        bool,
        typer.Option(
            "--exhaustive", help="Read every stored trade back and compare it, also where that is no daily check."
        ),
    ] = False,
    trades: Annotated[
        bool, typer.Option("--trades", help="Only the checks of files and stored trades, none of bars.")
    ] = False,
    bars: Annotated[bool, typer.Option("--bars", help="Only the checks of bars, all of them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check files, stored trades and bars of some days, all against each other; exits 1 if anything differs."""
    from ohlcv_assets.pipeline.verify import verify_range

    if bars and exhaustive:
        raise UserError("--bars leaves out the stored trades, which --exhaustive reads: give one of the two.")
    if bars and trades:
        raise UserError("--bars and --trades leave nothing to check: give one of the two, or none for both.")

    only: Half | None = "trades" if trades else "bars" if bars else None
    project = request_of(ctx).project(sample_size=sample)
    days = days_asked(project.dataset.days, project.dataset.name, start, end)
    project.trade_store.day_records()  # a store that cannot be used is no failed check
    with watching() as observer:
        results = list(verify_range(project, days, exhaustive=exhaustive, only=only, observer=observer))
    passed = all(proof.verdict.passed for _, proofs in results for proof in proofs)
    if as_json:
        about = {"dataset": project.dataset.name, "first": days[0], "last": days[-1], "passed": passed}
        show_json({**about, "days": [_document(day, proofs) for day, proofs in results]})
    else:
        _show(results)
    if not passed:
        raise typer.Exit(ExitCode.FAILED)


def _document(day: dt.date, proofs: Sequence[Proof]) -> dict[str, object]:
    checks = [{"asset": proof.asset, **asdict(proof.verdict)} for proof in proofs]
    return {"day": day, "passed": all(proof.verdict.passed for proof in proofs), "checks": checks}


def _show(results: Sequence[tuple[dt.date, Sequence[Proof]]]) -> None:
    from rich.markup import escape

    made = table(
        None, ("day", "", "checks", "what does not hold"), right=("checks",), sentences=("what does not hold",)
    )
    good = 0
    for day, proofs in results:
        wrong = [proof for proof in proofs if not proof.verdict.passed]
        good += not wrong
        reasons = "\n".join(f"{proof.asset}, {proof.verdict.check}: {proof.verdict.summary}" for proof in wrong)
        made.add_row(str(day), mark(not wrong), f"{len(proofs) - len(wrong)}/{len(proofs)}", escape(reasons))
    show(made)
    show(f"{good} of {counted(len(results), 'day')} hold everything that was checked.")
