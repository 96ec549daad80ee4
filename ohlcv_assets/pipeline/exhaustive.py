"""Every stored trade of a day, read back and compared with the day's file.

What belongs here: streaming both sides in bounded memory, and saying how far it is. What does not: comparing
(``verify.exhaustive``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pyarrow as pa

from ohlcv_assets.pipeline.parts import batches
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.project import Project
from ohlcv_assets.units import day_bounds
from ohlcv_assets.verify.exhaustive import every_trade
from ohlcv_assets.verify.verdict import Verdict


def exhaustive_check(project: Project, day: dt.date, observer: Observer = nobody) -> Iterator[Verdict]:
    """Read every trade of a day back from the store and yield the verdict ``every_trade``.

    Raises
    ------
    LakeError
        There is no file that can be read.
    StoreError
        The store cannot be used.
    """
    file = project.lake.inspect(day)

    def told(found: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in found:
            yield batch
            rows += batch.num_rows
            observer(Progress("compare", day.isoformat(), rows, file.rows, "trades"))

    yield every_trade(batches(project, day), told(project.trade_store.scan(*day_bounds(day))))
