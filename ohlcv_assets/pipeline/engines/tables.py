"""Engines that make bars as tables from the day file and hand them to the bar store, whichever it is.

What belongs here: our roll-up, DuckDB's SQL. What does not: how either computes a bar (``bars.rollup``,
``verify.independent``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import pyarrow as pa

from ohlcv_assets.bars.compose import compose
from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS, Resolution
from ohlcv_assets.bars.rollup import bars_of_trades
from ohlcv_assets.errors import DamagedDayFileError
from ohlcv_assets.lake.dayfile import DayFile
from ohlcv_assets.pipeline.engines.base import Made, in_chain, source_bars, trades_of
from ohlcv_assets.pipeline.parts import parts
from ohlcv_assets.progress import Observer, Progress
from ohlcv_assets.project import Project
from ohlcv_assets.settings import BarEngineName
from ohlcv_assets.verify.independent import independent_day


class ClientEngine:
    """The roll-up (``bars.rollup``): 1m from the file, everything else from the resolution below."""

    name: Final[BarEngineName] = "client"

    def make(
        self, project: Project, file: DayFile, resolutions: Sequence[Resolution], observer: Observer
    ) -> Mapping[str, Made]:
        """Roll up and write."""
        made: dict[str, pa.Table] = {}
        for resolution in in_chain(resolutions):
            if resolution.source is None:
                made[resolution.name] = _of_trades(project, file, resolution)
            else:
                source = made.get(resolution.source)
                below = source_bars(project, file, resolution.source, resolution) if source is None else source
                made[resolution.name] = compose(below, resolution)
        return _written(project, file, made, observer)


class SqlEngine:
    """SQL in DuckDB (``verify.independent``), each resolution from the file's trades."""

    name: Final[BarEngineName] = "duckdb"

    def make(
        self, project: Project, file: DayFile, resolutions: Sequence[Resolution], observer: Observer
    ) -> Mapping[str, Made]:
        """Select and write."""
        settings = project.settings
        made = bars_by_sql(
            project, file, in_chain(resolutions), threads=settings.duckdb_threads, memory=settings.duckdb_memory
        )
        return _written(project, file, made, observer)


def bars_by_sql(
    project: Project,
    file: DayFile,
    resolutions: Sequence[Resolution],
    *,
    threads: int,
    memory: str,
    direct: bool = False,
) -> Mapping[str, pa.Table]:
    """Return a day's bars by SQL from the file itself, by resolution name; see ``verify.independent``.

    Raises
    ------
    DamagedDayFileError
        DuckDB cannot read the file.
    """
    try:
        return independent_day(file.path, resolutions, threads=threads, memory=memory, direct=direct)
    except duckdb.Error as error:
        detail = str(error).splitlines()[0].rstrip(".")
        raise DamagedDayFileError(
            f"{file.path} cannot be read by SQL, so there are no bars of it ({detail}): "
            f"if other checks call it damaged too, {project.lake.remedy}."
        ) from error


def bars_by_roll_up(project: Project, file: DayFile, resolutions: Sequence[Resolution]) -> Mapping[str, pa.Table]:
    """Return a day's bars by the roll-up, each resolution from the file's trades, by resolution name."""
    return {resolution.name: _of_trades(project, file, resolution) for resolution in resolutions}


def bars_by_chain(project: Project, file: DayFile, resolutions: Sequence[Resolution]) -> Mapping[str, pa.Table]:
    """Return a day's bars by the roll-up, 1m from the file and everything else from the bars below, by name."""
    made: dict[str, pa.Table] = {}
    last = max(STORED_RESOLUTIONS.index(resolution) for resolution in resolutions)
    for resolution in STORED_RESOLUTIONS[: last + 1]:
        source = made.get(resolution.source or "")
        made[resolution.name] = _of_trades(project, file, resolution) if source is None else compose(source, resolution)
    return {resolution.name: made[resolution.name] for resolution in resolutions}


def _of_trades(project: Project, file: DayFile, resolution: Resolution) -> pa.Table:
    tables = [bars_of_trades(part, resolution) for part in parts(project, file.day)]
    return pa.concat_tables(tables).unify_dictionaries()


def _written(project: Project, file: DayFile, made: Mapping[str, pa.Table], observer: Observer) -> Mapping[str, Made]:
    written = project.bar_store.write_many(file.day, made)
    observer(Progress("roll up", file.day.isoformat(), written, written, "bars"))
    return {name: Made(table.num_rows, trades_of(table)) for name, table in made.items()}
