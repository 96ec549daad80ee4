"""Jobs: how many run and are remembered, what is told of them, and how they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ohlcv_assets.api.jobs import OVER, Ending, Job, Jobs, Kind, Run, Work
from ohlcv_assets.api.pool import OverloadedError
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.errors import StoreBusyError
from ohlcv_assets.progress import Progress

pytestmark = pytest.mark.unit
KINDS: tuple[Kind, ...] = ("generate", "heal", "run", "verify")


@contextmanager
def opened(running: int = 2, kept: int = 4) -> Iterator[Jobs]:
    """Give jobs that are closed afterwards."""
    jobs = Jobs(running, kept)
    try:
        yield jobs
    finally:
        jobs.close()


def until(jobs: Jobs, job: Job, done: Callable[[Job], bool] = lambda job: job.is_over) -> Job:
    """Wait until a job stands as it should."""
    found = job
    for _ in range(12_000):
        now = jobs.get(job.id)
        assert now is not None
        found = now
        if done(found):
            return found
        time.sleep(0.005)
    raise AssertionError(f"the job is still {found.state}")


def waiting(run: Run) -> Ending:
    """Work until told to end."""
    run.tell(Progress("wait", "nothing", 1, 2, "days"))
    run.sleep(60)
    return Ending("cancelled" if run.is_cancelled() else "succeeded", {"waited": True})


def at_once(_: Run) -> Ending:
    """Have nothing to do."""
    return Ending("succeeded", {"done": 1})


def refusing(error: Exception) -> Work:
    """Return work that fails."""

    def work(_: Run) -> Ending:
        raise error

    return work


def test_a_job_runs_tells_and_ends() -> None:
    """It has times, its latest step and a report; whoever wants to know is told that it ended."""
    told = list[Job]()
    with opened() as jobs:
        jobs.on_end = told.append
        job = jobs.start("heal", {"first_day": "2024-01-01"}, "key 1", waiting)
        assert (job.state, job.started, job.progress) == ("queued", None, None)
        running = until(jobs, job, lambda found: found.progress is not None)
        assert (running.state, running.progress and running.progress.done) == ("running", 1)
        cancelled = jobs.cancel(job.id)
        assert cancelled is not None
        assert cancelled.state == "cancelling"
        ended = until(jobs, job)
        assert (ended.state, ended.report, ended.error) == ("cancelled", {"waited": True}, "")
        assert ended.started is not None
        assert ended.ended is not None
        assert job.created <= ended.started <= ended.ended
        assert jobs.cancel(job.id) == ended, "what is over stays so"
    assert told == [ended]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoreBusyError("Somebody else holds it."), "Somebody else holds it."),
        (ProblemError("invalid", "That day is closed."), "That day is closed."),
        (ZeroDivisionError("secret"), "The service has a defect; its log says more under this job's id."),
    ],
)
def test_whatever_goes_wrong_is_an_ending(error: Exception, said: str) -> None:
    """Errors of ours are told as they are, defects are not."""
    with opened() as jobs:
        ended = until(jobs, jobs.start("heal", {}, "key 1", refusing(error)))
        assert (ended.state, ended.report, ended.error) == ("failed", None, said)


def test_two_of_a_kind_do_not_run_at_a_time() -> None:
    """The second is refused with the id of the first; another kind is not."""
    with opened() as jobs:
        first = jobs.start("heal", {}, "key 1", waiting)
        with pytest.raises(ProblemError) as refused:
            jobs.start("heal", {}, "key 1", at_once)
        assert (refused.value.kind, refused.value.more) == ("under-way", {"job": first.id})
        assert until(jobs, jobs.start("verify", {}, "key 1", at_once)).state == "succeeded"


def test_those_that_wait_can_be_cancelled() -> None:
    """One that has not begun never does."""
    begun = threading.Event()

    def never(_: Run) -> Ending:
        begun.set()
        return Ending("succeeded", {})

    with opened(running=1) as jobs:
        jobs.start("heal", {}, "key 1", waiting)
        queued = jobs.start("verify", {}, "key 1", never)
        cancelled = jobs.cancel(queued.id)
        assert cancelled is not None
        assert (cancelled.state, cancelled.started, cancelled.is_over) == ("cancelled", None, True)
    assert not begun.is_set()
    assert [job.state for job in jobs.all()] == ["cancelled", "cancelled"], "closing cancels what runs"


def test_few_are_remembered() -> None:
    """The oldest that are over make room; where none is over there is no room."""
    with opened(running=1, kept=4) as jobs:
        ended = [until(jobs, jobs.start(kind, {}, "key 1", at_once)).id for kind in KINDS]
        assert [job.id for job in jobs.all()] == ended[::-1]
        for kind in KINDS:
            jobs.start(kind, {}, "key 1", waiting)
        assert not {job.id for job in jobs.all()} & set(ended)
        assert jobs.get(ended[0]) is None
        assert jobs.cancel(ended[0]) is None
        jobs.kept = 3
        jobs.cancel(jobs.all()[0].id)
        with pytest.raises(OverloadedError, match="jobs are under way"):
            jobs.start("verify", {}, "key 1", at_once)


def test_closing_waits_and_jobs_can_begin_again() -> None:
    """A service that stops leaves no thread behind; one that starts anew takes jobs."""
    jobs = Jobs(1, 4)
    jobs.close()
    first = jobs.start("heal", {}, "key 1", waiting)
    jobs.close()
    assert jobs.get(first.id) in jobs.all()
    assert {job.state for job in jobs.all()} <= OVER
    assert until(jobs, jobs.start("heal", {}, "key 1", at_once)).state == "succeeded"
    jobs.close()
