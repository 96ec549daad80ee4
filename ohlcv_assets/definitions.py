"""The code location: what `dagster dev`, `dagster job execute -m ohlcv_assets.definitions` and the rest load.

What belongs here: settings to project to definitions. What does not: anything else. Loading reads the dataset's
metadata only: no store is opened, no trade planned.
"""

from __future__ import annotations

import dagster as dg

from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.orchestration.assembly import build_definitions
from ohlcv_assets.project import open_project
from ohlcv_assets.settings import load_settings


def load() -> dg.Definitions:
    """Return the definitions that the settings in force describe.

    Raises
    ------
    DagsterInvalidDefinitionError
        Something is wrong with the settings or the dataset; the text is one sentence.
    """
    try:
        return build_definitions(open_project(load_settings()))
    except OhlcvError as error:
        raise dg.DagsterInvalidDefinitionError(str(error)) from None


defs = load()
