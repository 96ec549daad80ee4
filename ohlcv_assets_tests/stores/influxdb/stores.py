"""Stores on an InfluxDB for tests: with buckets of their own, and closed when the test ends.

What belongs here: making stores, and looking at everything they hold. What does not: servers (``servers``), fixtures.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, cast

import pyarrow as pa
from pydantic import SecretStr

from ohlcv_assets.market.schema import STORED
from ohlcv_assets.stores.base import TradeStore
from ohlcv_assets.stores.influxdb.bulk.plan import BulkPlan, Wish
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.stores.influxdb.writer.plan import CarrierName, LoadPlan
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.made import ALL_TIME, Row, rows_of

GRACE: Final = 0.5
"""Seconds after which a lease is taken whose holder is dead."""


def plan(carrier: str = "native", **changes: Any) -> LoadPlan:
    """Return a plan with little patience and small batches; Any: fields of LoadPlan."""
    figures: dict[str, Any] = {"batch_lines": 500, "timeout": 5.0, "deadline": 20.0, **changes}
    return LoadPlan(carrier=cast("CarrierName", carrier), **figures)


def trade_store(
    server: Server,
    layout: Layout,
    load_plan: LoadPlan,
    token: str | None = None,
    patience: float = 20.0,
    bulk: BulkPlan | None = None,
) -> InfluxTradeStore:
    """Open the trades of a layout, with leases that are left alone for less long; whoever asks closes them."""
    connection = server.connect(token, load_plan.connections, timeout=load_plan.timeout, patience=load_plan.deadline)
    return impatient(InfluxTradeStore(connection, layout, load_plan, query_timeout=20.0, patience=patience, bulk=bulk))


def in_bulk(server: Server, wish: Wish = "bulk") -> BulkPlan:
    """Return the wish to load in bulk, with the right to."""
    return BulkPlan(wish, SecretStr(server.operator_token))


def impatient(store: InfluxTradeStore) -> InfluxTradeStore:
    """Let a store wait less long until it takes the leases of the dead: their requests end sooner here."""
    store._leases.terms = replace(store._leases.terms, grace=GRACE)
    store._closings._leases.terms = store._steady._watch._terms = store._leases.terms
    return store


def held(store: TradeStore) -> list[Row]:
    """Return everything a store holds."""
    return rows_of(pa.Table.from_batches(list(store.scan(*ALL_TIME)), STORED))
