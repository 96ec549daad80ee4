"""Status tells what is there, what is missing, and what is not what it should be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.errors import MachineError
from ohlcv_assets.lake.lake import Lake
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.pipeline.purge import purge_days
from ohlcv_assets.pipeline.status import BarsThere, DayStatus, status_of
from ohlcv_assets.pipeline.steps import file_day, load_day, roll_up_day
from ohlcv_assets.project import Project
from ohlcv_assets.stores.base import DayContent
from ohlcv_assets_tests.pipeline.made import (
    FRIDAY,
    SATURDAY,
    THURSDAY,
    change_bars,
    dying,
    make,
    planned,
    project_in,
    rewrite,
)

pytestmark = pytest.mark.integration


def of(project: Project) -> DayStatus:
    """Return the status of Friday."""
    (found,) = status_of(project, [FRIDAY])
    return found


def states(project: Project) -> tuple[str, str, str]:
    """Return the states of Friday's file, stored trades and bars."""
    found = of(project)
    return found.file, found.store, found.bar_state


def test_a_day_is_followed_from_nothing_to_complete(embedded: Project) -> None:
    """Each step changes exactly its own state."""
    assert states(embedded) == ("missing", "missing", "missing")
    assert "There is no day file for 2024-01-05" in of(embedded).problem
    file_day(embedded, FRIDAY)
    assert states(embedded) == ("present", "missing", "missing")
    load_day(embedded, FRIDAY)
    assert states(embedded) == ("present", "proved", "missing")
    assert not of(embedded).complete
    roll_up_day(embedded, FRIDAY)
    assert states(embedded) == ("present", "proved", "complete")
    assert of(embedded).complete


def test_figures_are_those_of_file_and_store(friday: Project) -> None:
    """Trades planned, filed and stored, size, hash, and bars by resolution."""
    found, file = of(friday), friday.lake.inspect(FRIDAY)
    assert found.planned == found.filed == found.stored == file.rows == planned(friday, FRIDAY)
    assert (found.file_bytes, found.content_hash, found.problem) == (file.bytes, file.content_hash, "")
    assert list(found.bars) == [resolution.name for resolution in STORED_RESOLUTIONS]
    assert {there.trades for there in found.bars.values()} == {file.rows}
    assert found.bars["1d"].bars == len(file.counts)


def test_all_days_are_told_where_none_is_named(friday: Project) -> None:
    """Days without anything are told too, in order."""
    found = status_of(friday)
    assert [status.day for status in found] == [THURSDAY, FRIDAY, SATURDAY]
    assert [status.complete for status in found] == [False, True, False]
    assert found[0].bars["1m"] == BarsThere(0, 0)


def _stale(project: Project) -> Project:
    return project_in(project.settings.data_dir, total_trades=4_000)


def _truncated(project: Project) -> Project:
    path = project.lake.path(FRIDAY)
    path.write_bytes(path.read_bytes()[:-20])
    return project


def _foreign(project: Project) -> Project:
    project.lake.path(FRIDAY).write_text("symbol,price\n")
    return project


@pytest.mark.parametrize(
    ("spoil", "state", "problem"),
    [
        (_stale, "stale", "made from something else than the settings in force describe: replace it with --force"),
        (_truncated, "damaged", "is damaged"),
        (_foreign, "foreign", "is not a Parquet file"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_the_reason(
    friday: Project, spoil: Callable[[Project], Project], state: str, problem: str
) -> None:
    """One state and one sentence with what to do; the day is not complete."""
    found = of(spoil(friday))
    assert found.file == state
    assert problem in found.problem
    assert "--force" in found.problem
    assert not found.complete


def test_a_file_that_may_not_be_read_is_unreadable(friday: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's refusal of one file does not keep the others from being told."""

    def refused(_lake: Lake, _day: object) -> None:
        raise MachineError("Could not read the day file: permission denied.")

    monkeypatch.setattr(Lake, "inspect", refused)
    found = of(friday)
    assert (found.file, found.problem) == ("unreadable", "Could not read the day file: permission denied.")


def test_stored_trades_without_a_file_are_not_called_wrong(friday: Project) -> None:
    """Without the file nobody can tell what should be stored; bars are held to the plan."""
    friday.lake.delete(FRIDAY)
    assert states(friday) == ("missing", "no file", "complete")


def test_an_interrupted_load_is_told(project: Project) -> None:
    """A day marked dirty is interrupted, whatever it holds."""
    file = file_day(project, FRIDAY).file
    with pytest.raises(RuntimeError):
        project.trade_store.replace_day(DayContent(FRIDAY, file.content_hash, file.counts), dying())
    assert of(project).store == "interrupted"


def test_another_file_than_the_stored_one_is_told(friday: Project) -> None:
    """After the file changed, store and bars hold other trades."""
    rewrite(friday, FRIDAY, friday.lake.read(FRIDAY).slice(0, 300))
    assert states(friday) == ("present", "other content", "other trades")


def test_trades_without_a_record_are_told(friday: Project) -> None:
    """A store that was written to behind the pipeline's back is not proved."""
    friday.trade_store.append(friday.lake.read(FRIDAY).select(STORED.names).slice(0, 1))
    assert of(friday).store == "other content"


def test_counts_that_left_their_record_are_told(embedded: Project) -> None:
    """A clean record is not believed where the store itself counts otherwise."""
    make(embedded, FRIDAY)
    with embedded.trade_store._broker.session() as session:  # type: ignore[attr-defined]  # what no protocol allows
        session.changed("DELETE FROM store.trades_2024_01 WHERE symbol = 'AAPL'")
    assert of(embedded).store == "counts differ"


def test_bars_of_other_trades_are_told(friday: Project) -> None:
    """One resolution that holds another number of trades is enough."""
    change_bars(friday, RESOLUTIONS["1h"], FRIDAY, "trades", 0, 2)
    assert of(friday).bar_state == "other trades"
    friday.bar_store.delete_day(RESOLUTIONS["1h"], FRIDAY)
    assert of(friday).bar_state == "other trades"
    purge_days(friday, [FRIDAY], files=False)
    assert of(friday).bar_state == "missing"
