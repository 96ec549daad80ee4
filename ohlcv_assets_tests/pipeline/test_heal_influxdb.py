"""Healing bars on an InfluxDB server, by the roll-up and by the server itself, on good days and on bad ones."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest

from ohlcv_assets.bars.chunks import Span
from ohlcv_assets.bars.derive import derive
from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS, Resolution
from ohlcv_assets.errors import StoreAccessError, StoreError, StoreMismatchError, StoreUnavailableError
from ohlcv_assets.pipeline.bar_status import bar_status
from ohlcv_assets.pipeline.heal import Healed, heal
from ohlcv_assets.pipeline.recording import day_records
from ohlcv_assets.pipeline.steps import file_day, load_day, roll_up_day
from ohlcv_assets.pipeline.verify import verify_day
from ohlcv_assets.project import Project
from ohlcv_assets.settings import BarEngineName
from ohlcv_assets.stores.influxdb.bars import InfluxBarStore
from ohlcv_assets.stores.influxdb.chunks import InfluxChunks
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.leasing.holders import Terms, properties_of
from ohlcv_assets.stores.influxdb.leasing.labels import Labels, ServerClock
from ohlcv_assets.stores.influxdb.leasing.processes import Process
from ohlcv_assets.stores.influxdb.reads.asking import ALWAYS, Asker, QueryTimeout
from ohlcv_assets.units import DAY, SECOND, day_bounds, day_start
from ohlcv_assets_tests.organisations import close
from ohlcv_assets_tests.pipeline.made import FRIDAY, SATURDAY, THURSDAY, make, project_in, rewrite
from ohlcv_assets_tests.pipeline.standings import DAYS, all_of, never, proves, purge_bars, refusing, standings
from ohlcv_assets_tests.servers import Server, drop_bucket, make_bucket
from ohlcv_assets_tests.stores.influxdb.pairs import bar_store
from ohlcv_assets_tests.stores.influxdb.stores import GRACE, plan, trade_store

pytestmark = pytest.mark.integration
ENGINES: tuple[BarEngineName, ...] = ("client", "influx-task")
TRADES = 300


@dataclass
class Place:
    """Buckets on a server, and projects over them."""

    server: Server
    layout: Layout
    folder: Path

    def project(self, engine: BarEngineName = "client", patience: float = 20.0) -> Project:
        """Open a project of three days, as one more operator."""
        load_plan = plan("native")
        bars = bar_store(self.server, self.layout, load_plan)
        bars._leases.terms = replace(bars._leases.terms, grace=GRACE)
        return replace(
            project_in(self.folder, total_trades=TRADES, bar_engine=engine),
            trade_store=trade_store(self.server, self.layout, load_plan),
            bar_store=bars,
            chunks=InfluxChunks(self.server.connect(None, 2), self.layout, Terms(patience=patience, grace=GRACE)),
        )


@pytest.fixture(name="place")
def _place(any_server: Server, any_layout: Layout, tmp_path: Path) -> Place:
    """Return fresh buckets."""
    return Place(any_server, any_layout, tmp_path / "small")


@pytest.fixture(name="project", params=ENGINES)
def _project(place: Place, request: pytest.FixtureRequest) -> Iterator[Project]:
    """Return a project whose three days are made, by each engine."""
    project = place.project(request.param)
    make(project, *DAYS)
    yield project
    close(project)


@pytest.fixture(name="on_fake", params=ENGINES)
def _on_fake(
    fake_server: Server, fresh_layout: Callable[[Server], Layout], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Project]:
    """Return the same on the fake server, for what a real one would not tell more of."""
    project = Place(fake_server, fresh_layout(fake_server), tmp_path / "small").project(request.param)
    make(project, FRIDAY)
    yield project
    close(project)


def slow_for_many(project: Project, monkeypatch: pytest.MonkeyPatch) -> list[tuple[dt.date, tuple[str, ...]]]:
    """Let the store take too long for more than two resolutions at once; return what it is asked for, as it comes."""
    if project.settings.bar_engine == "client":
        slow = StoreUnavailableError("it took too long")
        return refusing(project, monkeypatch, lambda _, names: slow if len(names) > 2 else None)
    asked: list[tuple[dt.date, tuple[str, ...]]] = []
    store = project.bar_store
    assert isinstance(store, InfluxBarStore)
    roll_up = store.roll_up

    def slowly(day: dt.date, resolutions: Sequence[Resolution], trades: Mapping[str, int]) -> dict[str, int]:
        asked.append((day, tuple(resolution.name for resolution in resolutions)))
        if len(resolutions) > 2:
            raise QueryTimeout("it took too long")
        return roll_up(day, resolutions, trades)

    monkeypatch.setattr(store, "roll_up", slowly)
    return asked


def test_missing_and_corrected(project: Project) -> None:
    """What was deleted comes back; of a day with other trades bars go whose trades are gone, and weeks follow."""
    week = day_start(dt.date(2024, 1, 1)), day_start(SATURDAY)
    trades = project.lake.read(FRIDAY)
    symbol = trades.column("symbol")[0].as_py()
    before = derive(RESOLUTIONS["1W"], project.bar_store.read, *week)
    assert project.bar_store.read(RESOLUTIONS["1d"], *day_bounds(FRIDAY), [symbol]).num_rows == 1
    project.bar_store.delete_day(RESOLUTIONS["15m"], SATURDAY)
    rewrite(project, FRIDAY, trades.filter(pa.array([name != symbol for name in trades["symbol"].to_pylist()])))
    assert load_day(project, FRIDAY).outdated == len(STORED_RESOLUTIONS)
    assert standings(project) == {FRIDAY: all_of("stale"), SATURDAY: {"15m missing"}}
    healed = heal(project)
    assert (healed.days, healed.succeeded) == (2, True)
    assert standings(project) == {}
    assert all(proof.verdict.passed for day in DAYS for proof in verify_day(project, day, only="bars"))
    for resolution in STORED_RESOLUTIONS:
        assert project.bar_store.read(resolution, *day_bounds(FRIDAY), [symbol]).num_rows == 0
    after = derive(RESOLUTIONS["1W"], project.bar_store.read, *week)
    gone = trades["symbol"].to_pylist().count(symbol)
    assert after["trades"].to_numpy().sum() == before["trades"].to_numpy().sum() - gone
    assert heal(project).chunks == 0


def test_a_day_whose_trades_are_gone(project: Project) -> None:
    """Its bars go at every resolution, and with them what is recorded; the other days are left alone."""
    before = {day: day_records(project, day) for day in (THURSDAY, SATURDAY)}
    project.trade_store.delete_day(FRIDAY)
    healed = heal(project)
    assert healed.removed > len(STORED_RESOLUTIONS)
    assert (healed.days, healed.succeeded) == (0, True)
    assert standings(project) == {FRIDAY: all_of("waiting")}
    assert {day: day_records(project, day) for day in before} == before
    assert day_records(project, FRIDAY) == {}


def test_too_slow_failed_and_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk that takes too long is done in parts; a day that fails is recorded, shown, and stops no other."""
    purge_bars(project)
    with monkeypatch.context() as patch:
        asked = slow_for_many(project, patch)
        assert heal(project, [THURSDAY], sleep=never).succeeded
    assert [names for _, names in asked] == [
        ("1m", "5m", "15m", "1h", "1d"),
        ("1m",),
        ("5m", "15m", "1h", "1d"),
        ("5m",),
        ("15m", "1h", "1d"),
        ("15m",),
        ("1h", "1d"),
    ]
    assert proves(project, THURSDAY)
    file = project.lake.inspect(FRIDAY).path
    file.rename(file.with_suffix(".away"))
    healed = heal(project, sleep=never)
    assert ([given.day for given in healed.failed], healed.days) == ([FRIDAY], 1)
    shown = bar_status(project)[0]
    assert [(run.state, "There is no day file" in run.error) for run in shown.failed] == [("failed", True)]
    assert [str(days.first) for days in shown.reach.missing] == [str(FRIDAY)]
    file.with_suffix(".away").rename(file)
    assert heal(project).days == 1
    assert standings(project) == {}


def test_a_script_that_takes_too_long(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's own engine sends a script again for each half of its range before a chunk counts as too slow."""
    project = place.project("influx-task")
    make(project, FRIDAY)
    before = {one.name: project.bar_store.read(one, *day_bounds(FRIDAY)) for one in STORED_RESOLUTIONS}
    purge_bars(project)
    flux, sent = Asker.flux, []

    def impatient(asker: Asker, text: str, name: str, span: tuple[int, int] = ALWAYS) -> pa.Table:
        if name == "1m bars":
            sent.append(text.partition("\npoints")[0])
            if len(sent) < 4:
                raise QueryTimeout("it took too long")
        return flux(asker, text, name, span)

    monkeypatch.setattr(Asker, "flux", impatient)
    assert heal(project, sleep=never).days == 1
    assert sent[:2] == [
        "start = 2024-01-05T00:00:00.000000000Z\nstop = 2024-01-06T00:00:00.000000000Z",
        "start = 2024-01-05T00:00:00.000000000Z\nstop = 2024-01-05T12:00:00.000000000Z",
    ]
    assert len(sent) > 4
    assert before == {one.name: project.bar_store.read(one, *day_bounds(FRIDAY)) for one in STORED_RESOLUTIONS}
    close(project)


def test_attempts_with_pauses(on_fake: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """One day at one resolution is tried again after pauses, and done as soon as the server answers."""
    on_fake.bar_store.delete_day(RESOLUTIONS["1d"], FRIDAY)
    answers: Iterator[StoreError | None] = iter([StoreUnavailableError("away"), QueryTimeout("slow"), None])
    name = "write_many" if on_fake.settings.bar_engine == "client" else "roll_up"
    work = getattr(on_fake.bar_store, name)

    def unsteady(*arguments: object) -> object:
        error = next(answers)
        if error is not None:
            raise error
        return work(*arguments)

    monkeypatch.setattr(on_fake.bar_store, name, unsteady)
    pauses: list[float] = []
    assert heal(on_fake, sleep=pauses.append).succeeded
    assert len(pauses) == 2
    assert day_records(on_fake, FRIDAY)["1d"].attempts == 3
    assert set(standings(on_fake)) == {THURSDAY, SATURDAY}


def test_two_operators(place: Place) -> None:
    """Two who heal the same days at once share them; every bar is right, and nothing is left begun."""
    first = place.project()
    make(first, *DAYS)
    purge_bars(first)
    operators = [place.project(), place.project("influx-task")]
    healed: list[Healed] = []
    threads = [threading.Thread(target=lambda one=one: healed.append(heal(one))) for one in operators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one.succeeded for one in healed)
    assert standings(first) == {}
    assert {record.state for record in first.chunks.records()} == {"done"}
    assert proves(first, *DAYS)
    for project in (first, *operators):
        close(project)


def test_a_day_that_another_machine_holds(place: Place) -> None:
    """What somebody holds who cannot be seen from here is left until the lease ends, by the server's clock."""
    project = place.project(patience=0.5)
    make(project, *DAYS)
    purge_bars(project)
    chunks = project.chunks
    assert isinstance(chunks, InfluxChunks)
    labels = Labels(place.server.connect(None, 1), ServerClock())
    far = Process("far-away", "another place", 1, 1.0)
    name = chunks._leases.label_of((FRIDAY.isoformat(), "5m"))
    now = place.server.connect(None, 1).server_time()
    held = labels.create(name, properties_of("somebody", far, "idle", str(int(now + 3_600))))
    assert held is not None
    healed = heal(project)
    assert [given.day for given in healed.busy] == [FRIDAY]
    assert "far-away" in healed.busy[0].error
    assert (healed.days, healed.failed, healed.succeeded) == (2, [], False)
    # As if the hour were over.
    assert labels.change(held.id, {"expires": str(int(now))})
    assert heal(project).days == 1
    assert standings(project) == {}
    close(project)


def test_a_clock_wrong_by_an_hour(
    real_server: Server, real_layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client with a wrong clock takes nothing that others hold, heals the rest, and records the server's time."""
    place = Place(real_server, real_layout, tmp_path / "small")
    project, other = place.project(), place.project(patience=0.5)
    make(project, *DAYS)
    purge_bars(project)
    right = time.time
    with project.chunks.lease(["1m"], Span(*day_bounds(FRIDAY))) as ours:
        monkeypatch.setattr(time, "time", lambda: right() + 3_600)
        healed = heal(other)
        monkeypatch.undo()
        ours()
    assert ([given.day for given in healed.busy], healed.days) == ([FRIDAY], 2)
    done = [record for record in project.chunks.records() if record.state == "done"]
    assert len(done) == 2 * len(STORED_RESOLUTIONS)
    assert all(abs(record.at / SECOND - right()) < 600 for record in done)
    assert heal(project).days == 1
    assert proves(project, *DAYS)
    close(project)
    close(other)


def test_the_status_bucket_is_gone(place: Place) -> None:
    """Without it all fails in a sentence; while it is empty bars are stale, and left until days are proved again."""
    project = place.project()
    make(project, *DAYS)
    held = {one.name: project.bar_store.read(one, *day_bounds(FRIDAY)) for one in STORED_RESOLUTIONS}
    connection = place.server.connect(None, 1)
    drop_bucket(connection, place.layout.status.name)
    for ask in (bar_status, heal):
        with pytest.raises(StoreError, match=r"not found|could not find"):
            ask(project)
    make_bucket(connection, place.layout.status.name)
    for status in bar_status(project):
        assert [days.reason for days in status.reach.stale] == ["their trades are not proved to be stored"]
        assert (status.reach.complete_until, status.last_runs) == (day_start(THURSDAY), ())
        assert status.reach.lag == 3 * DAY
    healed = heal(project)
    assert (healed.waiting, healed.days, healed.removed) == (list(DAYS), 0, 0)
    assert {one.name: project.bar_store.read(one, *day_bounds(FRIDAY)) for one in STORED_RESOLUTIONS} == held
    for day in DAYS:
        file_day(project, day)
        load_day(project, day)
    assert standings(project) == {day: all_of("stale") for day in DAYS}
    assert heal(project).days == 3
    assert standings(project) == {}
    connection.close()
    close(project)


def test_equal_content_touches_nothing(on_fake: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reload of what a day holds writes no trade, no bar and no record, whoever makes bars."""
    before = list(on_fake.chunks.records())
    for name in ("write_many", "roll_up", "delete_day"):
        monkeypatch.setattr(on_fake.bar_store, name, None)
    monkeypatch.setattr(on_fake.chunks, "mark", None)
    loaded = load_day(on_fake, FRIDAY)
    assert (loaded.report.written, loaded.report.deleted, loaded.outdated) == (0, 0, 0)
    assert len(roll_up_day(on_fake, FRIDAY).left_alone) == len(STORED_RESOLUTIONS)
    assert heal(on_fake).chunks == 0
    assert list(on_fake.chunks.records()) == before


def test_bars_that_somebody_changed_are_made_right(on_fake: Project) -> None:
    """A run that is asked for bars that are recorded as done looks at them, and makes what is wrong."""
    bars = on_fake.bar_store.read(RESOLUTIONS["1h"], *day_bounds(FRIDAY))
    at = bars.schema.get_field_index("volume")
    changed = bars.set_column(at, bars.schema.field(at), pa.array(bars["volume"].to_numpy() * 2))
    on_fake.bar_store.write(RESOLUTIONS["1h"], FRIDAY, changed)
    assert not proves(on_fake, FRIDAY)
    assert set(roll_up_day(on_fake, FRIDAY).left_alone) == {"1m", "5m", "15m", "1d"}
    assert proves(on_fake, FRIDAY)


def test_a_token_that_is_not_let_in_any_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would fail for every day ends it with one error."""
    project = place.project()
    make(project, FRIDAY)
    purge_bars(project)
    asked = refusing(project, monkeypatch, lambda *_: StoreAccessError("the token is wrong"))
    with pytest.raises(StoreAccessError, match="token"):
        heal(project)
    assert len(asked) == 1
    monkeypatch.undo()
    refusing(project, monkeypatch, lambda *_: StoreMismatchError("no such luck"))
    assert [given.error for given in heal(project).failed] == ["no such luck"]
    close(project)
