"""What a commit knows without asking the store, and that it never knows anything wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from ohlcv_assets.api.posting import known as known_module
from ohlcv_assets.api.posting.commit import Committer, Post
from ohlcv_assets.api.posting.known import FEW_DAYS
from ohlcv_assets.api.posting.ledger import Ledger
from ohlcv_assets.api.posting.placing import DUPLICATE, MOVED, STORED
from ohlcv_assets.project import Project
from ohlcv_assets.stores.memory import MemoryTradeStore
from ohlcv_assets.units import DAY
from ohlcv_assets_tests.api.posting.made import START, columns
from ohlcv_assets_tests.pipeline.made import FRIDAY, make, project_in

pytestmark = pytest.mark.unit

Rows = list[tuple[int, int, float]]


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Project:
    """Return a project in memory with nothing in it."""
    return project_in(tmp_path)


@pytest.fixture(name="asked")
def _asked(project: Project, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what the store is asked."""
    asked: list[str] = []
    for name in ("fetch", "day_records", "last_instants"):
        monkeypatch.setattr(project.trade_store, name, _noting(project.trade_store, name, asked))
    return asked


def _noting(store: Any, name: str, asked: list[str]) -> Any:  # Any: a method
    method = getattr(store, name)

    def noting(*given: Any) -> Any:  # Any: as above
        asked.append(name)
        return method(*given)

    return noting


def committed(committer: Committer, *rows: tuple[int, int, float]) -> list[tuple[int, int]]:
    """Post trades of (symbol, nanoseconds after Thursday began, price); return outcome and instant of each."""
    shifted = columns(*((symbol, START + at, price) for symbol, at, price in rows))
    done = committer.commit([Post("somebody", shifted)])
    if done.error is not None:
        raise done.error
    (verdict,) = done.verdicts
    placed: Any = getattr(verdict, "placed", None)  # Any: None where it was refused
    assert placed is not None, verdict
    return list(zip(placed.outcome.tolist(), (placed.ts - START).tolist(), strict=True))


def test_trades_in_order_ask_for_nothing(project: Project, asked: list[str]) -> None:
    """Once it is known where the last ones are; repeated ones and those on the same instant included."""
    committer = Committer(project, Ledger(None, 10))
    project.trade_store.append(columns((0, START + 10, 1.0)).table(project.dataset.universe.names))
    assert committed(committer, (0, 20, 1.0), (1, 5, 1.0)) == [(STORED, 20), (STORED, 5)]
    asked.clear()
    assert committed(committer, (0, 20, 1.0), (0, 20, 2.0), (1, 4, 1.0)) == [(DUPLICATE, 20), (MOVED, 21), (STORED, 4)]
    assert committed(committer, (0, 30, 1.0)) == [(STORED, 30)]
    assert asked == []


def test_late_trades_are_asked_for(project: Project, asked: list[str]) -> None:
    """Those that are not later than what was there before."""
    committer = Committer(project, Ledger(None, 10))
    project.trade_store.append(columns((0, START + 10, 1.0)).table(project.dataset.universe.names))
    committed(committer, (0, 20, 1.0))
    asked.clear()
    assert committed(committer, (0, 10, 1.0), (0, 10, 2.0), (0, 30, 1.0)) == [
        (DUPLICATE, 10),
        (MOVED, 11),
        (STORED, 30),
    ]
    assert set(asked) == {"fetch"}


def test_what_others_changed_is_found_out_again(project: Project) -> None:
    """Trades that somebody else adds are no free instants; a day that somebody deletes is empty; one made is closed."""
    committer, store = Committer(project, Ledger(None, 10)), project.trade_store
    committed(committer, (0, 20, 1.0))
    store.append(columns((0, START + 30, 1.0)).table(project.dataset.universe.names))
    assert committed(committer, (0, 30, 2.0), (0, 30, 1.0)) == [(MOVED, 31), (DUPLICATE, 30)]
    store.delete_day(FRIDAY.replace(day=4))
    assert committed(committer, (0, 30, 2.0)) == [(STORED, 30)]
    friday = (0, DAY + 5, 1.0)
    assert committed(committer, friday) == [(STORED, DAY + 5)]
    make(project, FRIDAY)
    with pytest.raises(AssertionError, match="closed"):
        committed(committer, friday, (0, DAY + 6, 1.0))


def test_memory_is_bounded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades and days that are not kept are asked for."""
    monkeypatch.setattr(known_module, "MOST_ADDED", 3)
    monkeypatch.setattr(known_module, "MOST_DAYS", 1)
    committer = Committer(project, Ledger(None, 10))
    days = [number * DAY for number in (0, 1, 0)]
    for number, day in enumerate(days):
        committed(committer, *((symbol, day + 10 * number + at, 1.0) for symbol in (0, 1) for at in range(3)))
    assert len(committer._known._days) == 1
    thursday = committer._known._days[FRIDAY.replace(day=4)]
    assert (len(thursday.before), len(thursday.added)) == (6, 0)
    committed(committer, *((symbol, 30 + at, 1.0) for symbol in (0, 1) for at in range(3)))
    assert (len(thursday.before), len(thursday.added)) == (6, 0)
    assert thursday.last[:2].tolist() == [START + 22, START + 22]
    assert committed(committer, (0, 31, 1.0), (0, 31, 2.0), (1, 40, 1.0)) == [
        (DUPLICATE, 31),
        (MOVED, 33),
        (STORED, 40),
    ]
    assert committed(committer, (0, 1, 1.0), (1, 1, 2.0), (0, 22, 2.0)) == [(DUPLICATE, 1), (MOVED, 3), (MOVED, 23)]
    assert committed(committer, (0, 1, 1.0), (0, DAY + 10, 1.0)) == [(DUPLICATE, 1), (DUPLICATE, DAY + 10)]


def test_of_many_days_the_store_is_asked(project: Project, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where their last trades are is not found out for each."""
    monkeypatch.setattr(known_module, "FEW_DAYS", 1)
    assert FEW_DAYS > 1
    committer = Committer(project, Ledger(None, 10))
    assert committed(committer, (0, 5, 1.0), (0, DAY + 5, 1.0)) == [(STORED, 5), (STORED, DAY + 5)]
    assert "last_instants" not in asked
    assert committed(committer, (0, 5, 2.0), (0, DAY + 5, 1.0)) == [(MOVED, 6), (DUPLICATE, DAY + 5)]


def test_symbols_of_others_do_not_matter(project: Project) -> None:
    """A store may hold trades of symbols that the universe has no more."""
    store = project.trade_store
    store.append(columns((0, START + 5, 1.0)).table(["GONE"]))
    assert committed(Committer(project, Ledger(None, 10)), (0, 5, 1.0)) == [(STORED, 5)]


turns = st.lists(
    st.tuples(
        st.booleans(),
        st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12), st.sampled_from([1.0, 2.0, 3.0])), min_size=1),
    ),
    max_size=8,
)


@hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(turns)
def test_two_who_post_into_one_store_overwrite_nothing(project: Project, batches: list[tuple[bool, Rows]]) -> None:
    """Every trade that one of them was told to be stored is in the store where it was told to be, whoever posts."""
    shared = replace(project, trade_store=MemoryTradeStore())
    both = [Committer(shared, Ledger(None, 10)) for _ in range(2)]
    stored: dict[tuple[int, int], float] = {}
    for first, rows in batches:
        told = committed(both[first], *rows)
        for (symbol, _, price), (_, at) in zip(rows, told, strict=True):
            assert stored.setdefault((symbol, at), price) == price
    names = shared.dataset.universe.names
    keys = columns(*((symbol, START + at, price) for (symbol, at), price in stored.items())).table(names)
    found = shared.trade_store.fetch(keys)
    held = zip(found["symbol"].to_pylist(), found["price"].to_pylist(), strict=True)
    assert sorted(held) == sorted((names[symbol], price) for (symbol, _), price in stored.items())
    assert sum(shared.trade_store.counts_by_day().values()) == len(stored)
