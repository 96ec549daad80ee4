"""What is recorded of a day's bars: how they were made, that their trades changed, and that they were forgotten."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.errors import StoreBusyError, StoreError, StoreUnavailableError, UnprovedDayError
from ohlcv_assets.pipeline.purge import purge_days
from ohlcv_assets.pipeline.recording import day_records
from ohlcv_assets.pipeline.steps import file_day, load_day, roll_up_day, roll_up_held
from ohlcv_assets.progress import Progress
from ohlcv_assets.project import Project
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, change_bars, make, rewrite

pytestmark = pytest.mark.integration

NAMES = {resolution.name for resolution in STORED_RESOLUTIONS}
MINUTES = RESOLUTIONS["1m"]


def states(project: Project) -> dict[str, str]:
    """Return the state of Friday's chunk at each resolution."""
    return {name: record.state for name, record in day_records(project, FRIDAY).items()}


def test_a_day_that_is_made_is_recorded(friday: Project) -> None:
    """Each resolution has a record: done, of these trades, so many bars, in that time, at the first attempt."""
    file = friday.lake.inspect(FRIDAY)
    found = day_records(friday, FRIDAY)
    rolled = roll_up_day(friday, FRIDAY)
    assert set(found) == NAMES
    for name, record in found.items():
        assert (record.state, record.source_hash, record.error) == ("done", file.content_hash, "")
        assert (record.rows_in, record.rows_out, record.attempts) == (file.rows, rolled.bars[name], 1)
        assert record.seconds > 0
        assert record.at > 0


def test_only_what_is_made_is_recorded(project: Project) -> None:
    """One resolution alone has one record; a day without proved trades has none."""
    file_day(project, FRIDAY)
    with pytest.raises(UnprovedDayError):
        roll_up_day(project, FRIDAY)
    assert states(project) == {}
    load_day(project, FRIDAY)
    roll_up_day(project, FRIDAY, [MINUTES])
    assert states(project) == {"1m": "done"}


def test_a_failure_is_recorded_and_counted(friday: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails says so with its reason; attempts count until it is done, and then anew."""
    friday.bar_store.delete_day(MINUTES, FRIDAY)

    def refuse(*_: object) -> int:
        raise StoreUnavailableError("the server is away")

    with monkeypatch.context() as patch:
        patch.setattr(friday.bar_store, "write_many", refuse)
        for attempt in (1, 2):
            with pytest.raises(StoreUnavailableError):
                roll_up_day(friday, FRIDAY, [MINUTES])
            record = day_records(friday, FRIDAY)["1m"]
            assert (record.state, record.error, record.attempts) == ("failed", "the server is away", attempt)
    roll_up_day(friday, FRIDAY, [MINUTES])
    assert day_records(friday, FRIDAY)["1m"].attempts == 3
    friday.bar_store.delete_day(MINUTES, FRIDAY)
    roll_up_day(friday, FRIDAY, [MINUTES])
    record = day_records(friday, FRIDAY)["1m"]
    assert (record.state, record.error, record.attempts) == ("done", "", 1)


def test_the_first_error_counts(friday: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even the failure cannot be recorded, the error that comes out is what went wrong first."""
    marked = friday.chunks.mark

    def refuse(records: object) -> None:
        rows = list(records)  # type: ignore[call-overload]  # records
        if any(row.state == "failed" for row in rows):
            raise StoreError("nothing can be recorded")
        marked(rows)

    def fail(*_: object) -> int:
        raise StoreUnavailableError("the server is away")

    purge_bars(friday)
    monkeypatch.setattr(friday.chunks, "mark", refuse)
    monkeypatch.setattr(friday.bar_store, "write_many", fail)
    with pytest.raises(StoreUnavailableError, match="is away"):
        roll_up_day(friday, FRIDAY)
    assert states(friday) == dict.fromkeys(NAMES, "running")


def test_a_kill_leaves_a_day_running(friday: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever dies in between leaves what shows it."""

    def die(*_: object) -> int:
        raise KeyboardInterrupt

    purge_bars(friday)
    monkeypatch.setattr(friday.bar_store, "write_many", die)
    with pytest.raises(KeyboardInterrupt):
        roll_up_day(friday, FRIDAY)
    assert states(friday) == dict.fromkeys(NAMES, "running")


def test_other_trades_make_bars_stale(friday: Project) -> None:
    """A reload with other content makes all resolutions stale, of that day alone; making them again ends that."""
    make(friday, SATURDAY)
    trades = friday.lake.read(FRIDAY)
    rewrite(friday, FRIDAY, trades.slice(0, trades.num_rows - 5))
    load_day(friday, FRIDAY)
    assert states(friday) == dict.fromkeys(NAMES, "stale")
    assert {record.state for record in day_records(friday, SATURDAY).values()} == {"done"}
    roll_up_day(friday, FRIDAY)
    assert states(friday) == dict.fromkeys(NAMES, "done")


def test_equal_content_touches_nothing(friday: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reload with the same content asks nothing of the records; bars of it that are right are not written again."""
    before, held = dict(day_records(friday, FRIDAY)), bars_of(friday)
    with monkeypatch.context() as patch:
        patch.delattr(type(friday.chunks), "records")
        assert load_day(friday, FRIDAY).outdated == 0
    with monkeypatch.context() as patch:
        patch.delattr(type(friday.chunks), "mark")
        for name in ("write_many", "write", "delete_day"):
            patch.setattr(friday.bar_store, name, None)
        rolled = roll_up_day(friday, FRIDAY)
    assert set(rolled.left_alone) == NAMES
    assert dict(rolled.chunks) == day_records(friday, FRIDAY) == before
    assert rolled.bars == {name: table.num_rows for name, table in held.items()}
    assert set(rolled.trades.values()) == {friday.lake.inspect(FRIDAY).rows}
    assert bars_of(friday) == held


@pytest.mark.parametrize("column", ["volume", "trades"])
def test_bars_that_are_wrong_are_made_again_whatever_is_recorded(friday: Project, column: str) -> None:
    """A record that says done is not believed: a bar that was changed is made right, and the others are left alone."""
    held = bars_of(friday)
    change_bars(friday, RESOLUTIONS["15m"], FRIDAY, column, 1, 2)
    told: list[Progress] = []
    rolled = roll_up_day(friday, FRIDAY, observer=told.append)
    assert set(rolled.left_alone) == NAMES - {"15m"}
    assert [event.subject for event in told if event.stage == "chunk"] == ["2024-01-05 15m"]
    assert bars_of(friday) == held
    assert {record.state for record in rolled.chunks.values()} == {"done"}


def test_other_trades_are_told(friday: Project) -> None:
    """An observer of a load hears which chunks became stale, and so does whoever asked for it."""
    trades = friday.lake.read(FRIDAY)
    rewrite(friday, FRIDAY, trades.slice(0, trades.num_rows - 5))
    told: list[Progress] = []
    assert load_day(friday, FRIDAY, observer=told.append).outdated == len(NAMES)
    stale = [event for event in told if event.stage == "chunk"]
    assert {event.detail["resolution"] for event in stale} == NAMES
    assert {(event.detail["state"], event.done) for event in stale} == {("stale", 0)}


@pytest.mark.parametrize(
    ("lost", "raised"),
    [(StoreBusyError("somebody else has taken it over"), StoreBusyError), (ConnectionError("too late"), StoreError)],
)
def test_a_lease_that_was_lost(friday: Project, lost: Exception, raised: type[Exception]) -> None:
    """Who lost the lease while making bars records nothing more: whoever has it now does."""
    purge_bars(friday)

    def check() -> None:
        raise lost

    told: list[Progress] = []
    with pytest.raises(raised):
        roll_up_held(friday, FRIDAY, [MINUTES], check, observer=told.append)
    assert states(friday)["1m"] == "running"
    assert [event.detail["state"] for event in told if event.stage == "chunk"] == ["failed"]


def test_loading_the_same_trades_anew_makes_nothing_stale(friday: Project) -> None:
    """Trades that were deleted and are loaded again are those that the bars were made from."""
    friday.trade_store.delete_day(FRIDAY)
    load_day(friday, FRIDAY)
    assert states(friday) == dict.fromkeys(NAMES, "done")


def test_a_day_being_made_is_left_alone(friday: Project) -> None:
    """Nobody makes bars that somebody else is making; other resolutions are free."""
    friday.chunks._patience = 0.1  # type: ignore[attr-defined]  # the one in memory
    record = day_records(friday, FRIDAY)["1m"]
    with friday.chunks.lease(["1m"], span_of(record)):
        with pytest.raises(StoreBusyError, match="1m bars of 2024-01-05"):
            roll_up_day(friday, FRIDAY)
        roll_up_day(friday, FRIDAY, [RESOLUTIONS["5m"]])


def test_deleted_days_are_forgotten(friday: Project) -> None:
    """Deleting what a store holds of a day deletes what is recorded of its bars."""
    make(friday, SATURDAY)
    purge_days(friday, [FRIDAY], files=False)
    assert states(friday) == {}
    assert set(day_records(friday, SATURDAY)) == NAMES


def purge_bars(project: Project) -> None:
    """Delete Friday's bars, and leave their records."""
    for resolution in STORED_RESOLUTIONS:
        project.bar_store.delete_day(resolution, FRIDAY)


def bars_of(project: Project) -> dict[str, pa.Table]:
    """Return Friday's bars by resolution."""
    return {one.name: project.bar_store.read(one, *day_bounds(FRIDAY)) for one in STORED_RESOLUTIONS}


def span_of(record: ChunkRecord) -> Span:
    """Return what a record covers."""
    return Span(record.start, record.stop)
