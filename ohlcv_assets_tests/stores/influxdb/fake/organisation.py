"""What one organisation of the fake server holds: buckets, tokens, labels, its user.

What belongs here: resources and who may do what with them. What does not: HTTP, points.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ohlcv_assets_tests.stores.influxdb.fake.points import Shelf

Document = dict[str, Any]
"""A JSON document; Any: its values vary."""

TYPES: Final = (
    "authorizations",
    "buckets",
    "dashboards",
    "orgs",
    "sources",
    "tasks",
    "telegrafs",
    "users",
    "variables",
)
ALL_TYPES: Final = (*TYPES, "scrapers", "secrets", "labels", "views", "documents", "notificationRules", "checks")
WEEK: Final = 7 * 86_400


class RefusedError(Exception):
    """A request that is answered with an error: status, InfluxDB's code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def not_found(message: str) -> RefusedError:
    """Return the refusal for what is not there."""
    return RefusedError(404, "not found", message)


def conflict(message: str) -> RefusedError:
    """Return the refusal for what is there already."""
    return RefusedError(422, "conflict", message)


def invalid(message: str) -> RefusedError:
    """Return the refusal for a request that makes no sense."""
    return RefusedError(400, "invalid", message)


@dataclass
class Bucket:
    """A bucket: its document and its points."""

    document: Document
    shelf: Shelf = field(default_factory=Shelf)

    def set_rules(self, rules: Sequence[Mapping[str, int]]) -> None:
        """Set retention and shard duration, seconds.

        Raises
        ------
        RefusedError
            Retention is under an hour.
        """
        rule = rules[0] if rules else {}
        every = int(rule.get("everySeconds", 0))
        if 0 < every < 3_600:
            raise RefusedError(500, "internal error", "retention policy duration must be at least 1h0m0s")
        usual = WEEK if every == 0 or every >= 180 * 86_400 else 86_400 if every >= 2 * 86_400 else 3_600
        shard = int(rule.get("shardGroupDurationSeconds") or usual)
        if 0 < every <= shard and "shardGroupDurationSeconds" in rule:
            text = "retention policy duration must be greater than the shard duration"
            raise RefusedError(500, "internal error", text)
        self.document["retentionRules"] = [
            {"type": "expire", "everySeconds": every, "shardGroupDurationSeconds": shard}
        ]
        self.shelf.retention, self.shelf.shard = every, shard


class Organisation:
    """One organisation, and what was made in it.

    Attributes
    ----------
    id, name
        Empty before the set-up.
    buckets, labels, tokens
        By id; a token's document keeps the token itself under ``"secret"``.
    """

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.user: Document = {}
        self.password = ""
        self.buckets: dict[str, Bucket] = {}
        self.labels: dict[str, Document] = {}
        self.tokens: dict[str, Document] = {}
        self._last = 0x11AB842CC0594000

    def set_up(self, document: Document) -> Document:
        """Do the initial set-up.

        Raises
        ------
        RefusedError
            It was done already.
        """
        if self.id:
            raise conflict("onboarding has already been completed")
        self.id, self.name = self.new_id(), document["org"]
        self.password = document.get("password", "")
        self.user = {"id": self.new_id(), "name": document["username"], "status": "active"}
        everything = [
            {"action": action, "resource": {"type": kind}} for kind in ALL_TYPES for action in ("read", "write")
        ]
        token = self.add_token({"permissions": everything, "description": f"{document['username']}'s Token"})
        if document.get("token"):
            self.tokens[token["id"]]["secret"] = document["token"]
        self.add_bucket({"name": "_monitoring", "type": "system", "retentionRules": [{"everySeconds": 604_800}]})
        self.add_bucket({"name": "_tasks", "type": "system", "retentionRules": [{"everySeconds": 259_200}]})
        rules = [{"everySeconds": int(document.get("retentionPeriodSeconds") or 0)}]
        bucket = self.add_bucket({"name": document["bucket"], "retentionRules": rules})
        auth = {**self.shown(self.tokens[token["id"]]), "token": self.tokens[token["id"]]["secret"]}
        return {"user": self.user, "bucket": bucket, "org": self.document, "auth": auth}

    @property
    def document(self) -> Document:
        """The organisation itself."""
        return {"id": self.id, "name": self.name, "description": ""}

    def add_bucket(self, document: Document) -> Document:
        """Make a bucket.

        Raises
        ------
        RefusedError
            There is one of that name, or the name or the retention is none.
        """
        name = document["name"]
        if any(bucket.document["name"] == name for bucket in self.buckets.values()):
            raise conflict(f"bucket with name {name} already exists")
        kind = document.get("type", "user")
        if name.startswith("_") and kind == "user":
            raise invalid(f"bucket name {name} is invalid. Buckets may not start with underscore")
        made = {"id": self.new_id(), "orgID": self.id, "type": kind, "name": name}
        if "description" in document:
            made["description"] = document["description"]
        bucket = Bucket(made)
        bucket.set_rules(document.get("retentionRules") or [])
        self.buckets[made["id"]] = bucket
        return made

    def bucket(self, name: str) -> Bucket:
        """Return a bucket by name or id.

        Raises
        ------
        RefusedError
            There is none.
        """
        if not name:
            raise not_found("bucket not found")
        for bucket in self.buckets.values():
            if name in {bucket.document["name"], bucket.document["id"]}:
                return bucket
        raise not_found(f'bucket "{name}" not found')

    def add_label(self, document: Document) -> Document:
        """Make a label; names are unique whatever their case.

        Raises
        ------
        RefusedError
            There is one of that name.
        """
        name = document["name"]
        if any(label["name"].lower() == name.lower() for label in self.labels.values()):
            raise conflict(f"label with name {name} already exists")
        label = {"id": self.new_id(), "orgID": self.id, "name": name, "properties": document.get("properties") or {}}
        self.labels[label["id"]] = label
        return label

    def patch_label(self, label: Document, document: Document) -> Document:
        """Change a label's properties; an empty value takes one away."""
        merged = {**label["properties"], **(document.get("properties") or {})}
        label["properties"] = {name: value for name, value in merged.items() if value != ""}
        if document.get("name"):
            label["name"] = document["name"]
        return label

    def add_token(self, document: Document) -> Document:
        """Make a token; it is shown this once."""
        made = {
            "id": self.new_id(),
            "secret": secrets.token_urlsafe(48),
            "status": document.get("status", "active"),
            "description": document.get("description", ""),
            "orgID": self.id,
            "org": self.name,
            "userID": self.user["id"],
            "user": self.user["name"],
            "permissions": document["permissions"],
        }
        self.tokens[made["id"]] = made
        return {**self.shown(made), "token": made["secret"]}

    def shown(self, token: Document) -> Document:
        """Return a token's document without the token, which the server does not know any more."""
        return {**{name: value for name, value in token.items() if name != "secret"}, "token": ""}

    def let_in(self, secret: str) -> Document | None:
        """Return the document of a token, or None where it is unknown."""
        found = (token for token in self.tokens.values() if token["secret"] == secret)
        return next(found, None)

    def may(self, token: Document, action: str, kind: str, identity: str | None = None) -> bool:
        """Tell whether a token has a right on a resource, or on all of a kind where no identity is given."""
        return token["status"] == "active" and any(
            permission["action"] == action
            and permission["resource"]["type"] == kind
            and permission["resource"].get("id") in {None, "", identity}
            for permission in token["permissions"]
        )

    def new_id(self) -> str:
        """Return an id that nothing has, larger than all before."""
        self._last += 0x10000
        return f"{self._last:016x}"
