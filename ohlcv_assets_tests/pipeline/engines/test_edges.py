"""Days at the edge of what can happen: every engine makes the same right bars of them, in every store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pytest

from ohlcv_assets.bars.derive import derive
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.lake.dayfile import DayFile
from ohlcv_assets.pipeline.engines.base import Made
from ohlcv_assets.pipeline.engines.choice import ENGINES
from ohlcv_assets.pipeline.steps import load_day
from ohlcv_assets.pipeline.verify import verify_day
from ohlcv_assets.progress import nobody
from ohlcv_assets.project import Project
from ohlcv_assets.settings import BarEngineName
from ohlcv_assets.stores.base import RollsUp
from ohlcv_assets.units import DAY, HOUR, MINUTE, SECOND, Nanos, day_bounds, day_start
from ohlcv_assets_tests.bars.made import Trade, assert_same, by_pandas, table
from ohlcv_assets_tests.pipeline.made import make, project_in
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.pairs import PairMaker

pytestmark = pytest.mark.integration

HOSTILE: Final = (
    " ",
    "two words",
    "a,b=c d",
    '"quoted"',
    "it's",
    "back\\slash\\",
    "Ünïcødé 🚀 中文",
    "'; DROP TABLE trades; --",
    '${x}") |> drop(columns: ["_time"])',
)
MIDWINTER: Final = dt.date(2024, 1, 5)
SWITCHES: Final = (dt.date(2024, 3, 10), dt.date(2024, 3, 31), dt.date(2024, 10, 27), dt.date(2024, 11, 3))
"""Nights on which clocks change in New York and in Europe."""


def hourly(day: dt.date) -> list[Trade]:
    """Return a trade at the beginning and at the end of each hour of a day, by the clocks of nobody."""
    start = day_start(day)
    opens = [("A", start + hour * HOUR, 10.0 + hour, 0.5, 1) for hour in range(24)]
    closes = [("A", start + (hour + 1) * HOUR - 1, 20.0 + hour, 0.25, -1) for hour in range(24)]
    return sorted([*opens, *closes])


def edges(day: dt.date) -> list[Trade]:
    """Return trades on, before and after the edges of bars of every resolution, and at both ends of the day."""
    start = day_start(day)
    lengths = [one.duration for one in STORED_RESOLUTIONS if one.duration is not None]
    instants = {start, start + DAY - 1} | {
        start + at * length + shift for length in lengths[:-1] for at in (1, 3) for shift in (-1, 0, 1)
    }
    return [
        ("A", at, 100.0 + number % 7 / 8, 1.0 / 3, 1 - 2 * (number % 2)) for number, at in enumerate(sorted(instants))
    ]


CASES: Final[dict[str, tuple[dt.date, list[Trade]]]] = {
    "no trades": (MIDWINTER, []),
    "one trade": (MIDWINTER, [("A", day_start(MIDWINTER) + 7 * HOUR + 1, 12.5, 0.1, -1)]),
    "on the edges": (MIDWINTER, edges(MIDWINTER)),
    "hostile symbols": (
        MIDWINTER,
        sorted((name, day_start(MIDWINTER) + at * MINUTE, 1.0 + at, 0.1, 1) for name in HOSTILE for at in (0, 1, 600)),
    ),
    "a partial first window": (
        MIDWINTER,
        [("A", day_start(MIDWINTER) + 10 * HOUR + 7 * MINUTE + at * 30 * SECOND, 5.0 + at, 0.1, 1) for at in range(5)],
    ),
    "29 February": (dt.date(2024, 2, 29), hourly(dt.date(2024, 2, 29))),
    "the year's first bar": (
        dt.date(2024, 1, 1),
        [("A", day_start(dt.date(2024, 1, 1)), 3.0, 1.0, 1), ("A", day_start(dt.date(2024, 1, 1)) + 1, 4.0, 1.0, 1)],
    ),
    "the year's last bar": (
        dt.date(2024, 12, 31),
        [("A", day_start(dt.date(2024, 12, 31)) + DAY - 1, 3.0, 1.0, -1)],
    ),
    **{f"clocks change on {day}": (day, hourly(day)) for day in SWITCHES},
}


@pytest.fixture(name="stores", params=["memory", "duckdb", "fake", "real"])
def _stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    """Return a project of the whole year on each kind of store; nothing of it is planned."""
    year = {"start": dt.date(2024, 1, 1), "end": dt.date(2024, 12, 31)}
    kind = str(request.param)
    if kind in {"memory", "duckdb"}:
        project = project_in(tmp_path / "data", store=kind, **year)
        yield project
        if kind == "duckdb":
            project.trade_store.close()  # type: ignore[attr-defined]  # no protocol asks for closing
        return
    server: Server = request.getfixturevalue(f"{kind}_server")
    with PairMaker(server, "native") as maker:
        trades, bars = maker.empty_pair()
        yield replace(project_in(tmp_path / "data", **year), trade_store=trades, bar_store=bars)


def filed(project: Project, day: dt.date, trades: Sequence[Trade]) -> DayFile:
    """Put trades into a day's file, whatever the plan says, and load it."""
    file, _ = project.lake.write(day, iter(table(trades).to_batches()), {"made": "by hand"}, force=True)
    load_day(project, day)
    return file


def engines_of(project: Project) -> Sequence[BarEngineName]:
    """Return the engines that a store has, the one in force last, so that what it makes stays."""
    return [name for name in ENGINES if name != "influx-task" or isinstance(project.bar_store, RollsUp)]


@pytest.mark.parametrize("case", CASES)
def test_every_engine_makes_the_same_right_bars(stores: Project, case: str) -> None:
    """Bars are those that pandas makes: prices, trades and imbalance exactly, sums within rounding."""
    day, trades = CASES[case]
    file = filed(stores, day, trades)
    for name in engines_of(stores):
        made = ENGINES[name].make(stores, file, STORED_RESOLUTIONS, nobody)
        for resolution in STORED_RESOLUTIONS:
            expected = by_pandas(trades, resolution)
            assert_same(expected, stores.bar_store.read(resolution, *day_bounds(day)))
            assert made[resolution.name] == Made(expected.num_rows, len(trades)), name


def test_bars_of_a_day_in_place_of_others(stores: Project) -> None:
    """Whatever a day held before, afterwards it holds the bars of its trades: fewer, or none."""
    for case in ("on the edges", "one trade", "no trades"):
        day, trades = CASES[case]
        file = filed(stores, day, trades)
        for name in engines_of(stores):
            ENGINES[name].make(stores, file, STORED_RESOLUTIONS, nobody)
            for resolution in STORED_RESOLUTIONS:
                assert_same(by_pandas(trades, resolution), stores.bar_store.read(resolution, *day_bounds(day)))


def test_views_at_the_ends_of_the_year_and_of_february(stores: Project) -> None:
    """Weeks and months are derived of the days there are: the first week begins with the year, February has 29 days."""
    days = [dt.date(2024, 1, 1), dt.date(2024, 2, 28), dt.date(2024, 2, 29), dt.date(2024, 3, 1), dt.date(2024, 12, 31)]
    every: list[Trade] = []
    for day in days:
        trades = hourly(day)
        ENGINES["client"].make(stores, filed(stores, day, trades), STORED_RESOLUTIONS, nobody)
        every += trades
    year = day_start(dt.date(2024, 1, 1)), day_start(dt.date(2025, 1, 1))
    for name in ("1W", "1M"):
        assert_same(by_pandas(every, RESOLUTIONS[name]), derive(RESOLUTIONS[name], stores.bar_store.read, *year))


def test_a_range_that_begins_within_a_bar(stores: Project) -> None:
    """Only bars that open in the range are given, each of them whole; the one that is open already is left out."""
    day, trades = CASES["on the edges"]
    ENGINES["client"].make(stores, filed(stores, day, trades), STORED_RESOLUTIONS, nobody)
    start = Nanos(day_start(day) + 61 * SECOND)
    for resolution in RESOLUTIONS.values():
        if resolution.duration is None or resolution.duration > DAY:
            continue
        expected = by_pandas(trades, resolution)
        inside = expected["ts"].cast(pa.int64()).to_numpy() >= start
        found = derive(resolution, stores.bar_store.read, start, Nanos(day_start(day) + DAY))
        assert_same(expected.filter(pa.array(inside)), found)


@pytest.mark.parametrize("day", [*SWITCHES, dt.date(2024, 2, 29), dt.date(2024, 1, 1), dt.date(2024, 12, 31)])
def test_from_generation_to_proof(tmp_path: Path, day: dt.date) -> None:
    """Generated days around them, sessions included, pass every check: the night before, the day, and the day after."""
    first, last = (
        max(day - dt.timedelta(days=2), dt.date(2024, 1, 1)),
        min(day + dt.timedelta(days=1), dt.date(2024, 12, 31)),
    )
    project = project_in(tmp_path / "data", start=first, end=last, total_trades=2_000)
    make(project, *project.dataset.days)
    wrong = [
        (one, proof.asset, proof.verdict.summary)
        for one in project.dataset.days
        for proof in (*verify_day(project, one), *verify_day(project, one, only="bars"))
        if not proof.verdict.passed
    ]
    assert wrong == []
