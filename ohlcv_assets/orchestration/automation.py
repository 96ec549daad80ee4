"""Bars that follow their trades by themselves: when Dagster asks for bars without being asked.

What belongs here: the condition, and the sensor that evaluates it once somebody switches it on. What does not: the
assets (``assets``), what a server's own tasks do (``stores.influxdb.tasks``).
https://docs.dagster.io/guides/automate/declarative-automation

``AutomationCondition.eager()`` would look at the latest day alone, and a correction is of any day. It would also ask
for bars after every load, and here a load of equal trades must touch nothing: data versions are hashes of content, so
that they say which load changed anything.
"""

from __future__ import annotations

from typing import Final

import dagster as dg
from dagster import AssetSelection, AutomationCondition

from ohlcv_assets.lake.dataset import Dataset
from ohlcv_assets.orchestration.names import BARS, DATASET_TAG, key_of

SENSOR: Final = "bars_follow_trades"

_EVERY: Final = 30
"""Seconds between two looks."""

_ABOUT: Final = """\
Makes bars of a day anew as soon as the content of its stored trades has changed, whatever day that is, and their count
is proved. Off until it is switched on. A day is asked for once: what fails then is left to `ohlcv bars heal`, or to a
run by hand.
"""


def trades_changed() -> AutomationCondition[dg.AssetKey | dg.AssetCheckKey]:
    """Return the condition of every bar asset: what it is made of has other content, is proved, and nobody makes it."""
    changed = AutomationCondition.data_version_changed() | AutomationCondition.will_be_requested()
    return (
        AutomationCondition.any_deps_match(changed).since_last_handled()
        & AutomationCondition.all_deps_blocking_checks_passed()
        & ~AutomationCondition.any_deps_missing()
        & ~AutomationCondition.any_deps_in_progress()
        & ~AutomationCondition.in_progress()
    ).with_label("trades_changed")


def build_sensor(dataset: Dataset) -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that evaluates the condition of a dataset's bars, switched off."""
    return dg.AutomationConditionSensorDefinition(
        SENSOR,
        target=AssetSelection.assets(*(key_of(dataset, name) for name in BARS)),
        description=_ABOUT,
        run_tags={DATASET_TAG: dataset.name},
        minimum_interval_seconds=_EVERY,
        default_status=dg.DefaultSensorStatus.STOPPED,
    )
