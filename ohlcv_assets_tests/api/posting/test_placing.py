"""Which instant a posted trade gets."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from ohlcv_assets.api.posting.columns import NOTHING, Columns
from ohlcv_assets.api.posting.placing import DUPLICATE, MOVED, REFUSED, STORED, Placed, place
from ohlcv_assets.units import DAY
from ohlcv_assets_tests.api.posting.made import Shelf, columns

pytestmark = pytest.mark.unit


def placed(shelf: Shelf, trades: Columns, opened: list[bool] | None = None) -> list[tuple[int, int]]:
    """Place trades, store those that are new, and return what became of each."""
    may = np.ones(len(trades), np.bool_) if opened is None else np.array(opened, np.bool_)
    found = place(trades, may, shelf.look)
    shelf.put(trades.at(found.ts).take(found.fresh))
    return list(zip(found.outcome.tolist(), found.ts.tolist(), strict=True))


def test_a_free_instant_is_its_own() -> None:
    """Of each symbol for itself; one look is enough."""
    shelf = Shelf((1, 5, 1.0))
    assert placed(shelf, columns((0, 5, 1.0), (0, 4, 2.0), (2, 5, 3.0))) == [(STORED, 5), (STORED, 4), (STORED, 5)]
    assert shelf.looks == 1


def test_the_same_trade_is_a_duplicate() -> None:
    """Of what is stored, and of what comes with it."""
    assert placed(Shelf((0, 5, 1.0)), columns((0, 5, 1.0), (0, 6, 2.0), (0, 6, 2.0))) == [
        (DUPLICATE, 5),
        (STORED, 6),
        (DUPLICATE, 6),
    ]


def test_another_trade_gets_the_next_free_nanosecond() -> None:
    """After all that is stored, and after those that come with it and have an instant of their own."""
    shelf = Shelf((0, 5, 1.0), (0, 6, 2.0))
    assert placed(shelf, columns((0, 5, 9.0), (0, 7, 3.0), (0, 5, 8.0))) == [(MOVED, 8), (STORED, 7), (MOVED, 9)]
    assert placed(shelf, columns((0, 5, 8.0), (0, 5, 2.0), (0, 6, 8.0))) == [
        (DUPLICATE, 9),
        (DUPLICATE, 6),
        (MOVED, 10),
    ]


def test_trades_that_come_together_are_never_taken_for_one() -> None:
    """Two of equal content that are moved into the same run keep an instant each, then and when they come again."""
    shelf = Shelf((0, 0, 9.0), (0, 1, 9.0))
    trades = columns((0, 0, 1.0), (0, 1, 1.0), (0, 0, 1.0), (0, 3, 1.0))
    assert placed(shelf, trades) == [(MOVED, 2), (MOVED, 4), (DUPLICATE, 2), (STORED, 3)]
    again = placed(shelf, columns((0, 3, 1.0), (0, 1, 1.0), (0, 0, 1.0), (0, 0, 2.0)))
    assert again == [(DUPLICATE, 3), (DUPLICATE, 2), (DUPLICATE, 4), (MOVED, 5)]


def test_long_runs_are_followed_in_few_looks() -> None:
    """A thousand trades of one second each want an instant, twice."""
    shelf = Shelf()
    trades = columns(*((0, 0, float(price)) for price in range(1, 1_001)))
    assert [ts for _, ts in placed(shelf, trades)] == list(range(1_000))
    more = columns(*((0, 0, float(price)) for price in range(1_001, 2_001)))
    shelf.looks = 0
    assert [ts for _, ts in placed(shelf, more)] == list(range(1_000, 2_000))
    assert shelf.looks < 12
    assert {outcome for outcome, _ in placed(shelf, trades)} == {DUPLICATE}


def test_a_trade_stays_on_its_day() -> None:
    """Where none of its nanoseconds is free any more, it is refused."""
    shelf = Shelf((0, DAY - 2, 1.0), (0, DAY - 1, 2.0))
    assert placed(shelf, columns((0, DAY - 2, 3.0), (0, DAY - 1, 1.0), (0, DAY, 3.0))) == [
        (REFUSED, DAY - 2),
        (REFUSED, DAY - 1),
        (STORED, DAY),
    ]


def test_a_closed_day_takes_duplicates_alone() -> None:
    """Trades that it has, moved ones too; nothing is stored in a free instant."""
    shelf = Shelf((0, 5, 1.0), (0, 6, 2.0))
    trades = columns((0, 5, 2.0), (0, 5, 3.0), (0, 9, 1.0), (0, 9, 1.0), (1, 5, 1.0))
    assert placed(shelf, trades, [False, False, False, False, True]) == [
        (DUPLICATE, 6),
        (REFUSED, 5),
        (REFUSED, 9),
        (REFUSED, 9),
        (STORED, 5),
    ]


def test_nothing_to_place() -> None:
    """No trade has no outcome."""
    assert len(place(NOTHING, np.empty(0, np.bool_), Shelf().look).outcome) == 0


ROWS = st.tuples(st.integers(0, 1), st.integers(0, 4), st.sampled_from((1.0, 2.0, 3.0)))


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(st.lists(st.lists(ROWS, min_size=1, max_size=12), min_size=1, max_size=4))
def test_no_trade_is_lost_and_none_doubled(batches: list[list[tuple[int, int, float]]]) -> None:
    """Whatever is posted: every trade is where its answer says, and posting all of it again changes nothing."""
    shelf = Shelf()
    for rows in batches:
        trades = columns(*rows)
        before = dict(shelf.held)
        found = placed(shelf, trades)
        assert before.items() <= shelf.held.items(), "nothing that was stored is replaced"
        new = [(symbol, ts) for (symbol, _, _), (outcome, ts) in zip(rows, found, strict=True) if outcome != DUPLICATE]
        assert len(set(new)) == len(new) == len(shelf.held) - len(before)
        assert len({(row[0], ts) for row, (_, ts) in zip(rows, found, strict=True)}) == len(set(rows))
        for (symbol, wanted, price), (outcome, ts) in zip(rows, found, strict=True):
            assert shelf.held[symbol, ts][0] == price
            assert (outcome == STORED) <= (ts == wanted)
            assert all((symbol, instant) in shelf.held for instant in range(wanted, ts))
    for rows in reversed(batches):
        assert {outcome for outcome, _ in placed(shelf, columns(*reversed(rows)))} == {DUPLICATE}


def test_what_is_new() -> None:
    """Stored and moved ones."""
    assert Placed(np.array([0, 1, 2, 3], np.int8), np.zeros(4, np.int64)).fresh.tolist() == [True, True, False, False]
