"""What the stores of trades and of bars on one server are both made of.

What belongs here: connections, writer, leases, and closing them. What does not: trades (``trades``), bars (``bars``).
"""

from __future__ import annotations

from typing import ClassVar, Final

from ohlcv_assets.stores.influxdb.connection import Connection
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets.stores.influxdb.leasing.closings import Closings
from ohlcv_assets.stores.influxdb.leasing.holders import Terms
from ohlcv_assets.stores.influxdb.leasing.lease import DayLease
from ohlcv_assets.stores.influxdb.leasing.leases import Leases
from ohlcv_assets.stores.influxdb.reads.asking import Asker
from ohlcv_assets.stores.influxdb.reads.steady import Steady
from ohlcv_assets.stores.influxdb.writer.plan import LoadPlan
from ohlcv_assets.stores.influxdb.writer.story import WriteStory
from ohlcv_assets.stores.influxdb.writer.writer import Writer

_LEASE_CONNECTIONS: Final = 2
"""One for whoever takes leases and one for whoever renews them; those of a load may all be busy."""


class InfluxStore:
    """A store in buckets of an InfluxDB server.

    Parameters
    ----------
    connection
        The way to the server.
    layout
        The buckets.
    plan
        How points are sent.
    query_timeout
        Seconds until a query is split into smaller ones.
    patience
        Seconds to wait for a day that somebody else holds.
    """

    _SCOPE: ClassVar[str] = ""
    """What follows the name of the bucket of trades in the scope of its leases."""

    def __init__(
        self, connection: Connection, layout: Layout, plan: LoadPlan, *, query_timeout: float, patience: float
    ) -> None:
        self._connection = connection
        self._layout = layout
        self._plan = plan
        self._query_timeout = query_timeout
        self._writer = Writer(connection, plan, status=layout.status.name)
        self._asker = Asker(connection, query_timeout)
        self._apart = Connection(connection.address, _LEASE_CONNECTIONS)
        terms = Terms(patience=patience)
        self._leases = Leases(self._apart, layout.trades.name + self._SCOPE, terms)
        # Trades are loaded by restores, bars are not.
        self._closings = Closings(Leases(self._apart, layout.trades.name, terms))
        self._steady = Steady(self._closings)

    def close(self) -> None:
        """Close all connections."""
        self._writer.close()
        self._apart.close()
        self._connection.close()

    @staticmethod
    def note_answers(lease: DayLease, story: WriteStory) -> None:
        """Let others wait after a write some of whose requests were sent again: the first of them may still arrive."""
        if story.retries > 0:
            lease.unanswered()
