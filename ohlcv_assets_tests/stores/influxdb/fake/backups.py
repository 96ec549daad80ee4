"""Backup and restore of the fake server: shards as tars of TSM files.

What belongs here: shards, their ids, what a backup tells and what a restore adds. What does not: HTTP, rights.

Points are kept in a bucket's shelf whichever way they came. A backup makes files of them, one for each name that was
restored, all with the same points: that is how the real server answers as far as a reader can tell.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import Any, Final

from ohlcv_assets.errors import StoreError
from ohlcv_assets.stores.influxdb.layout import TRADES_MEASUREMENT
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MAX_NS, MIN_NS, symbol_of
from ohlcv_assets.stores.influxdb.tsm.archives import packed, unpacked
from ohlcv_assets.stores.influxdb.tsm.decoding import TsmReader
from ohlcv_assets.stores.influxdb.tsm.encoding import FilePlan, TsmFile, trade_files
from ohlcv_assets.stores.influxdb.tsm.index import field_key, split_key
from ohlcv_assets.stores.influxdb.tsm.index import series_key as tsm_series
from ohlcv_assets_tests.stores.influxdb.fake.organisation import Bucket, Organisation, RefusedError, not_found
from ohlcv_assets_tests.stores.influxdb.fake.points import SECOND, YEAR_ONE, Point, Shelf, Value, series_key
from ohlcv_assets_tests.stores.made import stored

SNAPSHOT: Final = "000000001-000000001.tsm"
FIELDS: Final = {"price", "amount", "side"}


class Backups:
    """The shards of all buckets.

    Attributes
    ----------
    names
        Names of the files restored into each shard, with seconds since 1970; tests may look.
    """

    def __init__(self, held: Organisation) -> None:
        self.names: dict[int, dict[str, float]] = {}
        self._held = held
        self._ids: dict[tuple[str, int], int] = {}

    def metadata(self, boundary: str) -> bytes:
        """Return a backup of metadata."""
        buckets = [self._manifest(bucket) for bucket in self._held.buckets.values()]
        parts = {"kv": b"\x00bolt\r\n", "sql": b"sqlite", "buckets": json.dumps(buckets).encode()}
        pieces = [
            f'--{boundary}\r\nContent-Disposition: attachment; name="{name}"\r\n\r\n'.encode() + body + b"\r\n"
            for name, body in parts.items()
        ]
        return b"".join([*pieces, f"--{boundary}--\r\n".encode()])

    def _manifest(self, bucket: Bucket) -> dict[str, Any]:  # Any: a JSON document
        span = bucket.shelf.shard * SECOND
        groups = [
            {
                "id": self._id(bucket, index),
                "startTime": _text(YEAR_ONE + index * span),
                "endTime": _text(YEAR_ONE + (index + 1) * span),
                "shards": [{"id": self._id(bucket, index), "shardOwners": []}],
            }
            for index in sorted(bucket.shelf.shards)
        ]
        policy = {"name": "autogen", "shardGroupDuration": span, "shardGroups": groups}
        return {
            "organizationName": self._held.name,
            "bucketName": bucket.document["name"],
            "retentionPolicies": [policy],
        }

    def _id(self, bucket: Bucket, index: int) -> int:
        return self._ids.setdefault((bucket.document["id"], index), len(self._ids) + 1)

    def shard(self, identity: int, since: str | None) -> bytes:
        """Return a tar of a shard's files, or of those restored since.

        Raises
        ------
        RefusedError
            There is no such shard.
        """
        shelf, start, end = self._place(identity)
        file = _file(shelf, start, end)
        names = self.names.get(identity) or {SNAPSHOT: time.time()}
        after = 0.0 if since is None else dt.datetime.fromisoformat(since).timestamp()
        listed = [] if file is None else sorted(name for name, date in names.items() if date > after)
        return b"".join(packed((f"bucket/autogen/{identity}/{name}", file) for name in listed if file is not None))

    def restore(self, identity: int, body: bytes) -> None:
        """Add a tar's files to a shard; what cannot be read is not loaded, and nobody is told.

        Raises
        ------
        RefusedError
            There is no such shard.
        """
        try:
            shelf, _, _ = self._place(identity)
        except RefusedError as error:
            text = "An internal error has occurred - check server logs"
            raise RefusedError(500, "internal error", text) from error
        try:
            for name, data in unpacked(body).items():
                shelf.write(_points(TsmReader(data, name)))
                self.names.setdefault(identity, {})[name] = time.time()
        except StoreError:
            return

    def _place(self, identity: int) -> tuple[Shelf, int, int]:
        for (bucket_id, index), known in self._ids.items():
            bucket = self._held.buckets.get(bucket_id)
            if known == identity and bucket is not None and index in bucket.shelf.shards:
                start = YEAR_ONE + index * bucket.shelf.shard * SECOND
                return bucket.shelf, start, start + bucket.shelf.shard * SECOND
        raise not_found(f"shard {identity} not found")


def _points(reader: TsmReader) -> list[Point]:
    points: list[Point] = []
    for key in reader.keys:
        series, field = split_key(key)
        (found,) = reader.read([key], MIN_NS, MAX_NS + 1)
        for ts, value in zip(found.ts.tolist(), found.values.tolist(), strict=True):
            fields: dict[str, Value] = {str(field): value}
            points.append((series_key(series), fields, ts))
    return points


def _file(shelf: Shelf, start: int, end: int) -> TsmFile | None:
    """Return the whole trades of a shard as one file; None where there are none."""
    rows = [
        (symbol_of(dict(tags)["symbol"]), ts, float(fields["price"]), float(fields["amount"]), int(fields["side"]))
        for (measurement, tags), ts, fields in shelf.points(start, end)
        if measurement == TRADES_MEASUREMENT and fields.keys() >= FIELDS
    ]
    if not rows:
        return None
    rows.sort(key=lambda row: (field_key(tsm_series(TRADES_MEASUREMENT, row[0]), ""), row[1]))
    (file,) = trade_files([stored(rows)], FilePlan())
    return file


def _text(ns: int) -> str:
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=ns // SECOND)).strftime("%Y-%m-%dT%H:%M:%SZ")
