"""Shards of a real server, for tests: made, loaded with files, and fetched.

What belongs here: the API of backup and restore, in the plainest form. What does not: expectations.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from email.parser import BytesParser
from itertools import groupby
from typing import Any, Final

import pyarrow as pa

from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.lineprotocol.lines import trade_lines
from ohlcv_assets.stores.influxdb.tsm.archives import packed, unpacked
from ohlcv_assets.stores.influxdb.tsm.encoding import TsmFile

WEEK: Final = dt.timedelta(days=7)
MONDAY: Final = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
START: Final = int(MONDAY.timestamp()) * 10**9
END: Final = START + 7 * 86_400 * 10**9


def make_shards(connection: Connection, bucket: str, starts: Sequence[dt.datetime]) -> list[int]:
    """Make a bucket that has a shard for each week, and return the shards' ids."""
    groups = [
        {
            "id": number,
            "startTime": start.isoformat(),
            "endTime": (start + WEEK).isoformat(),
            "shards": [{"id": number, "shardOwners": []}],
        }
        for number, start in enumerate(starts, 1)
    ]
    policy = {
        "name": "autogen",
        "replicaN": 1,
        "duration": 0,
        "shardGroupDuration": int(WEEK.total_seconds()) * 10**9,
        "shardGroups": groups,
        "subscriptions": [],
    }
    manifest = {
        "organizationID": connection.org_id(),
        "bucketName": bucket,
        "defaultRetentionPolicy": "autogen",
        "retentionPolicies": [policy],
    }
    made: Any = connection.call("POST", "/api/v2/restore/bucketMetadata", doing="make shards", document=manifest)
    new = {pair["oldId"]: int(pair["newId"]) for pair in made.document()["shardMappings"]}
    return [new[group["id"]] for group in groups]


def shards_of(connection: Connection, bucket: str) -> list[int]:
    """Return the ids of a bucket's shards, in order of time."""
    reply = connection.call("GET", "/api/v2/backup/metadata", doing="list shards", timeout=30)
    head = f"Content-Type: {reply.headers['content-type']}\r\n\r\n".encode()
    parts: Any = BytesParser().parsebytes(head + reply.body).get_payload()
    for part in parts:
        if part.get_param("name", header="content-disposition") == "buckets":
            buckets = json.loads(part.get_payload(decode=True))
            groups = next(each for each in buckets if each["bucketName"] == bucket)["retentionPolicies"][0][
                "shardGroups"
            ]
            return [shard["id"] for group in groups for shard in group["shards"]]
    raise AssertionError("the backup of metadata has no buckets")


def restore(connection: Connection, shard: int, files: Iterable[tuple[str, TsmFile]]) -> None:
    """Load files into a shard."""
    body = b"".join(packed(files))
    assert connection.send("POST", f"/api/v2/restore/shards/{shard}", body=body, timeout=60).passed


def fetch(connection: Connection, shard: int) -> dict[str, bytes]:
    """Return all files of a shard, what was in the cache included."""
    reply = connection.send(
        "GET", f"/api/v2/backup/shards/{shard}", headers={"Accept-Encoding": "identity"}, timeout=60
    )
    assert reply.passed
    return {name: bytes(data) for name, data in unpacked(reply.body).items()}


def write(connection: Connection, bucket: str, trades: pa.Table) -> None:
    """Write trades by line protocol."""
    query = {"org": connection.address.org, "bucket": bucket, "precision": "ns"}
    for lines in trade_lines([trades], 5_000):
        connection.call("POST", "/api/v2/write", doing="write", query=query, body=lines.body)


def delete(connection: Connection, bucket: str, first: int, last: int, symbol: str | None = None) -> None:
    """Delete trades, of one symbol or all, both ends included; whole microseconds."""
    texts = [
        (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=ns // 1_000)).isoformat()
        for ns in (first, last)
    ]
    document = {"start": texts[0], "stop": texts[1], "predicate": '_measurement="trades"'}
    if symbol is not None:
        document["predicate"] += f' AND symbol="{symbol}"'
    query = {"org": connection.address.org, "bucket": bucket}
    connection.call("POST", "/api/v2/delete", doing="delete", query=query, document=document)


def answered(connection: Connection, bucket: str, measurement: str, fields: Sequence[str]) -> Mapping[str, list[Any]]:
    """Return the rows that the server answers with, by tag of the symbol, numbers as texts; Any: rows of texts."""
    names = ", ".join(f'"{name}"' for name in fields)
    text = f'SELECT {names} FROM "{measurement}" GROUP BY "symbol"'  # noqa: S608  -- names that tests make
    query = {"db": bucket, "epoch": "ns", "q": text}
    reply = connection.send("GET", "/query", query=query, headers={"Accept": "application/csv"}, timeout=60)
    assert reply.passed
    rows = [row for row in csv.reader(io.StringIO(reply.body.decode())) if row and row[0] == measurement]
    return {
        tags.removeprefix("symbol="): [row[2:] for row in group] for tags, group in groupby(rows, lambda row: row[1])
    }
