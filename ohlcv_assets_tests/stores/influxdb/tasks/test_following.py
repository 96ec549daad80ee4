"""Tasks that catch up and follow, run minute by minute on the fake server at the schedule of the definitions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from ohlcv_assets.bars.resolutions import RESOLUTIONS, STORED_RESOLUTIONS
from ohlcv_assets.stores.chunks import ChunkRecord
from ohlcv_assets.stores.influxdb.downsampling.outcome import ERROR
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.tasks.manager import TaskManager
from ohlcv_assets.units import DAY, HOUR, MINUTE, Nanos, day_of
from ohlcv_assets_tests.bars.made import START
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.reads.limited import write
from ohlcv_assets_tests.stores.influxdb.tasks.markets import SYMBOLS, Market, open_market, trades_of, whole

pytestmark = pytest.mark.integration

NAMES = [resolution.name for resolution in STORED_RESOLUTIONS]


@pytest.fixture(name="market")
def _market(fake_server: Fake, fresh_layout: Callable[[Server], Layout]) -> Iterator[Market]:
    """Return a market on the fake server whose tasks are installed as they are for users."""
    market = open_market(fake_server, fresh_layout(fake_server))
    TaskManager(market.connection, market.layout).install()
    yield market
    market.close()


def run(fake: Fake, resolution: str, at: int, times: int = 1) -> None:
    """Run the task of a resolution some times, an interval of its apart, the last time at an instant."""
    (task,) = [task for task in fake.faults.tasks.held.values() if task["name"].endswith(f" {resolution}")]
    every = RESOLUTIONS[resolution].kept.every
    for number in reversed(range(times)):
        told = fake.faults.tasks.run(task, at - number * every)
        assert told["status"] == "success", told


def made_by(fake: Fake, now: int, times: int = 1) -> None:
    """Run every task some times, a source before what is made of it, the last time at an instant or just before."""
    for name in NAMES:
        run(fake, name, now // RESOLUTIONS[name].kept.every * RESOLUTIONS[name].kept.every, times)


def kinds(market: Market, resolution: str) -> list[tuple[str, float, float]]:
    """Return what each run did: its kind, and its window in days from the first."""
    return [(run.kind, (run.start - START) / DAY, (run.stop - START) / DAY) for run in market.runs(resolution)]


def test_every_bar_while_trades_come_in(fake_server: Fake, market: Market) -> None:
    """Trades come in time order, some of them late; at every time the complete bars are there, and no others."""
    begin, end = START + 22 * HOUR + 55 * MINUTE, START + DAY + 10 * MINUTE
    trades = trades_of(begin, end, 250)
    late = trades[::7]
    step = 5 * MINUTE
    for start in range(begin, end, step):
        market.write([trade for trade in trades if start <= trade[1] < start + step and trade not in late])
        market.write([trade for trade in late if start - step <= trade[1] < start])
        fake_server.faults.tasks.pass_time(start + step, start + step + 2 * MINUTE)
        for name in NAMES:
            assert market.watermark(name) <= whole(RESOLUTIONS[name], start + step + 2 * MINUTE)
    market.write([trade for trade in late if trade[1] >= end - step])
    made_by(fake_server, end)
    made_by(fake_server, end + HOUR)
    market.hold(lambda resolution: whole(resolution, end + HOUR))
    assert {run.kind for run in market.runs("1m")} == {"live"}


def test_nothing_to_follow(fake_server: Fake, market: Market) -> None:
    """Before the first trade runs leave word that there is nothing, and make nothing."""
    fake_server.faults.tasks.pass_time(START, START + 2 * MINUTE)
    assert [run.kind for run in market.runs("1m")] == ["idle"] * 2
    assert market.watermark("1m") == 0
    assert market.records("1m") == []
    market.hold(lambda _: 0)


def test_history_is_caught_up_with_a_chunk_a_run(fake_server: Fake, market: Market) -> None:
    """From the day of the first trade, a small chunk first; then live. Nothing overtakes what it is made of."""
    market.write(trades_of(START + 7 * HOUR, START + 6 * DAY + HOUR, 300))
    now = START + 6 * DAY + 2 * HOUR
    run(fake_server, "5m", now)
    assert [(run.kind, run.start, run.watermark) for run in market.runs("5m")] == [("idle", 0, 0)]
    run(fake_server, "1m", now, 3)
    assert [kind for kind, *_ in kinds(market, "1m")] == ["catch-up"] * 3
    assert [(start, stop) for _, start, stop in kinds(market, "1m")] == [(0, 1), (1, 3), (3, 5)]
    run(fake_server, "5m", now + 5 * MINUTE)
    assert market.watermark("5m") == START + 4 * DAY
    run(fake_server, "5m", now + 10 * MINUTE)
    assert market.watermark("5m") == START + 5 * DAY
    run(fake_server, "1m", now + 11 * MINUTE)
    for name in NAMES[1:]:
        run(fake_server, name, now + 2 * HOUR, 2)
    assert market.runs("1m")[-1].kind == "live"
    market.hold(lambda resolution: whole(resolution, now + 11 * MINUTE))


def test_what_somebody_has_made_is_passed_over(fake_server: Fake, market: Market) -> None:
    """Chunks that are recorded as done are not made again, be they at the beginning or further on."""
    market.write(trades_of(START, START + 5 * DAY, 200))
    done = [ChunkRecord("1m", Nanos(START + at * DAY), Nanos(START + (at + 1) * DAY), "done") for at in (0, 2, 4)]
    market.chunks.mark(done)
    run(fake_server, "1m", START + 5 * DAY + MINUTE, 4)
    assert [(kind, start, stop) for kind, start, stop in kinds(market, "1m")][:2] == [
        ("catch-up", 1, 2),
        ("catch-up", 3, 4),
    ]
    assert [kind for kind, *_ in kinds(market, "1m")][2:] == ["live", "live"]
    made = market.bars.coverage(RESOLUTIONS["1m"])["day"].to_pylist()
    assert set(made) == {day_of(Nanos(START + at * DAY)) for at in (1, 3, 4)}  # the last minutes of 4 are still live


def test_proved_days_are_recorded(fake_server: Fake, market: Market) -> None:
    """A proved day that a run finishes is a chunk like any other: done, of these trades, so and so many bars."""
    day = trades_of(START, START + DAY, 100)
    market.prove(day, "abc")
    market.write(trades_of(START + DAY, START + DAY + HOUR, 20))
    made_by(fake_server, START + DAY + 2 * HOUR, 2)
    for name in NAMES:
        first, *live = market.records(name)
        assert (first.state, first.source_hash, first.rows_in, first.attempts) == ("done", "abc", 100, 1)
        assert (first.start, first.stop, first.error) == (START, START + DAY, "")
        assert first.rows_out == len({(one[0], one[1] // whole_of(name)) for one in day})
        assert [(one.start, one.source_hash, one.state) for one in live] == (
            [] if name == "1d" else [(START + DAY, "", "done")]
        )
    market.hold(lambda resolution: whole(resolution, START + DAY + 2 * HOUR))


def test_a_corrected_day_is_made_again(fake_server: Fake, market: Market) -> None:
    """Behind its window a task makes proved days whose bars are of other trades, and goes on following meanwhile."""
    day = trades_of(START, START + DAY, 60)
    market.prove(day, "first")
    later = trades_of(START + DAY, START + 3 * DAY, 60)
    market.write(later)
    made_by(fake_server, START + 3 * DAY + 2 * HOUR, 3)
    assert market.records("1d")[0].source_hash == "first"
    market.prove([(name, at, price + 1, amount, side) for name, at, price, amount, side in day], "second")
    made_by(fake_server, START + 3 * DAY + 5 * HOUR, 3)
    for name in NAMES:
        found = market.records(name)[0]
        assert (found.state, found.source_hash) == ("done", "second"), name
        ran = [one for one in market.runs(name) if one.kind == "correction"]
        assert [(one.start, one.stop) for one in ran] == [(START, START + DAY)], name
        assert market.runs(name)[-1].kind == "live"
    market.hold(lambda resolution: whole(resolution, START + 3 * DAY + 5 * HOUR))


def test_bars_whose_trades_are_gone_are_left_to_heal(fake_server: Fake, market: Market) -> None:
    """A task cannot delete: bars of trades that are gone stay, and whoever counts sees that they are too many."""
    market.prove(trades_of(START, START + DAY, 60, seed=1), "first")
    market.write(trades_of(START + DAY, START + 2 * DAY, 20))
    now = START + 2 * DAY + HOUR
    run(fake_server, "1m", now)
    market.prove(trades_of(START, START + DAY, 50, seed=2), "second")
    run(fake_server, "1m", now + 6 * MINUTE, 6)
    (found, *_) = market.records("1m")
    assert (found.state, found.source_hash, found.rows_in) == ("done", "second", 50)
    assert [one.kind for one in market.runs("1m")].count("correction") == 1
    held = market.bars.coverage(RESOLUTIONS["1m"])
    assert int(held["trades"].to_numpy()[: len(SYMBOLS)].sum()) > 50


def test_a_day_that_does_not_add_up(fake_server: Fake, market: Market) -> None:
    """Bars that do not hold as many trades as the day has are recorded as failed, once, with what is wrong."""
    market.prove(trades_of(START, START + DAY, 60), "first")
    line = f"days,bucket={market.layout.trades.name} rows=61i {START}"
    write(fake_server, [line], market.layout.status.name)
    market.write(trades_of(START + DAY, START + 2 * DAY, 20))
    run(fake_server, "1m", START + 2 * DAY + HOUR, 4)
    (found, *_) = market.records("1m")
    assert (found.state, found.source_hash, found.rows_in, found.error) == ("failed", "first", 61, ERROR)
    assert [one.kind for one in market.runs("1m")] == ["catch-up", "live", "live", "live"]


def test_a_day_under_change_is_not_recorded(fake_server: Fake, market: Market) -> None:
    """A day that somebody is loading has bars of what is there, and no record that calls them done."""
    market.prove(trades_of(START, START + DAY, 60), "first")
    market.write(trades_of(START + DAY, START + 2 * DAY, 20))
    line = f'days,bucket={market.layout.trades.name} attempt="another" {START}'
    write(fake_server, [line], market.layout.status.name)
    run(fake_server, "1m", START + 2 * DAY + HOUR, 2)
    assert all(one.source_hash == "" for one in market.records("1m"))
    assert market.runs("1m")[-1].kind == "live"


def begun(market: Market, at: int, when: int) -> None:
    """Record that a run of 1m has begun, by the server's clock."""
    line = f"task_runs,bucket={market.layout.trades.name},resolution=1m begun={when}i {at}"
    write(market.server, [line], market.layout.status.name)


def test_runs_of_a_task_do_not_overlap(fake_server: Fake, market: Market) -> None:
    """While an earlier run has not ended the next ones make nothing; one that never ends is not waited for long."""
    market.write(trades_of(START, START + 2 * HOUR, 40))
    now = START + 3 * HOUR
    run(fake_server, "1m", now)
    begun(market, now + MINUTE, time.time_ns())
    run(fake_server, "1m", now + 3 * MINUTE, 2)
    found = market.runs("1m")
    assert [one.kind for one in found] == ["live", "skipped", "skipped"]
    assert {one.watermark for one in found} == {now}
    assert (found[-1].bars, found[-1].since) == (0, found[0].since)
    begun(market, now + MINUTE, time.time_ns() - 6 * MINUTE)
    run(fake_server, "1m", now + 4 * MINUTE)
    assert [(one.kind, one.watermark) for one in market.runs("1m")][-1] == ("live", now + 4 * MINUTE)
    run(fake_server, "1m", now + 5 * MINUTE)
    assert market.runs("1m")[-1].kind == "live"


def test_a_clock_that_goes_back(fake_server: Fake, market: Market) -> None:
    """A run that believes it is earlier than one before makes the window that it believes in, and loses no ground."""
    market.write(trades_of(START, START + 2 * HOUR, 40))
    run(fake_server, "1m", START + 3 * HOUR)
    run(fake_server, "1m", START + HOUR)
    found = {run.at: run for run in market.runs("1m")}
    earlier = found[Nanos(START + HOUR)]
    assert (earlier.kind, earlier.stop, earlier.watermark) == ("live", START + HOUR, START + 3 * HOUR)


def whole_of(name: str) -> int:
    """Return the duration of a resolution."""
    duration = RESOLUTIONS[name].duration
    assert duration is not None
    return duration
