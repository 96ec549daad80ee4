"""Definitions of a project: what `definitions` exposes and a backfill's workers run.

What belongs here: putting assets, checks, jobs, the sensor and resources together. What does not: reading settings.
"""

from __future__ import annotations

import dagster as dg

from ohlcv_assets.orchestration.assets import build_assets
from ohlcv_assets.orchestration.automation import build_sensor
from ohlcv_assets.orchestration.checks import build_checks
from ohlcv_assets.orchestration.jobs import build_jobs
from ohlcv_assets.orchestration.names import PROJECT
from ohlcv_assets.project import Project


def build_definitions(project: Project) -> dg.Definitions:
    """Return everything that Dagster knows of a project. Runs are parallel, steps are not: a step is too short."""
    return dg.Definitions(
        assets=build_assets(project),
        asset_checks=build_checks(project),
        jobs=build_jobs(project.dataset),
        sensors=[build_sensor(project.dataset)],
        resources={PROJECT: project},
        executor=dg.in_process_executor,
    )
