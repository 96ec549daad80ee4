"""`ohlcv load`: the files of many days into the store, as fast as it takes them.

What belongs here: the request and the summary. What does not: loading (``pipeline.loading``).
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from ohlcv_assets.cli.context import AsJson, From, To, request_of
from ohlcv_assets.cli.output import compact, counted, duration, number, remark, show, show_json
from ohlcv_assets.cli.ranges import days_asked
from ohlcv_assets.cli.watch import watching

if TYPE_CHECKING:
    from ohlcv_assets.stores.base import LoadReport

Loaded = Sequence[tuple[dt.date, "LoadReport"]]


def load(ctx: typer.Context, *, start: From = None, end: To = None, as_json: AsJson = False) -> None:
    """Load the day files of some days into the store, many together where it can; `backfill` makes bars of them."""
    from ohlcv_assets.pipeline.loading import load_days
    from ohlcv_assets.progress import only

    project = request_of(ctx).project()
    days = days_asked(project.dataset.days, project.dataset.name, start, end)
    began = time.monotonic()
    with watching() as observer:
        loaded = list(load_days(project, days, observer=only(observer, "load days")))
    seconds = time.monotonic() - began
    if as_json:
        about = {"dataset": project.dataset.name, "first": days[0], "last": days[-1], "seconds": seconds}
        show_json({**about, **_totals(loaded), "days": [_document(day, report) for day, report in loaded]})
        return
    show_loaded(loaded, seconds)


def _totals(loaded: Loaded) -> dict[str, int]:
    reports = [report for _, report in loaded]
    return {
        "trades": sum(report.rows for report in reports),
        "written": sum(report.written for report in reports),
        "deleted": sum(report.deleted for report in reports),
    }


def _document(day: dt.date, report: LoadReport) -> dict[str, object]:
    detail = {name: report.detail[name] for name in ("path", "path_reason") if name in report.detail}
    return {"day": day, "trades": report.rows, "written": report.written, "deleted": report.deleted, **detail}


def show_loaded(loaded: Loaded, seconds: float) -> None:
    """Show how much was loaded, which way, and what comes next."""
    totals = _totals(loaded)
    fresh = [report for _, report in loaded if report.written > 0]
    rate = totals["written"] / seconds if seconds > 0 else 0.0
    show(
        f"{counted(len(fresh), 'day')} loaded, {len(loaded) - len(fresh)} were there, of {len(loaded)}; "
        f"{number(totals['written'])} trades in {duration(seconds)}"
        + (f", {compact(rate)} a second, every day counted." if fresh else ".")
    )
    ways = Counter(
        (str(report.detail["path"]), str(report.detail["path_reason"])) for report in fresh if "path" in report.detail
    )
    for (path, reason), times in ways.items():
        remark(f"{counted(times, 'day')} by {path}: {reason}.")
    if fresh:
        remark("`ohlcv backfill` makes and proves their bars, and `ohlcv verify` the trades.")
