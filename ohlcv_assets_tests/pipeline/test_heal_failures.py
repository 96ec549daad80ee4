"""Healing goes on where a chunk fails, tries again what may pass, ends where nothing would, and tells of all of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import pytest

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.errors import (
    StoreAccessError,
    StoreError,
    StoreMismatchError,
    StoreUnavailableError,
)
from ohlcv_assets.pipeline import heal as healing
from ohlcv_assets.pipeline.heal import ATTEMPTS, heal
from ohlcv_assets.pipeline.recording import day_records
from ohlcv_assets.progress import Progress
from ohlcv_assets.project import Project
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.units import day_bounds
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY
from ohlcv_assets_tests.pipeline.standings import (
    DAYS,
    FIVE,
    all_of,
    never,
    proves,
    purge_bars,
    refusing,
    standings,
    start,
)

pytestmark = pytest.mark.integration


def test_a_chunk_that_fails_for_good_does_not_stop_the_others(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reason is told and recorded; healing again tries it again."""
    purge_bars(full)
    with monkeypatch.context() as patch:
        refusing(full, patch, lambda day, _: StoreMismatchError("no such luck") if day == FRIDAY else None)
        healed = heal(full)
    assert (healed.days, healed.succeeded) == (2, False)
    assert [(given.day, given.error) for given in healed.failed] == [(FRIDAY, "no such luck")]
    assert standings(full) == {FRIDAY: all_of("missing")}
    assert {(record.state, record.error) for record in day_records(full, FRIDAY).values()} == {
        ("failed", "no such luck")
    }
    assert heal(full).days == 1
    assert standings(full) == {}


def test_every_chunk_and_standing_is_told(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """An observer hears what became of each day and resolution, and how days stand before and after."""
    for resolution in STORED_RESOLUTIONS:
        full.bar_store.delete_day(resolution, FRIDAY)
    full.bar_store.delete_day(RESOLUTIONS["1d"], SATURDAY)
    refusing(full, monkeypatch, lambda day, _: StoreMismatchError("no such luck") if day == SATURDAY else None)
    told: list[Progress] = []
    healed = heal(full, observer=told.append)
    chunks = [event for event in told if event.stage == "chunk"]
    assert [(event.subject, event.detail["state"]) for event in chunks] == [
        *((f"2024-01-05 {resolution.name}", "done") for resolution in STORED_RESOLUTIONS),
        ("2024-01-06 1d", "failed"),
    ]
    assert sum(event.done for event in chunks) == healed.bars
    assert (chunks[-1].done, chunks[-1].detail["error"]) == (0, "no such luck")
    standing = [event for event in told if event.stage == "standing"]
    assert [event.subject for event in standing] == [resolution.name for resolution in STORED_RESOLUTIONS] * 2
    day = day_bounds(FRIDAY)[1] - start(FRIDAY)
    minutes, days = standing[0], standing[FIVE - 1]
    assert (minutes.done, minutes.total, minutes.detail["missing"], minutes.detail["stale"]) == (2, 3, 1, 0)
    assert minutes.detail["lag_seconds"] == days.detail["lag_seconds"] == 2 * day / 1e9
    assert (standing[-1].done, standing[-1].detail["lag_seconds"]) == (2, day / 1e9)
    assert (standing[FIVE].done, standing[FIVE].detail["lag_seconds"]) == (3, 0)


def test_a_day_without_its_file_fails_before_it_is_begun(full: Project) -> None:
    """What cannot even be begun is recorded as failed too."""
    purge_bars(full)
    full.lake.delete(FRIDAY)
    healed = heal(full)
    assert [given.day for given in healed.failed] == [FRIDAY]
    assert {record.state for record in day_records(full, FRIDAY).values()} == {"failed"}
    assert "2024-01-05" in healed.failed[0].error


def test_a_failure_that_cannot_be_recorded(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where records fail as well the outcome still tells of it."""
    purge_bars(full)
    full.lake.delete(FRIDAY)
    mark = full.chunks.mark

    def refuse(records: Sequence[ChunkRecord]) -> None:
        rows = list(records)
        if any(row.state == "failed" for row in rows):
            raise StoreError("nothing can be recorded")
        mark(rows)

    monkeypatch.setattr(full.chunks, "mark", refuse)
    assert [given.day for given in heal(full).failed] == [FRIDAY]


def test_a_chunk_that_times_out_is_split(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much at once is done in parts: days, then resolutions, the finest first."""
    purge_bars(full)
    slow = StoreUnavailableError("it took too long")
    asked = refusing(full, monkeypatch, lambda _, names: slow if len(names) > 2 else None)
    healed = heal(full, sleep=never)
    assert healed.succeeded
    assert standings(full) == {}
    assert [names for day, names in asked if day == THURSDAY][:3] == [
        ("1m", "5m", "15m", "1h", "1d"),
        ("1m",),
        ("5m", "15m", "1h", "1d"),
    ]
    assert proves(full, *DAYS)


def test_a_single_day_is_tried_several_times(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """One day at one resolution is tried again after a pause that grows, and is done as soon as the store answers."""
    full.bar_store.delete_day(RESOLUTIONS["1d"], FRIDAY)
    answers: Iterator[StoreError | None] = iter([StoreUnavailableError("away")] * (ATTEMPTS - 1) + [None])
    asked = refusing(full, monkeypatch, lambda *_: next(answers))
    pauses: list[float] = []
    assert heal(full, sleep=pauses.append).succeeded
    assert asked == [(FRIDAY, ("1d",))] * ATTEMPTS
    assert len(pauses) == ATTEMPTS - 1
    assert day_records(full, FRIDAY)["1d"].attempts == ATTEMPTS


def test_a_store_that_is_away_is_not_asked_for_ever(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some chunks in a row without an answer it ends and says so; what is left stays planned."""
    purge_bars(full)
    monkeypatch.setattr(healing, "HOPELESS", 2)
    asked = refusing(full, monkeypatch, lambda *_: StoreUnavailableError("away"))
    healed = heal(full, sleep=lambda _: None)
    assert "did not answer for 2 chunks" in healed.stopped
    assert [given.error for given in healed.failed if given.resolutions == ("1m",)] == ["away"] * 2
    assert len(asked) < 20
    assert not healed.succeeded
    assert {record.state for record in full.chunks.records()} == {"failed", "pending"}


def test_a_store_that_answers_nothing_ends_it(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even records can be read any more a chunk is not split further: it ends, and what is left stays."""
    purge_bars(full)
    records = full.chunks.records
    away = False

    def refuse(day: dt.date, _: Sequence[str]) -> StoreError:
        nonlocal away
        away = True
        return StoreUnavailableError(f"no answer on {day}")

    def answer(*span: Span) -> Sequence[ChunkRecord]:
        if away:
            raise StoreUnavailableError("the server is away")
        return records(*span)

    asked = refusing(full, monkeypatch, refuse)
    monkeypatch.setattr(full.chunks, "records", answer)
    healed = heal(full, sleep=never)
    assert (healed.stopped, healed.succeeded, len(asked)) == ("the server is away", False, 1)
    assert {record.state for record in records()} == {"failed", "pending"}
    away = False
    full.bar_store.delete_day(RESOLUTIONS["1d"], FRIDAY)
    assert heal(full, [FRIDAY], sleep=never).stopped == "the server is away"


def test_days_without_trades_that_cannot_be_deleted(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars without trades that the store will not delete are told as failed, and the other days are done."""
    for day in (THURSDAY, FRIDAY):
        full.trade_store.delete_day(day)
    delete = full.bar_store.delete_day

    def refuse(resolution: Resolution, day: dt.date) -> int:
        if day == THURSDAY:
            raise StoreMismatchError("they will not go")
        return delete(resolution, day)

    with monkeypatch.context() as patch:
        patch.setattr(full.bar_store, "delete_day", refuse)
        healed = heal(full, sleep=never)
    assert [(given.day, given.error) for given in healed.failed] == [(THURSDAY, "they will not go")]
    assert healed.removed > FIVE
    assert set(standings(full)) == {THURSDAY, FRIDAY}
    assert standings(full)[FRIDAY] == all_of("waiting")
    assert heal(full).succeeded
    assert standings(full)[THURSDAY] == all_of("waiting")


def test_nothing_is_deleted_of_a_store_that_is_away(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has stopped, bars without trades are left to the next time."""
    full.trade_store.delete_day(THURSDAY)
    full.bar_store.delete_day(RESOLUTIONS["1d"], FRIDAY)
    monkeypatch.setattr(healing, "HOPELESS", 1)
    monkeypatch.setattr(full.bar_store, "delete_day", None)
    refusing(full, monkeypatch, lambda *_: StoreUnavailableError("away"))
    assert heal(full, sleep=lambda _: None).stopped


@pytest.mark.parametrize("only_one", [True, False])
def test_what_would_fail_for_all_ends_it(full: Project, monkeypatch: pytest.MonkeyPatch, only_one: bool) -> None:
    """A token that is not let in is no matter of one chunk: one error, at once."""
    if only_one:
        full.bar_store.delete_day(RESOLUTIONS["1d"], FRIDAY)
    else:
        purge_bars(full)
    asked = refusing(full, monkeypatch, lambda *_: StoreAccessError("the token is wrong"))
    with pytest.raises(StoreAccessError, match="token"):
        heal(full)
    assert len(asked) == 1


def test_what_fails_for_good_alone(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """One day at one resolution that the store will not take is given up at the first attempt."""
    full.bar_store.delete_day(RESOLUTIONS["1d"], FRIDAY)
    asked = refusing(full, monkeypatch, lambda *_: StoreMismatchError("no"))
    assert len(heal(full, sleep=never).failed) == len(asked) == 1
