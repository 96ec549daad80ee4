"""One backfill at a time makes a day, among those that share a Dagster home.

What belongs here: taking turns. What does not: runs that Dagster itself starts, which are its own to queue.

Two runs of one day would both end well, but the checks of the one that began first would be recorded last, of
materialisations that are not the latest: the day would count as not done, and be made once more.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from ohlcv_assets.lake.machine import machine_errors
from ohlcv_assets.orchestration.outcome import DayOutcome

FOLDER: Final = "turns"
POLL: Final = 0.2
"""Seconds between two looks at a lock that somebody has; the system has no way to be told."""


@contextmanager
def turn(home: Path, dataset: str, day: dt.date) -> Iterator[bool]:
    """Wait for one's turn and keep it as long as the context lasts; give whether somebody else had it.

    Whoever is killed loses its turn at once.

    Raises
    ------
    MachineError
        The machine does not let us write into Dagster's home.
    """
    folder = home / FOLDER
    with machine_errors("take turns with other backfills", folder):
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / f"{dataset}-{day}.lock", thread_local=False)
        contended = False
        try:
            lock.acquire(blocking=False)
        except Timeout:
            contended = True
            lock.acquire(poll_interval=POLL)
    try:
        yield contended
    finally:
        lock.release()


def in_turn(
    home: Path,
    dataset: str,
    day: dt.date,
    run: Callable[[], DayOutcome],
    done: Callable[[], DayOutcome | None],
) -> DayOutcome:
    """Run a day when it is our turn, unless somebody else has just done it.

    Parameters
    ----------
    home, dataset, day
        Whose turn.
    run
        Makes the day.
    done
        Returns what is there of the day where it needs no run; asked only where somebody else had the turn.
    """
    with turn(home, dataset, day) as contended:
        found = done() if contended else None
        return run() if found is None else found
