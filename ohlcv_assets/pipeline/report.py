"""The report on a dataset: what it holds at this moment, as Markdown and as one HTML page.

What belongs here: totals and text. What does not: looking (``status``), plots (``plots``), tables of HTML (``page``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.lake.atomic import write_text
from ohlcv_assets.lake.machine import machine_errors
from ohlcv_assets.pipeline.page import Section, page
from ohlcv_assets.pipeline.plots import closes_plot, days_plot, sizes_plot
from ohlcv_assets.pipeline.status import DayStatus, status_of
from ohlcv_assets.project import Project
from ohlcv_assets.units import DAY, Nanos, day_start

MOST_LISTED = 40
"""Incomplete days that are listed one by one."""


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """Totals of a dataset, and where its report was written.

    Attributes
    ----------
    days
        Days of the dataset.
    days_filed, days_stored, days_with_bars
        Days with a file, with proved stored trades, with bars of every resolution.
    trades_planned, trades_filed, trades_stored
        Trades as the source gives them, in files, in the store.
    bars
        Stored bars of all resolutions.
    file_bytes, store_bytes
        Sizes; the store's is None where nobody knows it.
    markdown, html
        The two files.
    summary
        The Markdown text.
    """

    days: int
    days_filed: int
    days_stored: int
    days_with_bars: int
    trades_planned: int
    trades_filed: int
    trades_stored: int
    bars: int
    file_bytes: int
    store_bytes: int | None
    markdown: Path
    html: Path
    summary: str


def write_report(project: Project) -> DatasetReport:
    """Look at the whole dataset, write its report, return its totals.

    Raises
    ------
    StoreError
        The store cannot be used.
    MachineError
        The reports cannot be written.
    """
    statuses = status_of(project)
    name = project.dataset.name
    markdown, html = project.reports / f"{name}.md", project.reports / f"{name}.html"
    sections = _sections(project, statuses)
    text = "\n\n".join([f"# Dataset {name}", *(section.markdown() for section in sections)]) + "\n"
    with machine_errors("write the report", project.reports):
        write_text(markdown, text)
        write_text(html, page(f"Dataset {name}", [*sections, *_plots(project, statuses)]))
    return DatasetReport(
        days=len(statuses),
        days_filed=sum(status.file == "present" for status in statuses),
        days_stored=sum(status.store == "proved" for status in statuses),
        days_with_bars=sum(status.bar_state == "complete" for status in statuses),
        trades_planned=sum(status.planned for status in statuses),
        trades_filed=sum(status.filed for status in statuses),
        trades_stored=sum(status.stored for status in statuses),
        bars=sum(there.bars for status in statuses for there in status.bars.values()),
        file_bytes=sum(status.file_bytes for status in statuses),
        store_bytes=_store_bytes(project),
        markdown=markdown,
        html=html,
        summary=text,
    )


def _sections(project: Project, statuses: Sequence[DayStatus]) -> list[Section]:
    return [
        Section("Totals", _totals(project, statuses)),
        Section("Bars", _bars(statuses)),
        Section("Months", _months(statuses)),
        Section("Incomplete days", _incomplete(statuses)),
    ]


def _totals(project: Project, statuses: Sequence[DayStatus]) -> list[dict[str, str]]:
    days = len(statuses)
    filed, stored = sum(status.filed for status in statuses), sum(status.stored for status in statuses)
    size, held = sum(status.file_bytes for status in statuses), _store_bytes(project)
    figures = {
        "days": f"{statuses[0].day} to {statuses[-1].day} ({days})",
        "symbols": f"{len(project.dataset.universe.names)}",
        "complete days": f"{sum(status.complete for status in statuses)} of {days}",
        "trades planned": f"{sum(status.planned for status in statuses):,}",
        "trades in files": f"{filed:,}",
        "trades in the store": f"{stored:,}",
        "size of files": f"{size / 1e6:,.1f} MB ({size / filed if filed > 0 else 0:.2f} bytes a trade)",
        "store": project.trade_store.name + ("" if held is None else f" ({held / 1e6:,.1f} MB)"),
    }
    return [{"figure": name, "value": value} for name, value in figures.items()]


def _bars(statuses: Sequence[DayStatus]) -> list[dict[str, str]]:
    return [
        {
            "resolution": resolution.name,
            "bars": f"{sum(status.bars[resolution.name].bars for status in statuses):,}",
            "trades": f"{sum(status.bars[resolution.name].trades for status in statuses):,}",
        }
        for resolution in STORED_RESOLUTIONS
    ]


def _months(statuses: Sequence[DayStatus]) -> list[dict[str, str]]:
    rows = []
    for month, members in groupby(statuses, key=lambda status: f"{status.day:%Y-%m}"):
        days = list(members)
        rows.append(
            {
                "month": month,
                "days": f"{len(days)}",
                "complete": f"{sum(status.complete for status in days)}",
                "trades": f"{sum(status.stored for status in days):,}",
                "MB": f"{sum(status.file_bytes for status in days) / 1e6:,.1f}",
            }
        )
    return rows


def _incomplete(statuses: Sequence[DayStatus]) -> list[dict[str, str]]:
    incomplete = [status for status in statuses if not status.complete]
    rows = [
        {
            "day": f"{status.day}",
            "file": status.file,
            "store": status.store,
            "bars": status.bar_state,
            "planned": f"{status.planned:,}",
            "stored": f"{status.stored:,}",
        }
        for status in incomplete[:MOST_LISTED]
    ]
    if len(incomplete) > MOST_LISTED:
        rest = {"file": "", "store": "", "bars": "", "planned": "", "stored": ""}
        rows.append({"day": f"and {len(incomplete) - MOST_LISTED} more"} | rest)
    return rows


def _plots(project: Project, statuses: Sequence[DayStatus]) -> list[Section]:
    start, end = day_start(statuses[0].day), Nanos(day_start(statuses[-1].day) + DAY)
    daily = project.bar_store.read(RESOLUTIONS["1d"], start, end)
    days: list[dt.date] = [status.day for status in statuses]
    filed, stored = [status.filed for status in statuses], [status.stored for status in statuses]
    return [
        Section("Trades by day", svg=days_plot(days, filed, stored)),
        Section("Size of the day files", svg=sizes_plot(days, filed, [status.file_bytes for status in statuses])),
        Section("Daily closes, first day = 100", svg=closes_plot(daily, project.dataset.universe)),
    ]


def _store_bytes(project: Project) -> int | None:
    """Return the size of the store; None where it does not tell."""
    size = getattr(project.trade_store, "size_bytes", None)
    return None if size is None else int(size())
