"""Buckets compared with the settings, and all of them found however many there are."""

from __future__ import annotations

import pytest

from ohlcv_assets.stores.influxdb.admin.administration import Administration
from ohlcv_assets.stores.influxdb.admin.buckets import difference, shortens, span
from ohlcv_assets.stores.influxdb.layout import Bucket
from ohlcv_assets_tests.stores.influxdb.fake.server import Fake

DAY = 86_400


@pytest.mark.unit
@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (7 * DAY, "7d"),
        (364 * DAY, "364d"),
        (366 * DAY, "1y"),
        (371 * DAY, "53w"),
        (400 * DAY, "400d"),
        (3660 * DAY, "10y"),
        (3_600, "1h"),
        (90, "90s"),
    ],
)
def test_spans(seconds: int, text: str) -> None:
    """Seconds are said in the largest unit that fits."""
    assert span(seconds) == text


@pytest.mark.unit
def test_differences() -> None:
    """Retention and shards are compared; a shorter retention deletes."""
    wanted = Bucket("trades", 10 * DAY, DAY)
    assert difference(wanted, wanted) is None
    assert difference(wanted, Bucket("trades", 0, DAY)) == "keeps points for ever, the settings say for 10d"
    assert shortens(wanted, Bucket("trades", 0, DAY))
    assert shortens(wanted, Bucket("trades", 20 * DAY, DAY))
    assert not shortens(wanted, Bucket("trades", 5 * DAY, DAY))
    assert not shortens(Bucket("trades", 0, DAY), wanted)


@pytest.mark.integration
def test_all_buckets_are_found(fake_server: Fake) -> None:
    """A list of buckets comes in pages."""
    admin = Administration(fake_server.connect())
    for number in range(130):
        admin.make_bucket(Bucket(f"b{number}", 0, DAY), "")
    assert {f"b{number}" for number in range(130)} <= set(admin.places())
