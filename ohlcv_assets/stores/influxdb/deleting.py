"""Deleting points of a range of time.

What belongs here: the one request that deletes. What does not: the lease that must be held meanwhile (``leases``),
proving that nothing is left.

The stop of a delete is inclusive to the nanosecond, unlike that of a query: a day ends at its last nanosecond, and that
needs all nine digits.
"""

from __future__ import annotations

from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.literals import MAX_NS, MIN_NS, flux_time


def delete_range(
    connection: Connection, bucket: str, measurement: str, start: int, end: int, *, doing: str, patience: float
) -> None:
    """Delete the points of a measurement with ``start <= time < end``, repeated while the server is overloaded.

    Parameters
    ----------
    connection
        The way to the server.
    bucket, measurement
        Of the points; the measurement is one of ours, never a user's text.
    start, end
        Nanoseconds UTC.
    doing
        What it is for, to follow "could not" in an error.
    patience
        Seconds to wait for one answer, and to repeat; a delete walks over every shard of the bucket.

    Raises
    ------
    StoreAccessError, StoreRejectedError, StoreUnavailableError
        Nothing, some or all of them are deleted; the same may be asked again.
    """
    first, last = max(start, MIN_NS), min(end - 1, MAX_NS)
    if first > last:
        return
    document = {
        "start": flux_time(first),
        "stop": flux_time(last),
        "predicate": f'_measurement="{measurement}"',
    }
    connection.call(
        "POST",
        "/api/v2/delete",
        doing=doing,
        query={"org": connection.address.org, "bucket": bucket},
        document=document,
        timeout=max(patience, connection.address.timeout),
        patience=patience,
    )
