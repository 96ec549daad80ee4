"""Engines of bars: all of them make the same bars, in every store, and a check never compares one with itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.bars.rollup import bars_of_day
from ohlcv_assets.errors import DamagedDayFileError, SettingsError, UnprovedDayError
from ohlcv_assets.pipeline import checks, parts
from ohlcv_assets.pipeline.checks import bar_checks
from ohlcv_assets.pipeline.engines.base import Made
from ohlcv_assets.pipeline.engines.choice import ENGINES, engine_of
from ohlcv_assets.pipeline.steps import file_day, load_day, roll_up_day
from ohlcv_assets.progress import Progress, nobody, only
from ohlcv_assets.project import Project
from ohlcv_assets.settings import BarEngineName
from ohlcv_assets.units import DAY, day_bounds, day_start
from ohlcv_assets.verify.independent import independent_day
from ohlcv_assets_tests.bars.made import Trade, assert_same, table, trades_between
from ohlcv_assets_tests.pipeline.made import FRIDAY, change_bars, damage, planned, project_in, rewrite
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.pairs import PairMaker

pytestmark = pytest.mark.integration
FILE_ENGINES: tuple[BarEngineName, ...] = ("client", "duckdb")
START = day_start(FRIDAY)
HOURS = RESOLUTIONS["1h"]


def with_engine(project: Project, name: BarEngineName) -> Project:
    """Return a project with another engine."""
    return replace(project, settings=project.settings.model_copy(update={"bar_engine": name}))


def held(project: Project, name: str) -> pa.Table:
    """Return the day's stored bars of a resolution."""
    return project.bar_store.read(RESOLUTIONS[name], *day_bounds(FRIDAY))


@pytest.fixture(name="on_server")
def _on_server(any_server: Server, tmp_path: Path) -> Iterator[Project]:
    """Return a small project whose stores are on ``any_server``."""
    project = project_in(tmp_path / "small", total_trades=300)
    with PairMaker(any_server, "native") as maker:
        trades, bars = maker.empty_pair()
        yield replace(project, trade_store=trades, bar_store=bars)


def agree(project: Project, trades: Sequence[Trade], names: Sequence[BarEngineName]) -> None:
    """Put trades into a day's file and hold engines to give the bars of the roll-up, each in place of the other's."""
    file = rewrite(project, FRIDAY, table(trades))
    load_day(project, FRIDAY)
    expected = bars_of_day(table(trades))
    for name in names:
        made = ENGINES[name].make(project, file, STORED_RESOLUTIONS, nobody)
        assert made == {one: Made(bars.num_rows, len(trades)) for one, bars in expected.items()}
        for one, bars in expected.items():
            assert_same(bars, held(project, one))


@pytest.mark.parametrize("store", ["memory", "duckdb"])
def test_engines_agree_in_stores_of_files(tmp_path: Path, store: str) -> None:
    """Whatever the trades are, both engines that read the file make the roll-up's bars of it."""
    project = project_in(tmp_path / "data", store=store)

    @hypothesis(deadline=None, max_examples=8)
    @given(trades_between(START, START + DAY))
    def check(trades: list[Trade]) -> None:
        agree(project, trades, FILE_ENGINES)

    check()


def test_engines_agree_on_a_server(on_server: Project) -> None:
    """Whatever the trades are, all three engines make the same bars, one after the other in the same buckets."""

    @hypothesis(deadline=None, max_examples=3)
    @given(trades_between(START, START + DAY, most=20))
    def check(trades: list[Trade]) -> None:
        agree(on_server, trades, tuple(ENGINES))

    check()


def test_a_whole_day_by_setting(on_server: Project) -> None:
    """The setting chooses the engine; a day it made passes every check, and is told of as it is made."""
    project = with_engine(on_server, "influx-task")
    file_day(project, FRIDAY)
    load_day(project, FRIDAY)
    seen: list[Progress] = []
    rolled = roll_up_day(project, FRIDAY, observer=only(seen.append, "roll up"))
    assert set(rolled.trades.values()) == {planned(project, FRIDAY)}
    assert rolled.bars == {one.name: held(project, one.name).num_rows for one in STORED_RESOLUTIONS}
    assert [(one.stage, one.done, one.unit) for one in seen] == [("roll up", sum(rolled.bars.values()), "bars")]
    assert all(verdict.passed for _, verdict in bar_checks(project, FRIDAY))


@pytest.mark.parametrize("name", ENGINES)
def test_a_source_must_be_whole(on_server: Project, name: BarEngineName) -> None:
    """An engine that composes stored bars refuses those that lack trades, and makes hours alone of right ones."""
    project = with_engine(on_server, name)
    file_day(project, FRIDAY)
    load_day(project, FRIDAY)
    if name != "duckdb":  # which makes everything of the file
        with pytest.raises(UnprovedDayError, match="stored 15m bars of 2024-01-05 hold 0 trades and the day has"):
            roll_up_day(project, FRIDAY, [HOURS])
    roll_up_day(project, FRIDAY)
    before = held(project, "1h")
    assert dict(roll_up_day(project, FRIDAY, [HOURS]).bars) == {"1h": before.num_rows}
    assert_same(before, held(project, "1h"))


@pytest.mark.parametrize("store", ["memory", "duckdb"])
def test_a_store_that_makes_no_bars(tmp_path: Path, store: str) -> None:
    """The engine of InfluxDB is refused in one sentence where another store is in force."""
    project = project_in(tmp_path / "data", store=store, bar_engine="influx-task")
    with pytest.raises(SettingsError, match=f"store in force is {store}: set OHLCV_STORE=influxdb, or OHLCV_BAR_ENG"):
        engine_of(project)
    file_day(project, FRIDAY)
    load_day(project, FRIDAY)
    with pytest.raises(SettingsError, match="has InfluxDB make the bars"):
        roll_up_day(project, FRIDAY)


def forbidden(*_: object, **__: object) -> dict[str, pa.Table]:
    """Stand for code that must not run."""
    raise AssertionError("the engine's own code made the bars to compare with")


@pytest.mark.parametrize(
    ("name", "own", "by"),
    [("client", "bars_by_roll_up", "SQL"), ("duckdb", "bars_by_sql", "the roll-up"), ("influx-task", "", "SQL")],
)
def test_bars_are_checked_by_other_code(
    friday: Project, monkeypatch: pytest.MonkeyPatch, name: BarEngineName, own: str, by: str
) -> None:
    """The check of equality takes other code than the engine's, says which, and finds what is wrong."""
    project = with_engine(friday, name)
    if own:
        monkeypatch.setattr(checks, own, forbidden)

    def verdict(one: str) -> tuple[bool, str]:
        chosen = bar_checks(project, FRIDAY, [RESOLUTIONS[one]], lambda _, check: check == "equality")
        (found,) = [found for _, found in chosen]
        return found.passed, found.summary

    for one in STORED_RESOLUTIONS:
        passed, summary = verdict(one.name)
        assert passed
        assert f"bars equal those that {by} makes" in summary
    change_bars(project, HOURS, FRIDAY, "close", 3, 1.5)
    passed, summary = verdict("1h")
    assert not passed
    assert f"are not those that {by} makes" in summary


def test_a_large_day_in_parts(friday: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that does not fit into memory is compared with the bars of its parts."""
    project = with_engine(friday, "duckdb")
    monkeypatch.setattr(parts, "PART_ROWS", 300)
    assert len(list(parts.parts(project, FRIDAY))) > 1
    assert all(verdict.passed for _, verdict in bar_checks(project, FRIDAY))


def test_a_damaged_file(friday: Project) -> None:
    """SQL that cannot read the file says which file it is, and where to look."""
    project = with_engine(friday, "duckdb")
    file = friday.lake.inspect(FRIDAY)
    damage(file)
    with pytest.raises(DamagedDayFileError, match=r"trades\.parquet cannot be read by SQL.*replace it with --force"):
        engine_of(project).make(project, file, STORED_RESOLUTIONS, nobody)


@pytest.mark.parametrize("make", [bars_of_day, independent_day])
def test_days_before_1970(make: Callable[[pa.Table], dict[str, pa.Table]]) -> None:
    """Bars open at or before their trades however early those are."""
    trades = table([("AAPL", -DAY - 1, 1.0, 1.0, 1), ("AAPL", -1, 2.0, 1.0, 1)])
    for name, bars in make(trades).items():
        duration = RESOLUTIONS[name].duration
        assert duration is not None
        assert bars["ts"].cast(pa.int64()).to_pylist() == [-DAY - duration, -duration]
