"""A write, a read and a delete that prove a server does all three.

What belongs here: one point in the bucket of records, in a measurement of its own. What does not: judging
(``doctor``).
"""

from __future__ import annotations

import secrets
import time
from typing import Final

from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.lineprotocol.literals import flux_string, flux_time

MEASUREMENT: Final = "canary"
_SECOND: Final = 10**9


def fly(connection: Connection, bucket: str) -> float:
    """Write a point, read it back, delete it and see that it is gone; return the seconds it took.

    Raises
    ------
    StoreError
        One of them did not work; the text says which.
    """
    begun = time.perf_counter()
    instant = int(connection.server_time()) * _SECOND + secrets.randbelow(_SECOND)
    value = secrets.randbelow(2**62)
    _write(connection, bucket, instant, value)
    if str(value) not in _read(connection, bucket, instant):
        raise StoreMismatchError(f"InfluxDB at {connection.address.url} did not give back what was just written.")
    _delete(connection, bucket, instant)
    if str(value) in _read(connection, bucket, instant):
        raise StoreMismatchError(f"InfluxDB at {connection.address.url} still holds what was just deleted.")
    return time.perf_counter() - begun


def _write(connection: Connection, bucket: str, instant: int, value: int) -> None:
    query = {"org": connection.address.org, "bucket": bucket, "precision": "ns"}
    body = f"{MEASUREMENT} value={value}i {instant}".encode()
    connection.call("POST", "/api/v2/write", doing="write a canary", query=query, body=body)


def _read(connection: Connection, bucket: str, instant: int) -> str:
    flux = (
        f"from(bucket: {flux_string(bucket)}) |> range(start: {flux_time(instant)}, stop: {flux_time(instant + 1)})"
        f' |> filter(fn: (r) => r._measurement == "{MEASUREMENT}") |> keep(columns: ["_time", "_value"])'
    )
    query = {"org": connection.address.org}
    document = {"query": flux, "type": "flux"}
    reply = connection.call("POST", "/api/v2/query", doing="read a canary", query=query, document=document)
    return reply.body.decode("utf-8", "replace")


def _delete(connection: Connection, bucket: str, instant: int) -> None:
    query = {"org": connection.address.org, "bucket": bucket}
    text = flux_time(instant)
    document = {"start": text, "stop": text, "predicate": f'_measurement="{MEASUREMENT}"'}
    connection.call("POST", "/api/v2/delete", doing="delete a canary", query=query, document=document)
