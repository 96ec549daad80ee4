"""The shards of a bucket, as a backup of metadata names them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ohlcv_assets.errors import StoreError
from ohlcv_assets.stores.influxdb.bulk.shards import Shard, Shards, shards_in

pytestmark = pytest.mark.unit

KIND = "multipart/mixed; boundary=0f1e"
SECOND = 10**9
WEEK = 7 * 86_400 * SECOND
MONDAY = 1_704_067_200 * SECOND
SHARDS = Shards(WEEK, (Shard(3, MONDAY, MONDAY + WEEK), Shard(1, MONDAY + 2 * WEEK, MONDAY + 3 * WEEK)))


def group(number: int, start: str, end: str, **more: str) -> dict[str, Any]:
    """Return a shard group of one shard; Any: a JSON document."""
    return {"id": number, "startTime": start, "endTime": end, "shards": [{"id": number}], **more}


def bucket(name: str, groups: list[dict[str, Any]] | None, org: str = "ours") -> dict[str, Any]:
    """Return a bucket; Any: a JSON document."""
    policy = {"name": "autogen", "shardGroupDuration": WEEK, "shardGroups": groups}
    return {"organizationName": org, "bucketName": name, "retentionPolicies": [policy]}


def body(*buckets: object, name: str = 'name="buckets"') -> bytes:
    """Return a backup of metadata."""
    text = json.dumps(buckets).encode()
    return (
        b"--0f1e\r\nContent-Disposition: attachment; name=kv\r\n\r\n\x00\x01--\r\n\r\n\r\n"
        b"--0f1e\r\nContent-Type: application/json\r\nContent-Disposition: attachment; "
        + name.encode()
        + b"\r\n\r\n"
        + text
        + b"\r\n--0f1e--\r\n"
    )


GROUPS = [
    group(1, "2024-01-15T00:00:00Z", "2024-01-22T00:00:00Z"),
    group(2, "2024-01-08T00:00:00Z", "2024-01-15T00:00:00Z", deletedAt="2024-06-01T12:00:00.5Z"),
    group(3, "2024-01-01T00:00:00Z", "2024-01-08T00:00:00Z", deletedAt="0001-01-01T00:00:00Z"),
]


@pytest.mark.parametrize("name", ['name="buckets"', "name=buckets", "name=buckets; filename=x"])
def test_shards_of_one_bucket_in_order(name: str) -> None:
    """Those of other organisations and of groups that were deleted are none of them; the order is that of time."""
    sent = body(bucket("trades", [], "theirs"), bucket("other", None), bucket("trades", GROUPS), name=name)
    assert shards_in(KIND, sent, "ours", "trades") == SHARDS
    assert shards_in(KIND, sent, "theirs", "trades") == Shards(WEEK, ())
    assert shards_in(KIND, sent, "ours", "other") == Shards(WEEK, ())
    assert shards_in(KIND, sent, "ours", "missing") is None


def test_bounds_are_exact() -> None:
    """Bounds before 1970 and within a second are read to the nanosecond."""
    sent = body(bucket("trades", [group(9, "1677-09-21T00:12:43.145224194Z", "1970-01-01T00:00:00.5Z")]))
    found = shards_in(KIND, sent, "ours", "trades")
    assert found is not None
    assert found.those == (Shard(9, -9223372036854775806, SECOND // 2),)


@pytest.mark.parametrize(
    ("kind", "sent", "words"),
    [
        ("application/json", body(), "names no buckets"),
        (KIND, body(name="name=sql"), "names no buckets"),
        (KIND, body(bucket("trades", GROUPS)).replace(b"[{", b"[", 1), "makes no sense"),
        (KIND, body({"bucketName": "trades"}), "makes no sense"),
        (KIND, body(bucket("trades", [group(1, "yesterday", "2024-01-22T00:00:00Z")])), "makes no sense"),
    ],
)
def test_other_replies_are_refused(kind: str, sent: bytes, words: str) -> None:
    """A reply that no known version sends is an error, not a bucket without shards."""
    with pytest.raises(StoreError, match=f"{words}.*no version that is known"):
        shards_in(kind, sent, "ours", "trades")


def test_which_shard_holds_what() -> None:
    """Starts belong to a shard, ends do not."""
    first, second = SHARDS.those
    assert SHARDS.holding(MONDAY) == SHARDS.holding(MONDAY + WEEK - 1) == first
    assert SHARDS.holding(MONDAY - 1) is SHARDS.holding(MONDAY + WEEK) is None
    assert SHARDS.touching(MONDAY + WEEK - 1, MONDAY + 2 * WEEK + 1) == [first, second]
    assert SHARDS.touching(MONDAY + WEEK, MONDAY + 2 * WEEK) == []
