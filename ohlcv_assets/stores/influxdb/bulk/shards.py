"""Which shards a bucket has.

What belongs here: the server's backup of its metadata, read. What does not: asking for it (``api``).

A backup of metadata is ``multipart/mixed`` of three parts: ``kv`` and ``sql``, which are databases, and ``buckets``, a
JSON document (influxdata/influxdb:http/backup_service.go, backup.go).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from ohlcv_assets.errors import StoreError

_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)"?')
_BUCKETS: Final = re.compile(rb'name="?buckets"?\s*(;|\r\n)')
_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
_EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 -- UTC throughout
_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard: its id, and the nanoseconds ``[start, end)`` that it holds."""

    id: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Shards:
    """The shards of one bucket.

    Attributes
    ----------
    span
        Nanoseconds of those that are made from now on.
    those
        In order of time.
    """

    span: int
    those: tuple[Shard, ...]

    def holding(self, instant: int) -> Shard | None:
        """Return the shard that holds an instant; None where there is none yet."""
        return next((shard for shard in self.those if shard.start <= instant < shard.end), None)

    def touching(self, start: int, end: int) -> list[Shard]:
        """Return the shards that hold something of ``[start, end)``, in order of time."""
        return [shard for shard in self.those if shard.start < end and start < shard.end]


def shards_in(content_type: str, body: bytes, org: str, bucket: str) -> Shards | None:
    """Return the shards of a bucket from a backup of metadata; None where there is no such bucket.

    Parameters
    ----------
    content_type, body
        Of the reply.
    org, bucket
        Names.

    Raises
    ------
    StoreError
        The reply is nothing that a known version sends.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is not None:
        for part in body.split(b"--" + boundary[1].encode()):
            head, _, rest = part.partition(b"\r\n\r\n")
            if _BUCKETS.search(head + b"\r\n"):
                return _of_bucket(rest, org, bucket)
    raise StoreError("The server's backup of its metadata names no buckets: it is no version that is known.")


def _of_bucket(text: bytes, org: str, bucket: str) -> Shards | None:
    try:
        for document in json.loads(text):
            if (document["organizationName"], document["bucketName"]) == (org, bucket):
                (policy,) = document["retentionPolicies"]
                groups = policy.get("shardGroups") or []
                # A group that was deleted, by retention or with all of its points, is named for a while.
                living = [group for group in groups if not _deleted(group)]
                found = [_shard(shard, group) for group in living for shard in group["shards"]]
                return Shards(policy["shardGroupDuration"], tuple(sorted(found, key=lambda shard: shard.start)))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            "The server's backup of its metadata makes no sense: it is no version that is known."
        ) from error
    return None


def _deleted(group: dict[str, Any]) -> bool:  # Any: a JSON document
    return (group.get("deletedAt") or "0001-01-01T00:00:00Z") != "0001-01-01T00:00:00Z"


def _shard(shard: dict[str, Any], group: dict[str, Any]) -> Shard:  # Any: a JSON document
    return Shard(int(shard["id"]), _nanos(group["startTime"]), _nanos(group["endTime"]))


def _nanos(text: str) -> int:
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no instant")
    seconds = dt.datetime.fromisoformat(found[1]) - _EPOCH
    return (seconds // dt.timedelta(seconds=1)) * _SECOND + int((found[2] or "").ljust(9, "0"))
