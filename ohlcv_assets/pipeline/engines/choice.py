"""Which engine makes bars.

What belongs here: the list of engines, and the one in force. What does not: the engines.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ohlcv_assets.pipeline.engines.base import BarEngine
from ohlcv_assets.pipeline.engines.server import ServerEngine, rolling_store
from ohlcv_assets.pipeline.engines.tables import ClientEngine, SqlEngine
from ohlcv_assets.project import Project
from ohlcv_assets.settings import BarEngineName

ENGINES: Final[Mapping[BarEngineName, BarEngine]] = {
    engine.name: engine for engine in (ClientEngine(), SqlEngine(), ServerEngine())
}
"""All engines by name."""


def engine_of(project: Project) -> BarEngine:
    """Return the engine in force.

    Raises
    ------
    SettingsError
        The setting names one that the store in force does not have.
    """
    engine = ENGINES[project.settings.bar_engine]
    if engine.name == ServerEngine.name:
        rolling_store(project)
    return engine
