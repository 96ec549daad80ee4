"""The feed: trades that were stored become running bars."""

from __future__ import annotations

import asyncio

import pyarrow as pa
import pytest

from ohlcv_assets.errors import StoreRejectedError
from ohlcv_assets.live.feed import Feed
from ohlcv_assets.market.schema import STORED

pytestmark = pytest.mark.unit


def test_trades_alone_are_taken() -> None:
    """Other tables are refused."""
    feed = Feed()
    asyncio.run(feed.publish(STORED.empty_table()))
    with pytest.raises(StoreRejectedError, match="have the columns"):
        asyncio.run(feed.publish(pa.table({"x": [1]})))
