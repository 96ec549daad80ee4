"""Servers that nobody has set up yet, and what a set-up keeps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from ohlcv_assets.stores.influxdb.admin.rights import Role
from ohlcv_assets.stores.influxdb.admin.setup import OPERATOR, Order
from ohlcv_assets.stores.influxdb.admin.tokens import VARIABLES
from ohlcv_assets.stores.influxdb.connection import Address
from ohlcv_assets.stores.influxdb.layout import Layout, layout_of
from ohlcv_assets_tests.servers import ORG, OwnServer
from ohlcv_assets_tests.stores.influxdb.fake.server import FakeServer

DAY = 86_400
YEARS = 10 * 366 * DAY


@contextmanager
def fresh_fake() -> Iterator[FakeServer]:
    """Run a fake server that waits for its first set-up."""
    with FakeServer() as server:
        yield server


def made_fresh(server: OwnServer) -> None:
    """Take from a server of our own all that it has, so that it waits for its first set-up again."""
    server.kill()
    for name in ("bolt", "sqlite"):
        (server.folder / name).unlink()
    shutil.rmtree(server.folder / "engine")
    server.start()


def layout(dataset: str = "default", retention: int = YEARS, shard: int = 7 * DAY) -> Layout:
    """Return the buckets of a dataset."""
    prefix = "" if dataset == "default" else f"{dataset}_"
    return layout_of(prefix, "trades", retention=retention, shard=shard, bar_retention=0, bar_shard=30 * DAY)


class Kept:
    """What a set-up keeps, in place of ``.env``."""

    def __init__(self) -> None:
        self.values: dict[str, SecretStr] = {}

    def __call__(self, made: Mapping[str, SecretStr]) -> None:
        """Keep."""
        self.values.update(made)

    @property
    def tokens(self) -> dict[Role, SecretStr]:
        """The tokens, by role."""
        return {role: self.values[name] for role, name in VARIABLES.items() if name in self.values}

    def order(self, url: str, dataset: str = "default", **changes: Any) -> Order:
        """Return an order with what is kept; Any: fields of Order."""
        given = {
            "address": Address(url, ORG, timeout=10, patience=2),
            "layout": layout(dataset),
            "dataset": dataset,
            "operator": self.values.get(OPERATOR),
            "tokens": self.tokens,
        }
        return Order(**{**given, **changes})
