"""What settings say of an InfluxDB server: where it is, and which buckets a dataset has.

What belongs here: turning settings into addresses and layouts. What does not: stores, which ``project`` makes of them.
"""

from __future__ import annotations

from typing import Final

from ohlcv_assets.influx_settings import seconds_of
from ohlcv_assets.settings import DEFAULT_DATASET, Settings
from ohlcv_assets.stores.influxdb.connection import CALL_PATIENCE, Address
from ohlcv_assets.stores.influxdb.layout import Layout, layout_of

STANDARD_URL: Final = "http://127.0.0.1:8086"
"""Where a server listens that nobody told otherwise."""


def influx_address(settings: Settings) -> Address:
    """Return where the server is, let in by the token that loads."""
    return Address(
        url=settings.influx_url or STANDARD_URL,
        org=settings.influx_org,
        token=settings.influx_token,
        timeout=settings.influx_timeout,
        # Who gives up on a query early does not want to wait for a server that is away either.
        patience=min(CALL_PATIENCE, settings.influx_query_timeout),
        ca_file=settings.influx_ca_file,
    )


def influx_layout(settings: Settings) -> Layout:
    """Return the buckets of the dataset in force; all but the default one put their name before those of theirs."""
    return layout_of(
        "" if settings.dataset == DEFAULT_DATASET else f"{settings.dataset}_",
        settings.influx_bucket,
        retention=seconds_of(settings.influx_retention),
        shard=seconds_of(settings.influx_shard),
        bar_retention=None if settings.influx_bar_retention is None else seconds_of(settings.influx_bar_retention),
        bar_shard=seconds_of(settings.influx_bar_shard),
    )
