"""The history of runs: what the server tells of the last three days, and what runs recorded of themselves, for ever.

What belongs here: bringing the two together. What does not: asking for them (``calls``, ``runs``), showing them.

A run is known in both by its task and the time that it was scheduled for. One that the server calls a success and that
recorded nothing ran another script than ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.tasks.calls import TaskCalls
from ohlcv_assets.stores.influxdb.tasks.definitions import Run, task_name
from ohlcv_assets.stores.influxdb.tasks.runs import TaskRun, recorded_runs
from ohlcv_assets.units import SECOND, Nanos


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run of a task.

    Attributes
    ----------
    resolution
        Whose.
    at
        The time that it was scheduled for, nanoseconds.
    status
        The server's word, ``"success"`` where only the run's own record is left.
    seconds
        How long it took or, under way, nothing: None.
    record
        What it recorded of itself; None where it did not come so far.
    reason
        What the server logged of a run that did not succeed; empty otherwise.
    """

    resolution: str
    at: Nanos
    status: str
    seconds: float | None
    record: TaskRun | None
    reason: str = ""


def past_runs(
    connection: Connection, layout: Layout, resolutions: Sequence[Resolution], limit: int
) -> Sequence[PastRun]:
    """Return the latest runs of some tasks, newest first.

    Parameters
    ----------
    connection
        To the server, let in by the token for tasks.
    layout
        The dataset's buckets.
    resolutions
        Whose tasks.
    limit
        How many in all.
    """
    names = {resolution.name: task_name(layout, resolution.name) for resolution in resolutions}
    records = {(run.resolution, run.at): run for run in recorded_runs(connection, layout, limit, names)}
    calls = TaskCalls(connection)
    tasks = calls.named(*names.values())
    told = {
        (name, run.scheduled_for): run
        for name, called in names.items()
        for task in tasks[called]
        for run in calls.runs(task, limit)
    }
    found = [_past(key[0], key[1], told.get(key), records.get(key)) for key in {**records, **told}]
    order = {name: at for at, name in enumerate(names)}
    return sorted(found, key=lambda run: (-run.at, order[run.resolution]))[:limit]


def _past(resolution: str, at: Nanos, run: Run | None, record: TaskRun | None) -> PastRun:
    seconds = None if record is None else record.seconds
    if run is None:
        return PastRun(resolution, at, "success", seconds, record)
    if run.started and run.finished:
        seconds = (run.finished - run.started) / SECOND
    return PastRun(resolution, at, run.status, seconds, record, run.reason)
