"""How far back a bucket keeps points.

What belongs here: the rule as the server has it, and refusing what falls outside before anything is written. What does
not: making the rule (``setup``).
"""

from __future__ import annotations

import datetime as dt
import threading
from typing import cast

from ohlcv_assets.errors import StoreAccessError, StoreRejectedError
from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.leasing.labels import seconds_since_boot
from ohlcv_assets.stores.influxdb.lineprotocol.literals import MIN_NS, flux_time
from ohlcv_assets.units import DAY, SECOND, Nanos, day_of

_DAY_SECONDS = DAY // SECOND


class Retention:
    """The retention of one bucket, asked for once.

    Parameters
    ----------
    connection
        The way to the server.
    bucket
        The bucket's name.
    """

    def __init__(self, connection: Connection, bucket: str) -> None:
        self._connection = connection
        self._bucket = bucket
        self._lock = threading.Lock()
        self._rule: tuple[int, float] | None = None

    def require(self, first: int) -> None:
        """Refuse points that the bucket would not keep.

        Parameters
        ----------
        first
            The earliest instant that is to be written, in nanoseconds UTC.

        Raises
        ------
        StoreRejectedError
            It is older than the bucket's retention by the server's clock.
        """
        keeps, oldest = self._oldest()
        if first < oldest:
            raise StoreRejectedError(
                f"The bucket {self._bucket!r} of InfluxDB at {self._connection.address.url} keeps points for "
                f"{keeps / _DAY_SECONDS:g} days, back to {flux_time(oldest)[:19]}Z, so it would not keep those of "
                f"{_named(first)}; nothing was written. Set OHLCV_INFLUX_RETENTION (0 keeps for ever) and run "
                "`ohlcv influx setup`."
            )

    def first_kept_day(self) -> dt.date | None:
        """Return the first day that is kept whole as of now; None where all are kept for ever."""
        keeps, oldest = self._oldest()
        return None if keeps == 0 else day_of(Nanos(oldest + DAY - 1))

    def _oldest(self) -> tuple[int, int]:
        """Return how many seconds the bucket keeps (0 for ever) and the first instant it keeps now."""
        with self._lock:
            if self._rule is None:
                # The server's clock counts, not ours: the difference is noted once.
                keeps = self._ask()
                self._rule = keeps, self._connection.server_time() - seconds_since_boot()
            keeps, ahead = self._rule
        if keeps == 0:
            return 0, MIN_NS
        return keeps, int(ahead + seconds_since_boot() - keeps) * SECOND

    def _ask(self) -> int:
        doing = f"look at the bucket {self._bucket!r}"
        query = {"orgID": self._connection.org_id(), "name": self._bucket}
        found = self._connection.call("GET", "/api/v2/buckets", doing=doing, query=query).document()
        buckets = cast("list[dict[str, list[dict[str, int]]]]", found.get("buckets") or [])
        if not buckets:
            raise StoreAccessError(
                f"InfluxDB at {self._connection.address.url} shows no bucket {self._bucket!r} to this token: run "
                "`ohlcv influx setup`, which makes what is missing."
            )
        rules = buckets[0].get("retentionRules") or [{}]
        return rules[0].get("everySeconds", 0)


def _named(instant: int) -> dt.date:
    return day_of(Nanos(instant))
