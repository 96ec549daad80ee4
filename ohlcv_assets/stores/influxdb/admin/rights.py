"""What each token may do, and how that compares with what it should be allowed.

What belongs here: the rights of roles as sets. What does not: asking a server for them (``administration``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Role = Literal["load", "read", "tasks"]
ROLES: Final[tuple[Role, ...]] = ("load", "read", "tasks")

Content = Literal["trades", "bars", "records"]
"""What a bucket holds."""

Action = Literal["read", "write"]

_BUCKETS: Final[Mapping[Role, Mapping[Content, tuple[Action, ...]]]] = {
    "load": {"trades": ("read", "write"), "bars": ("read", "write"), "records": ("read", "write")},
    "read": {"trades": ("read",), "bars": ("read",), "records": ()},
    "tasks": {"trades": ("read",), "bars": ("read", "write"), "records": ("read", "write")},
}
_MORE: Final[Mapping[Role, tuple[tuple[Action, str], ...]]] = {
    # Leases are labels of the organisation, and its id is asked for by its name.
    "load": (("read", "labels"), ("write", "labels"), ("read", "orgs")),
    # Who reads trades looks at the marks of restores, which are labels too.
    "read": (("read", "labels"), ("read", "orgs")),
    # Who pauses a task says so in a label.
    "tasks": (("read", "tasks"), ("write", "tasks"), ("read", "labels"), ("write", "labels"), ("read", "orgs")),
}


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One thing a token may do.

    Attributes
    ----------
    action
        ``"read"`` or ``"write"``.
    kind
        ``"buckets"``, ``"labels"``, ``"tasks"``, ``"orgs"`` and whatever else the server knows.
    id
        Of one bucket or organisation; empty for all of the organisation.
    """

    action: str
    kind: str
    id: str = ""

    def document(self, org_id: str) -> dict[str, object]:
        """Return it as the server takes it."""
        if self.kind == "orgs":
            return {"action": self.action, "resource": {"type": "orgs", "id": self.id}}
        resource = {"type": self.kind, "orgID": org_id} | ({"id": self.id} if self.id else {})
        return {"action": self.action, "resource": resource}

    def words(self, names: Mapping[str, str]) -> str:
        """Return it in words, ``names`` by id: ``write bucket 'trades'``."""
        if self.kind == "orgs":
            return f"{self.action} the organisation"
        if not self.id:
            return f"{self.action} all {self.kind}"
        return f"{self.action} {self.kind.removesuffix('s')} {names.get(self.id, self.id)!r}"


def right_of(document: Mapping[str, Any]) -> Right:  # Any: a JSON document
    """Return a right as the server tells it."""
    resource = document["resource"]
    return Right(str(document["action"]), str(resource["type"]), str(resource.get("id") or ""))


def rights_of(role: Role, org_id: str, buckets: Mapping[str, Content]) -> frozenset[Right]:
    """Return what a role needs.

    Parameters
    ----------
    role
        Who.
    org_id
        Id of the organisation.
    buckets
        What each of the project's buckets holds, by its id.
    """
    of_buckets = {
        Right(action, "buckets", id_) for id_, content in buckets.items() for action in _BUCKETS[role][content]
    }
    more = {Right(action, kind, org_id if kind == "orgs" else "") for action, kind in _MORE[role]}
    return frozenset(of_buckets | more)


def actions(role: Role, content: Content) -> tuple[Action, ...]:
    """Return what a role may do with a bucket."""
    return _BUCKETS[role][content]


def said(rights: Iterable[Right], names: Mapping[str, str]) -> str:
    """Return rights in words, at most four of them."""
    listed = sorted(right.words(names) for right in rights)
    rest = len(listed) - 4
    return ", ".join(listed[:4]) + (f" and {rest} more" if rest > 0 else "")
