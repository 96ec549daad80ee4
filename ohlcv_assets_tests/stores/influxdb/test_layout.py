"""Buckets have the names, retention and shards that settings say."""

from __future__ import annotations

import pytest

from ohlcv_assets.bars.resolutions import STORED_RESOLUTIONS
from ohlcv_assets.stores.influxdb.layout import Bucket, layout_of

pytestmark = pytest.mark.unit


def test_the_default_dataset_has_plain_names() -> None:
    """Without a prefix names are as the settings have them, one bucket of bars for every stored resolution."""
    layout = layout_of("", "trades", retention=100, shard=10, bar_retention=0, bar_shard=20)
    assert layout.trades == Bucket("trades", 100, 10)
    assert {name: bucket.name for name, bucket in layout.bars.items()} == {
        resolution.name: f"ohlcv_{resolution.name}" for resolution in STORED_RESOLUTIONS
    }
    assert set(layout.bars.values()) == {Bucket(f"ohlcv_{each.name}", 0, 20) for each in STORED_RESOLUTIONS}
    assert layout.status.retention == 0


def test_bars_are_kept_as_defined_where_nothing_else_is_said() -> None:
    """Without a retention of bars each bucket has that of its resolution's definition; one that is given is for all."""
    defined = layout_of("", "trades", retention=100, shard=10, bar_retention=None, bar_shard=20)
    assert {name: bucket.retention for name, bucket in defined.bars.items()} == {
        resolution.name: resolution.kept.retention for resolution in STORED_RESOLUTIONS
    }
    given = layout_of("", "trades", retention=100, shard=10, bar_retention=7, bar_shard=20)
    assert {bucket.retention for bucket in given.bars.values()} == {7}


def test_other_datasets_share_only_the_bucket_of_records() -> None:
    """A prefix goes before every name but that of the records."""
    plain, btc = (
        layout_of(prefix, "trades", retention=0, shard=10, bar_retention=0, bar_shard=20) for prefix in ("", "btc_")
    )
    assert btc.trades.name == "btc_trades"
    assert btc.status == plain.status
    shared = {bucket.name for bucket in plain.buckets} & {bucket.name for bucket in btc.buckets}
    assert shared == {plain.status.name}
    assert len(plain.buckets) == len(STORED_RESOLUTIONS) + 2
