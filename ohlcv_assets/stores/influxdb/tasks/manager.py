"""The tasks of a dataset: looked at, installed, paused, resumed, removed.

What belongs here: what there should be against what there is, and making the one the other. What does not: the calls
(``calls``), scripts and comparing (``definitions``).

Every command can be run again and by several at once: two who install at the same time may make two tasks of one name,
and each of them then removes all but the oldest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS, Resolution
from ohlcv_assets.errors import StoreAccessError
from ohlcv_assets.stores.influxdb.admin.administration import Administration
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.tasks.calls import TaskCalls
from ohlcv_assets.stores.influxdb.tasks.definitions import Drift, Task, Wanted, drift_of, wanted_tasks

Deed = Literal["made", "updated", "repaired", "left", "unchanged", "paused", "resumed", "removed", "missing"]
"""What became of a task. ``updated``: the project has another script now. ``repaired``: it was edited on the server, or
there were several. ``left``: it was, and stays so until it is to be repaired."""

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
    """

    wanted: Wanted
    task: Task | None
    others: tuple[Task, ...] = ()
    drift: Drift | None = None
    owner_fault: str | None = None

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
        if self.task is not None and self.task.last_run == "failed":
            found.append(f"its last run failed: {self.task.last_error or 'no reason told'}")
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
    """

    def __init__(
        self, connection: Connection, layout: Layout, resolutions: Sequence[Resolution] = STORED_RESOLUTIONS
    ) -> None:
        self._connection = connection
        self._layout = layout
        self._calls = TaskCalls(connection)
        self._wanted = wanted_tasks(layout, resolutions)

    def look(self) -> list[Standing]:
        """Return each task as it should be and as it is, as far as the token may read tasks."""
        owners = self._calls.owners()
        return [self._look_at(wanted, owners) for wanted in self._wanted]

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
        before = self.look()
        done = [self._install(standing, repair=repair) for standing in before]
        for standing in self.look():
            for other in standing.others:
                self._calls.remove(other)
            if standing.owner_fault is not None:
                raise StoreAccessError(f"The task {standing.wanted.name!r} is there, but {standing.owner_fault}.")
        return done

    def set_active(self, active: bool) -> list[Done]:
        """Have the tasks run by themselves, or pause them; a run that is under way goes on."""
        done = []
        for standing in self.look():
            deed: Deed = "missing" if standing.task is None else "unchanged"
            for task in _all(standing):
                if task.active != active:
                    self._calls.set_active(task, active)
                    deed = "resumed" if active else "paused"
            done.append(Done(standing.wanted.name, standing.wanted.resolution.name, deed))
        return done

    def remove(self) -> list[Done]:
        """Remove the tasks; their bars stay."""
        done = []
        for standing in self.look():
            for task in _all(standing):
                self._calls.remove(task)
            deed: Deed = "missing" if standing.task is None else "removed"
            done.append(Done(standing.wanted.name, standing.wanted.resolution.name, deed))
        return done

    def _look_at(self, wanted: Wanted, owners: Mapping[str, bool]) -> Standing:
        found = self._calls.named(wanted.name)
        if not found:
            return Standing(wanted, None)
        task, *others = found
        return Standing(wanted, task, tuple(others), drift_of(wanted, task), _owner_fault(task, owners))

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
        if made.id not in {task.id for task in self._calls.named(wanted.name)}:
            self._calls.remove(made)
            raise self._refusal(wanted, "read tasks")

    def _require_buckets(self) -> None:
        """Refuse where a task could not work: the server finds out when it runs it, and tells nobody."""
        admin = Administration(self._connection)
        for wanted in self._wanted:
            source = wanted.resolution.source
            read = self._layout.trades if source is None else self._layout.bars[source]
            written = self._layout.bars[wanted.resolution.name]
            if admin.sees_bucket(read.name) is None:
                raise self._refusal(wanted, f"read the bucket {read.name!r}")
            if not admin.may_write(written.name):
                raise self._refusal(wanted, f"write the bucket {written.name!r}")

    def _refusal(self, wanted: Wanted, what: str) -> StoreAccessError:
        return StoreAccessError(
            f"The task {wanted.name!r} was not installed, for at {self._connection.address.url} the token of tasks "
            f"may not {what}: `ohlcv influx setup` makes buckets and tokens."
        )


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
