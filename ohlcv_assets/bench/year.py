"""The whole way of many days: generate, file, load, roll up, check, one Dagster run a day.

What belongs here: a backfill measured as a whole, in a folder of its own. What does not: single steps (``cases``).
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ohlcv_assets.bench.figures import Figure
from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.orchestration.backfill import BackfillResult, backfill
from ohlcv_assets.orchestration.home import HOME_VARIABLE
from ohlcv_assets.progress import Observer, nobody, only
from ohlcv_assets.project import open_project
from ohlcv_assets.settings import Settings

YEAR_SECONDS: Final = 420.0
YEAR_DAYS: Final = 366
WORKER_BYTES: Final = 1.5e9


@contextmanager
def _own_home(folder: Path) -> Iterator[None]:
    """Keep the runs of a benchmark out of the user's history."""
    kept = os.environ.get(HOME_VARIABLE)
    os.environ[HOME_VARIABLE] = str(folder.absolute())
    try:
        yield
    finally:
        del os.environ[HOME_VARIABLE]
        if kept is not None:
            os.environ[HOME_VARIABLE] = kept


def measure_backfill(
    folder: Path,
    *,
    days: int = YEAR_DAYS,
    total: int = 300_000_000,
    workers: int = 2,
    observer: Observer = nobody,
) -> list[Figure]:
    """Backfill the first ``days`` days of 2024 below ``folder``, against the steps' own processor time alone.

    Raises
    ------
    OhlcvError
        A day failed; a figure of an unfinished job is none.
    """
    settings = Settings(data_dir=folder, total_trades=total, store="duckdb", workers=workers)
    project = open_project(settings)
    chosen: tuple[dt.date, ...] = project.dataset.days[:days]
    with _own_home(folder / "dagster_home"):
        result = backfill(project, chosen, workers=workers, observer=only(observer, "backfill"))
    if not result.succeeded:
        reasons = "; ".join(f"{day.day}: {day.error}" for day in result.of("failed")) or result.report_error
        raise OhlcvError(f"The backfill of the benchmark did not end well: {reasons}.")
    return _figures(result)


def _figures(result: BackfillResult) -> list[Figure]:
    made = len(result.days)
    bodies = sum(day.body_cpu_seconds for day in result.days)
    rate = result.trades / result.seconds
    target = YEAR_SECONDS if made == YEAR_DAYS else None
    method = f"{made} days, {result.trades:,} trades, {result.workers} workers, once, start of the workers included"
    return [
        Figure(
            "backfill", "all steps and checks", result.seconds, "s", target,
            f"processor time of the steps alone, over {result.workers} workers",
            bodies / result.workers / result.seconds, method,
        ),
        Figure("backfill", "trades made and proved", rate, "trades/s", None, "", None, method),
        Figure("backfill", "a day", result.seconds / made, "s", None, "", None, method),
        Figure(
            "backfill", "largest worker", result.peak_memory / 1e9, "GB", WORKER_BYTES / 1e9, "", None, method,
        ),
        Figure(
            "backfill", "orchestration, processor time a run", result.orchestration_cpu_seconds, "s", None,
            "its share of a run's processor time", result.orchestration_share, method,
        ),
    ]  # fmt: skip
