"""Calls about tasks.

What belongs here: one method a call, and what the server answers as plain values. What does not: which tasks there
should be (``definitions``), what to do about those there are (``manager``).

As 2.9.1 behaves: a token without the right to write tasks is answered 500 with "unauthorized" in the text, and one
without the right to read them is shown none, as if there were none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from ohlcv_assets.errors import StoreAccessError
from ohlcv_assets.instants import parse_start
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.failures import Reply, failure_of_reply
from ohlcv_assets.stores.influxdb.tasks.definitions import Run, Task, Wanted
from ohlcv_assets.units import Nanos

_PATH: Final = "/api/v2/tasks"
_GONE: Final = frozenset({int(HTTPStatus.NOT_FOUND)})
_ENDED: Final = _GONE | {int(HTTPStatus.INTERNAL_SERVER_ERROR)}
_PAGE: Final = 500
MOST_RUNS: Final = 500
"""As many as the server tells at once."""

_REFUSED: Final = frozenset({int(HTTPStatus.INTERNAL_SERVER_ERROR)})


class TaskCalls:
    """Calls about tasks with the token for tasks.

    Parameters
    ----------
    connection
        To the server, let in by that token.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def named(self, *names: str) -> dict[str, list[Task]]:
        """Return the tasks of each name, the oldest first; the server takes several of one name."""
        found: dict[str, list[Task]] = {name: [] for name in names}
        last = ""
        while True:
            query = {"orgID": self._connection.org_id(), "limit": str(_PAGE)} | ({"after": last} if last else {})
            page: Any = self._call("GET", _PATH, "look for the tasks", query=query).document()
            tasks = [_task(document) for document in page.get("tasks") or []]  # Any: a JSON document
            for task in tasks:
                if task.name in found:
                    found[task.name].append(task)
            if len(tasks) < _PAGE:
                return {name: sorted(there, key=lambda task: task.id) for name, there in found.items()}
            last = tasks[-1].id

    def make(self, wanted: Wanted) -> Task:
        """Make a task that runs by itself; made twice, as after a reply that was lost, there are two of one name."""
        document = {
            "orgID": self._connection.org_id(),
            "flux": wanted.script,
            "description": wanted.description,
            "status": "active",
        }
        return _task(self._call("POST", _PATH, f"make the task {wanted.name!r}", document=document).document())

    def rewrite(self, task: Task, wanted: Wanted) -> None:
        """Give a task the script and the description that it should have; it runs or pauses as before."""
        document = {"flux": wanted.script, "description": wanted.description}
        self._call("PATCH", f"{_PATH}/{task.id}", f"change the task {task.name!r}", document=document)

    def set_active(self, task: Task, active: bool) -> None:
        """Have a task run by itself, or pause it."""
        doing = f"{'resume' if active else 'pause'} the task {task.name!r}"
        self._call("PATCH", f"{_PATH}/{task.id}", doing, document={"status": "active" if active else "inactive"})

    def remove(self, task: Task) -> None:
        """Remove a task; nothing happens where it is gone."""
        self._call("DELETE", f"{_PATH}/{task.id}", f"remove the task {task.name!r}", accept=_GONE)

    def runs(self, task: Task, limit: int) -> list[Run]:
        """Return the latest runs that the server knows of, newest first: those under way, and the last three days'."""
        query = {"limit": str(min(limit, MOST_RUNS))}
        doing = f"list the runs of the task {task.name!r}"
        page: Any = self._call("GET", f"{_PATH}/{task.id}/runs", doing, query=query, accept=_GONE).document()
        found = [_run(document) for document in page.get("runs") or []]  # Any: a JSON document
        return sorted(found, key=lambda run: run.scheduled_for, reverse=True)

    def cancel(self, task: Task, run: Run) -> None:
        """End a run; nothing happens where it has ended. One that somebody asked for by hand goes on unseen."""
        path = f"{_PATH}/{task.id}/runs/{run.id}"
        self._call("DELETE", path, f"end a run of the task {task.name!r}", accept=_ENDED)

    def owners(self) -> dict[str, bool]:
        """Return the users who own the organisation, by id, and whether each of them is active.

        Only an owner's tasks may write: a member may read alone.
        """
        path = f"/api/v2/orgs/{self._connection.org_id()}/owners"
        page: Any = self._call("GET", path, "list the owners of the organisation").document()
        return {str(user["id"]): user.get("status") == "active" for user in page.get("users") or []}

    def _call(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        query: Mapping[str, str] | None = None,
        document: object = None,
        accept: Iterable[int] = (),
    ) -> Reply:
        """Make a call.

        Raises
        ------
        StoreAccessError
            Among others, where a missing right comes as 500.
        """
        answers = frozenset(accept)
        call = partial(self._connection.call, method, path, doing=doing, query=query, document=document)
        reply = call(accept=answers | _REFUSED)
        if reply.status not in _REFUSED:
            return reply
        failure = failure_of_reply(reply)
        if "unauthorized" in failure.message:
            raise StoreAccessError(
                f"InfluxDB at {self._connection.address.url} could not {doing} ({failure}): the token may not write "
                "tasks; OHLCV_INFLUX_TASKS_TOKEN may, `ohlcv influx setup` makes it."
            )
        # Any other 500 may pass.
        return call(accept=answers)


def _task(document: Any) -> Task:  # Any: a JSON document
    return Task(
        id=str(document["id"]),
        name=str(document["name"]),
        description=str(document.get("description") or ""),
        script=str(document.get("flux") or ""),
        active=document.get("status") == "active",
        owner=str(document.get("ownerID") or ""),
        completed=str(document.get("latestCompleted") or ""),
        last_run=str(document.get("lastRunStatus") or ""),
        last_error=str(document.get("lastRunError") or ""),
    )


def _run(document: Any) -> Run:  # Any: a JSON document
    lines = [str(line.get("message") or "") for line in document.get("log") or []]
    return Run(
        id=str(document["id"]),
        status=str(document.get("status") or ""),
        scheduled_for=_nanos(document.get("scheduledFor")),
        started=_nanos(document.get("startedAt")),
        finished=_nanos(document.get("finishedAt")),
        log=tuple(line for line in lines if line),
    )


def _nanos(text: object) -> Nanos:
    """Return an instant, 0 where none is told; the server's zero time is none."""
    return Nanos(0) if not text or str(text).startswith("0001-") else parse_start(str(text))
