"""Generated trades as a source of day files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ohlcv_assets.generate.generator import Generator
from ohlcv_assets.generate.strategies import Strategies
from ohlcv_assets.lake.lake import Lake
from ohlcv_assets.market.grid import on_grid
from ohlcv_assets.market.plan import Plan, make_plan
from ohlcv_assets.market.schema import TRADES
from ohlcv_assets.market.universe import load_universe, universe_from_symbols
from ohlcv_assets.progress import Progress, nobody
from ohlcv_assets.sources.synthetic import SyntheticSource
from ohlcv_assets.units import days_between

pytestmark = pytest.mark.integration

FRIDAY = dt.date(2024, 3, 15)
SATURDAY = dt.date(2024, 3, 16)


@pytest.fixture(name="plan", scope="module")
def _plan() -> Plan:
    shipped = load_universe()
    stock = next(symbol for symbol in shipped.symbols if symbol.calendar == "XNYS")
    pair = next(symbol for symbol in shipped.symbols if symbol.calendar == "24/7")
    return make_plan(universe_from_symbols([stock, pair]), days_between(FRIDAY, SATURDAY), 4_000, 7)


def source_of(plan: Plan, seed: int = 7, batch_rows: int = 100_000, **strategies: str) -> SyntheticSource:
    """Return a source."""
    return SyntheticSource(Generator(plan, seed, Strategies(**strategies)), plan, seed, batch_rows=batch_rows)


def test_batches_are_the_plan(plan: Plan, tmp_path: Path) -> None:
    """Planned counts, columns, ids counting over days, grids, and days without a session."""
    source = source_of(plan, batch_rows=300)
    assert source.universe is plan.universe
    assert source.days == (FRIDAY, SATURDAY)
    lake = Lake(tmp_path)
    events: list[Progress] = []
    for day in source.days:
        file, _ = lake.write(day, source.batches(day, events.append), source.fingerprint(day))
        assert dict(file.counts) == {name: rows for name, rows in source.counts(day).items() if rows}
    assert [event.done for event in events if event.subject == str(FRIDAY)][-1] == sum(source.counts(FRIDAY).values())
    whole = pa.concat_tables([lake.read(day) for day in source.days])
    assert whole.schema.equals(TRADES)
    for symbol in plan.universe.symbols:
        ids = np.concatenate([lake.read(day, [symbol.name])["trade_id"].to_numpy() for day in source.days])
        assert ids.tolist() == list(range(int(plan.counts[plan.universe.names.index(symbol.name)].sum())))
        starts = [source.first_ids(day)[symbol.name] for day in source.days]
        assert starts == [0, source.counts(FRIDAY)[symbol.name]]
        mine = lake.read(FRIDAY, [symbol.name])
        assert on_grid(mine["price"].to_numpy(), symbol.ticks_per_unit).all()
        assert on_grid(mine["amount"].to_numpy(), symbol.lots_per_unit).all()


def test_batch_size_changes_nothing(plan: Plan, tmp_path: Path) -> None:
    """The day file is the same at any size of batches."""
    hashes = set()
    for size in (7, 1_000, 10_000):
        source = source_of(plan, batch_rows=size)
        file, _ = Lake(tmp_path).write(FRIDAY, source.batches(FRIDAY, nobody), source.fingerprint(FRIDAY), force=True)
        hashes.add(file.content_hash)
    assert len(hashes) == 1


def test_fingerprint_tells_what_content_depends_on(plan: Plan) -> None:
    """Seed, total, strategies, universe and days change the fingerprint; batch size does not."""
    base = source_of(plan).fingerprint(FRIDAY)
    assert source_of(plan, batch_rows=5).fingerprint(FRIDAY) == base
    others = [
        source_of(plan, seed=8),
        source_of(make_plan(plan.universe, plan.days, 4_001, 7)),
        source_of(make_plan(plan.universe, plan.days, 4_000, 7, "uniform")),
        source_of(make_plan(universe_from_symbols(plan.universe.symbols[:1]), plan.days, 4_000, 7)),
        source_of(make_plan(plan.universe, plan.days[:1], 4_000, 7)),
        source_of(plan, price_model="gbm"),
        source_of(plan, arrivals="poisson"),
        source_of(plan, sizes="fixed"),
    ]
    for other in others:
        assert other.fingerprint(FRIDAY) != base
    assert all(isinstance(value, str) for value in base.values())
