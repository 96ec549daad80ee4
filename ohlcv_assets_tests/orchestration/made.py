"""Tiny projects for tests of the orchestration, and ways to spoil what they hold."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS, Resolution
from ohlcv_assets.project import Project, open_project
from ohlcv_assets.settings import load_settings
from ohlcv_assets.stores.memory import MemoryTradeStore
from ohlcv_assets.units import day_bounds

THURSDAY = dt.date(2024, 1, 4)
FRIDAY = dt.date(2024, 1, 5)
SATURDAY = dt.date(2024, 1, 6)
DAYS = (THURSDAY, FRIDAY, SATURDAY)
TRADES = 900
BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]


def project_in(folder: Path, **settings: object) -> Project:
    """Return a project of three days, in memory unless asked for otherwise."""
    chosen = {"start": THURSDAY, "end": SATURDAY, "total_trades": TRADES, "store": "memory"} | settings
    return open_project(load_settings(data_dir=folder, **chosen))


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment in which commands work on the same three days, on DuckDB."""
    given = {
        "OHLCV_DATA_DIR": str(folder),
        "OHLCV_START": str(THURSDAY),
        "OHLCV_END": str(SATURDAY),
        "OHLCV_TOTAL_TRADES": str(TRADES),
        "DAGSTER_HOME": str(folder / "dagster_home"),
    }
    return {**os.environ, **given, **more}


def command(*words: str | Path, folder: Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the virtual environment to its end."""
    return subprocess.run(
        [str(BIN / words[0]), *map(str, words[1:])],
        env=environment(folder, **more),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def spoil_price(project: Project, day: dt.date) -> None:
    """Change one stored trade's price behind everybody's back."""
    store = project.trade_store
    assert isinstance(store, MemoryTradeStore)
    table = store._trades[day]
    prices = table["price"].to_numpy().copy()
    prices[0] += 1.0
    at = table.schema.get_field_index("price")
    store._trades[day] = table.set_column(at, table.schema.field("price"), pa.array(prices))


def lose_trade(project: Project, day: dt.date) -> None:
    """Lose one stored trade behind everybody's back."""
    store = project.trade_store
    assert isinstance(store, MemoryTradeStore)
    store._trades[day] = store._trades[day].slice(1)


def spoil_bars(project: Project, resolution: Resolution, day: dt.date) -> None:
    """Raise every stored high of a day."""
    bars = project.bar_store.read(resolution, *day_bounds(day))
    highs = bars["high"].to_numpy() + 1.0
    at = bars.schema.get_field_index("high")
    project.bar_store.write(resolution, day, bars.set_column(at, bars.schema.field("high"), pa.array(highs)))


def metadata_of(result: dg.AssetCheckEvaluation) -> Mapping[str, Any]:
    """Return a check's metadata as plain values."""
    return {name: value.value for name, value in result.metadata.items()}


def contents(project: Project, days: Sequence[dt.date] = DAYS) -> list[object]:
    """Return everything that files and stores hold of some days, comparable with ==."""
    return [
        [
            project.lake.recompute_hash(day),
            project.trade_store.content(day).to_pylist(),
            [project.bar_store.read(one, *day_bounds(day)).to_pylist() for one in STORED_RESOLUTIONS],
        ]
        for day in days
    ]
