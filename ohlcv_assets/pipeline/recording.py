"""What is recorded of a day's bars while they are made, and when their trades change.

What belongs here: writing records of chunks of a whole day. What does not: making bars (``steps``), judging records
(``bar_status``).
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Literal

from ohlcv_assets.bars.chunks import Span, moved
from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.errors import OhlcvError, StoreError
from ohlcv_assets.lake.dayfile import DayFile
from ohlcv_assets.project import Project
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.units import day_bounds


def day_records(project: Project, day: dt.date) -> Mapping[str, ChunkRecord]:
    """Return the records of the chunks that start with a day, by resolution."""
    span = Span(*day_bounds(day))
    return {found.resolution: found for found in project.chunks.records(span) if found.start == span.start}


@contextmanager
def recording(project: Project, file: DayFile, resolutions: Sequence[Resolution]) -> Iterator[dict[str, int]]:
    """Record that a day's bars are being made, and how that ended; to be done under a lease of them.

    Whoever is killed meanwhile leaves them ``running``, and they count as not made.

    Yields
    ------
    dict[str, int]
        To be filled with the bars made, by resolution.
    """
    before = day_records(project, file.day)
    begun = [_begun(file, resolution, before.get(resolution.name)) for resolution in resolutions]
    project.chunks.mark(begun)
    made: dict[str, int] = {}
    began = time.perf_counter()
    try:
        yield made
    except OhlcvError as error:
        with suppress(StoreError):  # what went wrong first is what counts
            project.chunks.mark(_ended(record, "failed", began, error=str(error)) for record in begun)
        raise
    project.chunks.mark(_ended(record, "done", began, rows_out=made[record.resolution]) for record in begun)


def outdate(project: Project, day: dt.date, content_hash: str) -> int:
    """Record that a day's bars were made from other trades than it has now; return of how many chunks.

    Bars count as stale without that too, by their hash: this is for whoever looks at the records.
    """
    found = project.chunks.records(Span(*day_bounds(day)))
    stale = [record for record in found if record.state == "done" and record.source_hash != content_hash]
    project.chunks.mark(replace(record, state=moved(record.state, "stale")) for record in stale)
    return len(stale)


def _begun(file: DayFile, resolution: Resolution, before: ChunkRecord | None) -> ChunkRecord:
    """Return the record of a chunk that is begun; attempts count on while nothing came of those before."""
    again = before is not None and before.state != "done" and before.source_hash == file.content_hash
    return ChunkRecord(
        resolution.name,
        *day_bounds(file.day),
        moved(None if before is None else before.state, "running"),
        rows_in=file.rows,
        attempts=1 + (before.attempts if before is not None and again else 0),
        source_hash=file.content_hash,
    )


def _ended(
    record: ChunkRecord, state: Literal["done", "failed"], began: float, *, rows_out: int = 0, error: str = ""
) -> ChunkRecord:
    seconds = time.perf_counter() - began
    return replace(record, state=moved(record.state, state), seconds=seconds, rows_out=rows_out, error=error)
