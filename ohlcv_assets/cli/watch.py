"""Watching work that takes long: live bars on a terminal, now and then a log line elsewhere; always standard error.

What belongs here: observers for every command, and showing metrics meanwhile. What does not: the summary afterwards.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Final

from ohlcv_assets.cli.output import compact, console, remark, size
from ohlcv_assets.logs import get_logger, is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from ohlcv_assets.progress import Observer, Progress

LOG_EVERY: Final = 10.0
"""Seconds between two log lines of the same stage where there is no terminal."""


@contextmanager
def watching() -> Iterator[Observer]:
    """Give an observer that shows what it is told for as long as the context lasts."""
    if not is_terminal(sys.stderr):
        yield Lines()
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console(stderr=True), transient=True, refresh_per_second=8) as bars:
        yield Live(bars)


class Live:
    """An observer with one live bar for each stage and subject under way."""

    def __init__(self, bars: Bars) -> None:
        self._bars, self._tasks, self._lock = bars, dict[tuple[str, str], "TaskID"](), Lock()

    def __call__(self, event: Progress, /) -> None:
        """Move the bar of an event, and take it away when it is full."""
        key = event.stage, event.subject
        with self._lock:
            if key not in self._tasks:
                label = f"{event.stage} {event.subject}"
                self._tasks[key] = self._bars.add_task(label, total=event.total, amount="")
            task = self._tasks[key]
            self._bars.update(task, completed=event.done, total=event.total, amount=amount_of(event))
            if event.total is not None and event.done >= event.total:
                self._bars.remove_task(self._tasks.pop(key))


class Lines:
    """An observer that writes a log line when a stage begins or ends, and now and then between."""

    def __init__(self) -> None:
        self._said, self._lock = dict[str, float](), Lock()

    def __call__(self, event: Progress, /) -> None:
        """Write a line unless one was written a moment ago."""
        now = time.monotonic()
        with self._lock:
            due = now - self._said.get(event.stage, -LOG_EVERY) >= LOG_EVERY
            if not due:
                return
            self._said[event.stage] = now
        figures = {"subject": event.subject, "done": event.done, "total": event.total, "unit": event.unit}
        get_logger("cli").info(event.stage, **figures | dict(event.detail))


def log_chunk(event: Progress, /) -> None:
    """Write a log line for each day of bars that ended or became stale: a warning where it failed."""
    if event.stage != "chunk":
        return
    log = get_logger("pipeline")
    say = log.warning if event.detail["state"] == "failed" else log.debug
    say("chunk", subject=event.subject, bars=event.done, **event.detail)


@contextmanager
def shown_metrics(port: int | None) -> Iterator[Observer]:
    """Give an observer whose metrics are shown on a port; nobody where there is none."""
    from ohlcv_assets.progress import nobody

    if port is None:
        yield nobody
        return
    from ohlcv_assets.exporter import exporting

    with exporting(port) as (exporter, address):
        remark(f"Metrics are shown at {address}.")
        yield exporter


def amount_of(event: Progress) -> str:
    """Return how much is done, in the event's unit."""
    write = size if event.unit == "bytes" else compact
    total = "" if event.total is None else f"/{write(event.total)}"
    unit = "" if event.unit == "bytes" else f" {event.unit}"
    return f"{write(event.done)}{total}{unit}"
