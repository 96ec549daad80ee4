"""Work that takes longer than a request: at most so many at a time, watched, cancelled, remembered for a while.

What belongs here: threads, states, progress, forgetting. What does not: the work itself (``work``), telling of it over
HTTP (``native.jobs``).

A thread cannot be stopped, so work asks whether it is to end wherever it may end without leaving anything half done:
between two days, between two batches. Jobs live as long as the service; what they have made is in the store.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from ohlcv_assets.api.pool import OverloadedError
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.logs import get_logger
from ohlcv_assets.progress import Progress
from ohlcv_assets.units import Nanos

Kind = Literal["generate", "heal", "run", "verify"]
State = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
Report = Mapping[str, object]

OVER: Final = frozenset({"succeeded", "failed", "cancelled"})
"""States that a job does not leave any more."""


@dataclass(frozen=True, slots=True)
class Job:
    """How a job stands.

    Attributes
    ----------
    id
        Sixteen hexadecimal digits.
    kind, about
        What it does, and with what.
    by
        Who asked for it.
    state
        See ``State``.
    created, started, ended
        When; nanoseconds, None where it has not come to that.
    progress
        The latest step forward; None before the first.
    report
        What it did; None before its end, or where it could not tell.
    error
        Why it failed; empty where it did not.
    """

    id: str
    kind: Kind
    about: Report
    by: str
    state: State
    created: Nanos
    started: Nanos | None = None
    ended: Nanos | None = None
    progress: Progress | None = None
    report: Report | None = None
    error: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state in OVER


@dataclass(frozen=True, slots=True)
class Ending:
    """How work ended.

    Attributes
    ----------
    state
        Whether it did what it was to do, or was cancelled before.
    report
        Plain figures and texts.
    error
        One sentence on what is left undone; empty where nothing is.
    """

    state: Literal["succeeded", "failed", "cancelled"]
    report: Report
    error: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """What work is given: whom to tell how far it is, and whom to ask whether to go on.

    Attributes
    ----------
    tell
        Takes its steps; an observer.
    """

    tell: Callable[[Progress], None]
    _cancel: threading.Event

    def is_cancelled(self) -> bool:
        """Return whether it is to end."""
        return self._cancel.is_set()

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until it is to end."""
        self._cancel.wait(seconds)


Work = Callable[[Run], Ending]


@dataclass
class Jobs:
    """The jobs of one service; safe to use from several threads.

    Attributes
    ----------
    running
        Most that run at a time; others wait.
    kept
        Most that are remembered, those that run or wait among them.
    on_end
        Told whenever one has ended.
    """

    running: int
    kept: int
    on_end: Callable[[Job], None] = lambda _: None
    _jobs: dict[str, Job] = field(default_factory=dict)
    _cancels: dict[str, threading.Event] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: ThreadPoolExecutor | None = None

    def start(self, kind: Kind, about: Report, by: str, work: Work) -> Job:
        """Have something done as soon as there is a thread for it.

        Raises
        ------
        ProblemError
            One of that kind is under way: two would only be in each other's way.
        OverloadedError
            So many wait that one more cannot be remembered.
        """
        job = Job(secrets.token_hex(8), kind, about, by, "queued", Nanos(time.time_ns()))
        with self._lock:
            same = next((one for one in self._jobs.values() if one.kind == kind and not one.is_over), None)
            if same is not None:
                raise ProblemError(
                    "under-way", f"A job of the kind {kind} is {same.state} already: {same.id}.", {"job": same.id}
                )
            self._forget()
            if len(self._jobs) >= self.kept:
                raise OverloadedError(f"{len(self._jobs)} jobs are under way already.")
            self._jobs[job.id], self._cancels[job.id] = job, threading.Event()
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self.running, thread_name_prefix="job")
            self._threads.submit(self._do, job.id, work)
        return job

    def all(self) -> list[Job]:
        """Return all that are remembered, the newest first."""
        with self._lock:
            return list(reversed(self._jobs.values()))

    def get(self, which: str) -> Job | None:
        """Return a job; None where none of that id is remembered."""
        with self._lock:
            return self._jobs.get(which)

    def cancel(self, which: str) -> Job | None:
        """Have a job end as soon as it can, and return it; one that is over stays as it is."""
        with self._lock:
            job = self._jobs.get(which)
            if job is None or job.is_over:
                return job
            self._cancels[which].set()
            if job.state == "queued":
                self._jobs[which] = replace(job, state="cancelled", ended=Nanos(time.time_ns()))
            else:
                self._jobs[which] = replace(job, state="cancelling")
            return self._jobs[which]

    def close(self) -> None:
        """Cancel all jobs and wait for them; blocking."""
        for job in self.all():
            self.cancel(job.id)
        with self._lock:
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown()

    def _forget(self) -> None:
        """Make room for one more, at the cost of the oldest that are over."""
        over = [job.id for job in self._jobs.values() if job.is_over]
        for which in over[: max(0, len(self._jobs) + 1 - self.kept)]:
            del self._jobs[which]

    def _do(self, which: str, work: Work) -> None:
        with self._lock:
            job, cancel = self._jobs.get(which), self._cancels[which]
            if job is None or job.is_over:
                del self._cancels[which]
                return
            self._jobs[which] = replace(job, state="running", started=Nanos(time.time_ns()))
        ending = _ending_of(job, work, Run(lambda event: self._tell(which, event), cancel))
        with self._lock:
            del self._cancels[which]
            ended = replace(
                self._jobs[which],
                state=ending.state,
                ended=Nanos(time.time_ns()),
                report=ending.report or None,
                error=ending.error,
            )
            self._jobs[which] = ended
        # A service that stops forgets its jobs: what one did is in the log then.
        told: dict[str, object] = {"report": dict(ending.report)} if ending.report else {}
        if ending.error:
            told["error"] = ending.error
        say = get_logger("jobs").warning if ending.state == "failed" else get_logger("jobs").info
        say("job", job=which, kind=job.kind, state=ending.state, by=job.by, **told)
        self.on_end(ended)

    def _tell(self, which: str, event: Progress) -> None:
        with self._lock:
            self._jobs[which] = replace(self._jobs[which], progress=event)


def _ending_of(job: Job, work: Work, run: Run) -> Ending:
    """Do work; whatever it ends in is an ending."""
    get_logger("jobs").info("job", job=job.id, kind=job.kind, state="running", by=job.by)
    try:
        return work(run)
    except ProblemError as problem:
        return Ending("failed", {}, problem.detail)
    except OhlcvError as error:
        return Ending("failed", {}, str(error))
    except Exception as error:  # noqa: BLE001 -- whatever it is, the job has ended and the log says why
        get_logger("jobs").exception("A job met a defect.", exc_info=error, job=job.id)
        return Ending("failed", {}, "The service has a defect; its log says more under this job's id.")
