"""Days loaded in bulk: into shards that are there and not, beside others, and while things go wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ohlcv_assets.errors import (
    StoreAccessError,
    StoreMismatchError,
    StoreRejectedError,
    StoreUnavailableError,
)
from ohlcv_assets.market.schema import STORED
from ohlcv_assets.progress import Progress, nobody
from ohlcv_assets.stores.base import DayContent, GivenDay
from ohlcv_assets.stores.influxdb.bulk.api import BackupApi
from ohlcv_assets.stores.influxdb.bulk.loading import MARKER
from ohlcv_assets.stores.influxdb.bulk.making import Going, Making
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.tasks.calls import TaskCalls
from ohlcv_assets.stores.influxdb.tasks.definitions import task_name
from ohlcv_assets.stores.influxdb.tasks.manager import TaskManager
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.units import day_start
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.bulk.loads import Open, load, require
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake
from ohlcv_assets_tests.stores.influxdb.reads.limited import write
from ohlcv_assets_tests.stores.influxdb.stores import held, plan, trade_store
from ohlcv_assets_tests.stores.made import FIRST, batches, day_number, made_day, promise, rows_of, stored

pytestmark = pytest.mark.integration

RESTORE = "/api/v2/restore/shards/"
BACKUP = "/api/v2/backup/shards/"
ODD = ("A B", "a,b=c", "back\\slash", "caf\u00e9", "A!", "A", 'q"uote', "%41")


def test_days_around_the_end_of_a_week(any_server: Server, open_on: Callable[[Server], Open]) -> None:
    """Days of two shards, in any order, each into its own; what was there by lines or in bulk is replaced."""
    store = open_on(any_server)()
    for offset in (4, 5, 3, 6):
        assert load(store, offset).deleted == 0
    require(store, dict.fromkeys((3, 4, 5, 6), 0))
    store.append(stored([("NEW", day_start(day_number(4)) + 7, 1.0, 1.0, 1)]))
    assert load(store, 4, seed=1).deleted == 31
    assert load(store, 5, seed=1).deleted == 30
    assert store.delete_day(day_number(3)) == 30
    require(store, {4: 1, 5: 1, 6: 0})
    assert load(store, 3, seed=2).deleted == 0
    assert load(store, 4, seed=3).deleted == 30
    require(store, {3: 2, 4: 3, 5: 1, 6: 0})


def test_no_file_goes_into_another_shard(store: InfluxTradeStore, fake_server: Fake) -> None:
    """However days are put together: those of two weeks go into two shards, whatever memory there is."""
    days = [day_number(offset) for offset in (4, 5)]
    going = [Going(day, [made_day(day, 10).select(STORED.names)], 30) for day in days]
    loader = store._loader
    assert loader is not None
    with (
        store._leases.days(days) as lease,
        lease.writing(),
        Making(going, 1_000_000) as making,
        loader.loaded(making, lease, nobody),
    ):
        pass
    assert [len(names) for names in fake_server.faults.backups.names.values()] == [1, 1]


def test_nothing_but_trades_is_left(any_server: Server, open_on: Callable[[Server], Open]) -> None:
    """The point that made the shard is gone, and so is its measurement."""
    store = open_on(any_server)()
    load(store)
    query = {"db": store._bucket, "q": f'SELECT * FROM "{MARKER}"'}  # noqa: S608 -- a constant
    reply = store._connection.call("GET", "/query", doing="ask", query=query)
    assert reply.document() == {"results": [{"statement_id": 0}]}


def test_odd_symbols(any_server: Server, open_on: Callable[[Server], Open]) -> None:
    """Whatever a symbol is made of, it comes back; where the order of keys is another one there are more files."""
    store = open_on(any_server)()
    trades = made_day(FIRST, 5, sorted(ODD))
    report = store.replace_day(promise(FIRST, trades), batches(trades))
    assert int(report.detail["batches"]) > 1
    assert held(store) == rows_of(trades)


def test_a_bucket_that_keeps_for_a_while(any_server: Server, open_on: Callable[..., Open]) -> None:
    """Days within a limited retention are loaded in bulk too."""
    store = open_on(any_server, 30 * 86_400)()
    kept = store.first_kept_day()
    assert kept is not None
    trades = made_day(kept, 5)
    assert store.replace_day(promise(kept, trades), batches(trades)).detail["path"] == "bulk"
    assert held(store) == rows_of(trades)


def test_an_empty_day(store: InfluxTradeStore, fake_server: Fake) -> None:
    """Nothing is sent, no shard is made, and the day is clean."""
    assert load(store, per_symbol=0).detail["requests"] == 0
    assert store.day_records()[FIRST].state == "clean"
    assert fake_server.faults.count(RESTORE) == 0


def test_large_days_are_several_files(
    store: InfluxTradeStore, fake_server: Fake, open_on: Callable[[Server], Open]
) -> None:
    """No file takes more than its share of the memory; all are told, and counted as one day."""
    store = open_on(fake_server)(memory=30_000)
    seen: list[Progress] = []
    report = load(store, per_symbol=400, observer=seen.append)
    assert report.detail["batches"] == len(seen) > 1
    assert [(event.stage, event.subject, event.total, event.unit) for event in seen] == [
        ("load", str(FIRST), 1_200, "trades")
    ] * len(seen)
    assert seen[-1].done == report.written == report.detail["rows"] == 1_200
    assert report.detail["peak_held"] <= 20_000
    require(store, {0: 0}, per_symbol=400)


@pytest.mark.parametrize("what", ["reset", "refuse", "answer", "swallow"])
def test_restores_that_are_not_answered(fake_server: Fake, open_on: Callable[[Server], Open], what: Any) -> None:
    """One that worked is found by its name; one that did not is sent again, under another; Any: a fault."""
    store = open_on(fake_server)(timeout=1.5 if what == "swallow" else 60.0)
    fake_server.faults.add(what, path=RESTORE, status=500)
    report = load(store)
    worked = what in {"reset", "swallow"}
    (names,) = fake_server.faults.backups.names.values()
    assert len(names) == 1
    assert report.detail["requests"] == fake_server.faults.count(RESTORE) == (1 if worked else 2)
    assert report.detail["retries"] == (0 if worked else 1)
    require(store, {0: 0})


def test_what_the_server_refuses_is_not_sent_again(store: InfluxTradeStore, fake_server: Fake) -> None:
    """The day stays dirty, and is loaded once the server takes it."""
    fake_server.faults.add("answer", path=RESTORE, status=401)
    with pytest.raises(StoreAccessError, match="could not load the trades of 2024-01-31"):
        load(store)
    assert fake_server.faults.count(RESTORE) == 1
    fake_server.faults.add("answer", path=RESTORE, status=400)
    with pytest.raises(StoreRejectedError, match="could not load the trades of 2024-01-31"):
        load(store)
    assert store.day_records()[FIRST].state == "dirty"
    load(store)
    require(store, {0: 0})


def test_the_deadline(fake_server: Fake, open_on: Callable[[Server], Open]) -> None:
    """A server that never takes it is given up, under as many names as there were attempts."""
    store = open_on(fake_server)(deadline=0.5)
    fake_server.faults.add("answer", path=RESTORE, times=None, status=500)
    with pytest.raises(StoreUnavailableError, match="could not load the trades of 2024-01-31"):
        load(store)
    assert fake_server.faults.count(RESTORE) > 1
    fake_server.faults.heal()
    load(store)
    require(store, {0: 0})


def test_a_reply_proves_nothing(store: InfluxTradeStore, fake_server: Fake) -> None:
    """A restore that the server says it did and did not fails the count; the day stays dirty until it is loaded."""
    fake_server.faults.add("answer", path=RESTORE, status=200)
    with pytest.raises(StoreMismatchError, match="holds for 2024-01-31 0 trades where 30 were promised"):
        load(store)
    assert store.day_records()[FIRST].state == "dirty"
    load(store)
    require(store, {0: 0})


def test_who_interrupts_a_restore_lets_others_wait(
    store: InfluxTradeStore, fake_server: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent may still arrive: leases of day and shard end only after a grace."""
    loader = store._loader
    assert loader is not None

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BackupApi, "restore", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(store)
    labels = [label for label in fake_server.faults.held.labels.values() if "holder" in label["properties"]]
    left = {label["name"].split("/")[2]: label["properties"] for label in labels}
    assert {kind: (found["mode"], found["expires"]) for kind, found in left.items()} == {
        "day": ("writing", "0"),
        "shard": ("writing", "0"),
    }
    monkeypatch.undo()
    began = time.monotonic()
    load(store)
    assert time.monotonic() - began >= 0.4
    require(store, {0: 0})


def test_torn_points_are_replaced(store: InfluxTradeStore, fake_server: Fake) -> None:
    """A point that lacks fields makes the day count as another one: it is deleted and loaded again."""
    load(store)
    write(fake_server, [f"trades,symbol=AAPL price=1 {day_start(FIRST)}"], store._bucket)
    assert load(store).deleted == 31
    require(store, {0: 0})


def test_the_task_that_reads_trades_is_kept_still(
    store: InfluxTradeStore, fake_server: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot see that a shard is closed; it is paused while a file is taken, and others never stop."""
    connection = fake_server.connect()
    TaskManager(connection, store._layout).install()
    calls, names = TaskCalls(connection), [task_name(store._layout, name) for name in ("1m", "5m")]
    restore, seen = BackupApi.restore, []

    def states() -> list[bool]:
        return [task.active for tasks in calls.named(*names).values() for task in tasks]

    def looked_at(*given: Any) -> Any:
        seen.append(states())
        return restore(*given)

    monkeypatch.setattr(BackupApi, "restore", looked_at)
    load(store)
    assert seen == [[False, True]]
    assert states() == [True, True]
    connection.close()


def given(seeds: dict[int, int], per_symbol: int = 10) -> list[GivenDay]:
    """Return days to be loaded together, by offset and seed."""
    found = []
    for offset, seed in seeds.items():
        trades = made_day(day_number(offset), per_symbol, seed=seed)
        found.append(GivenDay(promise(day_number(offset), trades, str(seed)), partial(batches, trades)))
    return found


def test_many_days(any_server: Server, open_on: Callable[[Server], Open]) -> None:
    """Days of several shards go in by groups; what is there is left alone, replaced or added, and told in order."""
    store = open_on(any_server)()
    load(store, 1, seed=1)
    load(store, 3, seed=5)
    wanted = {0: 1, 1: 1, 2: 1, 3: 1, 5: 1, 6: 1, 12: 1}
    reports = list(store.replace_days(given(wanted)))
    assert [(report.rows, report.written, report.deleted) for report in reports] == [
        (30, 30, 0),
        (30, 0, 0),
        (30, 30, 0),
        (30, 30, 30),
        (30, 30, 0),
        (30, 30, 0),
        (30, 30, 0),
    ]
    assert {report.detail["path"] for report in reports if report.written} == {"bulk"}
    require(store, wanted)
    assert [report.written for report in store.replace_days(given(wanted))] == [0] * len(wanted)
    assert list(store.replace_days([])) == []


def test_days_of_a_shard_go_together(fake_server: Fake, open_on: Callable[[Server], Open]) -> None:
    """As many as fit into the memory are one request, and the shard is closed once for them."""
    store = open_on(fake_server)()
    list(store.replace_days(given(dict.fromkeys(range(4), 0))))
    assert fake_server.faults.count(RESTORE) == 1
    small = open_on(fake_server)(memory=150_000)
    reports = list(small.replace_days(given(dict.fromkeys(range(4), 1), per_symbol=700)))
    assert fake_server.faults.count(RESTORE) > 2
    assert int(reports[0].detail["peak_held"]) < 100_000
    require(small, dict.fromkeys(range(4), 1), per_symbol=700)


def test_one_day_of_many_is_wrong(store: InfluxTradeStore) -> None:
    """None of its group is taken for proved; those that were proved before stay so, and all can be loaded again."""
    days = given({0: 0, 1: 0, 5: 0})
    wrong = DayContent(days[1].content.day, "0", {"AAPL": 31})
    with pytest.raises(StoreMismatchError, match="given for 2024-02-01 30 trades where 31 were promised"):
        list(store.replace_days([days[0], GivenDay(wrong, days[1].batches), days[2]]))
    states = {day: record.state for day, record in store.day_records().items()}
    assert states[day_number(0)] == states[day_number(1)] == "dirty"
    list(store.replace_days(days))
    require(store, {0: 0, 1: 0, 5: 0})


def test_days_by_lines_go_one_after_another(fake_server: Fake, fresh_layout: Callable[..., Layout]) -> None:
    """Without an operator's token many days are loaded as single ones are."""
    store = trade_store(fake_server, fresh_layout(fake_server, 0), plan())
    reports = list(store.replace_days(given({0: 0, 1: 0})))
    assert [report.detail["path"] for report in reports] == ["line", "line"]
    require(store, {0: 0, 1: 0})
    store.close()


def test_what_the_index_hides_is_deleted(store: InfluxTradeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades that are not counted, because a delete took their series from the index, do not come back with a load."""
    load(store)
    counts = store.counts
    hidden: list[dict[str, int]] = [{}]
    monkeypatch.setattr(store, "counts", lambda day: hidden.pop() if hidden else counts(day))
    load(store, seed=1)
    assert hidden == []
    require(store, {0: 1})


def test_what_cannot_be_deleted(store: InfluxTradeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades that stay in the files whatever is done end in a sentence, and nothing is loaded."""
    load(store)
    left = stored(rows_of(made_day(FIRST, 1))).to_batches()
    monkeypatch.setattr(store, "backed_up", lambda *_, **__: iter(left))
    with pytest.raises(StoreMismatchError, match="keeps trades of 2024-01-31 in its files that cannot be deleted"):
        load(store, seed=1)
    assert store.day_records()[FIRST].state == "dirty"
