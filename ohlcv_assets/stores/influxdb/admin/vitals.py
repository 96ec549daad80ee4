"""What a server's ``/metrics`` page says of its storage.

What belongs here: reading the page, sums over shards. What does not: whether they are good (``doctor``).

Names: https://docs.influxdata.com/influxdb/v2/reference/internals/metrics/
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from ohlcv_assets.stores.influxdb.connection import Connection

_PREFIX: Final = "storage_"
_DISK: Final = "storage_shard_disk_size"
_WAL: Final = "storage_wal_size"
_QUEUED: Final = "storage_compactions_queued"
_ACTIVE: Final = "storage_compactions_active"
_FAILED: Final = "storage_compactions_failed"
_DROPPED: Final = "storage_writer_dropped_points_sum"
_CACHE: Final = "storage_cache_inuse_bytes"


@dataclass(frozen=True, slots=True)
class Vitals:
    """The state of a server's storage.

    Attributes
    ----------
    disk_bytes, wal_bytes
        What all shards and their write-ahead logs take.
    cache_bytes
        The fullest cache of one shard.
    queued, active, failed
        Compactions that wait, run, and failed since the server started.
    dropped
        Points refused since the server started.
    engine_path
        Folder of the data on the server's machine; None where it is not told.
    """

    disk_bytes: int
    wal_bytes: int
    cache_bytes: int
    queued: int
    active: int
    failed: int
    dropped: int
    engine_path: Path | None


def read_vitals(connection: Connection) -> Vitals | None:
    """Return the state of the storage; None where the server does not tell."""
    reply = connection.call("GET", "/metrics", doing="tell its metrics", accept=frozenset({401, 403, 404}))
    return vitals_of(reply.body.decode("utf-8", "replace")) if reply.status == HTTPStatus.OK else None


def vitals_of(page: str) -> Vitals:
    """Return what a metrics page says of the storage; what it does not name counts as zero."""
    # The rest of the page is long and of no use here.
    lines = [line for line in page.splitlines() if line.startswith((_PREFIX, f"# TYPE {_PREFIX}"))]
    sums: dict[str, float] = {}
    fullest = 0.0
    engine: Path | None = None
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
            if sample.name == _CACHE:
                fullest = max(fullest, sample.value)
            if sample.name == _DROPPED and "path" in sample.labels:
                engine = Path(sample.labels["path"])

    def total(name: str) -> int:
        # A counter's samples carry _total, whatever the page calls them.
        return int(sums.get(name, sums.get(f"{name}_total", 0.0)))

    return Vitals(
        total(_DISK), total(_WAL), int(fullest), total(_QUEUED), total(_ACTIVE), total(_FAILED), total(_DROPPED), engine
    )
