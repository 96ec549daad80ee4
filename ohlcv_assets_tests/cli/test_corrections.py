"""A day that is loaded again, from the command line."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS
from ohlcv_assets.pipeline.recording import day_records
from ohlcv_assets.project import open_project
from ohlcv_assets.settings import load_settings
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.commands import Ohlcv
from ohlcv_assets_tests.pipeline.made import FRIDAY

pytestmark = pytest.mark.e2e
MONDAY = dt.date(2024, 1, 8)


def test_a_day_is_made_anew_with_equal_and_with_other_content(ohlcv: Ohlcv, copied: Path) -> None:
    """The same trades leave bars and records as they were; other trades make all of them anew, and weeks follow."""
    assert copied.is_dir()
    project = open_project(load_settings())
    again = ("backfill", "--force", "--workers", "1", "--from", str(MONDAY), "--to", str(MONDAY))
    week = ("bars", "BTC-USD", "-r", "1W", "--json")
    records, other_day = day_records(project, MONDAY), day_records(project, FRIDAY)
    bars = [project.bar_store.read(one, *day_bounds(MONDAY)) for one in STORED_RESOLUTIONS]
    before = ohlcv(*week).document["bars"]

    assert ohlcv(*again).code == 0
    assert day_records(project, MONDAY) == records
    assert [project.bar_store.read(one, *day_bounds(MONDAY)) for one in STORED_RESOLUTIONS] == bars

    assert ohlcv("--set", "seed=7", *again).code == 0
    content = project.lake.inspect(MONDAY).content_hash
    assert content not in {record.source_hash for record in records.values()}
    assert {(one.state, one.source_hash) for one in day_records(project, MONDAY).values()} == {("done", content)}
    assert day_records(project, FRIDAY) == other_day
    after = ohlcv(*week).document["bars"]
    assert len(after) == len(before) == 1
    assert after[0]["volume"] != before[0]["volume"]
    status = ohlcv("bars", "status", "--json").document["resolutions"]
    assert [(one["missing"], one["stale"]) for one in status] == [([], [])] * len(STORED_RESOLUTIONS)
