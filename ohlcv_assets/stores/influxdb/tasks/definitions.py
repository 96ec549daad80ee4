"""PURE. The tasks that there should be, and how one on a server compares with them.

What belongs here: names, scripts, the mark of what was installed, comparing. What does not: asking a server
(``calls``).

A task's description carries a hash of the script that was installed. Of a script that differs from ours it tells which
side moved: where the hash is no longer that of the server's script somebody edited it there, and where it is not that
of ours the project has another script now.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS, Resolution
from ohlcv_assets.errors import UserError
from ohlcv_assets.stores.influxdb.downsampling.scripts import task_script
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.units import Nanos

Drift = Literal["edited", "outdated", "edited and outdated", "unmarked"]
"""How a script differs. ``edited``: somebody changed it on the server. ``outdated``: the project has another one now.
``unmarked``: what was installed is not known."""

_HASH_DIGITS: Final = 16
_MARK: Final = re.compile(rf"\bscript ([0-9a-f]{{{_HASH_DIGITS}}})\b")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task as it should be.

    Attributes
    ----------
    name
        Of this project, this bucket of trades and this resolution; the server would take several of one name.
    resolution
        What it makes bars of.
    script
        What it runs.
    """

    name: str
    resolution: Resolution
    script: str

    @property
    def description(self) -> str:
        """What people read of it, with the mark of its script."""
        return f"Made by `ohlcv tasks install`: keeps {self.resolution.name} bars up to date; {mark_of(self.script)}"


@dataclass(frozen=True, slots=True)
class Task:
    """A task as the server has it.

    Attributes
    ----------
    id, name, description
        As the server tells them.
    script
        What it runs.
    active
        Whether it runs by itself.
    owner
        Id of the user with whose rights it runs.
    completed
        Up to when its runs are scheduled or done, as the server writes it; empty where it says nothing.
    last_run
        ``"success"``, ``"failed"``, ``"canceled"``; empty before the first.
    last_error
        What the server says that the last run failed of, most often no more than that it did; empty where it did not.
    """

    id: str
    name: str
    description: str
    script: str
    active: bool
    owner: str
    completed: str = ""
    last_run: str = ""
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as the server tells of it.

    Attributes
    ----------
    id
        As the server names it.
    status
        ``"scheduled"``, ``"started"``, ``"success"``, ``"failed"`` or ``"canceled"``.
    scheduled_for, started, finished
        Nanoseconds; 0 where it is not so far.
    log
        What was logged of it, a failure's reason among it.
    """

    id: str
    status: str
    scheduled_for: Nanos
    started: Nanos
    finished: Nanos
    log: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """What the server logged of a run that did not succeed; empty where it logged nothing that tells."""
        return "" if self.status == "success" else next((line for line in reversed(self.log) if tells(line)), "")


def tells(line: str) -> bool:
    """Return whether a line of a run's log says more than that it began or ended."""
    return not line.startswith(("Started task", "Completed(", "trace_id="))


def wanted_tasks(layout: Layout, resolutions: Iterable[Resolution] = STORED_RESOLUTIONS) -> tuple[Wanted, ...]:
    """Return the tasks of a dataset, a source before what is made of it.

    Raises
    ------
    UserError
        A resolution is not stored.
    """
    chosen = {resolution.kept.bucket for resolution in resolutions}
    found = [resolution for resolution in STORED_RESOLUTIONS if resolution.kept.bucket in chosen]
    names = {resolution.name: task_name(layout, resolution.name) for resolution in found}
    return tuple(Wanted(names[one.name], one, task_script(one, layout, names[one.name])) for one in found)


def task_name(layout: Layout, resolution: str) -> str:
    """Return what the task of a resolution is called."""
    return f"ohlcv {layout.trades.name} {resolution}"


def require_names(names: Iterable[str]) -> tuple[Resolution, ...]:
    """Return the stored resolutions of those names; all of them where none is given.

    Raises
    ------
    UserError
        One of them has no task.
    """
    known = {resolution.name: resolution for resolution in STORED_RESOLUTIONS}
    chosen = list(names)
    for name in chosen:
        if name not in known:
            raise UserError(f"There is no task of {name!r}; choose of {', '.join(known)}.")
    return tuple(known[name] for name in chosen) if chosen else STORED_RESOLUTIONS


def mark_of(script: str) -> str:
    """Return what a description says of a script."""
    return f"script {_hash(script)}"


def drift_of(wanted: Wanted, task: Task) -> Drift | None:
    """Return how a task's script differs from what it should be; None where it does not."""
    if task.script == wanted.script:
        return None
    found = _MARK.search(task.description)
    if found is None:
        return "unmarked"
    if found[1] == _hash(wanted.script):
        return "edited"
    return "outdated" if found[1] == _hash(task.script) else "edited and outdated"


def _hash(script: str) -> str:
    return hashlib.sha256(script.encode()).hexdigest()[:_HASH_DIGITS]
