"""The engine that has the server make bars of the trades it stores.

What belongs here: asking a store that can. What does not: how the store does it (``stores.influxdb.downsampling``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.errors import SettingsError
from ohlcv_assets.lake.dayfile import DayFile
from ohlcv_assets.pipeline.engines.base import Made, in_chain, source_bars
from ohlcv_assets.progress import Observer, Progress
from ohlcv_assets.project import Project
from ohlcv_assets.settings import BarEngineName
from ohlcv_assets.stores.base import RollsUp


class ServerEngine:
    """InfluxDB: the Flux of its tasks, run for one day; neither trades nor bars leave the server."""

    name: Final[BarEngineName] = "influx-task"

    def make(
        self, project: Project, file: DayFile, resolutions: Sequence[Resolution], observer: Observer
    ) -> Mapping[str, Made]:
        """Have the bars made."""
        store = rolling_store(project)
        chosen = in_chain(resolutions)
        names = {resolution.name for resolution in chosen}
        for resolution in chosen:
            if resolution.source is not None and resolution.source not in names:
                source_bars(project, file, resolution.source, resolution)
        bars = store.roll_up(file.day, chosen, file.counts)
        total = sum(bars.values())
        observer(Progress("roll up", file.day.isoformat(), total, total, "bars"))
        return {name: Made(number, file.rows) for name, number in bars.items()}


def rolling_store(project: Project) -> RollsUp:
    """Return the bar store, if it makes bars itself.

    Raises
    ------
    SettingsError
        It does not.
    """
    if not isinstance(project.bar_store, RollsUp):
        raise SettingsError(
            "OHLCV_BAR_ENGINE=influx-task has InfluxDB make the bars, and the store in force is "
            f"{project.settings.store_in_force}: set OHLCV_STORE=influxdb, or OHLCV_BAR_ENGINE=client."
        )
    return project.bar_store
