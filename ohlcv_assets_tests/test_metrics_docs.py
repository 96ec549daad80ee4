"""The documentation of recorded figures is what a day records."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg
import pytest

from ohlcv_assets.api.telemetry import Telemetry
from ohlcv_assets.exporter import Exporter
from ohlcv_assets.orchestration.assembly import build_definitions
from ohlcv_assets.project import open_project
from ohlcv_assets.settings import load_settings

pytestmark = pytest.mark.integration
PAGE = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text("utf-8")
COST = "What a step costs"
WHEN_FAILING = {"different", "differences"}


def documented(title: str) -> set[str]:
    """Return the keys in the table of a section whose title contains a text."""
    sections = {text.partition("\n")[0]: text for text in PAGE.split("\n## ")[1:]}
    found = next(text for name, text in sections.items() if title in name)
    first_cells = (line.split("|")[1] for line in found.splitlines() if line.startswith("| `"))
    return {key for cell in first_cells for key in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.unit
@pytest.mark.parametrize(("title", "made"), [("a backfill", Exporter), ("the service", Telemetry)])
def test_every_metric_is_documented_as_it_is(title: str, made: type[Exporter | Telemetry]) -> None:
    """Name, type and meaning of every metric stand in the page, and no metric that there is not."""
    section = next(text for text in PAGE.split("\n## ") if text.startswith(f"Metrics of {title}\n"))
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    shown = {name.strip("`"): (kind.split(" ")[0], meaning) for name, kind, meaning in rows}
    families = made().registry.collect()
    there = {
        f"{family.name}_total" if family.type == "counter" else family.name: (family.type, family.documentation)
        for family in families
    }
    assert shown == there


def test_every_recorded_key_is_documented_and_every_documented_key_is_recorded(copied: Path) -> None:
    """A day that is made, one that is there already, and the report: their keys are those of docs/metrics.md."""
    definitions = build_definitions(open_project(load_settings(data_dir=copied)))
    assets: dict[str, set[str]] = {}
    checks: set[str] = set()
    with dg.instance_for_test() as instance:
        for job, day in (("day", "2024-01-09"), ("day", "2024-01-08"), ("report", None)):
            result = definitions.resolve_job_def(job).execute_in_process(partition_key=day, instance=instance)
            for event in result.get_asset_materialization_events():
                found = event.step_materialization_data.materialization
                assets.setdefault(found.asset_key.to_user_string(), set()).update(found.metadata)
            for evaluation in result.get_asset_check_evaluations():
                checks.update(evaluation.metadata)
    assert len(assets) == 8
    for name, keys in assets.items():
        cost = set() if name == "dataset_report" else documented(COST)
        assert keys == documented(f"`{name}`") | cost, name
    assert checks | WHEN_FAILING == documented("Checks")
