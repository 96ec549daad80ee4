"""Healing makes exactly what is missing or stale, goes on where a chunk fails, and gets along with others."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pyarrow as pa
import pytest

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.bars.derive import derive
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.errors import (
    OutsideDatasetError,
    StoreAccessError,
    StoreError,
    StoreMismatchError,
    StoreUnavailableError,
)
from ohlcv_assets.pipeline import heal as healing
from ohlcv_assets.pipeline.bar_days import bar_days
from ohlcv_assets.pipeline.heal import ATTEMPTS, Healed, heal
from ohlcv_assets.pipeline.purge import purge_days
from ohlcv_assets.pipeline.recording import day_records
from ohlcv_assets.pipeline.steps import file_day, load_day
from ohlcv_assets.pipeline.verify import verify_day
from ohlcv_assets.progress import Progress, only
from ohlcv_assets.project import Project
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.units import day_bounds, day_start
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, make, rewrite

pytestmark = pytest.mark.integration

DAYS = (THURSDAY, FRIDAY, SATURDAY)
FIVE = len(STORED_RESOLUTIONS)


@pytest.fixture(name="full")
def _full(project: Project) -> Project:
    """Return a project whose three days are made."""
    make(project, *DAYS)
    return project


def standings(project: Project) -> dict[dt.date, set[str]]:
    """Return how each day's resolutions stand, where they are not complete."""
    facts = bar_days(project, project.dataset.days, STORED_RESOLUTIONS)
    found: dict[dt.date, set[str]] = {}
    for name, days in facts.items():
        for day in days:
            if day.standing != "complete":
                found.setdefault(day.day, set()).add(f"{name} {day.standing}")
    return found


def all_of(standing: str) -> set[str]:
    """Return what ``standings`` says of a day that is so at every resolution."""
    return {f"{resolution.name} {standing}" for resolution in STORED_RESOLUTIONS}


def proves(project: Project, *days: dt.date) -> bool:
    """Return whether every check of some days passes."""
    return all(proof.verdict.passed for day in days for proof in verify_day(project, day))


def refusing(
    project: Project, monkeypatch: pytest.MonkeyPatch, refuse: Callable[[dt.date, Sequence[str]], StoreError | None]
) -> list[tuple[dt.date, tuple[str, ...]]]:
    """Let the store of bars refuse some writes; return what it is asked to write, as it comes."""
    asked: list[tuple[dt.date, tuple[str, ...]]] = []
    write = project.bar_store.write_many

    def write_many(day: dt.date, bars: dict[str, object]) -> int:
        asked.append((day, tuple(bars)))
        error = refuse(day, tuple(bars))
        if error is not None:
            raise error
        return write(day, bars)  # type: ignore[arg-type]  # handed on as it is

    monkeypatch.setattr(project.bar_store, "write_many", write_many)
    return asked


def test_nothing_to_do(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everything is complete nothing is written, recorded or paused."""
    before = list(full.chunks.records())
    monkeypatch.delattr(type(full.chunks), "mark")
    monkeypatch.setattr(full.bar_store, "write_many", None)
    healed = heal(full)
    assert (healed.chunks, healed.days, healed.succeeded) == (0, 0, True)
    assert list(full.chunks.records()) == before


def test_missing_days_are_made(project: Project) -> None:
    """Days that are loaded get their bars at every resolution; days that are not are left to whoever loads them."""
    for day in (THURSDAY, FRIDAY):
        file_day(project, day)
        load_day(project, day)
    assert standings(project) == {
        THURSDAY: all_of("missing"),
        FRIDAY: all_of("missing"),
        SATURDAY: all_of("waiting"),
    }
    told: list[Progress] = []
    healed = heal(project, observer=only(told.append, "heal"))
    assert (healed.days, healed.succeeded, healed.failed) == (2, True, [])
    assert standings(project) == {SATURDAY: all_of("waiting")}
    assert proves(project, THURSDAY, FRIDAY)
    assert [event.done for event in told] == list(range(healed.chunks + 1))
    assert told[-1].detail["bars"] == healed.bars > 0
    assert told[-1].detail["seconds_left"] == 0


def test_exactly_what_is_missing(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """One resolution of one day that is gone is made again from the one below, and nothing else is touched."""
    full.bar_store.delete_day(RESOLUTIONS["15m"], FRIDAY)
    asked = refusing(full, monkeypatch, lambda *_: None)
    assert heal(full).days == 1
    assert asked == [(FRIDAY, ("15m",))]
    assert standings(full) == {}
    assert proves(full, FRIDAY)


def test_a_corrected_day(full: Project) -> None:
    """A day reloaded with other content is made again: bars whose trades are gone go, weeks and months follow."""
    day = day_bounds(FRIDAY)
    trades = full.lake.read(FRIDAY)
    symbol = trades.column("symbol")[0].as_py()
    before = volumes(full, symbol)
    own = full.bar_store.read(RESOLUTIONS["1m"], *day, [symbol])
    kept = trades.filter(pa.array([name != symbol for name in trades.column("symbol").to_pylist()]))
    rewrite(full, FRIDAY, kept)
    load_day(full, FRIDAY)
    assert own.num_rows > 0
    assert standings(full) == {FRIDAY: all_of("stale")}
    assert heal(full).days == 1
    assert standings(full) == {}
    for resolution in STORED_RESOLUTIONS:
        assert full.bar_store.read(resolution, *day, [symbol]).num_rows == 0
    after = volumes(full, symbol)
    assert all(0 < after[name] < before[name] for name in ("1W", "1M"))
    assert heal(full).chunks == 0


def test_bars_without_trades_are_removed(full: Project) -> None:
    """Where a day's trades are gone with their record its bars go too; where they are only not proved they stay."""
    full.trade_store.delete_day(FRIDAY)
    full.trade_store.append(full.lake.read(SATURDAY).slice(0, 1))
    assert standings(full) == {FRIDAY: all_of("stale"), SATURDAY: all_of("stale")}
    healed = heal(full)
    assert healed.removed > FIVE
    assert healed.waiting == [SATURDAY]
    assert standings(full) == {FRIDAY: all_of("waiting"), SATURDAY: all_of("stale")}
    assert day_records(full, FRIDAY) == {}


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


def test_a_run_that_never_ends(full: Project) -> None:
    """What somebody else keeps holding is left after a while and told apart from failures; the rest is done."""
    purge_bars(full)
    full.chunks._patience = 0.1  # type: ignore[attr-defined]  # the one in memory
    with full.chunks.lease(["5m"], Span(*day_bounds(FRIDAY))):
        healed = heal(full)
    assert [given.day for given in healed.busy] == [FRIDAY]
    assert (healed.failed, healed.days, healed.succeeded) == ([], 2, False)
    assert heal(full).days == 1


def test_two_operators_at_once(full: Project) -> None:
    """Two who heal the same make each day once, whoever comes first, and both end well."""
    purge_bars(full)
    healed: list[Healed] = []
    threads = [threading.Thread(target=lambda: healed.append(heal(full))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one.succeeded for one in healed)
    assert standings(full) == {}
    assert {(record.state, record.attempts) for record in full.chunks.records()} == {("done", 1)}
    assert proves(full, *DAYS)


def test_a_day_made_by_somebody_else_meanwhile(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done when its lease is had is not done again."""
    purge_bars(full)
    lease = full.chunks.lease

    @contextmanager
    def meanwhile(names: Sequence[str], span: Span) -> Iterator[object]:
        with lease(names, span) as check:
            known = full.chunks.records(span)
            content = full.lake.inspect(FRIDAY).content_hash
            if span.start == day_bounds(FRIDAY)[0]:
                full.chunks.mark(replace(record, state="done", source_hash=content) for record in known)
            yield check

    monkeypatch.setattr(full.chunks, "lease", meanwhile)
    healed = heal(full)
    assert (healed.days, healed.made_by_others) == (2, 1)


def test_a_killed_run_is_taken_up(full: Project) -> None:
    """What was begun and not ended is made again, though nobody recorded that it failed."""
    (record,) = [found for found in full.chunks.records() if found.resolution == "1h" and found.start == start(FRIDAY)]
    full.chunks.mark([replace(record, state="running")])
    assert standings(full) == {FRIDAY: {"1h stale"}}
    assert heal(full).days == 1
    assert standings(full) == {}


def test_records_that_are_gone(full: Project) -> None:
    """Bars of which nothing is recorded are made again: nobody knows of which trades they are."""
    full.chunks._records.clear()  # type: ignore[attr-defined]  # the one in memory
    assert standings(full) == {day: all_of("stale") for day in DAYS}
    assert heal(full).days == 3
    assert standings(full) == {}


def test_a_range(full: Project) -> None:
    """Only the days asked for are healed; days outside the dataset are refused before anything is done."""
    purge_bars(full)
    assert heal(full, [FRIDAY]).days == 1
    assert set(standings(full)) == {THURSDAY, SATURDAY}
    with pytest.raises(OutsideDatasetError):
        heal(full, [FRIDAY, dt.date(2024, 2, 1)])
    assert heal(full, []).chunks == 0


def test_tasks_pause_meanwhile(full: Project) -> None:
    """Whatever else makes bars is kept still while there is something to heal."""
    log: list[str] = []

    @contextmanager
    def pausing(resolutions: Sequence[Resolution]) -> Iterator[None]:
        log.append("+".join(resolution.name for resolution in resolutions))
        yield
        log.append("resumed")

    paused = replace(full, pausing=pausing)
    heal(paused)
    assert log == []
    purge_bars(paused)
    heal(paused)
    assert log == ["1m+5m+15m+1h+1d", "resumed"]


def test_the_embedded_store(embedded: Project) -> None:
    """The same on a file: a deleted day's bars come back, and the records with them."""
    make(embedded, THURSDAY, FRIDAY)
    purge_bars(embedded)
    assert heal(embedded).days == 2
    assert set(standings(embedded)) == {SATURDAY}
    assert proves(embedded, THURSDAY, FRIDAY)


def test_a_purged_day_is_waiting(full: Project) -> None:
    """A day whose trades and bars were deleted together has nothing to heal."""
    purge_days(full, [FRIDAY], files=False)
    assert standings(full) == {FRIDAY: all_of("waiting")}
    assert heal(full).chunks == 0


def test_chunks_are_small_for_fine_resolutions() -> None:
    """Days that need the same are planned together, by the definition of the finest resolution they need."""
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=at) for at in range(20)]
    needs = {day: healing.Need(STORED_RESOLUTIONS, "x") for day in days}
    needs[days[9]] = healing.Need(STORED_RESOLUTIONS[4:], "x")
    jobs = list(healing._jobs(needs))
    first = STORED_RESOLUTIONS[0].kept
    assert [len(job.days) for job in jobs if job.resolutions == STORED_RESOLUTIONS[4:]] == [1]
    sizes = [len(job.days) for job in jobs if job.resolutions == STORED_RESOLUTIONS]
    assert sizes[0] == first.first_chunk
    assert max(sizes) == first.largest_chunk
    assert sorted(day for job in jobs for day in job.days) == days


def volumes(project: Project, symbol: str) -> dict[str, float]:
    """Return what a symbol's week and month say was traded; both are derived when they are read."""
    found = {}
    for name in ("1W", "1M"):
        bars = derive(RESOLUTIONS[name], project.bar_store.read, day_start(dt.date(2024, 1, 1)), day_start(SATURDAY))
        rows = bars.filter(pa.array([found == symbol for found in bars.column("symbol").to_pylist()]))
        found[name] = float(rows.column("volume").to_numpy().sum())
    return found


def never(seconds: float) -> None:
    """Fail: nothing is to be waited for."""
    pytest.fail(f"waited {seconds} s")


def purge_bars(project: Project) -> None:
    """Delete the bars of all days, and leave their records."""
    for resolution in STORED_RESOLUTIONS:
        for day in project.dataset.days:
            project.bar_store.delete_day(resolution, day)


def start(day: dt.date) -> int:
    """Return a day's first instant."""
    return day_bounds(day)[0]
