"""Stores on an InfluxDB server as settings describe them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from ohlcv_assets.errors import SettingsError
from ohlcv_assets.influx_stores import influx_plan, influx_stores
from ohlcv_assets.settings import load_settings
from ohlcv_assets.stores.influxdb.bulk.plan import BulkPlan
from ohlcv_assets.stores.influxdb.writer import LoadPlan

pytestmark = pytest.mark.unit
URL = "http://127.0.0.1:1"


@pytest.mark.parametrize(("given", "named"), [({}, "OHLCV_INFLUX_URL"), ({"influx_url": URL}, "OHLCV_INFLUX_TOKEN")])
def test_what_is_not_set_is_named(tmp_path: Path, given: dict[str, str], named: str) -> None:
    """Without an address or a token there are no stores, and the sentence says what to do."""
    settings = load_settings(**{"data_dir": tmp_path, "influx_url": None, "influx_token": None, **given})
    with pytest.raises(SettingsError, match=f"{named} is not set.*`ohlcv influx setup`.*OHLCV_STORE=duckdb"):
        influx_stores(settings)


def test_stores_are_named_by_place_and_ask_nothing(tmp_path: Path) -> None:
    """Nobody listens at the address, and that is no matter yet."""
    settings = load_settings(data_dir=tmp_path, influx_url=URL, influx_token=SecretStr("a token"), dataset="mine")
    trades, bars = influx_stores(settings)
    with closing(trades), closing(bars):
        assert trades.name == f"influxdb:{URL}/mine_trades"


def test_the_plan_is_that_of_the_settings() -> None:
    """Sizes with units become bytes; what nobody set is as a plan has it."""
    assert influx_plan(load_settings(influx_memory="64MB", influx_connections=3, max_rows_per_second=1000)) == LoadPlan(
        memory=64_000_000, connections=3, rows_per_second=1000
    )


def test_days_go_as_is_asked_for(tmp_path: Path) -> None:
    """Whether days are loaded in bulk, and by whose right, is what settings say."""
    operator = SecretStr("an operator's")
    asked = {"data_dir": tmp_path, "influx_url": URL, "influx_token": SecretStr("a token")}
    for given, plan in (
        ({"influx_operator_token": None}, BulkPlan("auto", None)),
        ({"influx_operator_token": operator, "influx_load": "line"}, BulkPlan("line", operator)),
        ({"influx_operator_token": operator, "influx_load": "bulk"}, BulkPlan("bulk", operator)),
    ):
        trades, bars = influx_stores(load_settings(**asked, **given))
        with closing(trades), closing(bars):
            assert trades._bulk == plan
