"""Tasks of the fake server: kept, changed and removed; they run when a test says so.

What belongs here: documents of tasks and of their runs, who may see and change them, running them. What does not: HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ohlcv_assets_tests.stores.influxdb.fake import flux
from ohlcv_assets_tests.stores.influxdb.fake.instants import duration_of, text_of
from ohlcv_assets_tests.stores.influxdb.fake.organisation import (
    Bucket,
    Document,
    Organisation,
    RefusedError,
    invalid,
    not_found,
)

_OPTION: Final = re.compile(r'option task = \{name: "((?:[^"\\]|\\x[0-9a-f]{2})*)", every: (\w+), offset: (\w+)\}')
_NOW: Final = "2024-06-01T00:00:00Z"


class Tasks:
    """The tasks of an organisation.

    Attributes
    ----------
    held
        By id; tests may look and change things behind the back of who manages them.
    runs
        What is told of runs, by the task's id.
    """

    def __init__(self, organisation: Organisation) -> None:
        self._organisation = organisation
        self.held: dict[str, Document] = {}
        self.runs: dict[str, list[Document]] = {}

    def named(self, token: Document, query: Mapping[str, str]) -> list[Document]:
        """Return a page of tasks; none to a token that may not read them."""
        if not self._organisation.may(token, "read", "tasks"):
            return []
        found = [task for key, task in sorted(self.held.items()) if key > query.get("after", "")]
        return found[: int(query.get("limit", "100"))]

    def find(self, token: Document, identity: str) -> Document:
        """Return a task.

        Raises
        ------
        RefusedError
            There is none, or the token may not read it.
        """
        if identity not in self.held:
            raise not_found("failed to find task: task not found")
        if not self._organisation.may(token, "read", "tasks"):
            raise not_found("failed to find task: unauthorized")
        return self.held[identity]

    def add(self, token: Document, document: Document) -> Document:
        """Make a task; there may be several of one name."""
        self._require(token, "create")
        made = {
            "id": self._organisation.new_id(),
            "orgID": self._organisation.id,
            "ownerID": token["userID"],
            "status": document.get("status", "active"),
            "description": document.get("description", ""),
            "latestCompleted": _NOW,
            **_options(document["flux"]),
        }
        self.held[made["id"]] = made
        self.runs[made["id"]] = []
        return made

    def change(self, token: Document, identity: str, document: Document) -> Document:
        """Change script, description or status of a task."""
        self._require(token, "update", identity)
        task = self.held[identity]
        task.update({name: document[name] for name in ("description", "status") if name in document})
        if "flux" in document:
            task.update(_options(document["flux"]))
        return task

    def remove(self, token: Document, identity: str) -> None:
        """Remove a task."""
        self._require(token, "delete", identity)
        del self.held[identity]

    def runs_of(self, token: Document, identity: str, query: Mapping[str, str]) -> list[Document]:
        """Return the latest runs of a task."""
        self.find(token, identity)
        return self.runs[identity][::-1][: int(query.get("limit", "100"))]

    def cancel(self, token: Document, identity: str, run: str) -> None:
        """End a run that is under way."""
        self._require(token, "update", identity)
        for found in self.runs[identity]:
            if found["id"] == run:
                found["status"] = "canceled"

    def run(self, task: Document, at: int) -> Document:
        """Run a task as if it were that time, nanoseconds."""
        told: Document = {
            "id": self._organisation.new_id(),
            "taskID": task["id"],
            "status": "success",
            "scheduledFor": text_of(at),
            "startedAt": text_of(at + duration_of(task["offset"])),
            "finishedAt": text_of(at + duration_of(task["offset"])),
            "log": [{"message": "Started task from script"}],
        }
        self.runs[task["id"]].append(told)
        try:
            flux.run(task["flux"], self._find, annotations=False, now=at)
        except RefusedError as error:
            told["status"] = "failed"
            told["log"].append({"message": f"could not execute task run: {error.message}"})
        told["log"].append({"message": f"Completed({told['status']})"})
        task.update(lastRunStatus=told["status"], lastRunError="", latestCompleted=told["scheduledFor"])
        if told["status"] == "failed":
            task["lastRunError"] = told["log"][-1]["message"]
        return told

    def pass_time(self, start: int, stop: int) -> None:
        """Run each active task at all times from a start to before a stop at which it is due, in their order."""
        due = []
        for task in self.held.values():
            every, offset = duration_of(task["every"]), duration_of(task["offset"])
            first = -(-(start - offset) // every) * every
            due += [(at + offset, at, task) for at in range(first, stop - offset, every)]
        for _, at, task in sorted(due, key=lambda one: one[:2]):
            if task["status"] == "active":
                self.run(task, at)

    def _find(self, name: str) -> Bucket | None:
        """Return a bucket as the owner of all sees it."""
        return next((found for found in self._organisation.buckets.values() if found.document["name"] == name), None)

    def _require(self, token: Document, doing: str, identity: str | None = None) -> None:
        if identity is not None and identity not in self.held:
            raise not_found(f"failed to {doing} task: task not found")
        if not self._organisation.may(token, "write", "tasks"):
            raise RefusedError(500, "internal error", f"failed to {doing} task: unauthorized")


def _options(script: str) -> Document:
    """Return what a script says of its task."""
    found = _OPTION.search(script)
    if found is None:
        raise invalid("invalid options: no task options defined")
    name = re.sub(r"(?:\\x[0-9a-f]{2})+", lambda run: bytes.fromhex(run[0].replace(r"\x", "")).decode(), found[1])
    return {"name": name, "every": found[2], "offset": found[3], "flux": script}
