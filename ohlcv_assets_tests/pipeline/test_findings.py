"""What a look at the days finds."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.pipeline.bar_status import DayRange
from ohlcv_assets.pipeline.findings import Finding, findings_of
from ohlcv_assets.pipeline.status import BarsThere, DayStatus, status_of
from ohlcv_assets.project import Project
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, change_bars, make, project_in

pytestmark = pytest.mark.unit


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Project:
    """Return a project of which Friday and Saturday are made."""
    project = project_in(tmp_path)
    make(project, FRIDAY, SATURDAY)
    return project


def found(project: Project) -> dict[str, Finding]:
    """Return what is found, by name."""
    return {finding.name: finding for finding in findings_of(status_of(project))}


def test_days_that_are_not_made_are_no_fault(project: Project) -> None:
    """Of files, stored trades and bars alike; when they are made all is sound."""
    for finding in found(project).values():
        assert (finding.state, finding.sound, finding.wrong) == ("incomplete", 2, ())
        assert [(days.first, days.last) for days in finding.incomplete] == [(THURSDAY, THURSDAY)]
    make(project, THURSDAY)
    assert {(finding.state, finding.sound) for finding in found(project).values()} == {("sound", 3)}


def test_posted_trades_are_no_fault(project: Project) -> None:
    """Of a day that was never loaded: stored trades and bars of it are not complete, and nothing is wrong."""
    (batch,) = list(project.trade_store.scan(*day_bounds(SATURDAY)))[:1]
    trades = pa.Table.from_batches([batch]).slice(0, 3)
    ts = pc.subtract(trades["ts"], pa.scalar(dt.timedelta(days=2), pa.duration("ns")))
    project.trade_store.append(trades.set_column(trades.schema.get_field_index("ts"), trades.schema.field("ts"), ts))
    files, stored, bars = found(project).values()
    assert (files.wrong, stored.wrong, bars.wrong) == ((), (), ())
    posted = DayRange(THURSDAY, THURSDAY, "posted trades, no file yet")
    assert (stored.incomplete, bars.incomplete) == ((posted,), (posted,))


def test_what_is_wrong_is_named(project: Project) -> None:
    """A damaged file, trades that were changed, bars of other trades."""
    change_bars(project, RESOLUTIONS["1d"], SATURDAY, "trades", 0, 2)
    project.lake.inspect(FRIDAY).path.write_bytes(b"PAR1 and nothing more PAR1")
    first = next(project.trade_store.scan(*day_bounds(SATURDAY)))
    project.trade_store.append(pa.Table.from_batches([first]).slice(0, 1))
    files, stored, bars = found(project).values()
    assert files.wrong == (DayRange(FRIDAY, FRIDAY, "damaged"),)
    assert stored.wrong == (DayRange(FRIDAY, FRIDAY, "no file"), DayRange(SATURDAY, SATURDAY, "other content"))
    assert bars.wrong == (DayRange(SATURDAY, SATURDAY, "1d of other trades"),)
    assert {finding.state for finding in (files, stored, bars)} == {"wrong"}


def test_bars_that_are_not_there_are_named(project: Project) -> None:
    """Of one resolution or of all; and those whose trades are gone are wrong."""
    project.bar_store.delete_day(RESOLUTIONS["5m"], FRIDAY)
    project.trade_store.delete_day(SATURDAY)
    bars = found(project)["bars"]
    assert bars.wrong == (DayRange(SATURDAY, SATURDAY, "bars of trades that are gone"),)
    assert bars.incomplete[1] == DayRange(FRIDAY, FRIDAY, "no bars of 5m")
    for resolution in STORED_RESOLUTIONS:
        project.bar_store.delete_day(resolution, FRIDAY)
    assert found(project)["bars"].incomplete[1] == DayRange(FRIDAY, FRIDAY, "no bars yet")


def test_consecutive_days_stand_together() -> None:
    """Of one reason; a day without trades needs no bars."""
    none = {"1m": BarsThere(0, 0)}
    days = [
        DayStatus(FRIDAY + dt.timedelta(days=after), planned, "missing", 0, 0, "missing", 0, none)
        for after, planned in enumerate((5, 5, 0, 5))
    ]
    files, _, bars = findings_of(days)
    assert [(one.first, one.last) for one in files.incomplete] == [(days[0].day, days[3].day)]
    assert [(one.first, one.last) for one in bars.incomplete] == [
        (days[0].day, days[1].day),
        (days[3].day, days[3].day),
    ]
    assert bars.sound == 1
