"""What the metrics page says of the storage."""

from __future__ import annotations

from pathlib import Path

import pytest

from ohlcv_assets.stores.influxdb.admin.vitals import read_vitals, vitals_of
from ohlcv_assets_tests.servers import Server

PAGE = """\
# HELP go_goroutines Number of goroutines that currently exist.
# TYPE go_goroutines gauge
go_goroutines 33
# TYPE storage_cache_inuse_bytes gauge
storage_cache_inuse_bytes{bucket="a",id="1"} 100
storage_cache_inuse_bytes{bucket="a",id="2"} 700
# TYPE storage_compactions_active gauge
storage_compactions_active{level="1"} 1
# TYPE storage_compactions_failed counter
storage_compactions_failed{level="1"} 2
# TYPE storage_compactions_queued gauge
storage_compactions_queued{level="1"} 3
storage_compactions_queued{level="2"} 4
# TYPE storage_shard_disk_size gauge
storage_shard_disk_size{id="1"} 1000
storage_shard_disk_size{id="2"} 2000
# TYPE storage_wal_size gauge
storage_wal_size{id="1"} 50
# TYPE storage_writer_dropped_points histogram
storage_writer_dropped_points_bucket{path="/data/engine",le="+Inf"} 1
storage_writer_dropped_points_sum{path="/data/engine"} 9
storage_writer_dropped_points_count{path="/data/engine"} 1
"""


@pytest.mark.unit
def test_a_page_is_summed() -> None:
    """Shards are added up, the fullest cache is found, and the folder of the data is told."""
    found = vitals_of(PAGE)
    assert (found.disk_bytes, found.wal_bytes, found.cache_bytes) == (3000, 50, 700)
    assert (found.queued, found.active, found.failed, found.dropped) == (7, 1, 2, 9)
    assert found.engine_path == Path("/data/engine")


@pytest.mark.unit
def test_what_is_not_named_counts_as_zero() -> None:
    """A server that has nothing yet names few figures."""
    found = vitals_of("# TYPE storage_writer_dropped_points histogram\nstorage_writer_dropped_points_sum 0\n")
    assert (found.disk_bytes, found.queued, found.dropped, found.engine_path) == (0, 0, 0, None)


@pytest.mark.integration
def test_a_server_tells(any_server: Server) -> None:
    """The page of a server can be read without a token."""
    found = read_vitals(any_server.connect())
    assert found is not None
    assert found.disk_bytes >= 0
