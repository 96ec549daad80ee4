"""Commits of several requests, the queue before them, and bad days of store and ledger."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ohlcv_assets.api.pool import OverloadedError, Pool
from ohlcv_assets.api.posting import desk as desk_module
from ohlcv_assets.api.posting.columns import Columns
from ohlcv_assets.api.posting.commit import Carried, Committer, Conflict, Done, Post, Verdict
from ohlcv_assets.api.posting.desk import Desk
from ohlcv_assets.api.posting.ledger import Ledger
from ohlcv_assets.api.posting.placing import DUPLICATE, MOVED, STORED, Placed
from ohlcv_assets.api.telemetry import Telemetry
from ohlcv_assets.errors import MachineError, StoreRejectedError, StoreUnavailableError
from ohlcv_assets.project import Project
from ohlcv_assets.units import DAY
from ohlcv_assets_tests.api.posting.made import START, columns
from ohlcv_assets_tests.pipeline.made import FRIDAY, make, project_in

pytestmark = pytest.mark.unit


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Project:
    """Return a project in memory with nothing in it."""
    return project_in(tmp_path)


def committer_of(project: Project) -> Committer:
    """Return what commits to a project, with a ledger of its own."""
    return Committer(project, Ledger(None, 100))


def post(*rows: tuple[int, int, float], **more: Any) -> Post:  # Any: fields of Post
    """Return a request with trades of (symbol, nanoseconds after Thursday began, price)."""
    return Post(
        **{"caller": "key a", "trades": columns(*((symbol, START + at, price) for symbol, at, price in rows)), **more}
    )


def told(verdict: Verdict | None) -> Any:  # Any: whatever fits
    """Return a verdict as plain values."""
    if isinstance(verdict, Conflict):
        return verdict.reason, verdict.rows.tolist()
    assert verdict is not None
    ts = (verdict.placed.ts - START).tolist()
    return list(zip(verdict.placed.outcome.tolist(), ts, strict=True))


# --- one commit -------------------------------------------------------------------------------------------------------


def test_requests_of_a_commit_see_each_other(project: Project) -> None:
    """In their order: the second's trade moves, what it repeats is a duplicate; one append for both."""
    committer = committer_of(project)
    done = committer.commit([post((0, 5, 1.0)), post((0, 5, 2.0), (0, 5, 1.0))])
    assert [told(verdict) for verdict in done.verdicts] == [[(STORED, 5)], [(MOVED, 6), (DUPLICATE, 5)]]
    assert done.stored.num_rows == 2
    assert committer.commit([post((0, 5, 2.0))]).stored.num_rows == 0


def test_a_request_that_is_refused_leaves_nothing(project: Project) -> None:
    """Not even an instant: others are placed as if it had not come."""
    make(project, FRIDAY)
    refused = post((0, 5, 1.0), (0, DAY, 1.0))
    done = committer_of(project).commit([refused, post((0, 5, 2.0))])
    assert [told(verdict) for verdict in done.verdicts] == [("closed", [1]), [(STORED, 5)]]
    assert project.trade_store.day_records().keys() == {FRIDAY}, "what is proved stays proved"


def test_a_day_that_is_full_to_its_end(project: Project) -> None:
    """The request is refused; the reason is not that the day is closed."""
    committer = committer_of(project)
    committer.commit([post((0, DAY - 1, 1.0))])
    assert told(committer.commit([post((0, DAY - 1, 2.0))]).verdicts[0]) == ("crowded", [0])


def test_an_id_stands_for_one_trade(project: Project) -> None:
    """Of one symbol and one caller; in one body, in one commit, and later; a request that is refused takes no id."""
    committer = committer_of(project)
    first = post((0, 5, 1.0), (1, 5, 1.0), ids=["a", "a"])
    inside = post((0, 6, 1.0), (0, 7, 1.0), ids=["b", "b"])
    after = post((0, 8, 1.0), ids=["b"])
    other = post((0, 9, 1.0), ids=["a"])
    anybody = post((0, 9, 2.0), ids=["a"], caller="key b")
    done = committer.commit([first, inside, after, other, anybody])
    assert [told(verdict) for verdict in done.verdicts] == [
        [(STORED, 5), (STORED, 5)],
        ("id", [1]),
        [(STORED, 8)],
        ("id", [0]),
        [(STORED, 9)],
    ]
    again = [
        post((0, 5, 1.0), (0, 8, 1.0), ids=["a", "b"]),
        post((0, 5, 2.0), ids=["a"]),
        post((0, 5, 2.0), ids=[None]),
    ]
    assert [told(verdict) for verdict in committer.commit(again).verdicts] == [
        [(DUPLICATE, 5), (DUPLICATE, 8)],
        ("id", [0]),
        [(MOVED, 6)],
    ]


def test_a_key_gets_its_first_answer_again(project: Project) -> None:
    """For the same body, of the same caller, in the same commit and later; for another body it is refused."""
    committer = committer_of(project)
    mine = {"key": "k", "body": b"1"}
    posts = [post((0, 5, 1.0), **mine), post((0, 5, 1.0), **mine), post((0, 6, 1.0), key="k", body=b"2")]
    done = committer.commit([*posts, post((0, 5, 1.0), **mine, caller="key b")])
    assert [told(verdict) for verdict in done.verdicts] == [[(STORED, 5)], [(STORED, 5)], ("key", []), [(DUPLICATE, 5)]]
    later = committer.commit(posts)
    assert [told(verdict) for verdict in later.verdicts] == [[(STORED, 5)], [(STORED, 5)], ("key", [])]
    assert [verdict.again for verdict in (*done.verdicts, *later.verdicts) if isinstance(verdict, Carried)] == [
        False,
        True,
        False,
        True,
        True,
    ]
    assert later.stored.num_rows == 0


def test_a_refusal_is_not_remembered(project: Project) -> None:
    """A key whose request was refused may come again; so may the one beside it in the commit."""
    committer = committer_of(project)
    committer.commit([post((0, DAY - 1, 1.0))])
    full = post((0, DAY - 1, 2.0), key="k", body=b"1")
    assert [told(verdict) for verdict in committer.commit([full, full]).verdicts] == [
        ("crowded", [0]),
        ("crowded", [0]),
    ]
    project.trade_store.delete_day(FRIDAY.replace(day=4))
    assert told(committer.commit([full]).verdicts[0]) == [(STORED, DAY - 1)]


def test_a_failing_store_doubles_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has all the same is told of with the next commit, once; the repeated request completes."""
    committer, store = committer_of(project), project.trade_store

    def half(trades: pa.Table, **_free: bool) -> int:
        type(store).append(store, trades.slice(0, 1))
        raise StoreUnavailableError("the store went away")

    with monkeypatch.context() as broken:
        broken.setattr(store, "append", half)
        posted = post((0, 5, 1.0), (0, 5, 2.0), key="k", body=b"1")
        done = committer.commit([posted, posted])
        assert (done.verdicts, done.stored.num_rows) == ([None, None], 0)
        assert isinstance(done.error, StoreUnavailableError)
    again = committer.commit([post((0, 5, 1.0), (0, 5, 2.0), key="k", body=b"1")])
    assert told(again.verdicts[0]) == [(DUPLICATE, 5), (MOVED, 6)]
    assert np.sort(again.stored["price"].to_numpy()).tolist() == [1.0, 2.0]
    assert committer.commit([post((0, 5, 1.0))]).stored.num_rows == 0
    assert store.counts(FRIDAY.replace(day=4)) == {"AAPL": 2}


def test_a_failing_ledger_is_told_of_after_storing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who posted hear of the failure, those who listen of the trades; posting again says duplicates."""
    ledger = Ledger(None, 100)
    committer = Committer(project, ledger)

    def fail(*_: object) -> None:
        raise MachineError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(ledger, "remember", fail)
        done = committer.commit([post((0, 5, 1.0))])
    assert (done.verdicts, done.stored.num_rows) == ([None], 1)
    assert told(committer.commit([post((0, 5, 1.0))]).verdicts[0]) == [(DUPLICATE, 5)]


# --- the queue --------------------------------------------------------------------------------------------------------


def answered(posts: Sequence[Post]) -> Done:
    """Return a commit in which every request was carried out."""
    rows = [one.trades for one in posts]
    return Done([Carried(_stored(one)) for one in rows], pa.table({"n": [len(rows)]}))


def _stored(trades: Columns) -> Any:  # Any: as short as it can be
    return Placed(np.zeros(len(trades), np.int8), trades.ts)


def with_desk(
    commit: Callable[[Sequence[Post]], Done], use: Callable[[Desk], Awaitable[Any]], most: int = 10
) -> tuple[Any, list[pa.Table]]:  # Any: what is used returns
    """Use a desk while it runs; return what came of it, and what was published."""
    published: list[pa.Table] = []

    async def publish(trades: pa.Table) -> None:
        published.append(trades)
        if len(published) == 2:
            raise StoreRejectedError("nobody wants them")

    async def run() -> Any:  # Any: as above
        pool = Pool(1, 10, 20, Telemetry())
        desk = Desk(pool, commit, publish, most)
        task = asyncio.create_task(desk.run())
        try:
            return await use(desk)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.to_thread(pool.close)

    return asyncio.run(run()), published


def test_all_that_waits_goes_into_one_commit() -> None:
    """While one is under way others gather; those whose request has gone are left out."""
    groups: list[int] = []
    begun, go = threading.Event(), threading.Event()

    def commit(posts: Sequence[Post]) -> Done:
        groups.append(len(posts))
        begun.set()
        assert go.wait(120)
        return answered(posts)

    async def use(desk: Desk) -> list[Any]:  # Any: answers and errors
        tasks = [asyncio.create_task(desk.post(post((0, 1, 1.0))))]
        assert await asyncio.to_thread(begun.wait, 20)
        tasks += [asyncio.create_task(desk.post(post((0, at, 1.0)))) for at in range(4)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[2].cancel()
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found, published = with_desk(commit, use)
    assert groups == [1, 3]
    assert [type(one) for one in found] == [
        asyncio.CancelledError,
        Carried,
        asyncio.CancelledError,
        Carried,
        Carried,
    ]
    assert len(published) == 2, "what was stored is told of, whoever waits for it"


def test_a_request_that_the_store_refuses_takes_no_other_with_it() -> None:
    """Those of its commit are tried one by one, in order: it alone is refused, what is decided already is not asked."""
    groups: list[list[int]] = []
    begun, go = threading.Event(), threading.Event()

    def commit(posts: Sequence[Post]) -> Done:
        instants = [int(one.trades.ts[0]) - START for one in posts]
        groups.append(instants)
        begun.set()
        assert go.wait(120)
        if 2 not in instants:
            return answered(posts)
        decided = [answered([one]).verdicts[0] if at == 1 else None for one, at in zip(posts, instants, strict=True)]
        return Done(decided, pa.table({"n": pa.array([], pa.int64())}), StoreRejectedError("beyond the retention"))

    async def use(desk: Desk) -> list[Any]:  # Any: answers and errors
        tasks = [asyncio.create_task(desk.post(post((0, 0, 1.0))))]
        assert await asyncio.to_thread(begun.wait, 20)
        tasks += [asyncio.create_task(desk.post(post((0, at, 1.0)))) for at in (1, 2, 3)]
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found, published = with_desk(commit, use)
    assert groups == [[0], [1, 2, 3], [2], [3]]
    assert [type(one) for one in found] == [Carried, Carried, StoreRejectedError, Carried]
    assert len(published) == 2


def test_a_commit_is_no_larger_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """But a single request is never cut."""
    monkeypatch.setattr(desk_module, "COMMIT_ROWS", 2)
    groups: list[int] = []

    def commit(posts: Sequence[Post]) -> Done:
        groups.append(len(posts))
        return answered(posts)

    async def use(desk: Desk) -> None:
        one, three = post((0, 1, 1.0)), post((0, 1, 1.0), (0, 2, 1.0), (0, 3, 1.0))
        await asyncio.gather(*(desk.post(given) for given in (one, one, one, three, one)))

    with_desk(commit, use)
    assert groups == [2, 1, 1, 1]


def test_so_many_trades_wait_and_no_more() -> None:
    """The queue is bounded by trades; one request is taken however large where none waits."""

    async def use(desk: Desk) -> list[Any]:  # Any: answers and errors
        large = post(*((0, at, 1.0) for at in range(20)))
        return [*await asyncio.gather(desk.post(large), desk.post(post((0, 1, 1.0))), return_exceptions=True)]

    (first, second), _ = with_desk(answered, use)
    assert (type(first), type(second)) == (Carried, OverloadedError)


def test_errors_are_told_to_those_who_wait() -> None:
    """Those of the store, defects too; and the desk goes on."""
    outcomes: list[Any] = [  # Any: commits and errors
        Done([None], pa.table({"n": []}), StoreUnavailableError("away")),
        ZeroDivisionError("a defect"),
        Done([None], pa.table({"n": []})),
        answered([post((0, 1, 1.0))]),
    ]

    def commit(_: Sequence[Post]) -> Done:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        found: Done = outcome
        return found

    async def use(desk: Desk) -> list[Any]:  # Any: as above
        return [(await asyncio.gather(desk.post(post((0, 1, 1.0))), return_exceptions=True))[0] for _ in range(4)]

    found, _ = with_desk(commit, use)
    assert [type(one) for one in found] == [StoreUnavailableError, ZeroDivisionError, OverloadedError, Carried]


def test_who_waits_when_the_service_stops_is_told() -> None:
    """Of what is under way and of what is not begun."""
    begun, go = threading.Event(), threading.Event()

    def commit(posts: Sequence[Post]) -> Done:
        begun.set()
        assert go.wait(120)
        return answered(posts)

    waiting: list[asyncio.Task[Verdict]] = []

    async def use(desk: Desk) -> None:
        waiting.append(asyncio.create_task(desk.post(post((0, 1, 1.0)))))
        assert await asyncio.to_thread(begun.wait, 20)
        waiting.append(asyncio.create_task(desk.post(post((0, 2, 1.0)))))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.05, go.set)

    with_desk(commit, use)
    assert [type(task.exception()) for task in waiting] == [OverloadedError, OverloadedError]


def test_commits_of_many_are_a_moment_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """While several wait; one who posts alone waits for nobody."""
    monkeypatch.setattr(desk_module, "GATHER", 3_600.0)
    sizes: list[int] = []

    def commit(posts: Sequence[Post]) -> Done:
        sizes.append(len(posts))
        return answered(posts)

    async def alone(desk: Desk) -> None:
        for at in range(4):
            await desk.post(post((0, at, 1.0)))

    with_desk(commit, alone)
    assert sizes == [1, 1, 1, 1]
    sizes.clear()

    async def together(desk: Desk) -> None:
        await asyncio.gather(*(desk.post(post((0, at, 1.0))) for at in range(2)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(desk.post(post((0, 5, 1.0))), 0.2)

    with_desk(commit, together)
    assert sizes == [2]


def test_a_moment_apart_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the moment, what has come meanwhile is stored by one commit."""
    monkeypatch.setattr(desk_module, "GATHER", 0.01)
    sizes: list[int] = []

    def commit(posts: Sequence[Post]) -> Done:
        sizes.append(len(posts))
        return answered(posts)

    async def use(desk: Desk) -> None:
        await asyncio.gather(*(desk.post(post((0, at, 1.0))) for at in range(2)))
        await asyncio.gather(*(desk.post(post((0, at, 1.0))) for at in range(3)))

    with_desk(commit, use)
    assert sizes == [2, 3]
