"""Days that the store would not keep are refused early."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from ohlcv_assets.errors import StoreRejectedError
from ohlcv_assets.pipeline.retention import require_kept
from ohlcv_assets.project import Project
from ohlcv_assets.stores.memory import MemoryTradeStore
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY

pytestmark = pytest.mark.unit


class Forgetting(MemoryTradeStore):
    """A store that keeps from some day on."""

    def __init__(self, first: dt.date | None) -> None:
        super().__init__()
        self.first = first

    def first_kept_day(self) -> dt.date | None:
        """Return that day."""
        return self.first


def test_days_before_the_first_one_kept_are_refused_in_one_sentence(project: Project) -> None:
    """The sentence says how many, which, and from where to begin."""
    forgetting = replace(project, trade_store=Forgetting(SATURDAY))
    with pytest.raises(StoreRejectedError) as raised:
        require_kept(forgetting, (THURSDAY, FRIDAY, SATURDAY))
    assert "keeps trades from 2024-01-06 on, so 2 of 3 days cannot be loaded (from 2024-01-04 to 2024-01-05)" in str(
        raised.value
    )
    assert "--from 2024-01-06" in str(raised.value)


@pytest.mark.parametrize("first", [None, THURSDAY])
def test_days_that_are_kept_are_not_refused(project: Project, first: dt.date | None) -> None:
    """For ever, or long enough."""
    require_kept(replace(project, trade_store=Forgetting(first)), (THURSDAY, FRIDAY))


def test_other_stores_and_no_days_are_not_asked(project: Project) -> None:
    """A store without retention keeps everything, and nothing to load needs no question."""
    require_kept(project, (THURSDAY,))
    require_kept(replace(project, trade_store=Forgetting(SATURDAY)), ())
