"""Buckets and tokens that exist only while a benchmark runs.

What belongs here: making them under names that nobody else has, and removing them whatever happens. What does not: what
is written into them.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Any, Final, Self

from pydantic import SecretStr

from ohlcv_assets.errors import StoreAccessError, StoreError
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import Bucket, Layout, layout_of

PREFIX: Final = "ohlcv_bench_"
_WEEK: Final = 7 * 86_400
_MONTH: Final = 30 * 86_400
_GONE: Final = frozenset({404})


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
        self._number = 0
        self._buckets: dict[str, str] = {}
        self._tokens: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
            doing = "remove a bucket of the benchmark"
            self.connection.call("DELETE", f"/api/v2/buckets/{id_}", doing=doing, accept=_GONE)
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
            "description": f"{self._mark}peer",
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
        for name in tuple(self._buckets):
            with suppress(StoreError):
                self.drop(name)
        while self._tokens:
            with suppress(StoreError):
                path = f"/api/v2/authorizations/{self._tokens[-1]}"
                self.connection.call("DELETE", path, doing="remove a token of the benchmark", accept=_GONE)
            self._tokens.pop()
        if self._buckets:
            names = ", ".join(self._buckets)
            raise StoreAccessError(f"Buckets of the benchmark are left on the server and can be deleted: {names}.")

    def _name(self) -> str:
        self._number += 1
        return f"{self._mark}{self._number}_"

    def _make(self, bucket: Bucket) -> str:
        rule = {"type": "expire", "everySeconds": bucket.retention, "shardGroupDurationSeconds": bucket.shard}
        document = {"orgID": self.connection.org_id(), "name": bucket.name, "retentionRules": [rule]}
        doing = "make a bucket for the benchmark (set OHLCV_INFLUX_OPERATOR_TOKEN)"
        reply = self.connection.call("POST", "/api/v2/buckets", doing=doing, document=document)
        self._buckets[bucket.name] = str(reply.document()["id"])
        return bucket.name
