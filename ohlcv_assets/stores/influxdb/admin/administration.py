"""Management calls on a server: first set-up, organisation, buckets, tokens.

What belongs here: one method a call, and what the server answers as plain values. What does not: what there should be
(``layout``, ``rights``), and comparing (``setup``, ``doctor``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from pydantic import SecretStr

from ohlcv_assets.errors import StoreAccessError
from ohlcv_assets.stores.influxdb.admin.rights import Right, right_of
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import Bucket

_PAGE: Final = 100
_TAKEN: Final = frozenset({422})
"""Answer to a creation whose name is taken; after a reply that was lost, by ourselves."""

_GONE: Final = frozenset({404})


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket as the server has it.

    Attributes
    ----------
    id, description
        As the server tells them.
    bucket
        Name, retention and shard duration; seconds.
    """

    id: str
    description: str
    bucket: Bucket


@dataclass(frozen=True, slots=True)
class Authorization:
    """A token's record on the server, without the token.

    Attributes
    ----------
    id, description
        As the server tells them.
    active
        Whether the token is accepted.
    created
        Instant, as the server writes it.
    rights
        What the token may do.
    """

    id: str
    description: str
    active: bool
    created: str
    rights: frozenset[Right] = field(repr=False)


class Administration:
    """Management calls with one token, usually the operator's.

    Parameters
    ----------
    connection
        To the server, let in by that token.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._call = connection.call

    def is_fresh(self) -> bool:
        """Tell whether the server waits for its first set-up."""
        reply = self._call("GET", "/api/v2/setup", doing="say whether it is set up")
        return reply.document().get("allowed") is True

    def onboard(self, username: str, password: SecretStr, bucket: Bucket, token: SecretStr) -> None:
        """Do the first set-up: a user, the organisation of the connection, a bucket, and the operator token.

        Nothing happens where somebody was faster.
        """
        document = {
            "username": username,
            "password": password.get_secret_value(),
            "org": self._connection.address.org,
            "bucket": bucket.name,
            "retentionPeriodSeconds": bucket.retention,
            "token": token.get_secret_value(),
        }
        self._call("POST", "/api/v2/setup", doing="be set up", document=document, accept=_TAKEN)

    def org_id(self) -> str:
        """Return the organisation's id, and make the organisation where there is none."""
        org = self._connection.address.org
        doing = f"find the organisation {org!r}"
        reply = self._call("GET", "/api/v2/orgs", doing=doing, query={"org": org}, accept=_GONE)
        if not reply.document().get("orgs"):
            doing = f"make the organisation {org!r}"
            self._call("POST", "/api/v2/orgs", doing=doing, document={"name": org}, accept=_TAKEN)
        return self._connection.org_id()

    def places(self) -> dict[str, Place]:
        """Return all buckets of the organisation that the token may see, by name."""
        found: dict[str, Place] = {}
        while True:
            query = {"orgID": self._connection.org_id(), "limit": str(_PAGE), "offset": str(len(found))}
            page: Any = self._call("GET", "/api/v2/buckets", doing="list buckets", query=query).document()
            documents = page.get("buckets") or []  # Any: a JSON document
            found |= {document["name"]: _place(document) for document in documents}
            if len(documents) < _PAGE:
                return found

    def make_bucket(self, bucket: Bucket, description: str) -> None:
        """Make a bucket; nothing happens where somebody was faster."""
        document = {
            "orgID": self._connection.org_id(),
            "name": bucket.name,
            "description": description,
            "retentionRules": [_rule(bucket)],
        }
        doing = f"make the bucket {bucket.name!r}"
        self._call("POST", "/api/v2/buckets", doing=doing, document=document, accept=_TAKEN)

    def change_bucket(self, place: Place, bucket: Bucket, description: str) -> None:
        """Give a bucket its retention, its shard duration (of shards to come) and its description."""
        document = {"description": description, "retentionRules": [_rule(bucket)]}
        doing = f"change the bucket {bucket.name!r}"
        self._call("PATCH", f"/api/v2/buckets/{place.id}", doing=doing, document=document)

    def authorizations(self) -> list[Authorization]:
        """Return the tokens of the organisation that the token may see."""
        query = {"orgID": self._connection.org_id()}
        page: Any = self._call("GET", "/api/v2/authorizations", doing="list tokens", query=query).document()
        return [_authorization(document) for document in page.get("authorizations") or []]

    def make_token(self, description: str, rights: frozenset[Right]) -> tuple[str, SecretStr]:
        """Make a token; return its id and, for the only time, the token."""
        org_id = self._connection.org_id()
        document = {
            "orgID": org_id,
            "description": description,
            "permissions": [right.document(org_id) for right in sorted(rights)],
        }
        doing = "make a token"
        made: Any = self._call("POST", "/api/v2/authorizations", doing=doing, document=document).document()
        return str(made["id"]), SecretStr(str(made["token"]))

    def describe_token(self, id_: str, description: str) -> None:
        """Change a token's description."""
        path = f"/api/v2/authorizations/{id_}"
        self._call("PATCH", path, doing="describe a token", document={"description": description})

    def remove_token(self, id_: str) -> None:
        """Remove a token; whoever uses it is refused from now on."""
        self._call("DELETE", f"/api/v2/authorizations/{id_}", doing="remove a token", accept=_GONE)

    def works(self, token: SecretStr) -> bool:
        """Tell whether the server accepts a token, whatever it may do."""
        try:
            self._call("GET", "/api/v2/orgs", doing="try a token", token=token)
        except StoreAccessError:
            return False
        return True

    def sees_bucket(self, name: str, token: SecretStr | None = None) -> Place | None:
        """Return a bucket as a token may read it; None where it may not, or where there is none."""
        query = {"org": self._connection.address.org, "name": name}
        refused = frozenset({401, 403, 404})
        doing = f"find the bucket {name!r}"
        reply = self._call("GET", "/api/v2/buckets", doing=doing, query=query, accept=refused, token=token)
        page: Any = reply.document()
        found = page.get("buckets") or []
        return _place(found[0]) if found else None

    def may_write(self, name: str, token: SecretStr | None = None) -> bool:
        """Tell whether a token may write into a bucket, by a write of nothing."""
        query = {"org": self._connection.address.org, "bucket": name, "precision": "ns"}
        refused = frozenset({401, 403, 404})
        doing = f"try a write into {name!r}"
        reply = self._call("POST", "/api/v2/write", doing=doing, query=query, accept=refused, token=token)
        return reply.status == HTTPStatus.NO_CONTENT


def _rule(bucket: Bucket) -> dict[str, object]:
    return {"type": "expire", "everySeconds": bucket.retention, "shardGroupDurationSeconds": bucket.shard}


def _place(document: Any) -> Place:  # Any: a JSON document
    rules = document.get("retentionRules") or [{}]
    bucket = Bucket(
        str(document["name"]), int(rules[0].get("everySeconds", 0)), int(rules[0].get("shardGroupDurationSeconds", 0))
    )
    return Place(str(document["id"]), str(document.get("description") or ""), bucket)


def _authorization(document: Any) -> Authorization:  # Any: a JSON document
    return Authorization(
        id=str(document["id"]),
        description=str(document.get("description") or ""),
        active=document.get("status") == "active",
        created=str(document.get("createdAt") or "")[:19],
        rights=frozenset(right_of(permission) for permission in document.get("permissions") or []),
    )
