"""Bars that need not be made: recorded as made of the day's trades, and found to be theirs.

What belongs here: looking whether stored bars are right. What does not: proving them to a reader (``checks``), judging
many days by counts alone (``bar_days``).

A record alone is not believed, since whoever has bars made again may do so because they look wrong; bars are compared,
which costs a fraction of making and writing them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.lake.dayfile import DayFile
from ohlcv_assets.pipeline.engines.base import Made, trades_of
from ohlcv_assets.pipeline.engines.tables import bars_by_chain
from ohlcv_assets.project import Project
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.units import day_bounds
from ohlcv_assets.verify.bars import bars_equal


def is_done(record: ChunkRecord | None, content: str) -> bool:
    """Return whether a chunk is recorded as made of the trades with this hash."""
    return record is not None and record.state == "done" and record.source_hash == content


def settled(
    project: Project, file: DayFile, resolutions: Sequence[Resolution], records: Mapping[str, ChunkRecord]
) -> Mapping[str, Made]:
    """Return which of a day's bars are right as they are, by resolution name.

    Parameters
    ----------
    project
        Whose.
    file
        Of the day.
    resolutions
        Stored ones.
    records
        What is recorded of the day's chunks, by resolution name.

    Raises
    ------
    StoreError, LakeError
        The store could not be used, or the file not be read.
    """
    done = [resolution for resolution in resolutions if is_done(records.get(resolution.name), file.content_hash)]
    if not done:
        return {}
    with project.store_session():
        held = {one.name: project.bar_store.read(one, *day_bounds(file.day)) for one in done}
    expected = bars_by_chain(project, file, done)
    return {
        one.name: Made(held[one.name].num_rows, trades_of(held[one.name]))
        for one in done
        if bars_equal(expected[one.name], held[one.name], one).passed
    }
