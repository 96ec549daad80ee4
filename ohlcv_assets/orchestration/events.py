"""What the events of a run say became of it.

What belongs here: reading events. What does not: starting runs (``runs``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import dagster as dg

from ohlcv_assets.orchestration.outcome import DayOutcome

Figures = dict[str, Any]  # Any: a metadata value of whatever type


def read_outcome(
    day: dt.date, run_id: str, events: Iterable[dg.DagsterEvent], *, seconds: float, cpu_seconds: float
) -> DayOutcome:
    """Return what the events of a day's run say became of it."""
    made: dict[str, Figures] = {}
    checks: list[tuple[str, bool, Figures]] = []
    errors: list[str] = []
    for event in events:
        kind = event.event_type
        if kind is dg.DagsterEventType.ASSET_MATERIALIZATION:
            materialization = event.step_materialization_data.materialization
            made[materialization.asset_key.path[-1]] = _figures(materialization.metadata)
        elif kind is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            checks.append((f"{check.asset_key.path[-1]}.{check.check_name}", check.passed, _figures(check.metadata)))
        elif kind is dg.DagsterEventType.STEP_FAILURE:
            errors.append(failure_of(event))
    failed = [f"{name}: {figures['summary']}" for name, passed, figures in checks if not passed]
    # A failed blocking check fails its step too; its own summary says more.
    errors = [error for error in errors if not (failed and "blocking check" in error.lower())]
    # The bars of all resolutions are one step's work, and each carries its figures.
    steps = {name.split("_")[0]: figures for name, figures in made.items()}
    bodies = [*steps.values(), *(figures for _, _, figures in checks)]
    filed, stored = made.get("trades", {}), made.get("stored_trades", {})
    return DayOutcome(
        day=day,
        state="failed" if failed or errors else "made",
        run_id=run_id,
        trades=filed.get("dagster/partition_row_count", 0),
        file_bytes=filed.get("bytes", 0),
        load_rate=stored.get("trades_per_second", 0) if stored.get("written", 0) > 0 else 0.0,
        checks_passed=sum(passed for _, passed, _ in checks),
        checks_failed=len(failed),
        error=" ".join([*failed, *errors]),
        seconds=seconds,
        body_seconds=sum(figures["seconds"] for figures in bodies),
        cpu_seconds=cpu_seconds,
        body_cpu_seconds=sum(figures["cpu_seconds"] for figures in bodies),
        peak_memory=max((int(figures["peak_memory_mb"] * 1e6) for figures in bodies), default=0),
    )


def read_error(events: Iterable[dg.DagsterEvent]) -> str:
    """Return why the steps of a run failed, or nothing."""
    return " ".join(failure_of(event) for event in events if event.is_step_failure)


def _figures(metadata: Any) -> Figures:  # Any: Dagster's mapping of metadata values
    return {name: value.value for name, value in metadata.items()}


def failure_of(event: dg.DagsterEvent) -> str:
    """Return why a step failed: the sentence it was failed with, or the last line of what was raised."""
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return f"Step {event.step_key} failed." if error is None else " ".join(error.message.split())
