"""The jobs: a whole day, its checks alone, the report.

What belongs here: selections by name. What does not: how runs are started.
https://docs.dagster.io/guides/build/jobs/asset-jobs
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import dagster as dg
from dagster import AssetSelection

from ohlcv_assets.lake.dataset import Dataset
from ohlcv_assets.orchestration.names import (
    CHECKS_JOB,
    DATASET_REPORT,
    DATASET_TAG,
    DAY_ASSETS,
    DAY_JOB,
    REPORT_JOB,
    key_of,
)

_CHECKS: Final = """\
Every check of a day, on what is there; makes nothing. Dagster infers the partitions of a job from its assets, and this
one has checks alone: give the day as the tag `dagster/partition`.
"""


def build_jobs(dataset: Dataset) -> Sequence[Any]:  # Any: Dagster does not publish the type of an unresolved job
    """Return the jobs of a dataset."""
    day = AssetSelection.assets(*(key_of(dataset, name) for name in DAY_ASSETS))
    tags = {DATASET_TAG: dataset.name}
    return [
        dg.define_asset_job(
            DAY_JOB,
            selection=day,
            description="Everything of a day: file, load, roll up, and every check. Days that are done cost little.",
            tags=tags,
        ),
        dg.define_asset_job(
            CHECKS_JOB,
            selection=AssetSelection.checks_for_assets(*(key_of(dataset, name) for name in DAY_ASSETS)),
            description=_CHECKS,
            tags=tags,
        ),
        dg.define_asset_job(
            REPORT_JOB,
            selection=AssetSelection.assets(key_of(dataset, DATASET_REPORT)),
            description="The report on the whole dataset.",
            tags=tags,
        ),
    ]
