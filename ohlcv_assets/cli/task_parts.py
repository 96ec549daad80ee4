"""What the commands about tasks share: which resolutions are meant, the way to the server, the heading of documents.

What belongs here: the options and the refusals that all of them have. What does not: any particular command.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from ohlcv_assets.settings import Settings
    from ohlcv_assets.stores.influxdb.connection import Connection

_BRISK: Final = 10.0
"""Seconds until a call without an answer is given up."""

Resolutions = Annotated[
    list[str] | None, typer.Option("--resolution", "-r", help="Only the tasks of these: 1m, 5m, 15m, 1h or 1d.")
]


def require_influxdb(settings: Settings) -> None:
    """Refuse a store that has no tasks.

    Raises
    ------
    SettingsError
        The store in force is another.
    """
    from ohlcv_assets.errors import SettingsError

    if settings.store_in_force != "influxdb":
        raise SettingsError(
            f"Tasks are InfluxDB's, and the store in force is {settings.store_in_force}: set OHLCV_STORE=influxdb; "
            "`ohlcv influx setup` makes a server ready."
        )


@contextmanager
def tasks_connection(settings: Settings) -> Iterator[Connection]:
    """Give a connection with the token for tasks.

    Raises
    ------
    SettingsError
        The store in force is another, or there is no such token.
    """
    from dataclasses import replace

    from ohlcv_assets.errors import SettingsError
    from ohlcv_assets.influx_parts import influx_address
    from ohlcv_assets.stores.influxdb.connection import Connection

    require_influxdb(settings)
    if settings.influx_tasks_token is None:
        raise SettingsError(
            "OHLCV_INFLUX_TASKS_TOKEN, the token that may make tasks, is not set: `ohlcv influx setup` makes it."
        )
    # Whoever holds a label needs one connection to renew it by.
    connection = Connection(
        replace(influx_address(settings), token=settings.influx_tasks_token, timeout=_BRISK), size=2
    )
    try:
        yield connection
    finally:
        connection.close()


def heading(settings: Settings) -> dict[str, object]:
    """Return what every document begins with."""
    from ohlcv_assets.influx_parts import influx_address

    return {"url": influx_address(settings).url, "org": settings.influx_org, "dataset": settings.dataset}
