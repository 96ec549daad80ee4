"""Tasks kept still while somebody else makes bars of their resolutions, and set going again whatever becomes of him.

What belongs here: who pauses which task, waiting for runs under way, resuming. What does not: leases themselves
(``leasing``), pauses that people ask for (``manager``).

InfluxDB has no lock that a run of a task could honour, so it is the task that is paused. Whoever does so holds a label
``pause/<resolution>/<his own>`` for as long: it says who he is and is renewed like a lease. A paused task with such
labels was paused by the project; one without was paused by people and stays so. The last one to go resumes the task
first and gives his label back then. Whoever is killed leaves a label that ends, by the server's clock or at once where
others see that his process is gone; whoever looks next (``mend``) resumes the task. Looking and changing are done
under one more label that one at a time holds.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from ohlcv_assets.bars.resolutions import Resolution
from ohlcv_assets.errors import StoreAccessError, StoreError
from ohlcv_assets.logs import get_logger
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.leasing.holders import Terms, has_ended
from ohlcv_assets.stores.influxdb.leasing.labels import Label
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease
from ohlcv_assets.stores.influxdb.leasing.leases import Leases
from ohlcv_assets.stores.influxdb.tasks.calls import TaskCalls
from ohlcv_assets.stores.influxdb.tasks.definitions import Task, task_name

POLL: Final = 0.1
"""Seconds between looks at runs under way."""

SETTLING: Final = 2.0
"""Seconds for which a run that is about to start is waited for."""

_LOOKED_AT: Final = 20
"""Latest runs that are looked at for one that is under way."""

_PAUSE: Final = "pause/"
_CHANGE: Final = "change"


@dataclass(frozen=True, slots=True)
class Mended:
    """A task that was resumed because whoever paused it is gone."""

    resolution: str
    left_by: str


@dataclass(frozen=True, slots=True)
class _Pause:
    """What one who pauses holds: labels by resolution."""

    lease: DayLease
    labels: Mapping[str, str]

    def leave(self) -> None:
        """End without giving back."""
        self.lease.unanswered()
        self.lease.release()


class PauseLeases(Leases):
    """Labels about the tasks of one bucket of trades."""

    def named(self, name: str) -> str:
        """Return what a label stands for, to follow "holds"."""
        kind, _, rest = name.removeprefix(self.prefix).partition("/")
        of = f"the {rest.partition('/')[0]} task" if kind == "pause" else "the right to pause and resume the tasks"
        return f"{of} of the bucket {self.scope.removesuffix('.tasks')!r}"

    def pauses(self) -> tuple[Mapping[str, list[Label]], float]:
        """Return the labels of those who keep tasks still, by resolution, and the server's clock."""
        begins = f"{self.prefix}{_PAUSE}"
        labels, now = self.labels.all(begins)
        found: dict[str, list[Label]] = {}
        for label in labels:
            found.setdefault(label.name.removeprefix(begins).partition("/")[0], []).append(label)
        return found, now


class Pausing:
    """Pauses the tasks of one dataset.

    Parameters
    ----------
    connection
        To the server, let in by the token for tasks.
    layout
        The dataset's buckets.
    terms
        How long labels last, and how long to wait for others and for runs under way.
    sleep
        How to wait; tests pass their own.
    """

    def __init__(
        self, connection: Connection, layout: Layout, terms: Terms, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._layout = layout
        self._terms = terms
        self._sleep = sleep
        self._calls = TaskCalls(connection)
        # No bucket of ours has a dot in its name, so nobody else's leases begin like these.
        self._leases = PauseLeases(connection, f"{layout.trades.name}.tasks", terms, sleep=sleep)

    @contextmanager
    def paused(self, resolutions: Sequence[Resolution]) -> Iterator[None]:
        """Keep the tasks of some resolutions still; where none is installed nothing is asked but that.

        A run that is under way is waited for; one that does not end in time is ended.

        Raises
        ------
        StoreBusyError
            Somebody else was pausing or resuming for longer than our patience.
        StoreAccessError
            The token may not pause tasks, or not see who else does.
        StoreUnavailableError
            The server does not answer.
        """
        names = [resolution.name for resolution in resolutions]
        pause = self._begin(names) if any(self._tasks(names).values()) else None
        if pause is None:
            yield
            return
        try:
            self._await_runs(names)
            yield
        finally:
            self._end(pause)

    def mend(self) -> list[Mended]:
        """Resume the tasks whose pauser is gone; return which."""
        labels, now = self._leases.pauses()
        if not any(has_ended(label, now) for found in labels.values() for label in found):
            return []
        with self._changing():
            return self._resume(list(labels), frozenset())

    def holders(self) -> dict[str, str]:
        """Return who keeps a task still now, by resolution."""
        labels, now = self._leases.pauses()
        live = {name: [label for label in found if not has_ended(label, now)] for name, found in labels.items()}
        return {name: _who(found[0]) for name, found in live.items() if found}

    def forget(self, names: Sequence[str]) -> None:
        """Leave tasks to people: whoever keeps them still does not resume them any more."""
        with self._changing():
            labels, _ = self._leases.pauses()
            for label in (label for name in names for label in labels.get(name, [])):
                self._leases.labels.remove(label.id)

    def _begin(self, names: Sequence[str]) -> _Pause | None:
        """Pause; return None where people have paused them all."""
        with self._changing():
            tasks = self._tasks(names)
            others, _ = self._leases.pauses()
            wanted = [name for name in names if name in others or any(task.active for task in tasks[name])]
            if not wanted:
                return None
            labels = {name: f"{self._leases.prefix}{_PAUSE}{name}/{uuid.uuid4().hex}" for name in wanted}
            pause = _Pause(DayLease(self._leases, list(labels.values())), labels)
            try:
                pause.lease.take()
                for task in (task for name in wanted for task in tasks[name] if task.active):
                    self._calls.set_active(task, active=False)
            except BaseException:
                pause.leave()
                raise
        return pause

    def _end(self, pause: _Pause) -> None:
        """Resume what nobody else keeps still and no person has decided about meanwhile."""
        try:
            with self._changing():
                found, _ = self._leases.pauses()
                there = {label.name for labels in found.values() for label in labels}
                self._resume(
                    [name for name, label in pause.labels.items() if label in there], frozenset(pause.labels.values())
                )
                pause.lease.release()
        except StoreError as error:
            # The work that they were paused for is done; whoever looks next finds that we are gone.
            pause.leave()
            get_logger("stores").warning("tasks_left_paused", reason=str(error), mended_by="ohlcv tasks list")

    def _resume(self, names: Sequence[str], ours: frozenset[str]) -> list[Mended]:
        """Resume tasks that nobody but us keeps still, and remove the labels of those who are gone."""
        labels, now = self._leases.pauses()
        tasks = self._tasks(names)
        mended = []
        for name in names:
            gone = [label for label in labels.get(name, []) if has_ended(label, now)]
            others = [label for label in labels.get(name, []) if label not in gone and label.name not in ours]
            still = [task for task in tasks[name] if not task.active]
            if not others:
                for task in still:
                    self._calls.set_active(task, active=True)
                mended += [Mended(name, _who(gone[0]))] if gone and still else []
            for label in gone:
                self._leases.labels.remove(label.id)
        return mended

    def _await_runs(self, names: Sequence[str]) -> None:
        """Wait for runs under way; end those that take too long."""
        tasks = [task for found in self._tasks(names).values() for task in found]
        began = time.monotonic()
        while True:
            waited = time.monotonic() - began
            # A run that waits for its turn gets it at once, or was asked for by hand and never gets it now.
            statuses = {"started", "scheduled"} if waited < SETTLING else {"started"}
            found = [(task, run) for task in tasks for run in self._calls.runs(task, _LOOKED_AT)]
            running = [(task, run) for task, run in found if run.status in statuses]
            if not running:
                return
            if waited >= self._terms.patience:
                for task, run in running:
                    self._calls.cancel(task, run)
                    get_logger("stores").warning("task_run_ended", task=task.name, run=run.id, waited=round(waited, 1))
                return
            self._sleep(POLL)

    def _tasks(self, names: Sequence[str]) -> dict[str, list[Task]]:
        """Return the tasks of resolutions."""
        called = {name: task_name(self._layout, name) for name in names}
        found = self._calls.named(*called.values())
        return {name: found[called[name]] for name in names}

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Be the only one who pauses and resumes."""
        lease = DayLease(self._leases, [f"{self._leases.prefix}{_CHANGE}"])
        try:
            self._take(lease)
            yield
        finally:
            lease.release()

    def _take(self, lease: DayLease) -> None:
        try:
            lease.take()
        except StoreAccessError as error:
            raise StoreAccessError(
                f"At {self._leases.labels.server} the token for tasks may not make labels, by which pauses are agreed "
                "on: `ohlcv influx setup --repair` puts another in its place."
            ) from error


def _who(label: Label) -> str:
    """Return who holds a label."""
    return f"process {label.properties.get('pid', '?')} on {label.properties.get('host', '?')}"
