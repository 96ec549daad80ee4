"""Loading the files of many days at once, which some stores do much faster than day by day.

What belongs here: the order of things. What does not: loading (``stores``), the step of a single day (``steps``), bars.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import partial

from ohlcv_assets.market.schema import STORED
from ohlcv_assets.pipeline.recording import outdate
from ohlcv_assets.pipeline.steps import require_day
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.project import Project
from ohlcv_assets.stores.base import DayContent, GivenDay, LoadReport, ReplacesMany, TradeStore


def load_days(
    project: Project, days: Sequence[dt.date], *, observer: Observer = nobody
) -> Iterator[tuple[dt.date, LoadReport]]:
    """Make the trade store hold exactly what the files of some days hold, and yield each day once it is proved.

    Every file is looked at before anything is loaded. Bars that were made of other trades are stale afterwards.

    Parameters
    ----------
    project
        Whose files and stores.
    days
        UTC, in order.
    observer
        Told of each day, stage ``"load days"``, beside what the store tells.

    Raises
    ------
    OutsideDatasetError
        The dataset does not have a day.
    LakeError
        There is no usable file of a day.
    StoreError
        The store could not be used, or does not hold what was written.
    """
    for day in days:
        require_day(project, day)
    files = [project.lake.inspect(day) for day in days]
    # Each file is read once here, so nothing is gained by keeping a day in memory, nor by reading what is not stored.
    given = [
        GivenDay(
            DayContent(file.day, file.content_hash, file.counts),
            partial(project.lake.batches, file.day, STORED.names),
        )
        for file in files
    ]
    reports = _replaced(project.trade_store, given, observer)
    trades = 0
    for number, (file, report) in enumerate(zip(files, reports, strict=True), 1):
        if report.written > 0 or report.deleted > 0:
            outdate(project, file.day, file.content_hash, observer)
        trades += report.rows
        observer(Progress("load days", project.dataset.name, number, len(files), "days", {"trades": trades}))
        yield file.day, report


def _replaced(store: TradeStore, given: Sequence[GivenDay], observer: Observer) -> Iterator[LoadReport]:
    if isinstance(store, ReplacesMany):
        return store.replace_days(given, observer)
    return (store.replace_day(day.content, day.batches(), observer) for day in given)
