"""What became of a day's run, as plain values that travel between processes.

What belongs here: the value; without Dagster, so that it is quick to import. What does not: reading it from a run's
events (``events``).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

State = Literal["made", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class DayOutcome:
    """What became of one day in a backfill.

    Attributes
    ----------
    day
        The day.
    state
        ``made``: run and proved; ``skipped``: done before, nothing run; ``failed``: the run or a check failed.
    run_id
        The Dagster run, or empty.
    trades, file_bytes
        Trades of the day and size of its file.
    load_rate
        Trades a second of the load; 0 where nothing was written.
    checks_passed, checks_failed
        Checks of all assets.
    error
        What failed, in a sentence or several; empty if nothing did.
    seconds, body_seconds
        Wall time of the run, and of the steps' own work within.
    cpu_seconds, body_cpu_seconds
        The same in processor time; what is not the steps' is orchestration.
    peak_memory
        Largest resident size of the worker while it ran, bytes.
    """

    day: dt.date
    state: State
    run_id: str = ""
    trades: int = 0
    file_bytes: int = 0
    load_rate: float = 0.0
    checks_passed: int = 0
    checks_failed: int = 0
    error: str = ""
    seconds: float = 0.0
    body_seconds: float = 0.0
    cpu_seconds: float = 0.0
    body_cpu_seconds: float = 0.0
    peak_memory: int = 0
