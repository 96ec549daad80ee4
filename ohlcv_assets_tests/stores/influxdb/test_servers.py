"""The real server that tests find works as they expect."""

from __future__ import annotations

from typing import Any

import pytest

from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets_tests.servers import OwnServer, Server, make_bucket

pytestmark = pytest.mark.integration


def test_a_real_server_answers(real_server: Server) -> None:
    """The server that was found knows the organisation and tells its time."""
    connection = real_server.connect()
    assert connection.org_id()
    assert connection.server_time() > 0
    connection.close()


def test_buckets_are_fresh(real_server: Server, real_layout: Layout) -> None:
    """Every test has buckets of its own, with the shards that the layout says; Any: a JSON document."""
    connection = real_server.connect()
    for bucket in real_layout.buckets:
        found: Any = connection.call("GET", "/api/v2/buckets", doing="look", query={"name": bucket.name}).document()
        (made,) = found["buckets"]
        assert made["retentionRules"][0]["shardGroupDurationSeconds"] == bucket.shard
    connection.close()


def test_a_server_of_ones_own_survives_a_kill(own_server: OwnServer) -> None:
    """What was acknowledged is there after SIGKILL and a restart on the same port; Any: a JSON document."""
    connection = own_server.connect()
    make_bucket(connection, "kept")
    before = own_server.pid
    own_server.restart()
    assert own_server.pid != before
    found: Any = connection.call("GET", "/api/v2/buckets", doing="look", query={"name": "kept"}).document()
    assert len(found["buckets"]) == 1
    connection.close()
