"""Deleting points of a range of time.

What belongs here: the one request that deletes, and repeating it until nothing is left. What does not: the lease that
must be held meanwhile (``leases``), counting what is left.

The stop of a delete is inclusive to the nanosecond, unlike that of a query: a day ends at its last nanosecond, and that
needs all nine digits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from ohlcv_assets.errors import StoreMismatchError
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MAX_NS, MIN_NS, flux_time

DELETE_PAUSES: Final = (0.0, 0.1, 0.5, 2.0, 5.0)
"""Seconds before a delete and its repetitions: points that the server is just moving from memory to a file when it
deletes have been seen to stay."""


def until_gone(
    delete: Callable[[], None], left: Callable[[], int], what: str, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Delete until nothing is left.

    Parameters
    ----------
    delete
        Asks the server to delete.
    left
        Counts what is left.
    what
        What is deleted and where, to follow "of" in an error.

    Raises
    ------
    StoreMismatchError
        Something is still left after several times.
    """
    for pause in DELETE_PAUSES:
        sleep(pause)
        delete()
        still = left()
        if still == 0:
            return
    raise StoreMismatchError(f"{still} of {what} were still there after all of them were deleted: run the same again.")


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
