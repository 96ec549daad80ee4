"""What things are called in Dagster: asset keys, groups, jobs, tags, code versions.

What belongs here: names that two modules must agree on. What does not: what stands behind them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import dagster as dg

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS, Resolution
from ohlcv_assets.lake.dataset import Dataset
from ohlcv_assets.settings import DEFAULT_DATASET

OWNERS: Final = ["team:market-data"]
DAY_JOB: Final = "day"
CHECKS_JOB: Final = "checks_only"
REPORT_JOB: Final = "report"
PROJECT: Final = "project"
"""Key of the resource that holds the project."""

IDENTITY_TAG: Final = "ohlcv/identity"
"""Tag of a materialisation: digest of the fingerprint, store and code version it was made with."""

HOST_TAG: Final = "ohlcv/host"
PID_TAG: Final = "ohlcv/pid"
STARTED_TAG: Final = "ohlcv/process_started"
BACKFILL_TAG: Final = "ohlcv/backfill"
DATASET_TAG: Final = "ohlcv/dataset"
"""Tags of a run: which process executes it, the backfill that it belongs to, the dataset that it works on."""

TRADES: Final = "trades"
STORED_TRADES: Final = "stored_trades"
DATASET_REPORT: Final = "dataset_report"
BARS: Final[Mapping[str, Resolution]] = {resolution.kept.bucket: resolution for resolution in STORED_RESOLUTIONS}
"""Stored resolutions by the name of their asset."""

DAY_ASSETS: Final = (TRADES, STORED_TRADES, *BARS)
"""The assets of a day, in the order in which they are made."""

CODE_VERSIONS: Final[Mapping[str, str]] = {TRADES: "1", STORED_TRADES: "1", **dict.fromkeys(BARS, "1")}
"""Raised when an asset's code would give something else for the same input; backfills then make it again."""


def key_of(dataset: Dataset, name: str) -> dg.AssetKey:
    """Return an asset's key; a dataset other than the default has its name as prefix."""
    return dg.AssetKey([name] if dataset.name == DEFAULT_DATASET else [dataset.name, name])


def op_of(dataset: Dataset, name: str) -> str:
    """Return the name of the op that makes an asset."""
    return "__".join(key_of(dataset, name).path)
