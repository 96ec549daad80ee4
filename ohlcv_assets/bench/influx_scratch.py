"""Buckets and tokens that exist only while a benchmark runs.

What belongs here: making them under names that nobody else has, and removing them whatever happens. What does not: what
is written into them.

Each says in its description which process it is of. Where a benchmark was killed, or its server was gone when it ended,
the next one on the same machine removes what it left.
"""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final, Self

from pydantic import SecretStr

from ohlcv_assets.errors import StoreAccessError, StoreError, StoreUnavailableError
from ohlcv_assets.logs import get_logger
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import Bucket, Layout, layout_of
from ohlcv_assets.stores.influxdb.leasing.closings import Closings
from ohlcv_assets.stores.influxdb.leasing.leases import Leases
from ohlcv_assets.stores.influxdb.leasing.processes import Process, is_dead, this_process

PREFIX: Final = "ohlcv_bench_"
_WEEK: Final = 7 * 86_400
_MONTH: Final = 30 * 86_400
_GONE: Final = frozenset({404})
_MAY_NOT: Final = frozenset({401, 403})
_PAGE: Final = 100
_PATIENCE: Final = 3.0
"""Seconds that removing is repeated: the benchmark is over, and somebody waits."""


class Scratch:
    """Buckets and tokens of one benchmark; as a context manager, all of them are removed at its end.

    Parameters
    ----------
    connection
        To the server, with a token that may make and remove buckets.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._mark = f"{PREFIX}{secrets.token_hex(4)}_"
        self._owner = f"{PREFIX} {json.dumps(asdict(this_process()))}"
        self._number = 0
        self._buckets: dict[str, str] = {}
        self._tokens: list[str] = []

    def __enter__(self) -> Self:
        self._clear_up()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            self.close()
        except StoreAccessError as left:
            if error is None:
                raise
            # The error that ended the benchmark says more than its consequence.
            get_logger("cli").warning(str(left))

    @property
    def left(self) -> tuple[str, ...]:
        """Names of the buckets that are still there."""
        return tuple(self._buckets)

    def bucket(self) -> str:
        """Make an empty bucket, kept for ever, in shards of a week, and return its name."""
        return self._make(Bucket(self._name(), 0, _WEEK))

    def layout(self) -> Layout:
        """Make the buckets of a dataset and return them."""
        name = self._name()
        layout = layout_of(
            name, "trades", retention=0, shard=_WEEK, bar_retention=0, bar_shard=_MONTH, status=f"{name}status"
        )
        for bucket in layout.buckets:
            self._make(bucket)
        return layout

    def drop(self, name: str) -> None:
        """Remove a bucket with all it holds."""
        id_ = self._buckets.get(name)
        if id_ is not None:
            self._delete("buckets", id_)
            Closings(Leases(self.connection, name)).forget()
            del self._buckets[name]

    def token(self) -> SecretStr:
        """Make a token that may write into any bucket of the organisation and read none.

        For peers that take a token as an argument, where others of this machine can see it. It is gone with the
        benchmark.

        Raises
        ------
        StoreAccessError
            The token in force may not make tokens.
        """
        org_id = self.connection.org_id()
        document = {
            "orgID": org_id,
            "description": self._owner,
            "permissions": [{"action": "write", "resource": {"type": "buckets", "orgID": org_id}}],
        }
        doing = "make a token for a peer of the benchmark"
        reply = self.connection.call("POST", "/api/v2/authorizations", doing=doing, document=document)
        made: Any = reply.document()  # Any: a JSON document
        self._tokens.append(str(made["id"]))
        return SecretStr(str(made["token"]))

    def close(self) -> None:
        """Remove everything that is left; what cannot be removed is named.

        Raises
        ------
        StoreAccessError
            Naming what is left on the server.
        """
        with suppress(StoreUnavailableError):
            while self._tokens:
                with suppress(StoreAccessError):
                    self._delete("authorizations", self._tokens[-1])
                self._tokens.pop()
            for name in tuple(self._buckets):
                with suppress(StoreAccessError):
                    self.drop(name)
        if self._buckets:
            names = ", ".join(self._buckets)
            raise StoreAccessError(
                f"Buckets of the benchmark are left on the server, the next benchmark removes them: {names}."
            )

    def _clear_up(self) -> None:
        """Remove what benchmarks of processes that are gone left."""
        for kind in ("buckets", "authorizations"):
            for document in self._listed(kind):
                if _is_orphan(str(document.get("description", ""))):
                    with suppress(StoreError):
                        self._delete(kind, str(document["id"]))

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        """Return all buckets or tokens that the token in force may see."""
        found: list[dict[str, Any]] = []  # Any: JSON documents
        query = {"orgID": self.connection.org_id(), "limit": str(_PAGE)}
        while True:
            page = query | {"offset": str(len(found))}
            path, doing = f"/api/v2/{kind}", f"list {kind} that a benchmark may have left"
            reply = self.connection.call("GET", path, doing=doing, query=page, accept=_MAY_NOT)
            entries: list[dict[str, Any]] = reply.document().get(kind) or []  # type: ignore[assignment] # JSON
            found += entries
            # Tokens come all at once, whatever the limit is.
            if kind != "buckets" or len(entries) < _PAGE:
                return found

    def _delete(self, kind: str, id_: str) -> None:
        doing = f"remove {kind} of the benchmark"
        self.connection.call("DELETE", f"/api/v2/{kind}/{id_}", doing=doing, accept=_GONE, patience=_PATIENCE)

    def _name(self) -> str:
        self._number += 1
        return f"{self._mark}{self._number}_"

    def _make(self, bucket: Bucket) -> str:
        rule = {"type": "expire", "everySeconds": bucket.retention, "shardGroupDurationSeconds": bucket.shard}
        document = {
            "orgID": self.connection.org_id(),
            "name": bucket.name,
            "description": self._owner,
            "retentionRules": [rule],
        }
        doing = "make a bucket for the benchmark (set OHLCV_INFLUX_OPERATOR_TOKEN)"
        reply = self.connection.call("POST", "/api/v2/buckets", doing=doing, document=document)
        self._buckets[bucket.name] = str(reply.document()["id"])
        return bucket.name


def _is_orphan(description: str) -> bool:
    """Return whether something is of a benchmark whose process is known to run no more."""
    if not description.startswith(f"{PREFIX} "):
        return False
    try:
        return is_dead(Process(**json.loads(description.removeprefix(PREFIX))))
    except (TypeError, ValueError):
        return False
