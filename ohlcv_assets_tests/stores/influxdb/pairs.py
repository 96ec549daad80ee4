"""Pairs of stores on an InfluxDB, for the contract suite.

What belongs here: giving one empty pair after the other, quickly. What does not: what the suite asks of them.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from ohlcv_assets.stores.influxdb.bars import InfluxBarStore
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.trades import InfluxTradeStore
from ohlcv_assets.stores.influxdb.writer.plan import LoadPlan
from ohlcv_assets_tests.servers import Server, drop_layout, made_layout
from ohlcv_assets_tests.stores.influxdb.stores import in_bulk, plan, trade_store

InfluxPair = tuple[InfluxTradeStore, InfluxBarStore]


def bar_store(server: Server, layout: Layout, load_plan: LoadPlan) -> InfluxBarStore:
    """Open the bars of a layout; whoever asks closes them."""
    connection = server.connect(None, load_plan.connections, timeout=load_plan.timeout, patience=load_plan.deadline)
    return InfluxBarStore(connection, layout, load_plan, query_timeout=20.0, patience=20.0)


class PairMaker:
    """Gives empty stores on one server, in the same buckets one after the other; a context manager."""

    def __init__(self, server: Server, carrier: str, *, bulk: bool = False) -> None:
        self._server = server
        self._carrier = carrier
        self._bulk = in_bulk(server) if bulk else None
        self._layout: Layout | None = None
        self._pair: InfluxPair | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pair is not None:
            for store in self._pair:
                store.close()
        if self._layout is not None:
            drop_layout(self._server, self._layout)

    def empty_pair(self) -> InfluxPair:
        """Return stores without content: new ones at first, later the same ones, cleared."""
        if self._pair is None:
            self._layout = made_layout(self._server)
            load_plan = plan(self._carrier)
            self._pair = (
                trade_store(self._server, self._layout, load_plan, bulk=self._bulk),
                bar_store(self._server, self._layout, load_plan),
            )
        else:
            self._pair[0].clear()
        return self._pair
