"""The tasks of a dataset: looked at, installed, paused, resumed, removed.

What belongs here: what there should be against what there is, and making the one the other. What does not: the calls
(``calls``), scripts and comparing (``definitions``).

Every command can be run again and by several at once: two who install at the same time may make two tasks of one name,
and each of them then removes all but the oldest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS, Resolution
from ohlcv_assets.errors import StoreAccessError
from ohlcv_assets.stores.influxdb.admin.administration import Administration
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.tasks.calls import TaskCalls
from ohlcv_assets.stores.influxdb.tasks.definitions import (
    Drift,
    Run,
    Task,
    Wanted,
    drift_of,
    tells,
    wanted_tasks,
)
from ohlcv_assets.stores.influxdb.tasks.pausing import Pausing
from ohlcv_assets.stores.influxdb.tasks.runs import TaskRun, newest, recorded_runs
from ohlcv_assets.units import MINUTE, SECOND

Deed = Literal["made", "updated", "repaired", "left", "unchanged", "paused", "resumed", "held", "removed", "missing"]
"""What became of a task. ``updated``: the project has another script now. ``repaired``: it was edited on the server, or
there were several. ``left``: it was, and stays so until it is to be repaired. ``held``: somebody makes its bars just
now and resumes it afterwards."""

LONG: Final = 10.0
"""A run that is under way for so many intervals of its task is told as a fault."""

LONG_AT_LEAST: Final = 10 * MINUTE
"""Nanoseconds; a chunk of history may take a while."""

_LOOKED_AT: Final = 20

_FAULTS: Final[Mapping[Drift, str]] = {
    "edited": "its script was edited on the server",
    "outdated": "the project has another script by now",
    "edited and outdated": "its script was edited on the server, and the project has another one by now",
    "unmarked": "its script is another one, and its description does not tell what was installed",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A task that there should be, and what there is.

    Attributes
    ----------
    wanted
        As it should be.
    task
        As the server has it, the oldest of that name; None where there is none.
    others
        More of the same name, which make the same bars once more.
    drift
        How its script differs; None where it does not.
    owner_fault
        Why the runs of its owner cannot work; None where they can.
    last
        What the last run recorded that did its work; None where none has.
    running
        The run that has been under way for longest; None where there is none.
    running_for
        For how long; nanoseconds by the server's clock.
    failure
        Why its last run failed; empty where it did not, or nobody told.
    paused_by
        Who keeps it still while making bars of its resolution.
    left_by
        Who had paused it and is gone; it was resumed.
    """

    wanted: Wanted
    task: Task | None
    others: tuple[Task, ...] = ()
    drift: Drift | None = None
    owner_fault: str | None = None
    last: TaskRun | None = None
    running: Run | None = None
    running_for: int = 0
    failure: str = ""
    paused_by: str | None = None
    left_by: str | None = None

    @property
    def state(self) -> Literal["active", "paused", "missing"]:
        """Whether it runs."""
        return "missing" if self.task is None else "active" if self.task.active else "paused"

    @property
    def faults(self) -> tuple[str, ...]:
        """What is not as it should be, in words; a pause is no fault."""
        found = ["there is none, or none that the token may read"] if self.task is None else []
        if self.drift is not None:
            found.append(_FAULTS[self.drift])
        if self.others:
            found.append(f"there are {len(self.others) + 1} of this name")
        if self.owner_fault is not None:
            found.append(self.owner_fault)
        if self.failed and self.task is not None:
            found.append(f"its last run failed: {self.failure or 'no reason told'}")
        if self.is_stuck:
            found.append(f"a run has been under way for {self.running_for // SECOND} s")
        return tuple(found)

    @property
    def failed(self) -> bool:
        """Whether its last run failed."""
        return self.task is not None and self.task.last_run == "failed"

    @property
    def is_stuck(self) -> bool:
        """Whether a run has been under way for so long that it may never end."""
        return self.running_for > max(LONG_AT_LEAST, LONG * self.wanted.resolution.kept.every)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth knowing and no fault, in words."""
        found = []
        if self.paused_by is not None:
            found.append(f"paused by {self.paused_by}, which makes its bars just now")
        if self.left_by is not None:
            found.append(f"had been left paused by {self.left_by}, which is gone; it runs again")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Done:
    """What was done with one task.

    Attributes
    ----------
    name, resolution
        Of the task.
    deed
        What became of it.
    faults
        What was not as it should be; of a task that was left, what still is not.
    """

    name: str
    resolution: str
    deed: Deed
    faults: tuple[str, ...] = ()


class TaskManager:
    """The tasks of a dataset on one server.

    Parameters
    ----------
    connection
        To the server, let in by the token for tasks.
    layout
        The dataset's buckets.
    resolutions
        Those whose tasks are meant.
    terms
        How long to wait for others who pause and resume.
    """

    def __init__(
        self,
        connection: Connection,
        layout: Layout,
        resolutions: Sequence[Resolution] = STORED_RESOLUTIONS,
        terms: Terms | None = None,
    ) -> None:
        self._connection = connection
        self._layout = layout
        self._calls = TaskCalls(connection)
        self._pausing = Pausing(connection, layout, terms or Terms())
        self._wanted = wanted_tasks(layout, resolutions)

    def look(self) -> list[Standing]:
        """Return each task as it should be and as it is, as far as the token may read tasks.

        Tasks that were left paused by somebody who is gone are resumed.
        """
        left = {mended.resolution: mended.left_by for mended in self._pausing.mend()}
        holders = self._pausing.holders()
        last = newest(recorded_runs(self._connection, self._layout, 1))
        found = []
        for standing in self._standings():
            name = standing.wanted.resolution.name
            told = replace(standing, last=last.get(name), paused_by=holders.get(name), left_by=left.get(name))
            found.append(self._with_runs(told))
        return found

    def install(self, *, repair: bool = False) -> list[Done]:
        """Make the tasks that are missing and update those whose script is older than the project's.

        A task that is paused stays so. One that somebody edited on the server is left as it is.

        Parameters
        ----------
        repair
            Whether such a one gets the project's script.

        Raises
        ------
        StoreAccessError
            A bucket is missing or the token may not use it, it may not write or read tasks, or the tasks' owner may not
            write bars. Only in the last case are there tasks.
        """
        self._require_buckets()
        self._pausing.mend()
        done = [self._install(standing, repair=repair) for standing in self._standings()]
        for standing in self._standings():
            for other in standing.others:
                self._calls.remove(other)
            if standing.owner_fault is not None:
                raise StoreAccessError(f"The task {standing.wanted.name!r} is there, but {standing.owner_fault}.")
        return done

    def set_active(self, active: bool) -> list[Done]:
        """Have the tasks run by themselves, or pause them; a run that is under way goes on.

        A pause that is asked for here lasts, whoever keeps the task still meanwhile.
        """
        self._pausing.mend()
        if not active:
            self._pausing.forget([wanted.resolution.name for wanted in self._wanted])
        held = self._pausing.holders() if active else {}
        done = []
        for standing in self._standings():
            deed: Deed = "missing" if standing.task is None else "unchanged"
            for task in _all(standing):
                if task.active == active:
                    continue
                if standing.wanted.resolution.name in held:
                    deed = "held"
                else:
                    self._calls.set_active(task, active)
                    deed = "resumed" if active else "paused"
            done.append(Done(standing.wanted.name, standing.wanted.resolution.name, deed))
        return done

    def remove(self) -> list[Done]:
        """Remove the tasks; their bars stay."""
        done = []
        for standing in self._standings():
            for task in _all(standing):
                self._calls.remove(task)
            deed: Deed = "missing" if standing.task is None else "removed"
            done.append(Done(standing.wanted.name, standing.wanted.resolution.name, deed))
        return done

    def _standings(self) -> list[Standing]:
        """Return tasks, scripts and owners alone."""
        owners = self._calls.owners()
        named = self._calls.named(*(wanted.name for wanted in self._wanted))
        return [_standing(wanted, named[wanted.name], owners) for wanted in self._wanted]

    def _with_runs(self, standing: Standing) -> Standing:
        """Add what is under way, and why the last run failed."""
        told = [run for task in _all(standing) for run in self._calls.runs(task, _LOOKED_AT)]
        if standing.task is not None and standing.failed:
            standing = replace(standing, failure=_failure(standing.task, told))
        runs = [run for run in told if run.status == "started"]
        if not runs:
            return standing
        oldest = min(runs, key=lambda run: run.started)
        now = int(self._connection.server_time()) * SECOND
        return replace(standing, running=oldest, running_for=max(0, now - oldest.started))

    def _install(self, standing: Standing, *, repair: bool) -> Done:
        wanted, task, drift = standing.wanted, standing.task, standing.drift
        deed: Deed
        if task is None:
            self._make(wanted)
            deed = "made"
        elif drift is None:
            deed = "repaired" if standing.others else "unchanged"
        elif drift == "outdated":
            self._calls.rewrite(task, wanted)
            deed = "updated"
        elif repair:
            self._calls.rewrite(task, wanted)
            deed = "repaired"
        else:
            deed = "left"
        faults = standing.faults if deed in {"repaired", "left"} else ()
        return Done(wanted.name, wanted.resolution.name, deed, faults)

    def _make(self, wanted: Wanted) -> None:
        """Make a task; take it back where the token cannot see it, or every install would make one more."""
        made = self._calls.make(wanted)
        if made.id not in {task.id for task in self._calls.named(wanted.name)[wanted.name]}:
            self._calls.remove(made)
            raise self._refusal(wanted, "read tasks")

    def _require_buckets(self) -> None:
        """Refuse where a task could not work: the server finds out when it runs it, and tells nobody."""
        admin = Administration(self._connection)
        for wanted in self._wanted:
            source = wanted.resolution.source
            read = self._layout.trades if source is None else self._layout.bars[source]
            written = self._layout.bars[wanted.resolution.name]
            for bucket in (read, self._layout.status):
                if admin.sees_bucket(bucket.name) is None:
                    raise self._refusal(wanted, f"read the bucket {bucket.name!r}")
            for bucket in (written, self._layout.status):
                if not admin.may_write(bucket.name):
                    raise self._refusal(wanted, f"write the bucket {bucket.name!r}")

    def _refusal(self, wanted: Wanted, what: str) -> StoreAccessError:
        return StoreAccessError(
            f"The task {wanted.name!r} was not installed, for at {self._connection.address.url} the token of tasks "
            f"may not {what}: `ohlcv influx setup` makes buckets and tokens, with --repair it replaces older tokens."
        )


def _standing(wanted: Wanted, found: Sequence[Task], owners: Mapping[str, bool]) -> Standing:
    if not found:
        return Standing(wanted, None)
    task, *others = found
    return Standing(wanted, task, tuple(others), drift_of(wanted, task), _owner_fault(task, owners))


def _failure(task: Task, runs: Sequence[Run]) -> str:
    """Return why the last run of a task failed: by its log, for of the task itself the server says little."""
    logged = next((run.reason for run in runs if run.status == "failed"), "")
    return logged or (task.last_error if tells(task.last_error) else "")


def _all(standing: Standing) -> tuple[Task, ...]:
    return () if standing.task is None else (standing.task, *standing.others)


def _owner_fault(task: Task, owners: Mapping[str, bool]) -> str | None:
    """Return why the runs of a task cannot work: they have the rights of its owner, not those of a token."""
    if task.owner not in owners:
        return (
            "the user it runs as is no owner of the organisation and may not write bars: remove it, and install with a "
            "token of an owner"
        )
    return None if owners[task.owner] else "the user it runs as is inactive: activate that user in InfluxDB"
