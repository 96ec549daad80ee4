"""Tasks of the fake server: kept, changed and removed; none of them ever runs.

What belongs here: documents of tasks, and who may see and change them. What does not: HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ohlcv_assets_tests.stores.influxdb.fake.organisation import (
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
    """

    def __init__(self, organisation: Organisation) -> None:
        self._organisation = organisation
        self.held: dict[str, Document] = {}

    def named(self, token: Document, query: Mapping[str, str]) -> list[Document]:
        """Return the tasks of a name, or all; none to a token that may not read them."""
        if not self._organisation.may(token, "read", "tasks"):
            return []
        found = list(self.held.values())
        return [task for task in found if task["name"] == query["name"]] if "name" in query else found

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
