"""A worker process of a backfill: warm, one day after another, gone when its parent is gone.

What belongs here: what a worker does with an order. What does not: giving orders (``backfill``).
"""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from ohlcv_assets.orchestration.outcome import DayOutcome
from ohlcv_assets.progress import Observer, Progress
from ohlcv_assets.settings import Settings

ORPHANED: Final = 70
"""Exit code of a worker whose parent is gone."""

EVENTS_AT_ONCE: Final = 100
"""Most events that Dagster stores together where it knows several beforehand: those of what a run is to make."""

TELL_EVERY: Final = 0.1
"""Seconds between two events of the same stage that a worker passes on; the last one of a subject always is."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker is told once.

    Attributes
    ----------
    settings
        Of the project.
    home
        Dagster's home, made ready.
    backfill
        Identifies the backfill.
    force
        Replace files that are stale, damaged or foreign.
    """

    settings: Settings
    home: Path
    backfill: str
    force: bool


def work(orders: Connection, lifeline: Connection, assignment: Assignment) -> None:
    """Take days from ``orders`` and send back what became of each, until there are no more orders.

    Parameters
    ----------
    orders
        Gives days; takes any number of ``Progress`` and a ``DayOutcome`` for each.
    lifeline
        Nothing is ever sent through it: its end means that the parent is gone.
    assignment
        What to work on.
    """
    _leave_terminal()
    threading.Thread(target=hold_on_to, args=(lifeline,), daemon=True).start()
    line = Line(orders)
    run = _runner(assignment, line.tell)
    with suppress(EOFError):
        while True:
            line.send(_done(run, orders.recv()))


class Line:
    """What a worker says to its parent, from any of its threads.

    Parameters
    ----------
    orders
        The way to the parent.
    clock
        Seconds.
    """

    def __init__(self, orders: Connection, clock: Callable[[], float] = time.monotonic) -> None:
        self._orders, self._clock = orders, clock
        self._lock = threading.Lock()
        self._told: dict[str, float] = {}

    def send(self, outcome: DayOutcome) -> None:
        """Say what became of a day."""
        with self._lock:
            self._orders.send(outcome)

    def tell(self, event: Progress, /) -> None:
        """Pass an event on, as an observer, unless one of its stage was a moment ago."""
        with self._lock:
            now = self._clock()
            if event.done != event.total and now - self._told.get(event.stage, -TELL_EVERY) < TELL_EVERY:
                return
            self._told[event.stage] = now
            with suppress(OSError):  # the parent is gone, and this process ends in a moment
                self._orders.send(event)


def hold_on_to(lifeline: Connection, end: Callable[[int], object] = os._exit) -> None:
    """Wait for the parent's end, then end this process at once: half a day's work is made good by the next run."""
    try:
        lifeline.recv()
    except (EOFError, OSError):
        end(ORPHANED)


def _leave_terminal() -> None:
    """Begin a session of its own, so that an interrupt from the keyboard reaches the parent alone."""
    try:
        os.setsid()
    except OSError:  # this process leads a group already, as it does where it is not a child
        return


def _runner(assignment: Assignment, observer: Observer) -> Callable[[dt.date], DayOutcome]:
    # The parent needs none of this, and each takes a while to import.
    from ohlcv_assets.orchestration.done import skipped_days  # noqa: PLC0415 -- see above
    from ohlcv_assets.orchestration.keeping import keep_memory, keep_objects  # noqa: PLC0415 -- see above
    from ohlcv_assets.orchestration.runs import Runner  # noqa: PLC0415 -- see above
    from ohlcv_assets.orchestration.turns import in_turn  # noqa: PLC0415 -- see above
    from ohlcv_assets.orchestration.warm_storage import warm_instance  # noqa: PLC0415 -- see above
    from ohlcv_assets.project import open_project  # noqa: PLC0415 -- see above

    keep_memory()
    project = replace(open_project(assignment.settings), observer=observer)
    project.source  # noqa: B018 -- planning takes a second, which is not the first day's
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(EVENTS_AT_ONCE))
    instance = warm_instance(assignment.home)
    runner = Runner(project, instance, assignment.backfill)
    keep_objects()

    def run(day: dt.date) -> DayOutcome:
        return in_turn(
            assignment.home,
            project.dataset.name,
            day,
            lambda: runner.day(day, force=assignment.force),
            lambda: None if assignment.force else skipped_days(project, instance, [day]).get(day),
        )

    return run


def _done(run: Callable[[dt.date], DayOutcome], day: dt.date) -> DayOutcome:
    """Run a day; a failure of the machinery around it is that day's failure, and the worker goes on."""
    try:
        return run(day)
    except Exception as error:  # noqa: BLE001 -- whatever it is, it must reach the parent and must not stop other days
        text = " ".join(str(error).split()) or type(error).__name__
        return DayOutcome(day, "failed", error=f"The run could not be carried out: {text}")
