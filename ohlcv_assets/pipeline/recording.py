"""What is recorded of a day's bars while they are made, and when their trades change; observers are told of it.

What belongs here: writing records of chunks of a whole day. What does not: making bars (``steps``), judging records
(``bar_status``).
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final, Literal

from ohlcv_assets.bars.chunks import Span, moved
from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.errors import OhlcvError, StoreError, StoreUnavailableError
from ohlcv_assets.lake.dayfile import DayFile
from ohlcv_assets.progress import Observer, Progress, nobody
from ohlcv_assets.project import Project
from ohlcv_assets.stores.chunks import Check, ChunkRecord
from ohlcv_assets.units import day_bounds, day_of

CHUNK: Final = "chunk"
"""The stage that observers are told when a chunk is done, failed or stale."""

Recorded = dict[str, ChunkRecord]
"""Records by resolution name."""


def day_records(project: Project, day: dt.date) -> Mapping[str, ChunkRecord]:
    """Return the records of the chunks that start with a day, by resolution."""
    span = Span(*day_bounds(day))
    return {found.resolution: found for found in project.chunks.records(span) if found.start == span.start}


@contextmanager
def recording(
    project: Project,
    file: DayFile,
    resolutions: Sequence[Resolution],
    before: Mapping[str, ChunkRecord],
    ours: Check,
    observer: Observer = nobody,
) -> Iterator[Recorded]:
    """Record that a day's bars are being made, and how that ended; to be done under a lease of them.

    Whoever is killed meanwhile leaves them ``running``, and they count as not made. Whoever loses the lease leaves them
    to those who have it now, and records nothing more.

    Parameters
    ----------
    project, file, resolutions
        Whose, of which day, and which bars.
    before
        What is recorded of the day's chunks, by resolution name.
    ours
        Makes sure that the lease is still ours.
    observer
        Told how it ended, stage ``"chunk"``.

    Yields
    ------
    Recorded
        The records as begun; each to be given its ``rows_out``, and as they ended once the context is left.

    Raises
    ------
    StoreBusyError, StoreUnavailableError
        The lease was lost, or could not be renewed in time.
    """
    records = {one.name: _begun(file, one, before.get(one.name)) for one in resolutions}
    project.chunks.mark(records.values())
    began = time.perf_counter()
    try:
        yield records
        _require(ours)
    except OhlcvError as error:
        ended = [_ended(record, "failed", began, error=str(error)) for record in records.values()]
        with suppress(StoreError, OSError):  # what went wrong first is what counts
            ours()
            project.chunks.mark(ended)
        tell(observer, ended)
        raise
    records.update({name: _ended(record, "done", began) for name, record in records.items()})
    project.chunks.mark(records.values())
    tell(observer, records.values())


def outdate(project: Project, day: dt.date, content_hash: str, observer: Observer = nobody) -> int:
    """Record that a day's bars were made from other trades than it has now; return of how many chunks.

    Bars count as stale without that too, by their hash: this is for whoever looks at the records.
    """
    found = project.chunks.records(Span(*day_bounds(day)))
    wrong = [record for record in found if record.state == "done" and record.source_hash != content_hash]
    stale = [replace(record, state=moved(record.state, "stale")) for record in wrong]
    project.chunks.mark(stale)
    tell(observer, stale)
    return len(stale)


def tell(observer: Observer, records: Iterable[ChunkRecord]) -> None:
    """Tell an observer what became of chunks."""
    for record in records:
        made = record.rows_out if record.state == "done" else 0
        detail: dict[str, float | int | str] = {
            "resolution": record.resolution,
            "state": record.state,
            "rows_in": record.rows_in,
            "rows_out": made,
            "seconds": record.seconds,
            "attempts": record.attempts,
        }
        if record.error:
            detail["error"] = record.error
        observer(Progress(CHUNK, f"{day_of(record.start)} {record.resolution}", made, made, "bars", detail))


def _require(ours: Check) -> None:
    """Make sure that a lease is still ours, in errors of ours."""
    try:
        ours()
    except OSError as error:
        raise StoreUnavailableError(
            f"The bars were made, but meanwhile their lease could not be renewed ({error}): run the same again."
        ) from error


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


def _ended(record: ChunkRecord, state: Literal["done", "failed"], began: float, *, error: str = "") -> ChunkRecord:
    seconds = time.perf_counter() - began
    return replace(record, state=moved(record.state, state), seconds=seconds, error=error)
