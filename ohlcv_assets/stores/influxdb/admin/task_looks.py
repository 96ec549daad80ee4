"""Looks at the tasks that make bars: are there any, do they run, are they ours.

What belongs here: findings. What does not: the tasks themselves (``tasks.manager``). One that was left paused by
somebody who is gone is resumed by looking.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ohlcv_assets.stores.influxdb.admin.checkup import Finding, Patient, State
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.downsampling.scripts import span
from ohlcv_assets.stores.influxdb.tasks.manager import Standing, TaskManager


def look_at_tasks(patient: Patient) -> Iterator[Finding]:
    """Yield a finding for each task, or one where none is installed or none can be seen."""
    token = patient.tokens.get("tasks")
    if token is None:
        text = "OHLCV_INFLUX_TASKS_TOKEN is not set, so tasks cannot be seen and are not paused while bars are made"
        yield Finding("tasks", "warn", text, f"{patient.setup}, or set it")
        return
    connection = Connection(replace(patient.address, token=token), size=1)
    found = TaskManager(connection, patient.layout).look()
    if all(standing.task is None for standing in found):
        yield Finding("tasks", "ok", "none is installed: bars are made by whoever loads, not by the server")
        return
    for standing in found:
        yield _finding(patient, standing)


def _finding(patient: Patient, standing: Standing) -> Finding:
    name, task = f"task {standing.wanted.resolution.name}", standing.task
    if task is None:
        return Finding(
            name, "warn", "it is not installed, and others are", f"{patient.command('tasks install')} makes it"
        )
    told = "; ".join((*standing.faults, *standing.notes))
    trouble = _trouble(patient, standing)
    if trouble is not None:
        return Finding(name, trouble[0], told, trouble[1])
    kept = standing.wanted.resolution.kept
    runs = f"runs every {span(kept.every)}" if task.active else "is paused"
    last = "has no run yet" if standing.last is None else f"last: {standing.last.kind}, {standing.last.bars} bars"
    return Finding(name, "ok", "; ".join((f"{runs}, {last}", *standing.notes)))


def _trouble(patient: Patient, standing: Standing) -> tuple[State, str] | None:
    """Return how bad what is told of a task is, and what to do; None where nothing is."""
    install, repair = patient.command("tasks install"), patient.command("tasks install --repair")
    if standing.owner_fault is not None:
        return "fail", f"{patient.command('tasks remove')} and install again"
    if standing.failed or standing.is_stuck:
        history = patient.command(f"tasks history -r {standing.wanted.resolution.name}")
        return "fail", f"{history} tells more; {repair} puts its script right"
    if standing.drift == "outdated" or standing.others:
        return "warn", f"{install} puts it right"
    if standing.drift is not None:
        return "warn", f"{repair} puts the project's script in its place"
    if standing.left_by is not None:
        return "warn", f"{patient.command('bars status')} says whether anything is missing"
    return None
