"""The backfill as a whole: figures of a few small days, and no figure of a failed one."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from ohlcv_assets.bench import year
from ohlcv_assets.bench.year import measure_backfill
from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.orchestration.backfill import BackfillResult
from ohlcv_assets.orchestration.outcome import DayOutcome

pytestmark = pytest.mark.integration


def test_days_are_measured_in_a_home_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time, rate, memory and orchestration's share are figures, and the user's history stays as it was."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "of the user"))
    figures = {figure.name: figure for figure in measure_backfill(tmp_path, days=2, total=20_000, workers=1)}
    assert not (tmp_path / "of the user").exists()
    assert os.environ["DAGSTER_HOME"] == str(tmp_path / "of the user")
    assert (tmp_path / "dagster_home" / "history").is_dir()
    assert figures["all steps and checks"].value > 0
    assert figures["all steps and checks"].target is None
    assert 0 < (figures["orchestration, processor time a run"].ratio or 0) < 1
    assert figures["largest worker"].met is True


def test_the_year_has_a_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a whole year is held to the year's time."""
    day = DayOutcome(dt.date(2024, 1, 1), "made", trades=10, seconds=1, body_seconds=0.5, cpu_seconds=1)
    whole = BackfillResult("b", (day,) * year.YEAR_DAYS, year.YEAR_DAYS, (), 2, 400.0, False, "")  # noqa: FBT003 -- interrupted
    monkeypatch.setattr(year, "backfill", lambda *_, **__: whole)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    figures = measure_backfill(tmp_path)
    assert (figures[0].target, figures[0].met) == (year.YEAR_SECONDS, True)
    assert "DAGSTER_HOME" not in os.environ


def test_a_failed_day_gives_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backfill that did not end well is an error with the day and its reason."""
    failed = DayOutcome(dt.date(2024, 1, 1), "failed", error="no room")
    result = BackfillResult("b", (failed,), 1, (), 2, 1.0, False, "")  # noqa: FBT003 -- interrupted
    monkeypatch.setattr(year, "backfill", lambda *_, **__: result)
    with pytest.raises(OhlcvError, match="2024-01-01: no room"):
        measure_backfill(tmp_path, days=1)
