"""A store that shows what it may not keep: a server whose disk is full has trades in memory that it could not write."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from ohlcv_assets.api.posting.commit import Carried, Committer, Post
from ohlcv_assets.api.posting.ledger import Ledger
from ohlcv_assets.errors import StoreUnavailableError
from ohlcv_assets.project import open_project
from ohlcv_assets.stores.base import DayRecord
from ohlcv_assets_tests.api.made import settings_in
from ohlcv_assets_tests.api.posting.made import START, columns
from ohlcv_assets_tests.pipeline.made import THURSDAY

pytestmark = pytest.mark.unit

POST = Post("somebody", columns((0, START, 1.0), (0, START + 1, 2.0)))


def test_nothing_is_acknowledged_until_the_store_has_taken_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Posted again, trades that show are no duplicates before the store has taken them once more."""
    project = open_project(settings_in(tmp_path))
    committer, append = Committer(project, Ledger(None, 100)), project.trade_store.append
    full, taken = [True], list[int]()

    def shown_and_refused(trades: pa.Table, *, free: bool = False) -> int:
        count = append(trades, free=free)
        taken.append(count)
        if full[0]:
            raise StoreUnavailableError("no space left on device")
        return count

    monkeypatch.setattr(project.trade_store, "append", shown_and_refused)
    for _ in range(3):
        done = committer.commit([POST])
        assert (done.verdicts, done.stored.num_rows) == ([None], 0)
        assert isinstance(done.error, StoreUnavailableError)
        assert dict(project.trade_store.counts(THURSDAY)) != {}, "they show"
    full[0] = False
    done = committer.commit([POST])
    (verdict,) = done.verdicts
    assert isinstance(verdict, Carried)
    assert done.stored.num_rows == 2, "and are told of once"
    assert taken == [2] * 4
    done = committer.commit([POST])
    assert (done.stored.num_rows, taken) == (0, [2] * 4)


def test_a_day_that_was_proved_meanwhile_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What shows there is its file's, and adding to it would take its record away."""
    project = open_project(settings_in(tmp_path))
    committer, append = Committer(project, Ledger(None, 100)), project.trade_store.append

    def refused(trades: pa.Table, *, free: bool = False) -> int:
        append(trades, free=free)
        raise StoreUnavailableError("no space left on device")

    monkeypatch.setattr(project.trade_store, "append", refused)
    assert committer.commit([POST]).error is not None
    record = DayRecord(THURSDAY, "clean", "a", 2)
    monkeypatch.setattr(project.trade_store, "day_records", lambda: {THURSDAY: record})
    done = committer.commit([POST])
    assert done.error is None
    assert done.stored.num_rows == 2
