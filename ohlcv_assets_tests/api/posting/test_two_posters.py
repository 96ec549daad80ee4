"""Two services that post into one store at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pytest

from ohlcv_assets.api.posting.commit import Carried, Committer, Post
from ohlcv_assets.api.posting.ledger import Ledger
from ohlcv_assets.project import Project, open_project
from ohlcv_assets.units import DAY
from ohlcv_assets_tests.api.made import on_fake_influxdb, settings_in
from ohlcv_assets_tests.api.posting.made import START, columns

pytestmark = pytest.mark.integration

Told = dict[tuple[int, int], float]
"""Price by symbol and instant."""


@pytest.fixture(params=["duckdb", "influxdb"], name="projects")
def _projects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Project]]:
    """Return the same dataset twice, its stores kept as services keep them."""
    with ExitStack() as stack:
        given = stack.enter_context(on_fake_influxdb()) if request.param == "influxdb" else {}
        projects = [open_project(settings_in(tmp_path, **{"store": request.param, **given})) for _ in range(2)]
        for project in projects:
            stack.callback(project.trade_store.close)  # type: ignore[attr-defined]  # both kinds can be closed
            stack.enter_context(project.store_kept())
        yield projects


def test_neither_overwrites_a_trade_of_the_other(projects: list[Project]) -> None:
    """Both post other trades at the same instants, all at once: each is stored where its poster was told."""

    def poster(number: int) -> Told:
        committer, told = Committer(projects[number], Ledger(None, 100)), Told()
        for turn in range(6):
            instants = [(symbol, turn * 5 + at) for symbol in (0, 1) for at in range(5)] + [(0, DAY + turn)]
            # No trade equals another, of whomever: equal ones would be duplicates.
            rows = [(symbol, START + at, float(1 + number + 2 * at)) for symbol, at in instants]
            done = committer.commit([Post("somebody", columns(*rows))])
            assert done.error is None
            (verdict,) = done.verdicts
            assert isinstance(verdict, Carried)
            for (symbol, _, price), ts in zip(rows, verdict.placed.ts.tolist(), strict=True):
                told[symbol, ts] = price
        return told

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(poster, range(2))
    assert one.keys().isdisjoint(other.keys())
    store, names = projects[0].trade_store, projects[0].dataset.universe.names
    told = one | other
    keys = columns(*((symbol, ts, price) for (symbol, ts), price in told.items())).table(names)
    found = store.fetch(keys)
    held = zip(found["symbol"].to_pylist(), found["ts"].cast(pa.int64()).to_pylist(), found["price"], strict=True)
    assert {(names.index(str(symbol)), ts): price.as_py() for symbol, ts, price in held} == told
    assert sum(store.counts_by_day().values()) == len(told) == 2 * 6 * 11
