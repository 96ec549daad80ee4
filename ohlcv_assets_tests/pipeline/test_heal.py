"""Healing makes exactly what is missing or stale, and gets along with others."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pyarrow as pa
import pytest

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.bars.derive import derive
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.errors import (
    OutsideDatasetError,
    SettingsError,
)
from ohlcv_assets.pipeline.heal import CANCELLED, Healed, heal
from ohlcv_assets.pipeline.heal_plan import Need, jobs_of
from ohlcv_assets.pipeline.purge import purge_days
from ohlcv_assets.pipeline.recording import day_records
from ohlcv_assets.pipeline.steps import file_day, load_day
from ohlcv_assets.progress import Progress, only
from ohlcv_assets.project import Project
from ohlcv_assets.units import day_bounds, day_start
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, make, rewrite
from ohlcv_assets_tests.pipeline.standings import (
    DAYS,
    FIVE,
    all_of,
    proves,
    purge_bars,
    refusing,
    standings,
    start,
)

pytestmark = pytest.mark.integration


def test_an_engine_that_the_store_does_not_have(full: Project) -> None:
    """That is one sentence before anything is done, not a failure of every day."""
    purge_bars(full)
    before = list(full.chunks.records())
    other = replace(full, settings=full.settings.model_copy(update={"bar_engine": "influx-task"}))
    with pytest.raises(SettingsError, match="set OHLCV_STORE=influxdb"):
        heal(other)
    assert list(full.chunks.records()) == before


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
    needs = {day: Need(STORED_RESOLUTIONS, "x") for day in days}
    needs[days[9]] = Need(STORED_RESOLUTIONS[4:], "x")
    jobs = list(jobs_of(needs))
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


@pytest.mark.parametrize("before", [0, 1, 2])
def test_whoever_asked_for_it_may_stop_it(full: Project, before: int) -> None:
    """Between two days: those before are made and prove it, the others are as they were and healed later."""
    purge_bars(full)
    made: list[str] = []
    healed = heal(
        full,
        observer=only(lambda event: made.append(event.subject), "chunk"),
        halted=lambda: sum(subject.endswith(" 1d") for subject in made) >= before,
    )
    assert (healed.stopped, healed.succeeded, healed.days, healed.failed) == (CANCELLED, False, before, [])
    assert standings(full) == {day: all_of("missing") for day in DAYS[before:]}
    assert proves(full, *DAYS[:before])
    assert heal(full).days == len(DAYS) - before
    assert standings(full) == {}
