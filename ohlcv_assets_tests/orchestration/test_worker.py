"""Worker processes and the crew that they form."""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from ohlcv_assets.orchestration import crew as crews
from ohlcv_assets.orchestration import worker as workers
from ohlcv_assets.orchestration.crew import Crew
from ohlcv_assets.orchestration.outcome import DayOutcome
from ohlcv_assets.orchestration.worker import ORPHANED, Assignment, Line, hold_on_to, work
from ohlcv_assets.progress import Progress
from ohlcv_assets.project import Project
from ohlcv_assets_tests.orchestration.fake_worker import fake_work
from ohlcv_assets_tests.orchestration.made import DAYS, FRIDAY, SATURDAY, THURSDAY

pytestmark = pytest.mark.integration


def assignment(project: Project, name: str = "test") -> Assignment:
    """Return an assignment that nobody carries out."""
    return Assignment(project.settings, Path("home"), name, force=False)


@pytest.fixture(name="orders")
def _orders(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Connection, threading.Thread]]:
    """Return a way to start a worker in a thread of this process, whose runs only say that they ran."""

    def run(day: dt.date) -> DayOutcome:
        if day == FRIDAY:
            raise KeyError("lost  something")
        if day == SATURDAY:
            raise RuntimeError
        return DayOutcome(day, "made")

    monkeypatch.setattr(workers, "_runner", lambda _assignment, _observer: run)
    monkeypatch.setattr(os, "setsid", lambda: None)
    monkeypatch.setattr(workers, "hold_on_to", lambda _lifeline: None)  # it would end the tests' process

    def start() -> tuple[Connection, threading.Thread]:
        mine, theirs = Pipe()
        lifeline, _ = Pipe(duplex=False)
        thread = threading.Thread(target=work, args=(theirs, lifeline, assignment(project)))
        thread.start()
        return mine, thread

    return start


def test_a_worker_does_one_day_after_another(orders: Callable[..., tuple[Connection, threading.Thread]]) -> None:
    """Each day is answered; what breaks around a run is that day's failure alone; it ends when there are no more."""
    mine, thread = orders()
    answers = []
    for day in DAYS:
        mine.send(day)
        answers.append(mine.recv())
    mine.close()
    thread.join(60)
    assert not thread.is_alive()
    assert [answer.state for answer in answers] == ["made", "failed", "failed"]
    assert answers[1].error == "The run could not be carried out: 'lost something'"
    assert answers[2].error == "The run could not be carried out: RuntimeError"


def test_events_reach_the_parent_but_not_all_of_them() -> None:
    """Of a stage one event in a while is passed on, the last of a subject always; a parent that is gone is no error."""
    mine, theirs = Pipe()
    times = iter([0.0, 0.05, 0.06, 0.07, 0.5, 0.6])
    line = Line(theirs, lambda: next(times))
    for done in (1, 2, 3, 4):
        line.tell(Progress("load", "2024-01-05", done, 3, "trades"))
    line.tell(Progress("load", "2024-01-06", 1, None, "trades"))
    line.send(DayOutcome(FRIDAY, "made"))
    seen = [mine.recv() for _ in range(4)]
    assert [event.done for event in seen[:-1]] == [1, 3, 1]
    assert seen[-1] == DayOutcome(FRIDAY, "made")
    mine.close()
    line.tell(Progress("load", "2024-01-06", 2, 2, "trades"))


def test_a_crew_passes_on_what_its_workers_tell(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of workers reach the observer and are no outcomes."""
    monkeypatch.setattr(crews, "work", fake_work)
    seen: list[Progress] = []
    outcomes = list(Crew(assignment(project, "told"), 1, seen.append).outcomes([THURSDAY, SATURDAY], lambda: 0))
    assert [one.day for one in outcomes] == [THURSDAY, SATURDAY]
    assert [event.subject for event in seen] == [str(THURSDAY), str(SATURDAY)]


def test_a_busy_worker_ends_with_its_parent() -> None:
    """The end of the lifeline ends the process at once."""
    lifeline, other = Pipe(duplex=False)
    codes: list[int] = []
    other.close()
    hold_on_to(lifeline, codes.append)
    assert codes == [ORPHANED]


def test_a_process_that_leads_a_group_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session of its own is for children; elsewhere there is nothing to do."""

    def refuse() -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setsid", refuse)
    workers._leave_terminal()


def test_a_worker_that_dies_loses_its_day_alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed worker's day failed, another takes its place, and every other day is done."""
    monkeypatch.setattr(crews, "work", fake_work)
    outcomes = {one.day: one for one in Crew(assignment(project), 1).outcomes(DAYS, lambda: 0)}
    assert {day: one.state for day, one in outcomes.items()} == {THURSDAY: "made", FRIDAY: "failed", SATURDAY: "made"}
    assert outcomes[FRIDAY].error == "The worker process was killed by signal 9; run the backfill again."


def test_a_worker_that_ends_early_says_its_code(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that cannot even begin is reported with its exit code."""
    monkeypatch.setattr(crews, "work", print)  # takes no orders and is done
    (outcome,) = Crew(assignment(project), 2).outcomes([THURSDAY], lambda: 0)
    assert outcome.error == "The worker process ended with code 0; run the backfill again."


def test_the_first_request_to_stop_lets_days_end(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days under way end, days not begun are left out."""
    monkeypatch.setattr(crews, "work", fake_work)
    outcomes = list(Crew(assignment(project), 1).outcomes([THURSDAY, SATURDAY], lambda: 1))
    assert [one.day for one in outcomes] == [THURSDAY]


def test_the_second_request_to_stop_does_not_wait(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that takes a minute is killed at once."""
    monkeypatch.setattr(crews, "work", fake_work)
    requests = iter([0, 0, 2])
    outcomes = list(Crew(assignment(project, "slow"), 1).outcomes([SATURDAY], lambda: next(requests, 2)))
    assert outcomes == []
