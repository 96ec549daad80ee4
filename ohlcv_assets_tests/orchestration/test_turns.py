"""Backfills take turns at a day."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ohlcv_assets.errors import MachineError
from ohlcv_assets.orchestration.outcome import DayOutcome
from ohlcv_assets.orchestration.turns import in_turn, turn
from ohlcv_assets_tests.orchestration.made import FRIDAY, SATURDAY

pytestmark = pytest.mark.integration

MADE = DayOutcome(FRIDAY, "made")
SKIPPED = DayOutcome(FRIDAY, "skipped")


def fail() -> DayOutcome:
    """Do what must not be done."""
    raise AssertionError


def test_alone_nothing_is_asked(tmp_path: Path) -> None:
    """Where nobody else makes the day it is run, one time after the other, and whether it is done is not asked."""
    for _ in range(2):
        assert in_turn(tmp_path, "default", FRIDAY, lambda: MADE, fail) == MADE


@pytest.mark.parametrize(("there", "outcome"), [(SKIPPED, SKIPPED), (None, MADE)])
def test_who_waited_looks_again(tmp_path: Path, there: DayOutcome | None, outcome: DayOutcome) -> None:
    """Whoever waited for somebody else skips what is done by then, and runs what still is not."""
    found: list[DayOutcome] = []

    def wait() -> None:
        run = fail if there is not None else lambda: MADE
        found.append(in_turn(tmp_path, "default", FRIDAY, run, lambda: there))

    with turn(tmp_path, "default", FRIDAY) as contended:
        assert not contended
        other = threading.Thread(target=wait)
        other.start()
        other.join(0.3)
        assert found == []
    other.join(60)
    assert found == [outcome]


def test_other_days_and_datasets_do_not_wait(tmp_path: Path) -> None:
    """A turn is of one day of one dataset, and ends with an error too."""
    with turn(tmp_path, "default", FRIDAY), turn(tmp_path, "default", SATURDAY), turn(tmp_path, "other", FRIDAY):
        pass
    with pytest.raises(KeyError), turn(tmp_path, "default", FRIDAY):
        raise KeyError
    with turn(tmp_path, "default", FRIDAY) as contended:
        assert not contended


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    """A home that is no folder is one sentence."""
    (tmp_path / "home").write_text("")
    with pytest.raises(MachineError, match="take turns"), turn(tmp_path / "home", "default", FRIDAY):
        pytest.fail("had a turn")
